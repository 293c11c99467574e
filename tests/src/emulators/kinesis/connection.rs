//! One GetMedia connection: what it sends next and when.

use bytes::Bytes;
use engine::time::{Span, Time};

use super::script::{Fault, error_document};
use super::state::Stored;

/// What a connection does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this: a whole fragment, unless a fault says otherwise.
    Send(Bytes),
    /// Nothing before this time.
    Wait(Time),
    /// The answer is over.
    End,
    /// The connection breaks.
    Reset,
}

/// A connection.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) stream: String,
    /// Index of the next fragment.
    next: usize,
    delivered: usize,
    cut_at: Time,
    faults: Vec<Fault>,
    end: Option<Step>,
}

impl Connection {
    /// Reads from a fragment on; is cut at a time; has these faults.
    pub(super) fn new(stream: String, next: usize, cut_at: Time, faults: Vec<Fault>) -> Self {
        Self { stream, next, delivered: 0, cut_at, faults, end: None }
    }

    /// A connection that only says that there is nothing to read.
    pub(super) fn nothing(stream: String) -> Self {
        let faults = vec![Fault::Error { after: 0, id: 4000 }];
        Self { stream, next: usize::MAX, delivered: 0, cut_at: Time::MAX, faults, end: None }
    }

    /// Index of the fragment that is next.
    pub(super) fn next(&self) -> usize {
        self.next
    }

    /// What is next. With `idle`, the answer ends so long after the last fragment became readable.
    pub(super) fn poll(&mut self, now: Time, stored: &[Stored], idle: Option<Span>) -> Step {
        if let Some(end) = &self.end {
            return end.clone();
        }
        if now >= self.cut_at {
            return self.ended(Step::End);
        }
        let due = self.faults.iter().position(|f| f.after() == Some(self.delivered));
        // A connection breaks inside a fragment, so that one must be there first.
        let next = stored.get(self.next).filter(|s| s.readable <= now);
        if let Some(due) = due
            && (next.is_some() || !matches!(self.faults[due], Fault::Reset { .. }))
        {
            let fault = self.faults.remove(due);
            return self.strike(fault, next.map(|s| &s.fragment.bytes));
        }
        if let Some(stored) = next {
            self.next += 1;
            self.delivered += 1;
            return Step::Send(stored.fragment.bytes.clone());
        }
        let over = stored.last().zip(idle).map(|(last, idle)| last.readable + idle);
        match (stored.get(self.next), over) {
            (Some(stored), _) => Step::Wait(stored.readable.min(self.cut_at)),
            (None, Some(over)) if over <= now => self.ended(Step::End),
            (None, Some(over)) => Step::Wait(over.min(self.cut_at)),
            (None, None) => Step::Wait(self.cut_at),
        }
    }

    fn strike(&mut self, fault: Fault, next: Option<&Bytes>) -> Step {
        match fault {
            Fault::Eof { .. } | Fault::Refuse(_) => self.ended(Step::End),
            Fault::Stall { .. } => self.ended(Step::Wait(self.cut_at)),
            Fault::Garbage { bytes, .. } => Step::Send(bytes),
            Fault::Error { id, .. } => {
                self.end = Some(Step::End);
                Step::Send(error_document(id))
            }
            Fault::Reset { .. } => {
                self.end = Some(Step::Reset);
                let bytes = next.cloned().unwrap_or_default();
                // Two thirds: behind the head, amid the blocks, and not at the border of one.
                Step::Send(bytes.slice(..bytes.len() * 2 / 3))
            }
        }
    }

    fn ended(&mut self, step: Step) -> Step {
        self.end = Some(step.clone());
        step
    }
}
