//! Kinesis Video Streams, as far as a reader needs it: GetDataEndpoint and GetMedia.
//!
//! [`Kinesis`] is the state machine: streams whose fragments become readable when they are whole, and
//! connections that read them. [`KinesisServer`] wraps it in HTTP/1.1. Media is bytes cut at document
//! borders; nothing in it is changed. Where the documents are silent it does the worse: NOW gives the next
//! whole fragment, a selector that finds nothing gives an error inside a good answer, and the end of a call
//! is a connection that stays open and says nothing.

mod connection;
mod fragment;
mod request;
mod restamp;
mod script;
mod server;
mod state;

pub use connection::Step;
pub use fragment::{Fragment, cut};
pub use request::Selector;
pub use restamp::restamp;
pub use script::{Exception, Fault};
pub use server::KinesisServer;
pub use state::{Answer, ConnectionId, Delivery, Kinesis, Options};
