//! How fast audio may leave: as it comes in steady state, little faster than real time behind it.

use crate::time::{Span, Time};

/// A bucket of audio time that fills at the catch-up rate.
#[derive(Debug)]
pub(super) struct Pace {
    percent: i64,
    burst: Span,
    credit: Span,
    since: Time,
}

impl Pace {
    pub(super) fn new(percent: u32, burst: Span) -> Self {
        Self { percent: i64::from(percent.max(100)), burst, credit: burst, since: Time::MIN }
    }

    /// Takes `length` of audio out of the bucket; if it does not hold as much, says when it will.
    pub(super) fn take(&mut self, now: Time, length: Span) -> Result<(), Time> {
        if self.since == Time::MIN {
            self.since = now;
        }
        let gained = (now - self.since).us().saturating_mul(self.percent) / 100;
        self.credit = Span::from_us(self.credit.us().saturating_add(gained).min(self.burst.us()));
        self.since = self.since.max(now);
        // A chunk longer than the bucket must pass when it is full.
        let price = Span::from_us(length.us().min(self.burst.us()));
        let missing = price - self.credit;
        if missing.us() > 0 {
            return Err(now + Span::from_us(missing.us() * 100 / self.percent + 1));
        }
        self.credit = self.credit - price;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_goes_out_at_the_catch_up_rate_and_live_audio_at_once() {
        let mut pace = Pace::new(150, Span::from_s(3));
        let (mut now, chunk) = (Time::from_ms(0), Span::from_ms(100));
        let mut sent = Span::ZERO;
        while sent < Span::from_s(60) {
            match pace.take(now, chunk) {
                Ok(()) => sent = sent + chunk,
                Err(then) => now = then,
            }
        }
        // 3 s at once, 57 s at 1.5.
        assert!((now.ms() - 38_000).abs() < 200, "{now:?}");

        // Fragments of 1.1 s every 1.1 s, from an empty bucket on: none waits for long.
        for fragment in 1..60 {
            let due = now + Span::from_ms(1100 * fragment);
            let mut clock = due;
            for _ in 0..11 {
                if let Err(then) = pace.take(clock, chunk) {
                    clock = then;
                    assert_eq!(pace.take(clock, chunk), Ok(()));
                }
            }
            assert!(fragment < 5 || clock == due, "fragment {fragment} waited {:?}", clock - due);
        }
    }
}
