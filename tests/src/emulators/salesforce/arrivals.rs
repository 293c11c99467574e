//! What arrived, for tests to read.

use engine::time::Time;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Stored.
    Stored,
    /// Stored although its id was stored before: there are two now.
    StoredAgain,
    /// Its id was stored before; acknowledged and not stored again.
    Duplicate,
    /// Acknowledged and thrown away, because the conversation was paused.
    Discarded,
    /// Refused with this status.
    Refused(u16),
    /// No answer was given and nothing stored.
    Unanswered,
}

impl Fate {
    /// The message is in the transcript because of this arrival.
    #[must_use]
    pub fn stored(&self) -> bool {
        matches!(self, Self::Stored | Self::StoredAgain)
    }
}

/// One message as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: Time,
    /// The call's `vendorCallKey`.
    pub key: String,
    /// `participantId`.
    pub participant_id: String,
    /// `messageId`.
    pub message_id: String,
    /// `senderType`.
    pub sender_type: String,
    /// `content`.
    pub content: String,
    /// `startTime`, epoch milliseconds.
    pub start_ms: i64,
    /// `endTime`, epoch milliseconds.
    pub end_ms: i64,
    /// What became of it.
    pub fate: Fate,
    /// The sender was told that it was accepted. A message may be stored without him knowing.
    pub acknowledged: bool,
    /// It came before the answer to this participant's message before had gone out.
    pub overlapping: bool,
    /// A later utterance of this participant was already stored.
    pub out_of_order: bool,
}
