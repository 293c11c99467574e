//! `transcribe inspect FILE`: what a stream holds.

use std::fmt::Write as _;
use std::io::Read;

use anyhow::Context;
use bytes::BytesMut;
use engine::audio::Source;
use engine::inspect::{GapInfo, Inspection, Inspector};

use crate::args::InspectArgs;
use crate::console::Console;
use crate::failure::Failure;
use crate::transcribe::open;

/// Size of one read.
const READ_BYTES: usize = 256 << 10;
/// Fragments shown to people; programs get all.
const SHOWN: usize = 40;

pub(crate) fn run(args: &InspectArgs, console: &mut Console) -> Result<(), Failure> {
    let name = args.file.display().to_string();
    let (source, length) = open(&args.file, console)?;
    let mut reader: Box<dyn Read> = match source {
        Source::File(file) => Box::new(file),
        Source::Stream(stream) => stream,
    };
    console.start_bar(length, "reading");
    let mut inspector = Inspector::new();
    let mut total = 0_u64;
    loop {
        let mut buffer = BytesMut::zeroed(READ_BYTES);
        let read = match reader.read(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other.with_context(|| format!("cannot read {name}"))?,
        };
        if read == 0 {
            break;
        }
        total += read as u64;
        buffer.truncate(read);
        inspector.feed(buffer.freeze());
        console.set_bar(total, String::new);
    }
    console.end_bar();
    if total == 0 {
        return Err(Failure::job(format!("{name} is empty: there is nothing to inspect")));
    }
    let found = inspector.finish();
    let text = if args.json {
        serde_json::to_string_pretty(&found).map(|json| json + "\n").context("cannot write JSON")?
    } else {
        describe(&found)
    };
    console.print(text.as_bytes()).context("cannot write the result")?;
    if found.documents == 0 {
        let why = found.errors.first().cloned().unwrap_or_default();
        return Err(Failure::job(format!("{name} holds no Matroska: {why}")));
    }
    if let Some(at) = found.truncated_at {
        console.warning(&format!("{name} is cut short: it ends inside the element at byte {at}"));
    }
    Ok(())
}

/// The same for people.
fn describe(found: &Inspection) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{} documents, {} frames, {} payload bytes",
        found.documents, found.frames, found.payload_bytes
    );
    for track in &found.tracks {
        let name = track.name.as_deref().unwrap_or("-");
        let _ = writeln!(
            text,
            "track {}  {:<8} {name}  {}  {} frames, {} bytes  ({})",
            track.number, track.kind, track.format, track.frames, track.payload_bytes, track.codec_id
        );
    }
    for contact in &found.contacts {
        let _ = writeln!(text, "contact {contact}");
    }
    if found.fragments.iter().any(|f| f.number.is_some()) {
        let _ = writeln!(text, "fragments:");
        for fragment in found.fragments.iter().take(SHOWN) {
            let contact = fragment.contact_id.as_deref().unwrap_or("-");
            let inherited = if fragment.contact_inherited { " (inherited)" } else { "" };
            let _ = writeln!(
                text,
                "  {}  {}  {:>4} frames {:>7} bytes  {contact}{inherited}",
                fragment.number.as_deref().unwrap_or("-"),
                fragment.producer_timestamp.as_deref().unwrap_or("-"),
                fragment.frames,
                fragment.bytes
            );
        }
        if found.fragments.len() > SHOWN {
            let _ = writeln!(text, "  … and {} more (--json lists all)", found.fragments.len() - SHOWN);
        }
    }
    for gap in &found.gaps {
        let _ = match gap {
            GapInfo::Missing { from_ms, to_ms } => {
                writeln!(text, "gap: {} ms without audio from {from_ms}", to_ms - from_ms)
            }
            GapInfo::Damaged { from_byte, to_byte } => {
                writeln!(text, "gap: bytes {from_byte} to {to_byte} are damaged")
            }
            _ => Ok(()),
        };
    }
    for error in &found.errors {
        let _ = writeln!(text, "error: {error}");
    }
    text
}
