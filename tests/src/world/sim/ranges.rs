//! Sets of half-open stretches of time, sorted and merged.

use engine::time::{Span, Time};

#[derive(Debug, Clone, Default)]
pub(super) struct Ranges(Vec<(Time, Time)>);

impl Ranges {
    pub(super) fn add(&mut self, from: Time, to: Time) {
        if from >= to {
            return;
        }
        let first = self.0.partition_point(|r| r.1 < from);
        let last = self.0.partition_point(|r| r.0 <= to);
        let merged = self.0[first..last].iter().fold((from, to), |m, r| (m.0.min(r.0), m.1.max(r.1)));
        self.0.splice(first..last, [merged]);
    }

    /// Takes away all from `at` on.
    pub(super) fn cut(&mut self, at: Time) {
        self.0.retain(|r| r.0 < at);
        if let Some(last) = self.0.last_mut() {
            last.1 = last.1.min(at);
        }
    }

    pub(super) fn within(&self, from: Time, to: Time) -> impl Iterator<Item = (Time, Time)> + '_ {
        let first = self.0.partition_point(|r| r.1 <= from);
        let touching = self.0[first..].iter().take_while(move |r| r.0 < to);
        touching.map(move |r| (r.0.max(from), r.1.min(to)))
    }

    /// How much of `[from, to)` is in the set.
    pub(super) fn measure(&self, from: Time, to: Time) -> Span {
        self.within(from, to).fold(Span::ZERO, |sum, r| sum + (r.1 - r.0))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Time, Time)> + '_ {
        self.0.iter().copied()
    }

    /// What is in the set and not in `other`.
    pub(super) fn without(&self, other: &Self) -> Self {
        let mut left = Self::default();
        for (from, to) in self.iter() {
            let mut next = from;
            for (start, end) in other.within(from, to) {
                left.add(next, start);
                next = end;
            }
            left.add(next, to);
        }
        left
    }

    /// What is in both.
    pub(super) fn intersection(&self, other: &[(Time, Time)]) -> Self {
        let mut both = Self::default();
        for (from, to) in other {
            for (start, end) in self.within(*from, *to) {
                both.add(start, end);
            }
        }
        both
    }
}
