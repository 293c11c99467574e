//! Amazon Connect, Secrets Manager, SSM and ECS, as far as a transcriber asks them.
//!
//! [`Aws`] is the state machine: contacts, secrets, parameters, and what was asked. [`AwsServer`] wraps it in
//! HTTP, all four services on one port: a signature names its service, and it must be the one that the request
//! is for.

mod request;
mod script;
mod server;
mod state;

pub use request::Operation;
pub use script::{Exception, Fault};
pub use server::AwsServer;
pub use state::{Answer, Asked, Aws, Contact, Options, Task};
