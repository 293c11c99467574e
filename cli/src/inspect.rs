//! `transcribe inspect FILE`: what a stream holds, for people or as one JSON object.

use std::io::{self, Read};

use anyhow::Context;
use bytes::BytesMut;
use engine::audio::Source;
use engine::inspect::{FragmentInfo, GapInfo, Inspection, Inspector, TrackInfo};

use crate::args::InspectArgs;
use crate::console::Console;
use crate::failure::Failure;
use crate::transcribe::open;

/// Size of one read.
const READ_BYTES: usize = 256 << 10;
/// Fragments, gaps and errors shown to people; programs get all.
const SHOWN: usize = 40;

pub(crate) fn run(args: &InspectArgs, console: &mut Console) -> Result<(), Failure> {
    let name = args.file.display().to_string();
    let (source, length) = open(&args.file, console)?;
    let mut reader: Box<dyn Read> = match source {
        Source::File(file) => Box::new(file),
        Source::Stream(stream) => stream,
    };
    let mut view =
        if args.json { View::Json { any: false } } else { View::Text { shown: Vec::new(), more: 0 } };
    let mut inspector = Inspector::new();
    let mut total = 0_u64;
    console.start_bar(length, "reading");
    loop {
        let mut buffer = BytesMut::zeroed(READ_BYTES);
        let read = match reader.read(&mut buffer) {
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::TimedOut) => {
                continue;
            }
            other => other.with_context(|| format!("cannot read {name}"))?,
        };
        if read == 0 {
            break;
        }
        total += read as u64;
        buffer.truncate(read);
        inspector.feed(buffer.freeze());
        view.fragments(inspector.take_fragments(), console)?;
        console.set_bar(total, String::new);
    }
    console.end_bar();
    if total == 0 {
        return Err(Failure::job(format!("{name} is empty: there is nothing to inspect")));
    }
    let mut found = inspector.finish();
    if found.documents == 0 {
        let why = found.errors.first().cloned().unwrap_or_default();
        return Err(Failure::job(format!("{name} holds no Matroska: {why}")));
    }
    view.fragments(std::mem::take(&mut found.fragments), console)?;
    view.finish(&found, console)?;
    if let Some(at) = found.truncated_at {
        console.warning(&format!("{name} is cut short: it ends inside the element at byte {at}"));
    }
    Ok(())
}

/// Where fragments go as they are found, so that a long stream's need not be kept.
enum View {
    /// One object, its list of fragments written first and bit by bit.
    Json { any: bool },
    /// The first fragments are shown, the others counted.
    Text { shown: Vec<FragmentInfo>, more: usize },
}

impl View {
    fn fragments(&mut self, fragments: Vec<FragmentInfo>, console: &mut Console) -> Result<(), Failure> {
        match self {
            Self::Json { any } => {
                let mut text = Vec::new();
                for fragment in fragments {
                    let before: &[u8] = if std::mem::replace(any, true) {
                        b",\n    "
                    } else {
                        b"{\n  \"fragments\": [\n    "
                    };
                    text.extend_from_slice(before);
                    serde_json::to_writer(&mut text, &fragment).context("cannot write JSON")?;
                }
                if !text.is_empty() {
                    console.print(&text).context("cannot write the result")?;
                }
            }
            Self::Text { shown, more } => {
                for fragment in fragments {
                    if shown.len() < SHOWN {
                        shown.push(fragment);
                    } else {
                        *more += 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(self, found: &Inspection, console: &mut Console) -> Result<(), Failure> {
        let text = match self {
            Self::Json { any } => rest_of_json(found, any).context("cannot write JSON")?,
            Self::Text { shown, more } => describe(found, &shown, more),
        };
        console.print(text.as_bytes()).context("cannot write the result")?;
        Ok(())
    }
}

/// What follows on the list of fragments.
fn rest_of_json(found: &Inspection, any: bool) -> serde_json::Result<String> {
    let mut text = String::from(if any { "\n  ]" } else { "{\n  \"fragments\": []" });
    if let serde_json::Value::Object(rest) = serde_json::to_value(found)? {
        for (key, value) in rest.iter().filter(|(key, _)| *key != "fragments") {
            text.push_str(&format!(",\n  \"{key}\": {}", serde_json::to_string(value)?));
        }
    }
    text.push_str("\n}\n");
    Ok(text)
}

/// The same for people.
fn describe(found: &Inspection, fragments: &[FragmentInfo], more: usize) -> String {
    let mut lines = vec![format!(
        "{} documents, {} frames, {} payload bytes",
        found.documents, found.frames, found.payload_bytes
    )];
    for track in &found.tracks {
        lines.extend(track_lines(track));
    }
    lines.extend(found.contacts.iter().map(|contact| format!("contact {contact}")));
    if fragments.iter().any(|f| f.number.is_some()) {
        lines.push("fragments:".to_owned());
        lines.extend(fragments.iter().map(fragment_line));
        if more > 0 {
            lines.push(format!("  … and {more} more (--json lists all)"));
        }
    }
    if let Some(first) = fragments.iter().find(|f| !f.tags.is_empty()) {
        lines.push("tags of the first document that has any:".to_owned());
        lines.extend(first.tags.iter().map(|(name, value)| format!("  {name} = {value}")));
    }
    lines.extend(few(&found.gaps, gap_line));
    lines.extend(few(&found.errors, |error| format!("error: {error}")));
    lines.join("\n") + "\n"
}

fn few<T>(list: &[T], line: impl Fn(&T) -> String) -> Vec<String> {
    let mut lines: Vec<String> = list.iter().take(SHOWN).map(line).collect();
    if list.len() > SHOWN {
        lines.push(format!("… and {} more like this (--json lists all)", list.len() - SHOWN));
    }
    lines
}

fn track_lines(track: &TrackInfo) -> Vec<String> {
    let name = track.name.as_deref().unwrap_or("-");
    let mut lines = vec![format!(
        "track {}  {:<8} {name}  {}  {} frames, {} bytes  ({})",
        track.number, track.kind, track.format, track.frames, track.payload_bytes, track.codec_id
    )];
    let level = track.level.map(|l| format!("level {} dBFS, peak {} dBFS", l.rms_dbfs, l.peak_dbfs));
    let jitter = track.jitter.map(|j| format!("jitter {} ms, at most {} ms", j.mean_ms, j.max_ms));
    let about: Vec<String> = level.into_iter().chain(jitter).collect();
    if !about.is_empty() {
        lines.push(format!("         {}", about.join("; ")));
    }
    lines
}

fn fragment_line(fragment: &FragmentInfo) -> String {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let tracks: Vec<String> = fragment.tracks.iter().map(|t| format!("{}×{}", t.number, t.frames)).collect();
    format!(
        "  {}  {}  {:>4} frames ({}) {:>7} bytes  {}{}",
        or_dash(&fragment.number),
        or_dash(&fragment.producer_timestamp),
        fragment.frames,
        tracks.join(" "),
        fragment.bytes,
        or_dash(&fragment.contact_id),
        if fragment.contact_inherited { " (inherited)" } else { "" }
    )
}

fn gap_line(gap: &GapInfo) -> String {
    match gap {
        GapInfo::Missing { from_ms, to_ms } => {
            format!("gap: {} ms without audio from {from_ms}", to_ms - from_ms)
        }
        GapInfo::Damaged { from_byte, to_byte } => format!("gap: bytes {from_byte} to {to_byte} are damaged"),
        _ => "gap".to_owned(),
    }
}
