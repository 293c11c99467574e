//! Whether anything follows: when the call is over, or goes on in another segment.

use crate::time::{Span, Time};

use super::{EndReason, Link, State};

/// A connection that has more to give than what came last gives it without a pause.
const AT_ONCE: Span = Span::from_s(3);

impl Link {
    /// Since when it is asked whether anything follows: every contact is over, or a further segment waits. An event
    /// says that a call is alive, but not that anything more of it comes in this segment.
    pub(super) fn asked_since(&self) -> Option<Time> {
        if !self.next.is_empty() {
            return self.heard;
        }
        self.contacts_over.map(|over| self.alive.map_or(over, |alive| alive.max(over)))
    }

    /// While that is asked, when the grace for anything to follow ends, and whether nothing coming until then is sure
    /// to mean that nothing will. A connection that is older than the question may have stalled, and so may one over
    /// which nothing came; even one that gave what was asked for again. Of two of those one would have gone on.
    pub(super) fn nothing_follows(&self) -> Option<(bool, Time)> {
        let (since, grace) = (self.asked_since()?, self.config.end_grace);
        Some(match (self.answered, self.state) {
            (Some(at), _) if self.silent > 0 && self.answers_since(since) => (true, at + AT_ONCE.min(grace)),
            // It is still on its way to what came last.
            (None, State::Open(last)) if self.opened >= since => {
                (false, since.max(self.opened).max(last) + grace)
            }
            _ => (false, since.max(self.opened) + grace),
        })
    }

    /// Nothing has come, and nothing will.
    fn is_sure(&self, now: Time) -> bool {
        self.nothing_follows().is_some_and(|(sure, at)| sure && now >= at)
    }

    /// The open connection alone cannot tell whether anything follows.
    pub(super) fn wants_certainty(&self, now: Time) -> bool {
        self.nothing_follows().is_some_and(|(sure, at)| !sure && now >= at)
    }

    /// The open connection was opened since then, and has given again what came last.
    pub(super) fn answers_since(&self, since: Time) -> bool {
        self.is_open() && self.opened >= since && self.answered.is_some()
    }

    /// Since when nothing has come: of the call, or of the segment if a further one waits.
    pub(super) fn idle_since(&self) -> Option<Time> {
        if self.next.is_empty() { self.alive } else { self.heard }
    }

    fn is_idle(&self, now: Time) -> bool {
        self.idle_since().is_some_and(|since| now >= since + self.config.idle_end)
    }

    /// Why the call is over, if it is.
    pub(super) fn end_reason(&self, now: Time) -> Option<EndReason> {
        if let Some(why) = &self.fatal {
            return Some(EndReason::MediaFailed(why.clone()));
        }
        if !self.next.is_empty() {
            return None;
        }
        if self.stopped.is_some_and(|at| now >= at + self.config.end_grace) {
            return Some(EndReason::StopStreaming);
        }
        if self.is_sure(now) {
            return Some(EndReason::ContactsEnded);
        }
        self.is_idle(now).then_some(EndReason::Idle)
    }

    /// A further segment takes over once the one before it gives nothing more.
    pub(super) fn next_is_due(&self, now: Time) -> bool {
        !self.next.is_empty() && (self.stopped.is_some() || self.is_sure(now) || self.is_idle(now))
    }
}
