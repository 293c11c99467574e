//! How a stream ends: what its end cuts off, and how an error says where.
//!
//! It must never know what is inside an element.

use crate::demuxer::{Demuxer, Flow, Open, State};
use crate::draft::Draft;
use crate::ebml::innermost_in_header;
use crate::ids;
use crate::repeat::Repeats;
use crate::{Error, ErrorKind};

impl Demuxer {
    /// The stream is over where `need` bytes were wanted to go on with the element `id`.
    pub(crate) fn end(&mut self, need: usize, id: Option<u64>) {
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

    pub(crate) fn close_input(&mut self) {
        self.input.clear();
        self.stack.clear();
        self.checks.clear();
        self.draft = Draft::default();
        self.repeats = Repeats::default();
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
