//! What a timecode means on the wall clock.
//!
//! Amazon Connect's Clusters count epoch milliseconds. Streams with relative timecodes carry the fragment's
//! time as a tag. A plain file has neither: its container's date, or 1970, and documents one after another.

use crate::time::{Span, Time};

use super::config::StartTime;
use super::fragment::Fragment;

/// Timecodes from here on (2001-09-09) are epoch time; no recording is that long.
const EPOCH_FROM_NS: i64 = 1_000_000_000_000_000_000;

#[derive(Debug)]
pub(super) struct TimeBase {
    start: StartTime,
    /// Added to every time, so that the first sample stands where configuration says.
    shift: Option<Span>,
    /// Document and base of relative timecodes without a tag.
    relative: Option<(u64, Time)>,
}

/// Turns the timecodes of one fragment into time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    base: Time,
    origin_ns: i64,
}

impl Clock {
    pub(super) fn time(self, timestamp_ns: i64) -> Time {
        self.base + Span::from_us((timestamp_ns.saturating_sub(self.origin_ns)).div_euclid(1000))
    }
}

impl TimeBase {
    pub(super) fn new(start: StartTime) -> Self {
        Self { start, shift: None, relative: None }
    }

    /// The clock of a fragment; `end` is where the audio so far ends.
    pub(super) fn clock(&mut self, fragment: &Fragment, end: Option<Time>) -> Clock {
        let first = fragment.first_cluster_ns.unwrap_or(0);
        let clock = Self::said(fragment).unwrap_or_else(|| self.relative(fragment, end, first));
        let StartTime::At(wanted) = self.start else { return clock };
        let earliest = fragment.blocks.iter().map(|b| b.timestamp_ns).min();
        let shift = *self.shift.get_or_insert_with(|| wanted - clock.time(earliest.unwrap_or(first)));
        Clock { base: clock.base + shift, ..clock }
    }

    /// The clock of a fragment that says what time it is, once it is known where the first sample stands.
    pub(super) fn absolute(&self, fragment: &Fragment) -> Option<Clock> {
        let clock = Self::said(fragment)?;
        match self.start {
            StartTime::At(_) => Some(Clock { base: clock.base + self.shift?, ..clock }),
            _ => Some(clock),
        }
    }

    fn said(fragment: &Fragment) -> Option<Clock> {
        let first = fragment.first_cluster_ns.unwrap_or(0);
        if first >= EPOCH_FROM_NS {
            return Some(Clock { base: Time::from_us(0), origin_ns: 0 });
        }
        fragment.tags.producer_time().map(|produced| Clock { base: produced, origin_ns: first })
    }

    /// A document without any wall clock begins where the one before it ended.
    fn relative(&mut self, fragment: &Fragment, end: Option<Time>, first: i64) -> Clock {
        let (document, base) = match (self.relative, end) {
            (Some((document, base)), _) if document == fragment.document => (document, base),
            (Some(_), Some(end)) => (fragment.document, self.unshifted(end) - Span::from_us(first / 1000)),
            _ => (fragment.document, fragment.date.unwrap_or_default()),
        };
        self.relative = Some((document, base));
        Clock { base, origin_ns: 0 }
    }

    fn unshifted(&self, time: Time) -> Time {
        time - self.shift.unwrap_or(Span::ZERO)
    }
}
