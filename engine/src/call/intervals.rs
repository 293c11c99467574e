//! Sets of half-open time intervals, kept sorted and merged.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Time};

/// A half-open interval of time: `from` belongs to it, `to` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Interval {
    pub(super) from: Time,
    pub(super) to: Time,
}

impl Interval {
    pub(super) fn new(from: Time, to: Time) -> Self {
        Self { from, to }
    }

    fn is_empty(self) -> bool {
        self.from >= self.to
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        self.from < other.to && other.from < self.to
    }

    pub(super) fn contains(self, other: Self) -> bool {
        self.from <= other.from && other.to <= self.to
    }

    /// The interval made longer at both ends; shorter for a negative span.
    pub(super) fn widened(self, by: Span) -> Self {
        Self { from: self.from - by, to: self.to + by }
    }

    pub(super) fn intersection(self, other: Self) -> Option<Self> {
        let both = Self { from: self.from.max(other.from), to: self.to.min(other.to) };
        (!both.is_empty()).then_some(both)
    }
}

/// Sorted, disjoint intervals.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intervals(Vec<Interval>);

impl From<Interval> for Intervals {
    fn from(one: Interval) -> Self {
        let mut set = Self::default();
        set.add(one);
        set
    }
}

impl Intervals {
    pub(super) fn iter(&self) -> impl Iterator<Item = Interval> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn total(&self) -> Span {
        self.iter().fold(Span::ZERO, |sum, i| sum + (i.to - i.from))
    }

    /// Adds an interval, merging what touches it. Cheap at the end, where almost all additions happen.
    pub(super) fn add(&mut self, new: Interval) {
        if new.is_empty() {
            return;
        }
        let first = self.0.partition_point(|i| i.to < new.from);
        let mut merged = new;
        let mut end = first;
        while let Some(i) = self.0.get(end).filter(|i| i.from <= merged.to) {
            merged = Interval::new(merged.from.min(i.from), merged.to.max(i.to));
            end += 1;
        }
        self.0.splice(first..end, [merged]);
    }

    /// The parts of `window` in this set.
    pub(super) fn within(&self, window: Interval) -> impl Iterator<Item = Interval> + '_ {
        let first = self.0.partition_point(|i| i.to <= window.from);
        self.0[first..].iter().map_while(move |i| i.intersection(window))
    }

    /// The interval that holds `at`.
    pub(super) fn holding(&self, at: Time) -> Option<Interval> {
        let first = self.0.partition_point(|i| i.to <= at);
        self.0.get(first).copied().filter(|i| i.from <= at)
    }

    /// Some of `window` is in this set.
    pub(super) fn overlaps(&self, window: Interval) -> bool {
        self.within(window).next().is_some()
    }

    /// The end of the last of them.
    pub(super) fn end(&self) -> Option<Time> {
        self.0.last().map(|i| i.to)
    }

    /// What is in `self` and in `of`, but not in `without`.
    pub(super) fn uncovered(&self, of: &Self, without: &Self) -> Self {
        let mut left = Self::default();
        for window in self.iter() {
            for part in of.within(window) {
                let mut from = part.from;
                for covered in without.within(part) {
                    left.add(Interval::new(from, covered.from));
                    from = covered.to;
                }
                left.add(Interval::new(from, part.to));
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iv(from: i64, to: i64) -> Interval {
        Interval::new(Time::from_ms(from), Time::from_ms(to))
    }
    fn set(parts: &[(i64, i64)]) -> Intervals {
        let mut s = Intervals::default();
        for (a, b) in parts {
            s.add(iv(*a, *b));
        }
        s
    }
    fn list(s: &Intervals) -> Vec<(i64, i64)> {
        s.iter().map(|i| (i.from.ms(), i.to.ms())).collect()
    }

    #[test]
    fn intervals_merge_in_any_order() {
        assert_eq!(list(&set(&[(5, 6), (1, 2), (2, 3), (8, 9), (0, 1), (4, 8)])), [(0, 3), (4, 9)]);
        assert_eq!(list(&set(&[(3, 3), (4, 2)])), []);
    }

    #[test]
    fn an_instant_is_held_by_the_interval_it_lies_in() {
        let s = set(&[(1, 2), (4, 6), (8, 9)]);
        let holding = |ms| s.holding(Time::from_ms(ms)).map(|i| (i.from.ms(), i.to.ms()));
        let expected =
            [None, Some((1, 2)), None, None, Some((4, 6)), Some((4, 6)), None, None, Some((8, 9)), None];
        assert_eq!((0..10).map(holding).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn uncovered_is_what_escaped() {
        let closed = set(&[(0, 10), (20, 30)]);
        let emitted = set(&[(5, 25)]);
        let zeroed = set(&[(6, 8), (22, 24)]);
        assert_eq!(list(&closed.uncovered(&emitted, &zeroed)), [(5, 6), (8, 10), (20, 22), (24, 25)]);
    }
}
