//! `transcribe doctor` over the emulated services: all well, and each thing broken in turn.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod broken;
mod clinic;
mod well;
