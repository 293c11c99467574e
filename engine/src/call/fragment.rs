//! From the demuxer's events to fragments: the audio of one document with its settled tags.
//!
//! Identity tags may stand after the audio, so a fragment is handed on only when its tags have settled: at
//! the continuation token, which is a GetMedia document's last tag, at an error, at the document's end, or, for
//! a document too long to be a Kinesis fragment, piece by piece. This room knows documents and tags; it does
//! not know whose audio it is.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use mkv_demux::{Demuxer, Document, Error, Event, Frame, SegmentInfo, Tag, Track, TrackKind};

use crate::time::{Span, Time};

/// The longest fragment that Kinesis Video Streams takes (PutMedia limits).
const MAX_FRAGMENT: Span = Span::from_s(20);

/// One frame of an audio track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) track: u64,
    pub(super) timestamp_ns: i64,
    /// Later frame of a lace: follows the one before it without a time of its own.
    pub(super) laced: bool,
    pub(super) data: Bytes,
}

/// What the tags of a document say about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tags {
    pub(crate) fragment_number: Option<String>,
    pub(crate) contact_id: Option<String>,
    pub(crate) mime_type: Option<String>,
    /// Decimal seconds since the epoch, as written.
    pub(crate) producer_timestamp: Option<String>,
    pub(super) stop_streaming: bool,
    pub(crate) in_band_error: Option<InBandError>,
    /// Any tag of Kinesis Video Streams: the document is a fragment of a stream, not a plain file.
    pub(super) kinesis: bool,
    settled: bool,
}

/// An error that GetMedia reports inside a response of status 200.
///
/// Source: Kinesis Video Streams, GetMedia, tags `AWS_KINESISVIDEO_ERROR_ID` and `…_ERROR_CODE`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InBandError {
    /// `ERROR_ID`, e.g. 4500.
    pub id: Option<u32>,
    /// `ERROR_CODE`.
    pub code: String,
}

/// Audio of one document whose tags have settled, or a piece of a plain file's.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fragment {
    pub(super) document: u64,
    pub(super) segment_uuid: Option<[u8; 16]>,
    pub(super) date: Option<Time>,
    pub(super) tags: Tags,
    pub(super) tracks: Vec<Arc<Track>>,
    pub(super) blocks: Vec<Block>,
    /// Time of the first Cluster of the document, nanoseconds.
    pub(super) first_cluster_ns: Option<i64>,
    /// False for all pieces of a document but the first.
    pub(super) first_piece: bool,
    /// The stream broke off inside it.
    pub(super) complete: bool,
}

impl Fragment {
    pub(super) fn payload_bytes(&self) -> u64 {
        self.blocks.iter().map(|b| b.data.len() as u64).sum()
    }
}

/// What comes out of the assembler.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Fragment(Fragment),
    /// The fragment's audio passed the limit and was let go; how many bytes.
    TooLarge(u64),
    /// Bytes were passed over after structural damage.
    Damage(Error),
    /// The stream ended inside an element, or never was Matroska.
    Broken(Error),
}

#[derive(Debug)]
struct Open {
    document: u64,
    info: Option<Arc<SegmentInfo>>,
    tracks: Vec<Arc<Track>>,
    tags: Tags,
    blocks: Vec<Block>,
    held_bytes: usize,
    lost_bytes: u64,
    first_cluster_ns: Option<i64>,
    pieces: u64,
}

/// Assembles fragments from pushed bytes.
#[derive(Debug)]
pub(super) struct Assembler {
    demuxer: Demuxer,
    max_bytes: usize,
    open: Option<Open>,
    ready: VecDeque<Piece>,
    /// Bytes have come.
    fed: bool,
    /// No more bytes will come over this connection.
    finished: bool,
    /// Documents of the connections before this one.
    earlier: u64,
    /// The demuxer has said its last word.
    over: bool,
    pub(super) frames: u64,
    pub(super) documents: u64,
}

impl Assembler {
    pub(super) fn new(max_fragment_bytes: usize) -> Self {
        Self {
            demuxer: Demuxer::new(),
            max_bytes: max_fragment_bytes,
            open: None,
            ready: VecDeque::new(),
            fed: false,
            finished: false,
            earlier: 0,
            over: false,
            frames: 0,
            documents: 0,
        }
    }

    pub(super) fn feed(&mut self, data: Bytes) {
        self.fed |= !data.is_empty();
        self.demuxer.feed(data);
    }

    /// The connection is over: what was fed can still be polled.
    pub(super) fn end_connection(&mut self) {
        if !self.finished {
            self.finish();
        }
    }

    /// Another connection begins. What the one before had begun and not completed comes again.
    pub(super) fn restart(&mut self) {
        self.demuxer = Demuxer::new();
        self.open = None;
        self.fed = false;
        self.finished = false;
        self.over = false;
        self.earlier = self.documents;
    }

    /// The stream has ended. One that never began, as where the audio came as PCM, ends without a fault.
    pub(super) fn finish(&mut self) {
        self.finished = true;
        if self.fed {
            self.demuxer.finish();
        } else {
            self.over = true;
        }
    }

    /// The next piece, if the bytes so far hold one.
    pub(super) fn poll(&mut self) -> Option<Piece> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(piece);
            }
            if self.over {
                return None;
            }
            match self.demuxer.poll() {
                Ok(Some(event)) => self.take(event),
                Ok(None) => return None,
                Err(error) => {
                    self.over = true;
                    self.close(false);
                    self.ready.push_back(Piece::Broken(error));
                }
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Document(document) => self.begin(&document),
            // Where bytes end, a Kinesis fragment is complete only if its last tag was read.
            Event::DocumentEnd { .. } => {
                let cut = self.finished && self.open.as_ref().is_some_and(|o| o.tags.kinesis);
                self.close(!cut);
            }
            Event::Gap(gap) => self.ready.push_back(Piece::Damage(gap.error)),
            Event::Info(info) => self.with(|open| open.info = Some(info)),
            Event::Track(track) => self.with(|open| open.tracks.push(track)),
            Event::Cluster(cluster) => {
                self.with(|open| {
                    open.first_cluster_ns.get_or_insert(cluster.timestamp_ns);
                });
                self.release_if_plain(cluster.timestamp_ns);
            }
            Event::Tag(tag) => {
                self.with(|open| open.tags.take(&tag));
                if self.open.as_ref().is_some_and(|o| o.tags.settled) {
                    self.release(true);
                }
            }
            Event::Frame(frame) => {
                self.frames += 1;
                let max = self.max_bytes;
                self.with(|open| open.take(frame, max));
            }
            _ => {}
        }
    }

    fn with(&mut self, change: impl FnOnce(&mut Open)) {
        if let Some(open) = &mut self.open {
            change(open);
        }
    }

    fn begin(&mut self, document: &Document) {
        self.close(true);
        self.documents += 1;
        self.open = Some(Open {
            document: self.earlier + document.index,
            info: None,
            tracks: Vec::new(),
            tags: Tags::default(),
            blocks: Vec::new(),
            held_bytes: 0,
            lost_bytes: 0,
            first_cluster_ns: None,
            pieces: 0,
        });
    }

    fn close(&mut self, complete: bool) {
        self.release(complete);
        self.open = None;
    }

    /// A document that is longer than any Kinesis fragment and names no contact will not do so any more.
    fn release_if_plain(&mut self, now_ns: i64) {
        let plain = self.open.as_ref().is_some_and(|open| {
            let first = open.first_cluster_ns.unwrap_or(now_ns);
            let long = open.pieces > 0 || now_ns.saturating_sub(first) / 1000 > MAX_FRAGMENT.us();
            long && !open.tags.kinesis && open.tags.contact_id.is_none()
        });
        if plain {
            self.release(true);
        }
    }

    /// Hands on what the open document holds. A second time only if more audio came since.
    fn release(&mut self, complete: bool) {
        let Some(open) = &mut self.open else { return };
        if open.pieces > 0 && open.blocks.is_empty() {
            return;
        }
        if open.lost_bytes > 0 {
            self.ready.push_back(Piece::TooLarge(std::mem::take(&mut open.lost_bytes)));
        }
        open.held_bytes = 0;
        let first_piece = open.pieces == 0;
        open.pieces += 1;
        self.ready.push_back(Piece::Fragment(Fragment {
            document: open.document,
            segment_uuid: open.info.as_ref().and_then(|i| i.uuid),
            date: open.info.as_ref().and_then(|i| i.date_utc_ns).map(from_2001),
            tags: open.tags.clone(),
            tracks: open.tracks.clone(),
            blocks: std::mem::take(&mut open.blocks),
            first_cluster_ns: open.first_cluster_ns,
            first_piece,
            complete,
        }));
    }
}

/// `DateUTC` counts nanoseconds from 2001-01-01T00:00:00 UTC (RFC 9559, section 5.1.2.11).
fn from_2001(ns: i64) -> Time {
    Time::from_ms(978_307_200_000) + Span::from_us(ns / 1000)
}

impl Open {
    fn take(&mut self, frame: Frame, max_bytes: usize) {
        let audio = self.tracks.iter().any(|t| t.number == frame.track && t.kind == TrackKind::Audio);
        if !audio {
            return;
        }
        self.held_bytes = self.held_bytes.saturating_add(frame.data.len());
        if self.held_bytes > max_bytes {
            self.lost_bytes += frame.data.len() as u64;
            return;
        }
        self.blocks.push(Block {
            track: frame.track,
            timestamp_ns: frame.timestamp_ns,
            laced: frame.lace_index > 0,
            data: frame.data,
        });
    }
}

impl Tags {
    /// Takes one tag. Documented spellings differ between GetMedia and GetMediaForFragmentList: both count.
    pub(crate) fn take(&mut self, tag: &Tag) {
        let Some(value) = tag.string() else { return };
        let name = match tag.name.strip_prefix("AWS_KINESISVIDEO_") {
            Some(rest) => {
                self.kinesis = true;
                rest
            }
            None => {
                self.take_producers(&tag.name, value);
                return;
            }
        };
        match name {
            "FRAGMENT_NUMBER" => self.fragment_number = Some(value.to_owned()),
            "PRODUCER_TIMESTAMP" | "PRODUCER_SIDE_TIMESTAMP" => {
                self.producer_timestamp = Some(value.to_owned());
            }
            "CONTINUATION_TOKEN" => self.settled = true,
            "ERROR_ID" => self.error().id = value.trim().parse().ok(),
            "ERROR_CODE" | "EXCEPTION_ERROR_CODE" => self.error().code = value.to_owned(),
            "EXCEPTION_MESSAGE" if self.error().code.is_empty() => self.error().code = value.to_owned(),
            _ => {}
        }
        // Nothing follows an error, and the response need not end with it.
        self.settled |= self.in_band_error.as_ref().is_some_and(|e| e.id.is_some() && !e.code.is_empty());
    }

    /// Tags that Amazon Connect itself writes.
    fn take_producers(&mut self, name: &str, value: &str) {
        match name {
            "ContactId" if !value.is_empty() => self.contact_id = Some(value.to_owned()),
            "MimeType" => self.mime_type = Some(value.to_owned()),
            "STOP_STREAMING" => self.stop_streaming = value.eq_ignore_ascii_case("true"),
            _ => {}
        }
    }

    pub(super) fn producer_time(&self) -> Option<Time> {
        self.producer_timestamp.as_deref().and_then(decimal_seconds)
    }

    fn error(&mut self) -> &mut InBandError {
        self.in_band_error.get_or_insert_default()
    }
}

/// `"1726677687.758"`: seconds since the epoch as Kinesis writes them.
pub(super) fn decimal_seconds(text: &str) -> Option<Time> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let seconds: i64 = whole.parse().ok().filter(|s| (0..253_402_300_800).contains(s))?;
    let mut us = 0;
    let mut unit = 100_000;
    for c in fraction.chars() {
        us += i64::from(c.to_digit(10)?) * unit;
        unit /= 10;
    }
    Some(Time::from_us(seconds * 1_000_000 + us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinesis_seconds_are_read_exactly() {
        assert_eq!(decimal_seconds("1726677687.758"), Some(Time::from_ms(1_726_677_687_758)));
        assert_eq!(decimal_seconds("1726677687"), Some(Time::from_ms(1_726_677_687_000)));
        assert_eq!(decimal_seconds("1.0000005"), Some(Time::from_ms(1000)));
        for bad in ["", "x", "-1", "1.x", "99999999999999"] {
            assert_eq!(decimal_seconds(bad), None, "{bad}");
        }
    }
}
