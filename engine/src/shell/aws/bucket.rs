//! A token bucket: a rate in the long run, a burst after a quiet time. Pure; time is an argument.

use crate::time::{Span, Time};

/// Counts what may be asked.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    per_s: f64,
    burst: f64,
    /// Below zero: so many have a turn in the future.
    level: f64,
    at: Option<Time>,
}

impl TokenBucket {
    /// Full, with `burst` tokens, and `per_s` new ones a second. A rate that is not above zero counts as one
    /// in a thousand seconds, a burst of 0 as 1.
    #[must_use]
    pub fn new(per_s: f64, burst: u32) -> Self {
        let per_s = if per_s.is_finite() { per_s.max(1e-3) } else { 1e-3 };
        let burst = f64::from(burst.max(1));
        Self { per_s, burst, level: burst, at: None }
    }

    /// Takes a token and says how long to wait for one's turn; `None` where that is longer than `longest`, and
    /// then none is taken.
    pub fn take(&mut self, now: Time, longest: Span) -> Option<Span> {
        let since = self.at.map_or(Span::ZERO, |at| now - at);
        // A clock that goes backwards fills nothing.
        let fresh = (since.us().max(0) as f64 / 1e6 * self.per_s).min(self.burst - self.level);
        self.level += fresh;
        self.at = Some(self.at.map_or(now, |at| at.max(now)));
        let wait = Span::from_us(((1.0 - self.level).max(0.0) / self.per_s * 1e6).min(1e15) as i64);
        if wait > longest {
            return None;
        }
        self.level -= 1.0;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let mut bucket = TokenBucket::new(2.0, 5);
        let start = Time::from_ms(1_000_000);
        let mut waits = Vec::new();
        while let Some(wait) = bucket.take(start, Span::from_ms(1_500)) {
            waits.push(wait.ms());
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 500, 1000, 1500], "and the ninth is not asked");
        assert_eq!(bucket.take(start + Span::from_s(3), Span::ZERO), Some(Span::ZERO), "three are paid back");
        let mut rested = bucket.clone();
        let later = start + Span::from_s(3600);
        let free = std::iter::from_fn(|| rested.take(later, Span::ZERO)).count();
        assert_eq!(free, 5, "a long rest fills it no higher than the burst");
    }

    #[test]
    fn a_clock_that_goes_backwards_neither_fills_nor_drains() {
        let mut bucket = TokenBucket::new(1.0, 1);
        assert_eq!(bucket.take(Time::from_ms(10_000), Span::ZERO), Some(Span::ZERO));
        assert_eq!(bucket.take(Time::from_ms(5_000), Span::from_s(5)), Some(Span::from_s(1)));
    }
}
