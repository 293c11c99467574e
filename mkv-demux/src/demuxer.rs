//! The demuxer as its user sees it: bytes in, events out.
//!
//! The element walk is in `walk`, the search for the next document after damage in `resync`, the end of a
//! stream in `ending`; what is usual is taken at one go by `frames`, `tags` and `repeat`. Nothing in these
//! rooms may decide by what happens to have arrived: an answer depends on the bytes alone, or it is "more
//! bytes, please".

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::borrowed::EventRef;
use crate::checksum::Check;
use crate::draft::{DEFAULT_TIMESTAMP_SCALE_NS, Draft};
use crate::ebml::{DocumentHeader, Widths};
use crate::event::{SegmentInfo, Track};
use crate::frames::FrameHead;
use crate::ids::Master;
use crate::limits::{Builder, Limits};
use crate::repeat::Repeats;
use crate::{Error, Event, input::Input};

/// A push demuxer: [`feed`](Self::feed) it bytes, [`poll`](Self::poll) it for events.
///
/// See the [crate's front page](crate) for the contract and an example.
#[derive(Debug, Default)]
pub struct Demuxer {
    pub(crate) limits: Limits,
    pub(crate) input: Input,
    pub(crate) finished: bool,
    /// Whether the stream has shown its first EBML header.
    pub(crate) started: bool,
    pub(crate) state: State,
    /// The stream must have come to this offset before it is worth looking again.
    wait_until: u64,
    /// Where the open Cluster ends at the latest while its next block may be taken by
    /// [`block_at_hand`](Self::block_at_hand), which needs nothing else to be so; else 0.
    pub(crate) hot_end: u64,
    /// Timestamp of that Cluster.
    pub(crate) hot_ns: i64,
    pub(crate) queue: VecDeque<Event>,
    /// The event that was lent last.
    lent: Option<Event>,
    /// The open masters, the innermost last.
    pub(crate) stack: Vec<Open>,
    /// An EBML header that waits for its Segment, and its offset.
    pub(crate) pending: Option<(u64, DocumentHeader)>,
    /// Index of the open document.
    pub(crate) document: Option<u64>,
    pub(crate) next_index: u64,
    pub(crate) context: Context,
    pub(crate) draft: Draft,
    pub(crate) lace_sizes: Vec<usize>,
    /// Masters whose content is being summed up, the innermost last.
    pub(crate) checks: Vec<Check>,
    pub(crate) repeats: Repeats,
}

/// Where the demuxer is.
#[derive(Debug, Default)]
pub(crate) enum State {
    /// At the start of an element, or at the end of a master.
    #[default]
    Element,
    /// Inside an element that is passed over.
    Skip { start: u64, id: u64, until: u64 },
    /// Looking for the next document after this error.
    Resync(Error),
    /// The error is still to be told.
    Failing(Error),
    /// Nothing will come any more.
    Ended,
}

/// An open master.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Open {
    pub(crate) master: Master,
    pub(crate) start: u64,
    /// Where its content begins.
    pub(crate) body: u64,
    /// Where it ends at the latest; `u64::MAX` where neither it nor an ancestor has a size.
    pub(crate) end: u64,
    /// Whether the element itself has a size.
    pub(crate) sized: bool,
}

impl Open {
    pub(crate) fn unsized_segment(start: u64, body: u64) -> Self {
        Self { master: Master::Segment, start, body, end: u64::MAX, sized: false }
    }
}

/// What the open document has said that later elements depend on.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) widths: Widths,
    pub(crate) scale_ns: i64,
    /// Timestamp of the open Cluster.
    pub(crate) cluster_ns: Option<i64>,
    pub(crate) tracks: Vec<Arc<Track>>,
    /// How many of them stood in another Tracks than the open one.
    pub(crate) tracks_before: usize,
    pub(crate) tag_bytes: u64,
}

impl Context {
    /// Forgets the document; the room it took is kept for the next.
    fn clear(&mut self) {
        let mut tracks = std::mem::take(&mut self.tracks);
        tracks.clear();
        *self = Self { tracks, ..Self::default() };
    }

    pub(crate) fn scale_to(&mut self, info: &SegmentInfo) {
        self.scale_ns = i64::try_from(info.timestamp_scale_ns).unwrap_or(i64::MAX);
    }
}

impl Default for Context {
    fn default() -> Self {
        Self {
            widths: Widths::DEFAULT,
            scale_ns: DEFAULT_TIMESTAMP_SCALE_NS.cast_signed(),
            cluster_ns: None,
            tracks: Vec::new(),
            tracks_before: 0,
            tag_bytes: 0,
        }
    }
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Something was done; look again.
    Go,
    /// At least `need` bytes must wait to go on with the element `id`, as far as that is known.
    Wait { need: usize, id: Option<u64> },
    /// The draft holds a complete SimpleTag.
    Tag,
}

/// Where the next event is.
enum Found {
    Frame(FrameHead),
    /// In the draft.
    Tag,
    /// In the queue.
    Queued,
}

impl Demuxer {
    /// A demuxer with the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets limits other than the defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Hands over the next bytes of the stream, in pieces of any size. Only queues: what is wrong with the
    /// bytes is told by [`poll`](Self::poll). Bytes that come after [`finish`](Self::finish), or after the
    /// final error, are dropped.
    pub fn feed(&mut self, data: Bytes) {
        if self.finished || data.is_empty() || matches!(self.state, State::Failing(_) | State::Ended) {
            return;
        }
        if self.input.len() == 0 {
            self.draft.hold(self.input.front());
        }
        self.input.push(data);
    }

    /// Says that no more bytes will come. Poll on until `Ok(None)` or an error.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Absolute offset of the first byte that is not used up: everything before it has become an event or
    /// was passed over.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.input.pos()
    }

    /// Bytes held: fed and not used up, or waiting for the end of their BlockGroup. After a
    /// [`poll`](Self::poll) that returned `Ok(None)` the limits bound it, whatever the stream claims.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.input.len() + self.draft.group.bytes()
    }

    /// The next event; `Ok(None)` means that more input is needed or, after [`finish`](Self::finish), that
    /// everything has been said.
    ///
    /// Damage inside a stream is not an error here but an [`Event::Gap`], once the next document is found.
    ///
    /// # Errors
    ///
    /// At most one, and nothing but `Ok(None)` after it:
    /// [`ErrorKind::NotMatroska`](crate::ErrorKind::NotMatroska) as soon as the first bytes tell;
    /// [`ErrorKind::Truncated`](crate::ErrorKind::Truncated) when the stream was finished inside an element, after all complete events;
    /// any other kind when the stream was finished after damage behind which no document was found.
    #[inline]
    pub fn poll(&mut self) -> Result<Option<Event>, Error> {
        if let Some(head) = self.block_at_hand() {
            return Ok(Some(Event::Frame(head.cut_from(self.input.front()))));
        }
        self.poll_slowly()
    }

    /// As [`poll`](Self::poll), but the event is borrowed until the next call: for whoever looks at each
    /// frame and lets it go. It costs neither a reference count nor an allocation; what shall live longer is
    /// turned into an owned event, or its payload into `Bytes`, without copying.
    ///
    /// Both may be called in turns; together they give each event once.
    ///
    /// ```
    /// use mkv_demux::{Demuxer, Error, EventRef};
    ///
    /// /// The time of the loudest frame, by its largest byte.
    /// fn loudest(demuxer: &mut Demuxer) -> Result<Option<i64>, Error> {
    ///     let mut found = None;
    ///     while let Some(event) = demuxer.poll_ref()? {
    ///         if let EventRef::Frame(frame) = event {
    ///             found = found.max(frame.data.iter().max().map(|level| (*level, frame.timestamp_ns)));
    ///         }
    ///     }
    ///     Ok(found.map(|(_, timestamp_ns)| timestamp_ns))
    /// }
    /// # assert_eq!(loudest(&mut Demuxer::new()), Ok(None));
    /// ```
    ///
    /// # Errors
    ///
    /// As [`poll`](Self::poll).
    #[inline(always)]
    pub fn poll_ref(&mut self) -> Result<Option<EventRef<'_>>, Error> {
        if let Some(head) = self.block_at_hand() {
            return Ok(Some(EventRef::Frame(head.of(self.input.front()))));
        }
        self.poll_ref_slowly()
    }

    #[inline(never)]
    fn poll_slowly(&mut self) -> Result<Option<Event>, Error> {
        Ok(match self.look()? {
            Some(Found::Frame(head)) => Some(Event::Frame(head.cut_from(self.input.front()))),
            Some(Found::Tag) => Some(Event::Tag(self.draft.tag(self.input.front()).into_owned())),
            Some(Found::Queued) => self.queue.pop_front(),
            None => None,
        })
    }

    #[inline(never)]
    fn poll_ref_slowly(&mut self) -> Result<Option<EventRef<'_>>, Error> {
        Ok(match self.look()? {
            Some(Found::Frame(head)) => Some(EventRef::Frame(head.of(self.input.front()))),
            Some(Found::Tag) => Some(EventRef::Tag(self.draft.tag(self.input.front()))),
            Some(Found::Queued) => {
                self.lent = self.queue.pop_front();
                self.lent.as_ref().map(EventRef::from)
            }
            None => {
                self.lent = None;
                None
            }
        })
    }

    /// Goes on to the next event.
    #[inline(always)]
    fn look(&mut self) -> Result<Option<Found>, Error> {
        loop {
            if !self.queue.is_empty() {
                self.hot_end = 0;
                return Ok(Some(Found::Queued));
            }
            if self.input.leaves(0) {
                self.draft.hold(self.input.front());
                self.input.settle();
            }
            self.heat();
            if let Some(head) = self.block_at_hand() {
                return Ok(Some(Found::Frame(head)));
            }
            if self.tags_at_hand().is_some() {
                return Ok(Some(Found::Tag));
            }
            if self.input.end() < self.wait_until && !self.finished {
                return Ok(self.pause());
            }
            let flow = match &self.state {
                State::Element => self.elements(),
                State::Skip { until, .. } => self.pass_over(*until),
                State::Resync(_) => self.resync(),
                State::Failing(_) => return self.fail(),
                State::Ended => return Ok(None),
            };
            match flow {
                Flow::Go => {}
                Flow::Tag => return Ok(Some(Found::Tag)),
                Flow::Wait { need, .. } if !self.finished => {
                    self.wait_until = self.input.pos().saturating_add(need as u64);
                    return Ok(self.pause());
                }
                Flow::Wait { need, id } => self.end(need, id),
            }
        }
    }

    /// No more can be said for now. What is used up is let go of.
    fn pause(&mut self) -> Option<Found> {
        if self.input.len() == 0 {
            self.draft.hold(self.input.front());
            self.input.release();
        }
        None
    }

    /// Sets [`hot_end`](Self::hot_end).
    #[inline]
    fn heat(&mut self) {
        self.hot_end = 0;
        if let Some(top) = self.stack.last()
            && top.master == Master::Cluster
            && let Some(cluster_ns) = self.context.cluster_ns
            && self.context.widths.size == 8
            && self.checks.is_empty()
            && matches!(self.state, State::Element)
        {
            (self.hot_end, self.hot_ns) = (top.end, cluster_ns);
        }
    }

    /// Uses up `n` bytes, or all where fewer wait.
    #[inline]
    pub(crate) fn advance(&mut self, n: usize) {
        self.leave(n);
        self.input.skip(n);
    }

    /// Cuts off `n` bytes, which the caller has seen to wait.
    #[inline]
    pub(crate) fn take(&mut self, n: usize) -> Bytes {
        self.leave(n);
        self.input.take(n)
    }

    /// The first `n` bytes are about to be used up.
    #[inline]
    fn leave(&mut self, n: usize) {
        if !self.checks.is_empty() {
            let checks = &mut self.checks;
            self.input.first(n, |part| checks.iter_mut().for_each(|check| check.crc.update(part)));
        }
        if self.input.leaves(n) {
            self.draft.hold(self.input.front());
        }
    }

    fn fail(&mut self) -> Result<Option<Found>, Error> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Failing(error) => Err(error),
            _ => Ok(None),
        }
    }

    fn pass_over(&mut self, until: u64) -> Flow {
        let left = until - self.input.pos();
        self.advance(usize::try_from(left).unwrap_or(usize::MAX));
        if self.input.pos() == until {
            self.state = State::Element;
            Flow::Go
        } else {
            Flow::Wait { need: 1, id: None }
        }
    }

    /// The open document, if any, is over.
    pub(crate) fn end_document(&mut self, offset: u64) {
        if let Some(index) = self.document.take() {
            self.queue.push_back(Event::DocumentEnd { index, offset });
        }
        self.stack.clear();
        self.checks.clear();
        self.pending = None;
        self.context.clear();
        self.draft.clear();
    }
}
