//! The demuxer as its user sees it: bytes in, events out, and how a stream ends.
//!
//! The element walk is in `walk`, the search for the next document after damage in `resync`. Nothing in
//! these rooms may decide by what happens to have arrived: an answer depends on the bytes alone, or it is
//! "more bytes, please".

use std::collections::VecDeque;

use bytes::Bytes;

use crate::draft::{DEFAULT_TIMESTAMP_SCALE_NS, Draft};
use crate::ebml::{DocumentHeader, Widths, innermost_in_header};
use crate::ids::{self, Master};
use crate::limits::{Builder, Limits};
use crate::{Error, ErrorKind, Event, input::Input};

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
    /// Bytes that must wait before it is worth looking again.
    need: usize,
    pub(crate) queue: VecDeque<Event>,
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
    /// Where it ends at the latest; `u64::MAX` where neither it nor an ancestor has a size.
    pub(crate) end: u64,
    /// Whether the element itself has a size.
    pub(crate) sized: bool,
}

/// What the open document has said that later elements depend on.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) widths: Widths,
    pub(crate) scale_ns: i64,
    /// Timestamp of the open Cluster.
    pub(crate) cluster_ns: Option<i64>,
    /// Number and DefaultDuration of each track.
    pub(crate) tracks: Vec<(u64, Option<u64>)>,
    pub(crate) tag_bytes: u64,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            widths: Widths::DEFAULT,
            scale_ns: DEFAULT_TIMESTAMP_SCALE_NS.cast_signed(),
            cluster_ns: None,
            tracks: Vec::new(),
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
    /// [`ErrorKind::NotMatroska`] as soon as the first bytes tell;
    /// [`ErrorKind::Truncated`] when the stream was finished inside an element, after all complete events;
    /// any other kind when the stream was finished after damage behind which no document was found.
    pub fn poll(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(Some(event));
            }
            if self.input.len() < self.need && !self.finished {
                return Ok(None);
            }
            if let Some(frame) = self.frame_at_hand() {
                self.need = 0;
                return Ok(Some(Event::Frame(frame)));
            }
            let flow = match &self.state {
                State::Element => self.element(),
                State::Skip { until, .. } => self.pass_over(*until),
                State::Resync(_) => self.resync(),
                State::Failing(_) => return self.fail(),
                State::Ended => return Ok(None),
            };
            match flow {
                Flow::Go => self.need = 0,
                Flow::Wait { need, .. } if !self.finished => {
                    self.need = need;
                    return Ok(None);
                }
                Flow::Wait { need, id } => self.end(need, id),
            }
        }
    }

    fn fail(&mut self) -> Result<Option<Event>, Error> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Failing(error) => Err(error),
            _ => Ok(None),
        }
    }

    fn pass_over(&mut self, until: u64) -> Flow {
        let left = until - self.input.pos();
        self.input.skip(usize::try_from(left).unwrap_or(usize::MAX));
        if self.input.pos() == until {
            self.state = State::Element;
            Flow::Go
        } else {
            Flow::Wait { need: 1, id: None }
        }
    }

    /// The stream is over where `need` bytes were wanted to go on with the element `id`.
    fn end(&mut self, need: usize, id: Option<u64>) {
        let error = match std::mem::replace(&mut self.state, State::Ended) {
            State::Resync(error) | State::Failing(error) => Some(error),
            _ if !self.started => {
                Some(Error { kind: ErrorKind::NotMatroska, offset: 0, path: String::new() })
            }
            State::Skip { start, id, until } => Some(self.truncated(until, start, self.path(&[id]))),
            State::Element | State::Ended => self.cut_off(need, id),
        };
        self.end_document(self.input.end());
        self.close_input();
        if let Some(error) = error {
            self.state = State::Failing(error);
        }
    }

    /// Whether the end of the stream, seen at the start of an element, cuts anything off.
    fn cut_off(&self, need: usize, id: Option<u64>) -> Option<Error> {
        let pos = self.input.pos();
        // Behind an id stands at least one byte of size.
        let until = pos.saturating_add(need as u64).saturating_add(u64::from(id.is_none()));
        if self.input.len() == 0 {
            if let Some(at) = self.stack.iter().rposition(|open| open.sized) {
                let path = path_of(&self.stack[..=at], &[]);
                return Some(self.truncated(0, self.stack[at].start, path));
            }
            // An EBML header without its Segment, whose shortest header has 5 bytes.
            let header_only = self.pending.is_some();
            return header_only.then(|| self.truncated(pos.saturating_add(5), pos, String::new()));
        }
        if id == Some(ids::EBML) && self.stack.is_empty() {
            let mut scratch = Vec::new();
            let (at, ids) = innermost_in_header(self.input.peek_many(usize::MAX, &mut scratch));
            return Some(self.truncated(until, pos.saturating_add(at as u64), self.path(&ids)));
        }
        Some(self.truncated(until, pos, self.path(id.as_slice())))
    }

    /// The error for a stream that should have reached `until` at least.
    fn truncated(&self, until: u64, offset: u64, path: String) -> Error {
        let sized = self.stack.iter().filter(|open| open.sized).map(|open| open.end).max();
        let until = until.max(sized.unwrap_or(0));
        let missing = until.saturating_sub(self.input.end());
        Error { kind: ErrorKind::Truncated { missing }, offset, path }
    }

    /// Gives up: this is the last that will be said.
    pub(crate) fn give_up(&mut self, error: Error) -> Flow {
        self.close_input();
        self.state = State::Failing(error);
        Flow::Go
    }

    fn close_input(&mut self) {
        self.input.clear();
        self.stack.clear();
        self.draft = Draft::default();
    }

    /// The open document, if any, is over.
    pub(crate) fn end_document(&mut self, offset: u64) {
        if let Some(index) = self.document.take() {
            self.queue.push_back(Event::DocumentEnd { index, offset });
        }
        self.stack.clear();
        self.pending = None;
        self.context = Context::default();
        self.draft = Draft::default();
    }

    /// The names of the open masters and of `ids` inside them.
    pub(crate) fn path(&self, ids: &[u64]) -> String {
        path_of(&self.stack, ids)
    }
}

fn path_of(stack: &[Open], ids: &[u64]) -> String {
    let mut path = String::new();
    for open in stack {
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(open.master.name());
    }
    for id in ids {
        ids::push_name(&mut path, *id);
    }
    path
}
