//! `shell::kinesis` on the real SDK clients against the emulated Kinesis Video Streams, over TLS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod kit;
mod reading;
mod refusals;
