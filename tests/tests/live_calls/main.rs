//! Whole calls in this process: the real clients over TLS, every emulator, and each message compared with
//! what was said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod good;
