//! Pauses between tries: doubling, jittered, replayable.

use crate::time::{Span, Time};

/// The pause after a failure that `failures` others came before: `first` doubled so often, `max` at most, drawn
/// from half of that to one and a half times as long.
pub(super) fn pause(first: Span, max: Span, failures: u32, dice: &mut fastrand::Rng) -> Span {
    let ceiling = (first.us().max(0) << failures.min(20)).min(max.us().max(0));
    Span::from_us(ceiling / 2 + dice.i64(0..=ceiling))
}

/// Counts failures, and knows the [`pause`] after each.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    first: Span,
    max: Span,
    failures: u32,
    dice: fastrand::Rng,
}

impl Backoff {
    pub(super) fn new(first: Span, max: Span, seed: u64) -> Self {
        Self { first, max, failures: 0, dice: fastrand::Rng::with_seed(seed) }
    }

    /// When to try again after a failure at `now`.
    pub(super) fn failed(&mut self, now: Time) -> Time {
        let pause = pause(self.first, self.max, self.failures, &mut self.dice);
        self.failures = self.failures.saturating_add(1);
        now + pause
    }

    /// It works again.
    pub(super) fn worked(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_ceiling_and_begin_anew_after_success() {
        let mut backoff = Backoff::new(Span::from_ms(250), Span::from_s(10), 1);
        let now = Time::from_ms(0);
        let pauses: Vec<i64> = (0..12).map(|_| (backoff.failed(now) - now).ms()).collect();
        assert!(pauses[0] <= 375, "{pauses:?}");
        assert!(pauses.iter().all(|p| *p <= 15_000), "{pauses:?}");
        assert!(pauses[8..].iter().all(|p| *p >= 5_000), "{pauses:?}");
        backoff.worked();
        assert!((backoff.failed(now) - now).ms() <= 375);
    }
}
