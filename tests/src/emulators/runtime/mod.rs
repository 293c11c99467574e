//! The runtime interface of AWS Lambda: hands out invocations and takes their answers.
//!
//! Source: AWS Lambda, runtime API for custom runtimes. [`Runtime`] is the state machine: invocations that
//! wait, run and are answered; an answer to one that does not run is refused. [`RuntimeServer`] wraps it in
//! HTTP. As the real one it hands out one invocation after the other and lets `next` wait for it.

mod server;
mod state;

pub use server::RuntimeServer;
pub use state::{Answer, Answered, Refusal, Runtime};
