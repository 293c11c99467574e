//! The emulators behave as the documents say: inline as state machines, and over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod client;
mod kinesis;
mod live;
mod medical;
mod recognised;
mod salesforce;
mod transcribe;
mod transcribe_wire;
