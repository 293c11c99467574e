//! The closing summary of a call: everything that was done, and everything that was not, with reasons.
//!
//! It is the same type in every command. Times are epoch milliseconds, lengths milliseconds; field names
//! are camelCase in JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::recogniser::{Capabilities, Party, RecogniserCause};

use super::outbox::RetryCause;
use super::stream::MediaCause;
use super::utterance::Utterance;

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Summary {
    /// The contact that was transcribed.
    pub contact: String,
    /// The key its messages went under: the first contact of the transfer chain.
    pub vendor_call_key: String,
    /// Nobody said which contact is the first of the chain: the contact itself served.
    pub key_unresolved: bool,
    /// Every contact the stream named, in order of appearance, ours and foreign.
    pub contacts: Vec<String>,
    /// First sample, epoch ms; absent if there was no audio.
    pub start_time: Option<i64>,
    /// Behind the last sample, epoch ms.
    pub end_time: Option<i64>,
    /// Why the call ended.
    pub end: EndReason,
    /// Workers that held the call before and are gone. What was counted and not stored when one died is not in
    /// this summary; what was read again counts again.
    pub resumed: u64,
    /// What was read.
    pub media: MediaSummary,
    /// What became of it on the timeline.
    pub audio: AudioSummary,
    /// When nothing was to be heard.
    pub gate: GateSummary,
    /// What was recognised.
    pub recogniser: RecogniserSummary,
    /// What was posted.
    pub messages: MessageSummary,
    /// Everything let go, by reason.
    pub drops: BTreeMap<DropReason, Dropped>,
}

/// Why a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", content = "detail", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// The media was complete.
    MediaEnded,
    /// `STOP_STREAMING` came and no further segment followed.
    StopStreaming,
    /// Every contact of the call was over, and its media with them.
    ContactsEnded,
    /// No audio of the call and no event about it for too long.
    Idle,
    /// The media could not be read any further; why.
    MediaFailed(String),
    /// The recogniser failed; why.
    RecogniserFailed(String),
    /// The call was told to stop.
    Stopped,
    /// Another worker holds the call.
    LeaseLost,
}

/// What was read from the stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MediaSummary {
    /// Bytes fed.
    pub bytes: u64,
    /// Matroska documents begun.
    pub documents: u64,
    /// Frames of any track.
    pub frames: u64,
    /// Fragments of this call.
    pub fragments: u64,
    /// Fragments of other contacts.
    pub foreign_fragments: u64,
    /// Places where the byte stream was damaged and read on behind.
    pub damages: u64,
    /// The stream broke off: what and where.
    pub truncated: Option<String>,
    /// Connections opened, by start selector in Kinesis' spelling; empty for a recording.
    pub selectors: BTreeMap<String, u64>,
    /// Connections that ended, by cause.
    pub reconnects: BTreeMap<MediaCause, u64>,
    /// Errors that the service reported inside the stream, as `id: code`.
    pub in_band_errors: Vec<String>,
    /// Number of the last complete fragment of this call.
    pub last_fragment: Option<String>,
}

/// What became of the audio on the timeline.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AudioSummary {
    /// Sampling rate, hertz; 0 if there was no audio.
    pub rate_hz: u32,
    /// Length of what was handed on, ms.
    pub duration_ms: i64,
    /// Holes filled with silence, per party.
    pub gaps: PartyCounts,
    /// Silence put into those holes, ms per party.
    pub gap_ms: PartyCounts,
    /// Jumps of the media's clock beyond what silence bridges.
    pub jumps: u64,
    /// Silence sent in place of late audio to keep sessions alive, ms; no part of the call.
    pub filler_ms: u64,
}

/// A figure per party.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartyCounts {
    /// The customer's.
    pub customer: u64,
    /// The agent's.
    pub agent: u64,
}

/// When the gate was closed, and what escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct GateSummary {
    /// The closed intervals that touch the call's audio.
    pub intervals: Vec<GateInterval>,
    /// Audio that was closed, ms.
    pub closed_ms: i64,
    /// Exposure: closed audio that had already left as sound when the event came, ms.
    pub exposed_ms: i64,
    /// Time in which no worker may have been there to take gate events, on a call that has them, ms.
    pub doubtful_ms: i64,
    /// Words cut because they lay in exposed or zeroed audio.
    pub cut_words: u64,
    /// Words already posted when the event that closes them came.
    pub exposed_words: u64,
    /// Telephony events taken.
    pub events: u64,
    /// Events that said again what was so.
    pub repeated_events: u64,
    /// Openings without a closing.
    pub unmatched_opens: u64,
    /// Events whose time was further from their arrival than is believed.
    pub skewed_events: u64,
    /// Events of a kind nobody knows.
    pub unknown_events: u64,
    /// Events that speak of another call.
    pub events_of_other_calls: u64,
    /// Recorded events without a time.
    pub untimed_events: u64,
    /// Events beyond the limit per call: the gate is closed for good from the first of them.
    pub events_beyond_limit: u64,
    /// The gate was still closed at the end of the audio.
    pub closed_at_end: bool,
}

/// One closed interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateInterval {
    /// Start, epoch ms.
    pub from: i64,
    /// End, epoch ms; absent: it never opened again.
    pub to: Option<i64>,
    /// Somebody was on hold.
    pub hold: bool,
    /// The recording was paused. Neither: nobody may have been there to hear that it was.
    pub pause: bool,
}

/// What the recogniser did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RecogniserSummary {
    /// What it said it can do; absent if it was never needed.
    pub capabilities: Option<Capabilities>,
    /// Sessions opened.
    pub sessions: u64,
    /// Final segments.
    pub finals: u64,
    /// Partial segments.
    pub partials: u64,
    /// Words in final segments.
    pub words: u64,
    /// Results of sessions that were over, or beyond their audio, or failed before their turn came: heard again.
    pub stray: u64,
    /// Sessions that failed, by cause.
    pub failures: BTreeMap<RecogniserCause, u64>,
    /// Sessions replaced because they grew old.
    pub rotations: u64,
    /// Sessions given up because they never said their last words: another heard what they owed.
    pub unfinished: u64,
    /// Audio sent again after a failure, ms.
    pub replayed_ms: u64,
    /// Audio that was not final and too old to be sent again when it had to make room, ms.
    pub replay_overrun_ms: u64,
}

/// What became of the messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MessageSummary {
    /// Utterances, per party.
    pub utterances: PartyCounts,
    /// Messages accepted, but for those that a pause may have swallowed and that could not be sent again.
    pub delivered: u64,
    /// Posts tried again.
    pub retries: u64,
    /// Posts not taken, by cause.
    pub not_taken: BTreeMap<RetryCause, u64>,
    /// Messages posted again because a pause may have swallowed them.
    pub resent: u64,
    /// Posts sent again although one before may have been taken: it had no answer, or a server error for one, or the
    /// worker that sent it died.
    pub ambiguous: u64,
    /// Posts answered by "transcription is paused".
    pub paused: u64,
    /// What was refused for good, by message id.
    pub refused: BTreeMap<String, Unposted>,
    /// What could not be delivered by the end of the call, by message id.
    pub undelivered: BTreeMap<String, Unposted>,
}

/// A message that Salesforce does not hold, or not for certain, and where in the call to listen for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Unposted {
    /// Why it is not there.
    pub why: String,
    /// Who said it.
    pub party: Party,
    /// When it began, Unix epoch milliseconds.
    pub start_time: i64,
    /// When it ended, Unix epoch milliseconds.
    pub end_time: i64,
}

impl Unposted {
    pub(super) fn new(utterance: &Utterance, why: impl Into<String>) -> Self {
        let message = &utterance.message;
        let (start_time, end_time) = (message.start_time, message.end_time);
        Self { why: why.into(), party: utterance.party, start_time, end_time }
    }
}

/// Why something was let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DropReason {
    /// Audio of another contact.
    ForeignContact,
    /// Audio of a contact that nobody could resolve.
    UnresolvedContact,
    /// Audio that names no contact in a stream that does.
    NoIdentity,
    /// Audio of a track that is neither party's.
    UnknownTrack,
    /// Audio in a format that is not understood.
    UnsupportedFormat,
    /// Audio at another rate than the call's.
    RateChanged,
    /// Audio that was there already, or came after its time had been handed on.
    RepeatedAudio,
    /// A fragment whose time is far from all others.
    TimeJump,
    /// A fragment larger than the limit.
    FragmentTooLarge,
    /// Audio not handed on when the call was stopped.
    Stopped,
}

impl DropReason {
    /// The reason as the summary spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ForeignContact => "foreign_contact",
            Self::UnresolvedContact => "unresolved_contact",
            Self::NoIdentity => "no_identity",
            Self::UnknownTrack => "unknown_track",
            Self::UnsupportedFormat => "unsupported_format",
            Self::RateChanged => "rate_changed",
            Self::RepeatedAudio => "repeated_audio",
            Self::TimeJump => "time_jump",
            Self::FragmentTooLarge => "fragment_too_large",
            Self::Stopped => "stopped",
        }
    }
}

/// How much was let go for one reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dropped {
    /// Times it happened.
    pub count: u64,
    /// Payload bytes.
    pub bytes: u64,
}

impl PartyCounts {
    /// Adds `n` to one party's figure.
    pub fn add(&mut self, party: crate::recogniser::Party, n: u64) {
        match party {
            crate::recogniser::Party::Customer => self.customer += n,
            crate::recogniser::Party::Agent => self.agent += n,
        }
    }
}

impl Summary {
    /// Counts something let go.
    pub(super) fn drop(&mut self, reason: DropReason, bytes: u64) {
        let entry = self.drops.entry(reason).or_default();
        entry.count += 1;
        entry.bytes += bytes;
    }
}
