//! `shell::transcribe` on the real SDK client against the emulated Amazon Transcribe, over HTTP/2 and TLS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bad_days;
mod kit;
mod options;
mod talking;
