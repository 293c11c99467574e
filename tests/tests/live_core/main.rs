//! The policy of a live call, in virtual time: connections, sessions, pauses, transfers and ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod contacts;
mod found;
mod gates;
mod media;
mod posts;
mod sessions;
