//! Which fragments were read, and where their audio ends: how a further life of the call finds its place.

use std::collections::VecDeque;

use crate::time::Time;

/// Fragments remembered: twenty minutes of ordinary ones. Marks are seconds behind.
const MAX_FRAGMENTS: usize = 1024;

/// A complete fragment of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Its number.
    pub(super) number: String,
    /// Which of the call's media segments it came in, counted from 0.
    pub(super) segment: u64,
    /// Where the call's audio ends with it.
    end: Time,
}

/// The fragments read since the last one that nobody needs again.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// The last one that nobody needs again.
    passed: Option<Step>,
    steps: VecDeque<Step>,
}

impl Trail {
    /// Another fragment was read.
    pub(super) fn add(&mut self, number: &str, segment: u64, end: Time) {
        if self.steps.len() >= MAX_FRAGMENTS {
            // The first stays: to read too much again is better than too little.
            self.steps.remove(1);
        }
        self.steps.push_back(Step { number: number.to_owned(), segment, end });
    }

    /// The last fragment whose audio is all before `floor`; those before it are forgotten.
    pub(super) fn behind(&mut self, floor: Time) -> Option<&Step> {
        while self.steps.get(1).is_some_and(|next| next.end <= floor) {
            self.passed = self.steps.pop_front();
        }
        self.steps.front().filter(|first| first.end <= floor)
    }

    /// The fragment in front of the one that [`Trail::behind`] found, in the same segment.
    pub(super) fn before(&self) -> Option<&Step> {
        let first = self.steps.front()?;
        self.passed.as_ref().filter(|passed| passed.segment == first.segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Time {
        Time::from_ms(s * 1000)
    }

    #[test]
    fn a_call_goes_on_behind_the_last_fragment_that_is_final() {
        let mut trail = Trail::default();
        (1..=5).for_each(|n| trail.add(&n.to_string(), 0, at(n)));
        assert_eq!(trail.behind(at(0)), None, "not even the first is");
        let number = |step: Option<&Step>| step.map(|s| s.number.clone()).unwrap_or_default();
        assert_eq!(number(trail.behind(Time::from_ms(3_500))), "3");
        assert_eq!(number(trail.before()), "2");
        assert_eq!(number(trail.behind(at(3))), "3", "marks do not go back, but stand");
        assert_eq!(number(trail.behind(at(99))), "5");
    }

    #[test]
    fn what_is_forgotten_for_want_of_room_is_read_again() {
        let mut trail = Trail::default();
        (1..=3000).for_each(|n| trail.add(&n.to_string(), 0, at(n)));
        assert_eq!(trail.steps.len(), MAX_FRAGMENTS);
        assert_eq!(trail.behind(at(1500)).map(|s| s.number.clone()), Some("1".into()));
        assert_eq!(trail.behind(at(2999)).map(|s| s.number.clone()), Some("2999".into()));
    }
}
