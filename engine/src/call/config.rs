//! What one call is told before it starts: parsed, valid, immutable.

use serde::{Deserialize, Serialize};

use crate::recogniser::Channels;
use crate::time::{Span, Time};

use super::live::LiveConfig;
use super::sender::SenderPolicy;

/// Which contact's audio belongs to the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactChoice {
    /// This contact, and those its facts connect to it.
    Id(String),
    /// The first contact the stream names: a recording of which nothing is known.
    First,
}

/// Whose hold closes the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldGate {
    /// Any participant on hold closes it: what Salesforce documents.
    #[default]
    Any,
    /// Only the customer on hold closes it. While it is not known who the customer is, any hold does.
    Customer,
}

/// Whose clock the times of gate events come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GateClock {
    /// A browser sends them as they happen; its clock may only extend a closing backwards, by at most
    /// [`Config::gate_backdate_max`].
    #[default]
    Live,
    /// They were recorded: `at` is the truth, and none waits for another.
    Recorded,
}

/// What to do about an interval in which no worker may have been there to take gate events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDoubt {
    /// Hear nothing of it, on a call that has gate events.
    #[default]
    Closed,
    /// Hear it, and count it.
    Open,
}

/// What to do with a message that Salesforce may have taken: a try had no answer, or the worker that posted it
/// died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ambiguous {
    /// Post it again under the same id and text: none is lost, and one may stand there twice.
    #[default]
    Retry,
    /// Do not post it again, and list it: none stands there twice, and one may be missing. Each message then
    /// waits for the store once more, right before it is posted.
    Drop,
}

/// Where on the wall clock the media stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartTime {
    /// The stream's own epoch time, else the container's date, else 1970.
    #[default]
    FromStream,
    /// The first sample of the call was taken at this time.
    At(Time),
}

/// Everything a [`super::Call`] needs to know in advance. Start from [`Config::new`] and change fields.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// Which contact to transcribe.
    pub contact: ContactChoice,
    /// A stream that names no contact at all is one call: a plain file. Default off.
    pub accept_nameless: bool,
    /// Name of the call where the stream names no contact (a file's stem).
    pub fallback_contact: String,
    /// `vendorCallKey`: the first contact of the transfer chain. `None`: the contact itself.
    pub vendor_call_key: Option<String>,
    /// Parties to recognise.
    pub channels: Channels,
    /// Wall clock of the media.
    pub start_time: StartTime,
    /// Sender of what is heard on the agent's track.
    pub sender: SenderPolicy,
    /// Whose hold closes the gate.
    pub hold_gate: HoldGate,
    /// The customer's number as telephony events spell it, where known.
    pub customer_participant: Option<String>,
    /// Whether gate events are live or recorded.
    pub gate_clock: GateClock,
    /// How far `at` of a live event may move a closing back before its arrival. Default 10 s.
    pub gate_backdate_max: Span,
    /// How far `at` of a live event may move an opening beyond its arrival. Default 10 s.
    pub gate_postdate_max: Span,
    /// After this long a gate that never opens raises an alarm. Default 10 min.
    pub gate_alarm_after: Span,
    /// Gate events kept per call; further ones close the gate for good and are counted. Default 10,000.
    pub max_gate_events: usize,
    /// Length of an audio chunk. Default 100 ms.
    pub chunk: Span,
    /// A block this close to where it is expected joins on without a seam. Default 10 ms.
    pub jitter_tolerance: Span,
    /// How long one party's audio waits for the other's of the same time. Default 1 s.
    pub max_track_skew: Span,
    /// A hole up to this long becomes silence; a longer jump of the media's clock, once a second fragment
    /// confirms it, ends the recogniser's session and opens one at the new time. Default 15 min.
    pub max_gap: Span,
    /// Audio held for one fragment until its tags have settled, bytes. Default 16 MiB.
    pub max_fragment_bytes: usize,
    /// Fragments that wait for an unknown contact to be resolved, before media stops being asked for.
    /// Default 32.
    pub max_waiting_fragments: usize,
    /// After this long an unresolved contact counts as foreign. Default 20 s.
    pub resolve_timeout: Span,
    /// Messages not yet delivered before media stops being asked for, but for audio in which the gate is closed: up
    /// to twice as many may come of what was said before it. Ten times the limit where the gate has withheld them
    /// for longer than the time of its alarm, and only the end of the call will release them. Default 1,000.
    pub max_outbox: usize,
    /// Messages wait for [`super::Input::Stored`] before they are posted. Default off.
    pub store: bool,
    /// Without anything else to store, how often a checkpoint follows the audio. Default 10 s.
    pub checkpoint_every: Span,
    /// What an interval without a worker means for the gate. Default closed.
    pub on_doubt: OnDoubt,
    /// What becomes of a message that may have been taken. Default: it is posted again.
    pub ambiguous: Ambiguous,
    /// After the end of audio, how long the recogniser has for its last words, and Salesforce after each message it
    /// takes for the next one. Default 5 min.
    pub drain_timeout: Span,
    /// The policy of a live call; `None`: a recording, whose end is the call's.
    pub live: Option<LiveConfig>,
    /// Contact attribute to set once if Salesforce's rate limit cost messages: name and value.
    pub limit_attribute: Option<(String, String)>,
}

impl Config {
    /// The defaults, for a call that is named `fallback_contact` if its stream names none.
    #[must_use]
    pub fn new(contact: ContactChoice, fallback_contact: impl Into<String>) -> Self {
        Self {
            contact,
            accept_nameless: false,
            fallback_contact: fallback_contact.into(),
            vendor_call_key: None,
            channels: Channels::Both,
            start_time: StartTime::FromStream,
            sender: SenderPolicy::default(),
            hold_gate: HoldGate::Any,
            customer_participant: None,
            gate_clock: GateClock::Live,
            gate_backdate_max: Span::from_s(10),
            gate_postdate_max: Span::from_s(10),
            gate_alarm_after: Span::from_s(600),
            max_gate_events: 10_000,
            chunk: Span::from_ms(100),
            jitter_tolerance: Span::from_ms(10),
            max_track_skew: Span::from_s(1),
            max_gap: Span::from_s(900),
            max_fragment_bytes: 16 << 20,
            max_waiting_fragments: 32,
            resolve_timeout: Span::from_s(20),
            max_outbox: 1000,
            store: false,
            checkpoint_every: Span::from_s(10),
            on_doubt: OnDoubt::default(),
            ambiguous: Ambiguous::default(),
            drain_timeout: Span::from_s(300),
            live: None,
            limit_attribute: None,
        }
    }
}
