//! What the HTTP interface asks of whoever runs the calls, and what it tells of them.

use std::future::Future;
use std::pin::Pin;

use serde::Serialize;

use crate::call::{GateSource, TelephonyEvent};
use crate::shell::payload::Payload;

/// Runs calls. The interface holds one behind an `Arc` and asks it from many tasks at once; none of the
/// methods may block.
pub trait Calls: Send + Sync + 'static {
    /// Starts the call that this payload describes, or finds that it runs already: the same contact, stream
    /// and start fragment are the same start. The answer may wait for storage.
    fn start(&self, payload: Payload) -> Pin<Box<dyn Future<Output = Start> + Send + '_>>;

    /// All calls known to this process, running ones first.
    fn list(&self) -> Vec<CallStatus>;

    /// The call of this contact.
    fn get(&self, contact: &str) -> Option<CallStatus>;

    /// Takes an event for the call of this contact. The answer may wait for storage.
    fn event<'a>(
        &'a self,
        contact: &'a str,
        source: GateSource,
        event: TelephonyEvent,
    ) -> Pin<Box<dyn Future<Output = EventTaken> + Send + 'a>>;

    /// Ends the call in good order: what was heard is still posted. False: no such call.
    fn drain(&self, contact: &str) -> bool;

    /// Whether further calls can be taken: not draining, and not as many running as may be.
    fn ready(&self) -> bool;
}

/// What became of a request to start a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// It runs.
    Started,
    /// It ran already: the same contact, stream and start fragment.
    AlreadyRunning,
    /// A known contact with a new stream or start fragment: a further media segment of the same call.
    Segment,
    /// As many calls as may be are running.
    AtCapacity,
    /// The process is about to end.
    Draining,
    /// Another worker runs it; it is told.
    HeldElsewhere,
    /// It is over.
    Finished,
    /// It cannot be started; why and what to do.
    Refused(String),
    /// It cannot be started just now: the store is out of reach, say.
    Unavailable(String),
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventTaken {
    /// The call runs here and has it, and it is stored.
    Taken,
    /// It is stored for whoever runs the call, or will.
    Kept,
    /// It is not stored: send it again.
    NotStored,
}

/// What is told of a call. No text of it, and nobody's number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CallStatus {
    /// The contact.
    pub contact_id: String,
    /// The key its messages go under.
    pub vendor_call_key: String,
    /// `starting`, `running`, `draining`, `handedOver` or `ended`.
    pub state: String,
    /// When it was started, epoch ms.
    pub started: i64,
    /// Media segments announced so far.
    pub segments: u32,
    /// Connections to the media so far.
    pub connections: u32,
    /// Sessions of the recogniser so far.
    pub sessions: u32,
    /// How far what was handed to the recogniser is behind the clock, ms; absent before the first audio.
    pub lag_ms: Option<i64>,
    /// Whether the gate is closed.
    pub gate_closed: bool,
    /// Messages accepted.
    pub delivered: u64,
    /// Messages not yet accepted.
    pub waiting: u64,
    /// Contacts of the call that its stream has named.
    pub contacts: Vec<String>,
    /// Messages refused for good.
    pub refused: u64,
    /// Why it ended; absent while it runs.
    pub end: Option<String>,
}

impl CallStatus {
    /// A call just started.
    #[must_use]
    pub fn new(contact_id: impl Into<String>, vendor_call_key: impl Into<String>, started: i64) -> Self {
        Self {
            contact_id: contact_id.into(),
            vendor_call_key: vendor_call_key.into(),
            state: "starting".to_owned(),
            started,
            segments: 1,
            ..Self::default()
        }
    }
}
