//! Whether anything follows: when the call is over, or goes on in another segment.

use crate::time::{Span, Time};

use super::{EndReason, Link, State};

/// A connection that has more to give than what came last gives it without a pause.
const AT_ONCE: Span = Span::from_s(3);

impl Link {
    /// Every contact is over, or a further segment waits, and the open connection alone cannot tell.
    pub(super) fn wants_certainty(&self, now: Time, alive: Time) -> bool {
        let next = (!self.next.is_empty()).then(|| self.nothing_follows(alive));
        [self.over_since(alive), next].into_iter().flatten().any(|(sure, at)| !sure && now >= at)
    }

    /// When the grace for anything to follow ends, and whether nothing coming until then is sure to mean that
    /// nothing will. A connection that is older than the last sign of life may have stalled, and so may one over which
    /// nothing came; even one that gave what was asked for again. Of two of those one would have gone on.
    pub(super) fn nothing_follows(&self, since: Time) -> (bool, Time) {
        let grace = self.config.end_grace;
        match (self.answered, self.state) {
            (Some(at), _) if self.silent > 0 && self.answers_since(since) => (true, at + AT_ONCE.min(grace)),
            // It is still on its way to what came last.
            (None, State::Open(last)) if self.opened >= since => {
                (false, since.max(self.opened).max(last) + grace)
            }
            _ => (false, since.max(self.opened) + grace),
        }
    }

    /// The same, once every contact is over.
    pub(super) fn over_since(&self, alive: Time) -> Option<(bool, Time)> {
        self.contacts_over.map(|over| self.nothing_follows(over.max(alive)))
    }

    /// The open connection was opened since then, and has given again what came last.
    pub(super) fn answers_since(&self, since: Time) -> bool {
        self.is_open() && self.opened >= since && self.answered.is_some()
    }

    /// Whether anything follows is asked by reading again what came last: silence alone may be a connection that is dead.
    pub(super) fn asks_again(&self) -> bool {
        self.contacts_over.is_some() || !self.next.is_empty()
    }

    /// Why the call is over, if it is.
    pub(super) fn end_reason(&self, now: Time, alive: Time) -> Option<EndReason> {
        if let Some(why) = &self.fatal {
            return Some(EndReason::MediaFailed(why.clone()));
        }
        if !self.next.is_empty() {
            return None;
        }
        let grace = self.config.end_grace;
        if self.stopped.is_some_and(|at| now >= at + grace) {
            return Some(EndReason::StopStreaming);
        }
        if self.over_since(alive).is_some_and(|(sure, at)| sure && now >= at) {
            return Some(EndReason::ContactsEnded);
        }
        (now >= alive + self.config.idle_end).then_some(EndReason::Idle)
    }

    /// A further segment takes over once the one before it gives nothing more.
    pub(super) fn next_is_due(&self, now: Time, alive: Time) -> bool {
        let (sure, at) = self.nothing_follows(alive);
        let over = (sure && now >= at) || now >= alive + self.config.idle_end;
        !self.next.is_empty() && (self.stopped.is_some() || over)
    }
}
