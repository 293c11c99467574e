//! The Salesforce sink over TLS against the emulated Telephony API.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod keys;
mod outcomes;
mod tokens;
mod world;
