//! Whole calls in this process: the real clients over TLS, every emulator, and each message compared with
//! what was said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod contacts;
mod gates;
mod good;
mod media;
mod posts;
mod sessions;

/// Options of a call that lies in the past and is read as fast as it can be, with short pauses behind
/// failures.
pub(crate) const FAST: [&str; 7] = [
    "live.catch_up_percent=400",
    "live.burst_ms=60000",
    "live.max_waiting_audio_ms=60000",
    "live.reconnect_first_ms=20",
    "live.reopen_first_ms=20",
    "live.reopen_max_ms=500",
    "transcribe.starts_per_second=0",
];

/// [`FAST`] and more.
pub(crate) fn fast<'a>(more: &[&'a str]) -> Vec<&'a str> {
    FAST.iter().chain(more).copied().collect()
}
