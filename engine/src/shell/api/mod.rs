//! The worker's HTTP interface: requests in, questions to [`Calls`] out.
//!
//! HTTP/1.1 in the clear, for loopback, a sidecar or a balancer that ends TLS. This room knows no AWS, no
//! Salesforce, and not how a call is run. Whatever comes over the socket is untrusted: heads, bodies,
//! durations and connections are bounded, and errors say what to do without repeating what was sent.

mod answers;
mod calls;
mod handlers;
mod origin;
mod routes;
mod server;
mod tokens;

pub use calls::{CallStatus, Calls, EventTaken, Start};
pub use routes::Route;
pub use server::{ApiError, Server};
pub use tokens::TokenError;

/// The OpenAPI document, as `GET /openapi.json` answers it.
pub const OPENAPI: &str = include_str!("openapi.json");
