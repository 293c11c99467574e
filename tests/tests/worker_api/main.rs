//! The worker's HTTP interface over real sockets, in front of calls that only take notes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod bad_requests;
mod routes;
mod world;
