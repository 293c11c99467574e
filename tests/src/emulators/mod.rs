//! Emulators of the outside systems: Salesforce Telephony, Kinesis Video Streams, Amazon Transcribe, and the
//! AWS services around them.
//!
//! Each one is two rooms. A state machine without I/O and clock, where time is an argument, can be called
//! inline by a simulation. A thin server wraps it in real HTTP over loopback for tests of the shell. Where the
//! documents leave a question open they behave as the worse reading says, and they inject faults by script.
//!
//! Nothing here knows the product: not its calls, its settings or its messages, only the wire.

mod clock;
mod emulated;
mod live;
mod server;
mod tls;

pub mod aws;
pub mod kinesis;
pub mod runtime;
pub mod salesforce;
pub mod sigv4;
pub mod transcribe;

pub use clock::Clock;
pub use emulated::Emulated;
pub use live::{LiveCall, live_call};
pub use server::{Dropped, Outgoing, Reply, Server, ServerOptions, Service, Wire, read_body};
pub use tls::Authority;
