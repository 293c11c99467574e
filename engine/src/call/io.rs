//! What goes into a call and what comes out: the whole contract with the outside.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::recogniser::{AudioChunk, Capabilities, Party, RecogniserError, RecogniserEvent, SessionSpec};
use crate::time::Time;

use super::checkpoint::Checkpoint;
use super::contact::ContactFacts;
use super::fragment::InBandError;
use super::gate::GateSource;
use super::message::Message;
use super::outbox::Outcome;
use super::resume::Absence;
use super::stream::{MediaCause, MediaError, MediaRequest, MediaSegment};
use super::summary::{DropReason, Summary};
use super::telephony::TelephonyEvent;
use super::utterance::Utterance;

/// Something that happened outside.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// The next bytes of the Matroska stream, split anywhere.
    Media(Bytes),
    /// Audio that was decoded already: a recording that is not raw PCM in Matroska.
    Pcm(PcmBlock),
    /// No more media will come, or none over this connection.
    MediaEnded(MediaEnd),
    /// The call goes on in this stream: a second trigger for the same contact.
    Segment(MediaSegment),
    /// Amazon Connect or the telephony says that this contact is over. It concerns one leg, not the call.
    ContactEnded(String),
    /// The answer to [`Output::Resolve`].
    Contact {
        /// The contact asked about.
        id: String,
        /// What is known of it.
        facts: ContactFacts,
    },
    /// A telephony event, and where it was seen.
    Gate(GateSource, TelephonyEvent),
    /// A telephony event that arrived at this time and not here: before the call, before this life of it, or at another
    /// worker. Those from before come first, in order of arrival, ahead of all other inputs.
    PastGate(Time, GateSource, TelephonyEvent),
    /// So another life of the call found it when it began: it may have stored nothing since. Like
    /// [`Input::PastGate`], ahead of all other inputs of a call that goes on.
    Absent(Absence),
    /// The session asked for by [`Output::OpenRecogniser`] is open.
    RecogniserReady {
        /// Number of the session.
        session: u32,
        /// What the recogniser can do.
        capabilities: Capabilities,
    },
    /// The recogniser said something.
    Recognised(RecogniserEvent),
    /// The recogniser failed.
    RecogniserLost {
        /// Number of the session.
        session: u32,
        /// Why.
        error: RecogniserError,
    },
    /// The answer to one message of [`Output::Post`].
    Posted {
        /// The message's id.
        id: String,
        /// What became of it.
        outcome: Outcome,
    },
    /// The checkpoint of this number is safely stored, or one of a higher number.
    Stored(u64),
    /// Another worker holds the call now: post nothing any more.
    LeaseLost,
    /// End the call in good order: hand on what was heard, wait for its words, post them.
    Stop,
    /// The time to end in good order is over: end now, and say what remained.
    GiveUp,
    /// Time passed.
    Tick,
}

/// Decoded audio of one party.
#[derive(Debug, Clone)]
pub struct PcmBlock {
    /// Who speaks.
    pub party: Party,
    /// Wall-clock time of the first sample.
    pub start: Time,
    /// Sampling rate, hertz; the same for the whole call.
    pub rate_hz: u32,
    /// Signed 16-bit samples, little-endian.
    pub pcm: Bytes,
}

/// Why no more media comes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaEnd {
    /// It was complete.
    Complete,
    /// It was cut short, and what there is has been fed; where.
    Truncated(String),
    /// It cannot be read any further; why.
    Failed(String),
    /// A live connection is over or could not be made.
    Lost(MediaError),
}

/// Something to be done outside.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Output {
    /// Open the media and feed it as [`Input::Media`] or [`Input::Pcm`], in place of what was open before.
    OpenMedia(MediaRequest),
    /// Read no more of the media that is open.
    CloseMedia,
    /// Find out what this contact is, and answer with [`Input::Contact`].
    Resolve(String),
    /// Open a session of the recogniser; its audio follows once [`Input::RecogniserReady`] says so.
    OpenRecogniser(SessionSpec),
    /// The session is of no use any more: close it, nothing of it will be read.
    CloseRecogniser {
        /// Number of the session.
        session: u32,
    },
    /// Hand this audio to its session.
    Audio(AudioChunk),
    /// The audio of this session is complete.
    EndAudio {
        /// Number of the session.
        session: u32,
    },
    /// Post these messages, at most one per participant, and answer each with [`Input::Posted`].
    Post(Vec<Post>),
    /// Store this in place of the one before, and answer with [`Input::Stored`]. Only where
    /// [`super::Config::store`] asks for it.
    Store(Box<Checkpoint>),
    /// Set this attribute of the contact, once.
    SetAttribute {
        /// Name.
        name: String,
        /// Value.
        value: String,
    },
    /// Something a person or a log may want to know.
    Report(Report),
    /// Nothing to do until this time, or the next input.
    Wait(Time),
    /// The call is over. Nothing follows.
    Done(Box<Summary>),
}

/// A message, and the call it is posted to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Post {
    /// `vendorCallKey`, a part of the path it is posted to.
    pub vendor_call_key: String,
    /// The body.
    pub message: Message,
}

impl Post {
    /// A post as described by its fields.
    #[must_use]
    pub fn new(vendor_call_key: impl Into<String>, message: Message) -> Self {
        Self { vendor_call_key: vendor_call_key.into(), message }
    }
}

/// News of a call. None of it needs an answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Report {
    /// The stream named a contact for the first time.
    Contact {
        /// Its id.
        id: String,
        /// It belongs to the call.
        ours: bool,
    },
    /// An utterance is final; its message is on its way.
    Utterance(Box<Utterance>),
    /// From here on nothing is to be heard.
    GateClosed {
        /// When.
        at: Time,
        /// Somebody is on hold.
        hold: bool,
        /// The recording is paused.
        pause: bool,
    },
    /// All may be heard again.
    GateOpened {
        /// When.
        at: Time,
    },
    /// The gate has been closed for longer than [`super::Config::gate_alarm_after`]: was an event lost?
    GateAlarm {
        /// Closed since.
        since: Time,
    },
    /// A closing event came too late for this much audio, milliseconds.
    Exposed {
        /// Milliseconds in all so far.
        total_ms: i64,
    },
    /// An event was not understood or concerns another call.
    EventIgnored {
        /// Its type as it was spelt.
        kind: String,
        /// Why.
        why: &'static str,
    },
    /// A hole in the audio became silence.
    Gap {
        /// Whose.
        party: Party,
        /// Start.
        from: Time,
        /// End.
        to: Time,
    },
    /// The media's clock jumped further than silence bridges.
    Jump {
        /// From.
        from: Time,
        /// To.
        to: Time,
    },
    /// Bytes were passed over after damage, or the stream broke off.
    Damage(mkv_demux::Error),
    /// The service reported an error inside the stream.
    InBandError(InBandError),
    /// The media is opened: for the first time, or again.
    MediaOpened {
        /// Counts the connections of the call.
        connection: u32,
        /// The start selector in Kinesis' spelling.
        selector: &'static str,
        /// Why the connection before it is over; absent for the first.
        cause: Option<MediaCause>,
    },
    /// The call goes on behind the fragment of this number, after a worker that held it is gone.
    Resumed {
        /// Since when nobody is known to have held it.
        died: Time,
        /// Behind which fragment it is read again; `None`: from its beginning.
        after_fragment: Option<String>,
        /// Messages that may have been posted and are posted again.
        waiting: usize,
        /// Exposure counted until then, milliseconds.
        exposed_ms: i64,
    },
    /// No worker may have been there to take gate events.
    Doubt {
        /// Start.
        from: Time,
        /// End.
        to: Time,
        /// Nothing of it is heard.
        closed: bool,
    },
    /// A connection is over.
    MediaLost(MediaError),
    /// A session of the recogniser failed and another takes its place.
    SessionLost {
        /// Number of the session.
        session: u32,
        /// Why.
        error: RecogniserError,
    },
    /// A session of the recogniser whose audio had ended did not end in time, and is closed.
    SessionSilent {
        /// Number of the session.
        session: u32,
        /// It had heard speech without saying the last word of it: a new session hears that again.
        owes: bool,
    },
    /// Sessions were closed because one before them left speech that a new one hears again, with all they had heard.
    SessionsClosed {
        /// Number of the session that left it.
        behind: u32,
        /// How many.
        closed: u32,
    },
    /// Audio was let go.
    Dropped {
        /// Why.
        reason: DropReason,
        /// Payload bytes.
        bytes: u64,
        /// What it was, for people.
        what: String,
    },
}
