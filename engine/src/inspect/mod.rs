//! What a Matroska stream holds, without transcribing it.
//!
//! Feeds the same demuxer and reads the same tags as the call, so that what it shows is what the call sees.
//! It knows no audio beyond its format and times.

mod found;
mod signal;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use mkv_demux::{Demuxer, ErrorKind, Event, Frame, Tag, Track, TrackKind};

use crate::call::format::Formats;
use crate::call::fragment::Tags;
use crate::time::{Span, Time};

pub use found::{FragmentInfo, FragmentTrack, GapInfo, Inspection, Jitter, Level, TrackInfo};
use signal::{Loudness, Regularity};

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
    /// Sums of each listed track, in step with `found.tracks`.
    signals: Vec<Signal>,
}

/// What is being added up of a track.
#[derive(Debug, Clone, Copy, Default)]
struct Signal {
    loudness: Loudness,
    regularity: Regularity,
}

#[derive(Debug, Default)]
struct Document {
    info: FragmentInfo,
    tags: Tags,
    segment: Option<[u8; 16]>,
    tracks: Vec<Arc<Track>>,
    /// (track, start, bytes) of the frames of audio tracks.
    audio: Vec<(u64, Time, usize)>,
    /// Loudness of audio tracks, should they turn out to be PCM, by track.
    loudness: Vec<(u64, Loudness)>,
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
/// Tags listed of one document.
const MAX_TAGS: usize = 64;
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

    /// Gives out the documents completed so far, so that a long stream's need not be kept.
    #[must_use]
    pub fn take_fragments(&mut self) -> Vec<FragmentInfo> {
        std::mem::take(&mut self.found.fragments)
    }

    /// Ends the stream and says what it held.
    #[must_use]
    pub fn finish(mut self) -> Inspection {
        self.demuxer.finish();
        self.drain();
        self.end_document();
        for (track, signal) in self.found.tracks.iter_mut().zip(&self.signals) {
            track.level = signal.loudness.level();
            track.jitter = signal.regularity.jitter();
        }
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
                open.info.note_tag(&tag);
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
        // Only tracks that are declared are told apart: a hostile stream can name any number.
        let Some(track) = open.tracks.iter().find(|t| t.number == frame.track) else { return };
        let own = open.info.track(frame.track);
        own.frames += 1;
        own.bytes += bytes;
        if track.kind == TrackKind::Audio {
            let loudness = Loudness::of(&frame.data);
            match open.loudness.iter_mut().find(|(number, _)| *number == frame.track) {
                Some((_, sum)) => sum.add(loudness),
                None => open.loudness.push((frame.track, loudness)),
            }
        }
        if let Some(index) = track_entry(&mut self.found.tracks, track) {
            let track = &mut self.found.tracks[index];
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

    /// Learns the formats of a document's tracks, and what its PCM says.
    fn cover(&mut self, open: &Document) {
        // (track, rate, place in the list) of the PCM tracks.
        let mut pcm = Vec::new();
        for track in open.tracks.iter().filter(|t| t.kind == TrackKind::Audio) {
            let format = self.formats.of(open.tags.mime_type.as_deref(), open.segment, track);
            let index = track_entry(&mut self.found.tracks, track);
            if let Ok(format) = &format {
                pcm.push((track.number, format.rate_hz, index));
            }
            let Some(entry) = index.and_then(|i| self.found.tracks.get_mut(i)) else { continue };
            match format {
                Ok(format) => {
                    entry.format = format!("PCM signed 16-bit little-endian, {} Hz, mono", format.rate_hz);
                }
                Err(unsupported) if entry.format.is_empty() => entry.format = unsupported.0,
                Err(_) => {}
            }
        }
        self.signals.resize_with(self.found.tracks.len(), Signal::default);
        for (track, loudness) in &open.loudness {
            if let Some((.., Some(index))) = pcm.iter().find(|(number, ..)| number == track) {
                self.signals[*index].loudness.add(*loudness);
            }
        }
        let mut frames = Vec::with_capacity(open.audio.len());
        for (track, start, bytes) in &open.audio {
            let Some((_, rate_hz, index)) = pcm.iter().find(|(number, ..)| number == track) else { continue };
            let length = Span::from_samples(i64::try_from(bytes / 2).unwrap_or(0), *rate_hz);
            frames.push((*start, *start + length));
            if let Some(index) = index {
                self.signals[*index].regularity.block(*start, length, GAP_FROM);
            }
        }
        frames.sort_unstable();
        self.find_gaps(&open.info.contact_id, &frames);
    }

    /// Looks for time that no frame covers; `frames` are (start, end) in the order of time.
    fn find_gaps(&mut self, contact_id: &Option<String>, frames: &[(Time, Time)]) {
        for (start, end) in frames {
            match &mut self.covered {
                Some((contact, until)) if contact == contact_id => {
                    if *start - *until >= GAP_FROM && self.found.gaps.len() < MAX_ENTRIES {
                        let (from_ms, to_ms) = (until.ms(), start.ms());
                        self.found.gaps.push(GapInfo::Missing { from_ms, to_ms });
                    }
                    *until = (*until).max(*end);
                }
                // Another contact's audio, or the first: what lies between is nobody's.
                other => *other = Some((contact_id.clone(), *end)),
            }
        }
    }
}

impl FragmentInfo {
    fn note_tag(&mut self, tag: &Tag) {
        let Some(value) = tag.string() else { return };
        if self.tags.len() < MAX_TAGS || self.tags.contains_key(tag.name.as_str()) {
            self.tags.insert(shortened(&tag.name), shortened(value));
        }
    }

    fn track(&mut self, number: u64) -> &mut FragmentTrack {
        let index = self.tracks.iter().position(|t| t.number == number).unwrap_or_else(|| {
            self.tracks.push(FragmentTrack { number, ..FragmentTrack::default() });
            self.tracks.len() - 1
        });
        &mut self.tracks[index]
    }
}

/// At most 256 characters of a text.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(256) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The place of a track in the list, made where it is new; none where there are too many.
fn track_entry(tracks: &mut Vec<TrackInfo>, track: &Track) -> Option<usize> {
    let same = |t: &TrackInfo| {
        t.number == track.number
            && t.name.as_deref() == track.name.as_deref()
            && *t.codec_id == *track.codec_id
    };
    match tracks.iter().position(same) {
        Some(index) => Some(index),
        None if tracks.len() >= MAX_TRACKS => None,
        None => {
            tracks.push(TrackInfo {
                number: track.number,
                name: track.name.as_ref().map(ToString::to_string),
                kind: kind_name(track.kind),
                codec_id: track.codec_id.to_string(),
                format: if track.kind == TrackKind::Audio { String::new() } else { format_of(track) },
                frames: 0,
                payload_bytes: 0,
                jitter: None,
                level: None,
            });
            Some(tracks.len() - 1)
        }
    }
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
        None => track.codec_id.to_string(),
    }
}

#[cfg(test)]
mod tests;
