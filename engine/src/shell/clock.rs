//! The shell's one clock.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::clock::Slew;
use crate::time::{Span, Time};

static CLOCK: OnceLock<(Instant, Mutex<Slew>)> = OnceLock::new();

/// The wall clock now, without the leaps of the machine's: see [`Slew`].
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place in which the shell reads the clock")]
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wall = Time::from_us(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
    let (start, slew) = CLOCK.get_or_init(|| (Instant::now(), Mutex::new(Slew::new(Span::ZERO, wall))));
    let passed = Span::from_us(i64::try_from(start.elapsed().as_micros()).unwrap_or(i64::MAX));
    slew.lock().unwrap_or_else(PoisonError::into_inner).now(passed, wall)
}
