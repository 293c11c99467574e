//! What a Matroska stream holds, without transcribing it.
//!
//! Feeds the same demuxer and reads the same tags as the call, so that what it shows is what the call sees.
//! It knows no audio beyond its format and times.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mkv_demux::{Demuxer, ErrorKind, Event, Frame, Track, TrackKind};
use serde::Serialize;

use crate::call::format::Formats;
use crate::call::fragment::Tags;
use crate::time::{Span, Time};

/// Everything found. Offsets are bytes from the start of the stream; field names are camelCase in JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Inspection {
    /// EBML documents. A GetMedia stream has one for each fragment.
    pub documents: u64,
    /// One entry for each document.
    pub fragments: Vec<FragmentInfo>,
    /// Distinct tracks, in order of appearance.
    pub tracks: Vec<TrackInfo>,
    /// Frames of all tracks; each frame of a laced block counts.
    pub frames: u64,
    /// Bytes of all frames.
    pub payload_bytes: u64,
    /// Contacts that tags name, in order of appearance.
    pub contacts: Vec<String>,
    /// Missing or damaged media.
    pub gaps: Vec<GapInfo>,
    /// Offset of the element inside which the stream ends; absent if it ends properly.
    pub truncated_at: Option<u64>,
    /// What is wrong, one sentence each.
    pub errors: Vec<String>,
}

/// One document.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FragmentInfo {
    /// `AWS_KINESISVIDEO_FRAGMENT_NUMBER`, 44 to 47 digits.
    pub number: Option<String>,
    /// The contact: of its own tags, else of an earlier document with the same SegmentUUID.
    pub contact_id: Option<String>,
    /// The contact was inferred, the document itself names none.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub contact_inherited: bool,
    /// `AWS_KINESISVIDEO_PRODUCER_TIMESTAMP` as it is written: decimal seconds since the epoch.
    pub producer_timestamp: Option<String>,
    /// Time of the first frame, epoch ms for Connect streams, else from the document's start.
    pub start_ms: Option<i64>,
    /// Frames of all tracks.
    pub frames: u64,
    /// Bytes of these frames.
    pub bytes: u64,
    /// Offset of the document.
    pub offset: u64,
}

/// One track.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TrackInfo {
    /// `TrackNumber`.
    pub number: u64,
    /// `Name`.
    pub name: Option<String>,
    /// `audio`, `video`, `subtitle`, …
    pub kind: &'static str,
    /// `CodecID`, which Connect gets wrong.
    pub codec_id: String,
    /// What the frames really are, as far as it can be told.
    pub format: String,
    /// Frames of the track.
    pub frames: u64,
    /// Bytes of these frames.
    pub payload_bytes: u64,
}

/// Missing or damaged media.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum GapInfo {
    /// No frame of any PCM track covers this time.
    Missing {
        /// Start, ms, in the stream's own time.
        from_ms: i64,
        /// End, ms.
        to_ms: i64,
    },
    /// Bytes that are no elements.
    Damaged {
        /// First of them.
        from_byte: u64,
        /// Behind the last of them.
        to_byte: u64,
    },
}

/// Reads a stream push by push; [`Inspector::finish`] gives what was found.
#[derive(Debug, Default)]
pub struct Inspector {
    demuxer: Demuxer,
    found: Inspection,
    formats: Formats,
    by_segment: BTreeMap<[u8; 16], String>,
    /// The contacts found, for a quick look-up.
    contacts: BTreeSet<String>,
    open: Option<Document>,
    /// Tracks have come that are not listed.
    tracks_lost: bool,
    /// Where PCM audio is covered up to, and of which contact.
    covered: Option<(Option<String>, Time)>,
}

#[derive(Debug, Default)]
struct Document {
    info: FragmentInfo,
    tags: Tags,
    segment: Option<[u8; 16]>,
    tracks: Vec<Track>,
    /// (track, start, bytes) of the frames of audio tracks.
    audio: Vec<(u64, Time, usize)>,
    /// The last of `audio` is the block that frames of a lace now belong to.
    lace_kept: bool,
}

/// A hole shorter than this is jitter.
const GAP_FROM: Span = Span::from_ms(10);
/// Frames of one document looked at for holes; all of a plain file's are in one.
const MAX_FRAMES: usize = 100_000;
/// Entries kept per list, so that a hostile stream cannot fill the memory.
const MAX_ENTRIES: usize = 1_000_000;
/// Distinct tracks listed. Each track of each document is looked for among them.
const MAX_TRACKS: usize = 1_000;
/// Distinct contacts listed, and segments remembered.
const MAX_CONTACTS: usize = 10_000;

impl Inspector {
    /// An inspector that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: Bytes) {
        self.demuxer.feed(bytes);
        self.drain();
    }

    /// Ends the stream and says what it held.
    #[must_use]
    pub fn finish(mut self) -> Inspection {
        self.demuxer.finish();
        self.drain();
        self.end_document();
        self.found
    }

    fn drain(&mut self) {
        loop {
            match self.demuxer.poll() {
                Ok(Some(event)) => self.take(event),
                Ok(None) => return,
                Err(error) => {
                    if matches!(error.kind, ErrorKind::Truncated { .. }) {
                        self.found.truncated_at = Some(error.offset);
                    }
                    self.error(error.to_string());
                }
            }
        }
    }

    fn error(&mut self, what: String) {
        if self.found.errors.len() < MAX_ENTRIES {
            self.found.errors.push(what);
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Document(document) => {
                self.end_document();
                self.found.documents += 1;
                let info = FragmentInfo { offset: document.offset, ..FragmentInfo::default() };
                self.open = Some(Document { info, ..Document::default() });
            }
            Event::DocumentEnd { .. } => self.end_document(),
            Event::Gap(gap) => {
                if self.found.gaps.len() < MAX_ENTRIES {
                    self.found.gaps.push(GapInfo::Damaged { from_byte: gap.from, to_byte: gap.to });
                }
                self.error(gap.error.to_string());
            }
            Event::Frame(frame) => self.frame(&frame),
            other => self.describe(other),
        }
    }

    fn describe(&mut self, event: Event) {
        let Some(open) = &mut self.open else { return };
        match event {
            Event::Info(info) => open.segment = info.uuid,
            Event::Track(track) => {
                let listed = track_entry(&mut self.found.tracks, &track).is_some();
                open.tracks.push(track);
                if !listed && !std::mem::replace(&mut self.tracks_lost, true) {
                    self.error(format!("more than {MAX_TRACKS} distinct tracks: the rest are not listed"));
                }
            }
            Event::Tag(tag) => {
                open.tags.take(&tag);
                // Only the tag that has just named the contact can have named a new one.
                if let Some(id) = &open.tags.contact_id
                    && tag.string() == Some(id)
                    && self.contacts.len() < MAX_CONTACTS
                    && self.contacts.insert(id.clone())
                {
                    self.found.contacts.push(id.clone());
                }
            }
            _ => {}
        }
    }

    fn frame(&mut self, frame: &Frame) {
        let bytes = frame.data.len() as u64;
        self.found.frames += 1;
        self.found.payload_bytes += bytes;
        let Some(open) = &mut self.open else { return };
        open.info.frames += 1;
        open.info.bytes += bytes;
        let start = Time::from_ns(frame.timestamp_ns);
        open.info.start_ms.get_or_insert(start.ms());
        // The frames of a lace follow each other: together they cover the block's time.
        if frame.lace_index == 0 {
            open.lace_kept = open.audio.len() < MAX_FRAMES;
            if open.lace_kept {
                open.audio.push((frame.track, start, frame.data.len()));
            }
        } else if open.lace_kept
            && let Some((.., length)) = open.audio.last_mut()
        {
            *length += frame.data.len();
        }
        if let Some(track) = open.tracks.iter().find(|t| t.number == frame.track)
            && let Some(track) = track_entry(&mut self.found.tracks, track)
        {
            track.frames += 1;
            track.payload_bytes += bytes;
        }
    }

    fn end_document(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        open.info.number = open.tags.fragment_number.take();
        open.info.producer_timestamp = open.tags.producer_timestamp.take();
        match (&open.tags.contact_id, open.segment) {
            (Some(id), Some(uuid)) if self.by_segment.len() < MAX_CONTACTS => {
                self.by_segment.insert(uuid, id.clone());
            }
            (None, Some(uuid)) if open.info.frames > 0 => {
                open.info.contact_id = self.by_segment.get(&uuid).cloned();
                open.info.contact_inherited = open.info.contact_id.is_some();
            }
            _ => {}
        }
        if open.tags.contact_id.is_some() {
            open.info.contact_id.clone_from(&open.tags.contact_id);
        }
        if let Some(error) = &open.tags.in_band_error {
            let id = error.id.map_or_else(|| "?".to_owned(), |id| id.to_string());
            self.error(format!("GetMedia reported error {id}: {}", error.code));
        }
        self.cover(&open);
        if self.found.fragments.len() < MAX_ENTRIES {
            self.found.fragments.push(open.info);
        }
    }

    /// Learns the formats of a document's tracks, and where its PCM leaves time uncovered.
    fn cover(&mut self, open: &Document) {
        let mut rates = BTreeMap::new();
        for track in &open.tracks {
            if track.kind != TrackKind::Audio {
                continue;
            }
            let format = self.formats.of(open.tags.mime_type.as_deref(), open.segment, track);
            if let Ok(format) = &format {
                rates.insert(track.number, format.rate_hz);
            }
            let Some(entry) = track_entry(&mut self.found.tracks, track) else { continue };
            match format {
                Ok(format) => {
                    entry.format = format!("PCM signed 16-bit little-endian, {} Hz, mono", format.rate_hz);
                }
                Err(unsupported) if entry.format.is_empty() => entry.format = unsupported.0,
                Err(_) => {}
            }
        }
        let mut frames: Vec<(Time, Time)> = open
            .audio
            .iter()
            .filter_map(|(track, start, bytes)| {
                let rate_hz = *rates.get(track)?;
                let samples = i64::try_from(bytes / 2).unwrap_or(0);
                Some((*start, *start + Span::from_samples(samples, rate_hz)))
            })
            .collect();
        frames.sort_unstable();
        for (start, end) in frames {
            match &mut self.covered {
                Some((contact, until)) if *contact == open.info.contact_id => {
                    if start - *until >= GAP_FROM && self.found.gaps.len() < MAX_ENTRIES {
                        let (from_ms, to_ms) = (until.ms(), start.ms());
                        self.found.gaps.push(GapInfo::Missing { from_ms, to_ms });
                    }
                    *until = (*until).max(end);
                }
                // Another contact's audio, or the first: what lies between is nobody's.
                other => *other = Some((open.info.contact_id.clone(), end)),
            }
        }
    }
}

/// The entry of a track, made where it is new; none where there are too many.
fn track_entry<'a>(tracks: &'a mut Vec<TrackInfo>, track: &Track) -> Option<&'a mut TrackInfo> {
    let same =
        |t: &TrackInfo| t.number == track.number && t.name == track.name && t.codec_id == track.codec_id;
    let index = match tracks.iter().position(same) {
        Some(index) => index,
        None if tracks.len() >= MAX_TRACKS => return None,
        None => {
            tracks.push(TrackInfo {
                number: track.number,
                name: track.name.clone(),
                kind: kind_name(track.kind),
                codec_id: track.codec_id.clone(),
                format: if track.kind == TrackKind::Audio { String::new() } else { format_of(track) },
                frames: 0,
                payload_bytes: 0,
            });
            tracks.len() - 1
        }
    };
    tracks.get_mut(index)
}

fn kind_name(kind: TrackKind) -> &'static str {
    match kind {
        TrackKind::Audio => "audio",
        TrackKind::Video => "video",
        TrackKind::Subtitle => "subtitle",
        TrackKind::Metadata => "metadata",
        _ => "other",
    }
}

fn format_of(track: &Track) -> String {
    match &track.video {
        Some(video) => format!("{}, {}x{}", track.codec_id, video.pixel_width, video.pixel_height),
        None => track.codec_id.clone(),
    }
}

#[cfg(test)]
mod tests;
