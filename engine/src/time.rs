//! Time as the core knows it: an argument, never a clock.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A point in time, microseconds since 1970-01-01T00:00:00 UTC. Arithmetic saturates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(i64);

/// A length of time in microseconds; may be negative. Arithmetic saturates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(i64);

impl Time {
    /// The latest time that can be said.
    pub const MAX: Self = Self(i64::MAX);
    /// The earliest time that can be said.
    pub const MIN: Self = Self(i64::MIN);

    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_us(us: i64) -> Self {
        Self(us)
    }
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(1000))
    }
    /// From nanoseconds since the epoch, rounded to the nearest microsecond.
    #[must_use]
    pub const fn from_ns(ns: i64) -> Self {
        Self(ns.saturating_add(500).div_euclid(1000))
    }
    /// Microseconds since the epoch.
    #[must_use]
    pub const fn us(self) -> i64 {
        self.0
    }
    /// Milliseconds since the epoch, rounded to the nearest.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0.saturating_add(500).div_euclid(1000)
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From microseconds.
    #[must_use]
    pub const fn from_us(us: i64) -> Self {
        Self(us)
    }
    /// From milliseconds.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(1000))
    }
    /// From seconds.
    #[must_use]
    pub const fn from_s(s: i64) -> Self {
        Self(s.saturating_mul(1_000_000))
    }
    /// The time that `samples` samples take at `rate_hz`, rounded to the nearest microsecond.
    #[must_use]
    pub const fn from_samples(samples: i64, rate_hz: u32) -> Self {
        // Wide arithmetic takes ten times as long, and a call does not need it.
        if let Some(product) = samples.checked_mul(1_000_000)
            && let Some(sum) = product.checked_add(rate_hz as i64 / 2)
        {
            return Self(sum.div_euclid(rate_hz as i64));
        }
        let rate = rate_hz as i128;
        let us = (samples as i128 * 1_000_000 + rate / 2).div_euclid(rate);
        Self(us as i64)
    }
    /// Samples at `rate_hz` in this time, rounded to the nearest.
    #[must_use]
    pub const fn samples(self, rate_hz: u32) -> i64 {
        if let Some(product) = self.0.checked_mul(rate_hz as i64)
            && let Some(sum) = product.checked_add(500_000)
        {
            return sum.div_euclid(1_000_000);
        }
        ((self.0 as i128 * rate_hz as i128 + 500_000).div_euclid(1_000_000)) as i64
    }
    /// Microseconds.
    #[must_use]
    pub const fn us(self) -> i64 {
        self.0
    }
    /// Milliseconds, rounded to the nearest.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0.saturating_add(500).div_euclid(1000)
    }
}

impl Add<Span> for Time {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Sub for Time {
    type Output = Span;
    fn sub(self, other: Self) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}us", self.0)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}us", self.0)
    }
}
