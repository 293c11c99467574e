//! How far a call has come, for whoever looks on: a snapshot that costs little, taken at any time.

use super::Call;
use super::link::Link;

/// How far a call has come, for whoever looks on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallProgress {
    /// The key its messages go under.
    pub vendor_call_key: String,
    /// Contacts of the call that the stream has named.
    pub contacts: Vec<String>,
    /// Connections to the media so far.
    pub connections: u32,
    /// Sessions of the recogniser so far.
    pub sessions: u32,
    /// The gate is closed now.
    pub gate_closed: bool,
    /// Messages accepted.
    pub delivered: u64,
    /// Messages refused for good.
    pub refused: u64,
    /// Messages not yet accepted.
    pub waiting: u64,
}

impl Call {
    /// How far the call has come.
    #[must_use]
    pub fn progress(&self) -> CallProgress {
        let outbox = &self.outbox.summary;
        CallProgress {
            vendor_call_key: self.key().to_owned(),
            contacts: self.filter.seen.iter().filter(|id| self.filter.is_ours(id)).cloned().collect(),
            connections: self.link.as_ref().map_or(1, Link::connections),
            sessions: u32::try_from(self.summary.recogniser.sessions).unwrap_or(u32::MAX),
            gate_closed: self.gate.is_closed(self.present()),
            delivered: outbox.delivered,
            refused: outbox.refused.len() as u64,
            waiting: self.outbox.len() as u64,
        }
    }
}
