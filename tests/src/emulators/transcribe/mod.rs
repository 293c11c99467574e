//! Amazon Transcribe streaming and Transcribe Medical, for tone words or with any recogniser.
//!
//! [`Transcribe`] is the state machine: it opens sessions, and a session takes audio and gives events.
//! [`TranscribeServer`] wraps it in HTTP/2, event-stream framing and signatures. A [`Listener`] makes words of
//! the audio that really reached it: [`ToneWords`], on each channel by itself and with their true times from
//! the start of the session, within 4 ms, or [`Recognisers`], whatever the engine has. Where the documents are silent it does the worse: a resumed session's
//! times begin anew, and a silent service says nothing for ever.

pub mod frame;
mod hearing;
mod recognised;
mod request;
mod results;
mod script;
mod server;
mod session;
mod state;
mod tone_words;

pub use hearing::{Hearing, Listener, Said, Speech};
pub use recognised::Recognisers;
pub use request::Request;
pub use script::{Exception, Fault};
pub use server::TranscribeServer;
pub use session::{Event, Record};
pub use state::{Options, SessionId, Transcribe};
pub use tone_words::ToneWords;
