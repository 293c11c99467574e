//! The emulators' only clock: real time, or a time of its own that runs faster.

use std::time::Duration;

use engine::time::{Span, Time};
use tokio::time::Instant;

/// Tells the emulated time. Clones tell the same time.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Time,
    started: Instant,
    speed: f64,
}

impl Clock {
    /// The time of day, at its own pace.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the servers' one place that reads the time of day")]
    pub fn real() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let us = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Self::starting_at(Time::from_us(us), 1.0)
    }

    /// Now it is `origin`; from here on time runs `speed` times as fast as the real one.
    #[must_use]
    pub fn starting_at(origin: Time, speed: f64) -> Self {
        Self { origin, started: Instant::now(), speed: speed.max(1e-3) }
    }

    /// The time of day now, and `speed` times as fast from here on.
    #[must_use]
    pub fn faster(speed: f64) -> Self {
        Self { speed: speed.max(1e-3), ..Self::real() }
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Time {
        let us = self.started.elapsed().as_secs_f64() * 1e6 * self.speed;
        self.origin + Span::from_us(us as i64)
    }

    /// What time it is, as a `Date` header tells it (RFC 9110, 5.6.7).
    #[must_use]
    pub fn http_date(&self) -> http::HeaderValue {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let now = self.now();
        let stamp = super::sigv4::amz_date(now);
        let number = |at: std::ops::Range<usize>| stamp[at].parse().unwrap_or(1_usize);
        let day = DAYS[usize::try_from(now.ms().div_euclid(86_400_000)).unwrap_or(0) % 7];
        let month = MONTHS[(number(4..6) + 11) % 12];
        let (date, year) = (&stamp[6..8], &stamp[..4]);
        let time = format!("{}:{}:{}", &stamp[9..11], &stamp[11..13], &stamp[13..15]);
        let text = format!("{day}, {date} {month} {year} {time} GMT");
        http::HeaderValue::try_from(text).unwrap_or(http::HeaderValue::from_static(""))
    }

    /// Waits, in real time, until the emulated time is `until`.
    pub async fn wait(&self, until: Time) {
        let us = (until - self.now()).us().max(0) as f64 / self.speed;
        // A day at most: what waits for ever is ended by its owner.
        tokio::time::sleep(Duration::from_secs_f64((us / 1e6).min(86_400.0))).await;
    }

    /// How many times faster than real time it runs.
    #[must_use]
    pub fn speed(&self) -> f64 {
        self.speed
    }
}
