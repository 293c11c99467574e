//! The seam between the call and whatever turns its audio into words.
//!
//! Two back ends stand behind it: Amazon Transcribe for live calls, the embedded recogniser for files. All
//! times a recogniser says are offsets from the start of its session's audio; the call maps them to
//! wall-clock time, because only the call knows where silence was inserted.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::time::{Span, Time};

/// Whose voice a track or an utterance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    /// The caller: track `AUDIO_FROM_CUSTOMER`.
    Customer,
    /// All the customer hears: agent, prompts, music, third parties. Track `AUDIO_TO_CUSTOMER`.
    Agent,
}

impl Party {
    /// Both, in channel order.
    pub const ALL: [Self; 2] = [Self::Customer, Self::Agent];

    /// Channel of the party in two-channel audio: customer 0, agent 1.
    #[must_use]
    pub const fn channel(self) -> usize {
        match self {
            Self::Customer => 0,
            Self::Agent => 1,
        }
    }

    /// `customer` or `agent`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Agent => "agent",
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which parties a session carries, and so how its samples are interleaved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Two channels, interleaved: 0 customer, 1 agent.
    Both,
    /// One channel, the named party.
    Only(Party),
}

impl Channels {
    /// The parties in channel order.
    #[must_use]
    pub const fn parties(self) -> &'static [Party] {
        match self {
            Self::Both => &Party::ALL,
            Self::Only(Party::Customer) => &[Party::Customer],
            Self::Only(Party::Agent) => &[Party::Agent],
        }
    }
}

/// What the call asks of a recogniser when it opens a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionSpec {
    /// Number of the session within the call, from 1. Audio and events carry it.
    pub id: u32,
    /// Sampling rate of the audio that will come, hertz.
    pub rate_hz: u32,
    /// The parties it carries.
    pub channels: Channels,
}

impl SessionSpec {
    /// A session as described by its three fields.
    #[must_use]
    pub const fn new(id: u32, rate_hz: u32, channels: Channels) -> Self {
        Self { id, rate_hz, channels }
    }
}

/// A piece of audio on its way to the recogniser, gates already applied.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AudioChunk {
    /// The session it belongs to.
    pub session: u32,
    /// Position of the first sample, counted per channel from the session's start.
    pub position: u64,
    /// Wall-clock time of the first sample.
    pub start: Time,
    /// Sampling rate, hertz.
    pub rate_hz: u32,
    /// The parties, in channel order.
    pub channels: Channels,
    /// Signed 16-bit little-endian samples, interleaved.
    pub pcm: Bytes,
}

impl AudioChunk {
    /// A chunk as described by its fields.
    #[must_use]
    pub const fn new(
        session: u32,
        position: u64,
        start: Time,
        rate_hz: u32,
        channels: Channels,
        pcm: Bytes,
    ) -> Self {
        Self { session, position, start, rate_hz, channels, pcm }
    }

    /// Samples per channel.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.pcm.len() / 2 / self.channels.parties().len()
    }

    /// Every sample is zero.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        is_silent(&self.pcm)
    }

    /// The samples of one party; empty where the chunk does not carry it.
    pub fn party(&self, party: Party) -> impl Iterator<Item = i16> + '_ {
        let parties = self.channels.parties();
        let channel = parties.iter().position(|p| *p == party);
        let width = parties.len() * 2;
        self.pcm
            .chunks_exact(width)
            .filter_map(move |frame| channel.map(|c| i16::from_le_bytes([frame[2 * c], frame[2 * c + 1]])))
    }
}

/// Every byte is zero. It looks at many at once: most audio of a call is silence, and is looked at to the end.
pub(crate) fn is_silent(pcm: &[u8]) -> bool {
    pcm.chunks(64).all(|part| part.iter().fold(0, |all, byte| all | byte) == 0)
}

impl fmt::Debug for AudioChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "AudioChunk {{ session: {}, position: {}, start: {:?}, samples: {}, channels: {:?} }}",
            self.session,
            self.position,
            self.start,
            self.samples(),
            self.channels
        )
    }
}

/// How exact the times of words are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum WordTimes {
    /// Each word was timed by the recogniser; the truth lies within `error_ms`.
    Measured {
        /// Error in milliseconds, either way.
        error_ms: u32,
    },
    /// Words were spread evenly over the speech found by voice activity; only the utterance's own start and
    /// end are good to `error_ms`, a word may lie anywhere inside it.
    Spread {
        /// Error of the utterance's start and end in milliseconds, either way.
        error_ms: u32,
    },
}

/// What a recogniser can do; stated when a session is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Capabilities {
    /// Name and size of the model or service, for people.
    pub name: String,
    /// Partial results are sent before the final one.
    pub partials: bool,
    /// How exact word times are.
    pub word_times: WordTimes,
    /// Words carry a confidence.
    pub confidence: bool,
    /// Language codes it understands; empty means "ask the service".
    pub languages: Vec<String>,
}

impl Capabilities {
    /// Capabilities as described by the fields.
    #[must_use]
    pub fn new(name: impl Into<String>, partials: bool, word_times: WordTimes, confidence: bool) -> Self {
        Self { name: name.into(), partials, word_times, confidence, languages: Vec::new() }
    }
}

/// One recognised word with the punctuation attached to it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Word {
    /// The word as shown, with its punctuation.
    pub text: String,
    /// Start, from the session's start.
    pub start: Span,
    /// End, from the session's start.
    pub end: Span,
    /// Probability 0 to 1, where the recogniser states one.
    pub confidence: Option<f32>,
    /// The vocabulary filter matched this word (method `tag`, or already masked).
    pub vocabulary_filter_match: bool,
    /// A space stands before the word unless it is the first; false for scripts without spaces.
    pub space_before: bool,
}

impl Word {
    /// A word without confidence, with a space before it.
    #[must_use]
    pub fn new(text: impl Into<String>, start: Span, end: Span) -> Self {
        Self {
            text: text.into(),
            start,
            end,
            confidence: None,
            vocabulary_filter_match: false,
            space_before: true,
        }
    }
}

impl fmt::Debug for Word {
    /// What was said never reaches a log: the text prints as `…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Word {{ text: …, start: {:?}, end: {:?} }}", self.start, self.end)
    }
}

/// A stretch of one party's speech, recognised.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Segment {
    /// The session it belongs to.
    pub session: u32,
    /// Who spoke.
    pub party: Party,
    /// False: a partial result that later ones replace.
    pub is_final: bool,
    /// The words, in order.
    pub words: Vec<Word>,
    /// Start of the speech, from the session's start.
    pub start: Span,
    /// End of the speech, from the session's start.
    pub end: Span,
}

impl Segment {
    /// A segment as described by its fields.
    #[must_use]
    pub const fn new(
        session: u32,
        party: Party,
        is_final: bool,
        start: Span,
        end: Span,
        words: Vec<Word>,
    ) -> Self {
        Self { session, party, is_final, words, start, end }
    }
}

/// What a recogniser says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RecogniserEvent {
    /// Speech was recognised.
    Segment(Segment),
    /// All speech of `party` that started before `until` has been sent as final segments.
    Progress {
        /// The session.
        session: u32,
        /// The party.
        party: Party,
        /// Offset from the session's start.
        until: Span,
    },
    /// The session's audio had ended and every result of it has been sent.
    Ended {
        /// The session.
        session: u32,
    },
}

/// Why a recogniser could not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct RecogniserError {
    /// What kind of failure it was.
    pub cause: RecogniserCause,
    /// What happened and what to do.
    pub message: String,
    /// What the caller should do.
    pub action: Action,
}

impl RecogniserError {
    /// An error that a new attempt will not mend.
    #[must_use]
    pub fn fatal(message: impl Into<String>) -> Self {
        Self::new(RecogniserCause::Internal, Action::Fatal, message)
    }

    /// An error as described by its fields.
    #[must_use]
    pub fn new(cause: RecogniserCause, action: Action, message: impl Into<String>) -> Self {
        Self { cause, message: message.into(), action }
    }
}

/// Kinds of failure, as they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecogniserCause {
    /// Too many streams at once, or opened too fast, or a stream of more than four hours.
    Limit,
    /// "No new audio was received for 15 seconds."
    NoAudio,
    /// Audio flows and nothing comes back.
    Stalled,
    /// The stream ended before its audio did.
    EndedEarly,
    /// The connection broke, or could not be made.
    Connection,
    /// Another stream has this session's id.
    Conflict,
    /// The service is unavailable.
    Unavailable,
    /// The recogniser itself failed.
    Internal,
    /// What was asked for cannot be had: a wrong option, an unknown vocabulary.
    Refused,
    /// The caller may not use it.
    NotAuthorised,
}

/// What to do about an error: data, so that policy can be tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Try again, after a pause.
    Retry,
    /// Leave this item out and go on; count it.
    Drop,
    /// End the call with this reason.
    Fatal,
}

/// A recogniser as a driver without an event loop uses it: the file command, tests.
///
/// `audio` may block when the recogniser is behind: that is the back-pressure. `poll` never blocks unless
/// asked to.
pub trait Recogniser {
    /// Opens a session; its audio follows.
    ///
    /// # Errors
    /// The recogniser cannot be made ready.
    fn open(&mut self, spec: &SessionSpec) -> Result<Capabilities, RecogniserError>;

    /// Takes the next chunk of the open session.
    ///
    /// # Errors
    /// The recogniser failed and the session is lost.
    fn audio(&mut self, chunk: AudioChunk) -> Result<(), RecogniserError>;

    /// Says that the session's audio is complete; [`RecogniserEvent::Ended`] follows when all is said.
    ///
    /// # Errors
    /// The recogniser failed and the session is lost.
    fn end(&mut self, session: u32) -> Result<(), RecogniserError>;

    /// The next event. With `wait`, blocks until there is one, or until none can come any more.
    ///
    /// # Errors
    /// The recogniser failed and the session is lost.
    fn poll(&mut self, wait: bool) -> Result<Option<RecogniserEvent>, RecogniserError>;
}
