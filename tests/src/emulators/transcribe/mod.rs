//! Amazon Transcribe streaming, for tone words.
//!
//! [`Transcribe`] is the state machine: it opens sessions, and a session takes audio and gives events.
//! [`TranscribeServer`] wraps it in HTTP/2, event-stream framing and signatures. It hears the tone words in
//! the audio that really reached it, on each channel by itself, and tells them with their true times from the
//! start of the session, within 4 ms. Where the documents are silent it does the worse: a resumed session's
//! times begin anew, and a silent service says nothing for ever.

mod ear;
pub mod frame;
mod request;
mod script;
mod server;
mod session;
mod state;

pub use request::Request;
pub use script::{Exception, Fault};
pub use server::TranscribeServer;
pub use session::{Event, Record};
pub use state::{Options, SessionId, Transcribe};
