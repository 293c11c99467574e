//! A clock for calls: the machine's wall clock without its leaps.
//!
//! Timers, idle ends and gates are all measured on one clock. Were it the wall clock itself, setting it
//! forward by an hour would end every call as idle, and setting it back would stop every timer for an hour.
//! This one runs with a monotonic clock and only leans towards the wall clock. Pure: both clocks are arguments.

use crate::time::{Span, Time};

/// At most one part in so many of the time that passes is spent on catching up with the wall clock.
const LEAN: i64 = 100;

/// Wall-clock time that never leaps and never stands still.
#[derive(Debug, Clone)]
pub struct Slew {
    /// Monotonic reading at the last look.
    since: Span,
    /// What this clock said then.
    said: Time,
}

impl Slew {
    /// A clock that says `wall` while the monotonic clock says `monotonic`.
    #[must_use]
    pub const fn new(monotonic: Span, wall: Time) -> Self {
        Self { since: monotonic, said: wall }
    }

    /// The time, when the monotonic clock says `monotonic` and the machine's wall clock `wall`.
    ///
    /// It advances with the monotonic clock, faster or slower by at most 1 % until it agrees with the wall clock.
    pub fn now(&mut self, monotonic: Span, wall: Time) -> Time {
        let passed = Span::from_us((monotonic - self.since).us().max(0));
        let plain = self.said + passed;
        let lean = passed.us() / LEAN;
        let missing = (wall - plain).us().clamp(-lean, lean);
        // A look too soon after the last to lean at all waits for a longer one.
        if passed.us() >= LEAN {
            self.since = monotonic;
            self.said = plain + Span::from_us(missing);
            return self.said;
        }
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(s: i64) -> Span {
        Span::from_s(s)
    }

    #[test]
    fn a_leap_of_the_wall_clock_is_not_followed_but_leant_towards() {
        for leap in [s(3600), s(-3600)] {
            let start = Time::from_ms(1_571_360_125_131);
            let mut clock = Slew::new(s(5), start);
            let mut before = start;
            for second in 1..600 {
                let now = clock.now(s(5 + second), start + s(second) + leap);
                let passed = (now - before).us();
                assert!((990_000..=1_010_000).contains(&passed), "{passed} us in a second");
                before = now;
            }
            let off = (before - (start + s(599))).ms();
            assert_eq!(off, leap.ms().signum() * 5990);
        }
    }

    #[test]
    fn a_small_error_is_made_good_and_many_quick_looks_lose_nothing() {
        let mut clock = Slew::new(Span::ZERO, Time::from_us(0));
        let error = Span::from_ms(50);
        let mut now = Time::from_us(0);
        for us in 1..10_000_000_i64 {
            if us % 7 == 0 {
                now = clock.now(Span::from_us(us), Time::from_us(us) + error);
            }
        }
        assert!((now - Time::from_us(10_050_000)).us().abs() < 1000, "{now:?}");
    }
}
