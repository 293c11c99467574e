//! What documents say again and again: the EBML header, Info and Tracks of a GetMedia stream are the same,
//! byte for byte, in every fragment.
//!
//! The same bytes mean the same, so what they were read as the last time is handed out again. It must never
//! be given anything whose reading depended on more than its bytes, nor anything that was damaged.

use std::sync::Arc;

use crate::demuxer::{Demuxer, Flow, Open};
use crate::ebml::{DocumentHeader, Header};
use crate::event::{Event, SegmentInfo, Track};
use crate::ids::Master;
use crate::input::Input;

/// Larger elements are not kept.
const MAX_BYTES: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Repeats {
    header: Kept<Option<DocumentHeader>>,
    info: Kept<Option<Arc<SegmentInfo>>>,
    tracks: Kept<Vec<Arc<Track>>>,
    start: Kept<Option<Start>>,
    /// The start of the open document, as far as nothing else stood between.
    run: Option<(u64, Start)>,
}

/// The start of a document, from its EBML header to its Tracks, with a Segment of unknown size.
#[derive(Debug, Clone)]
struct Start {
    document: DocumentHeader,
    /// Lengths from the EBML header to the Segment, to the Segment's content, and to the end.
    segment: u64,
    body: u64,
    len: u64,
    info: Option<Arc<SegmentInfo>>,
}

/// The bytes of an element and what they mean; no bytes, no meaning.
#[derive(Debug, Default)]
struct Kept<T> {
    bytes: Vec<u8>,
    meaning: T,
}

impl<T> Kept<T> {
    #[inline]
    fn starts(&self, bytes: &[u8]) -> bool {
        !self.bytes.is_empty() && bytes.starts_with(&self.bytes)
    }

    fn keep(&mut self, bytes: &[u8], meaning: T) {
        self.bytes.clear();
        if bytes.len() <= MAX_BYTES {
            self.bytes.extend_from_slice(bytes);
            self.meaning = meaning;
        }
    }
}

impl Demuxer {
    /// The start of a document at the front, where it is the same as the last.
    pub(crate) fn repeated_start(&mut self) -> Option<Flow> {
        let kept = &self.repeats.start;
        let start = kept.meaning.as_ref().filter(|_| kept.starts(self.input.rest()))?;
        let (offset, len, document) = (self.input.pos(), kept.bytes.len(), start.document);
        let (segment, body) = (offset + start.segment, offset + start.body);
        self.open_segment(offset, document, Open::unsized_segment(segment, body));
        if let Some(info) = self.repeats.start.meaning.as_ref().and_then(|start| start.info.clone()) {
            self.context.scale_to(&info);
            self.queue.push_back(Event::Info(info));
        }
        let tracks = &self.repeats.tracks.meaning;
        self.context.tracks.extend(tracks.iter().cloned());
        self.queue.extend(tracks.iter().cloned().map(Event::Track));
        self.advance(len);
        Some(Flow::Go)
    }

    /// A Segment begins whose EBML header stood at `offset`.
    pub(crate) fn begin_start(&mut self, offset: u64, document: DocumentHeader, segment: &Open) {
        let (segment_at, body) = (segment.start - offset, segment.body - offset);
        let whole = !segment.sized && segment_at == document.len as u64 && !self.limits.verify_checksums;
        let start = Start { document, segment: segment_at, body, len: body, info: None };
        self.repeats.run = whole.then_some((offset, start));
    }

    /// The Info that began at `start` is over.
    fn run_info(&mut self, start: u64, info: &Arc<SegmentInfo>) {
        let pos = self.input.pos();
        let run = self.repeats.run.take();
        self.repeats.run = run
            .filter(|(offset, run)| offset + run.len == start && run.info.is_none())
            .map(|(offset, run)| (offset, Start { len: pos - offset, info: Some(Arc::clone(info)), ..run }));
    }

    /// The Tracks that began at `start`, now those of `repeats`, are over.
    fn run_tracks(&mut self, start: u64) {
        if let Some((offset, run)) = self.repeats.run.take()
            && offset + run.len == start
            && let Some(bytes) = since(&self.input, offset)
        {
            self.repeats.start.keep(bytes, Some(run));
        }
    }

    /// The EBML header at the front, where it is the same as the last.
    pub(crate) fn repeated_header(&self) -> Option<DocumentHeader> {
        let kept = &self.repeats.header;
        kept.meaning.filter(|_| kept.starts(self.input.rest()))
    }

    /// Keeps an EBML header.
    pub(crate) fn keep_header(&mut self, document: DocumentHeader) {
        if !self.limits.verify_checksums
            && let Some(bytes) = self.input.rest().get(..document.len)
        {
            self.repeats.header.keep(bytes, Some(document));
        }
    }

    /// An Info or Tracks element of the Segment: where it is the same as the last, says so and is done.
    pub(crate) fn repeated(&mut self, master: Master, header: Header) -> Option<Flow> {
        let size = header.size?;
        let bytes = self.input.rest();
        match master {
            Master::Info if self.repeats.info.starts(bytes) => {
                let info = self.repeats.info.meaning.as_ref()?;
                self.context.scale_to(info);
                self.queue.push_back(Event::Info(Arc::clone(info)));
            }
            Master::Tracks if self.context.tracks.is_empty() && self.repeats.tracks.starts(bytes) => {
                let tracks = &self.repeats.tracks.meaning;
                self.context.tracks.extend(tracks.iter().cloned());
                self.queue.extend(tracks.iter().cloned().map(Event::Track));
            }
            _ => return None,
        }
        let start = self.input.pos();
        self.advance(header.len.saturating_add(usize::try_from(size).unwrap_or(usize::MAX)));
        match self.repeats.info.meaning.clone() {
            Some(info) if master == Master::Info => self.run_info(start, &info),
            _ => self.run_tracks(start),
        }
        Some(Flow::Go)
    }

    /// Keeps an Info that began at `start` and is over.
    pub(crate) fn keep_info(&mut self, start: u64, info: &Arc<SegmentInfo>) {
        self.run_info(start, info);
        if !self.limits.verify_checksums
            && let Some(bytes) = since(&self.input, start)
        {
            self.repeats.info.keep(bytes, Some(Arc::clone(info)));
        }
    }

    /// Keeps a Tracks that began at `start` and is over; `before` tracks stood in another.
    pub(crate) fn keep_tracks(&mut self, start: u64, before: usize) {
        if before == 0
            && !self.limits.verify_checksums
            && let Some(bytes) = since(&self.input, start)
        {
            self.repeats.tracks.keep(bytes, self.context.tracks.clone());
            self.repeats.start = Kept::default();
            self.run_tracks(start);
        }
    }
}

/// The bytes from `start` to here, where they lie in one buffer.
fn since(input: &Input, start: u64) -> Option<&[u8]> {
    let start = usize::try_from(start.checked_sub(input.base())?).ok()?;
    input.front().get(start..input.at())
}
