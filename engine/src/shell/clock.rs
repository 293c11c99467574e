//! The shell's one clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::time::Time;

/// The wall clock now.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place in which the shell reads the clock")]
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_us(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
