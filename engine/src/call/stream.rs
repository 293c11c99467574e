//! Which stream a live call reads, from where, and what can go wrong with it.
//!
//! The call decides where to begin, when to reconnect and when to give up; whoever performs
//! [`super::Output::OpenMedia`] only connects, reads, and says how it ended.

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// A stretch of a call's media as Amazon Connect announces it: a stream, and where in it the call begins.
///
/// Source: `$.MediaStreams.Customer.Audio` of the contact-flow event; the payload of kvsConsumerTrigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MediaSegment {
    /// ARN of the Kinesis video stream.
    pub stream: String,
    /// When streaming began (`audioStartTimestamp`).
    pub start: Option<Time>,
    /// `startFragmentNum`: the fragment in which the call begins.
    pub start_fragment: Option<String>,
}

impl MediaSegment {
    /// A segment as described by its fields.
    #[must_use]
    pub fn new(stream: impl Into<String>, start: Option<Time>, start_fragment: Option<String>) -> Self {
        Self { stream: stream.into(), start, start_fragment }
    }
}

/// What to open. It takes the place of whatever was open before: bytes of an older connection must not be
/// fed any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaRequest {
    /// Counts the connections of a call from 1.
    pub connection: u32,
    /// ARN of the stream; empty for a recording.
    pub stream: String,
    /// Where to begin.
    pub from: MediaFrom,
}

impl MediaRequest {
    /// A request as described by its fields.
    #[must_use]
    pub fn new(connection: u32, stream: impl Into<String>, from: MediaFrom) -> Self {
        Self { connection, stream: stream.into(), from }
    }
}

/// Where to begin reading: the start selectors of GetMedia.
///
/// Source: Kinesis Video Streams, GetMedia, `StartSelector`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaFrom {
    /// `EARLIEST`: the oldest fragment kept, or the beginning of a recording.
    Earliest,
    /// `NOW`: the latest fragment.
    Now,
    /// `SERVER_TIMESTAMP`: the fragment that the service took at this time.
    ServerTime(Time),
    /// `PRODUCER_TIMESTAMP`: the fragment that was recorded at this time.
    ProducerTime(Time),
    /// `FRAGMENT_NUMBER`: the fragment *after* this one.
    AfterFragment(String),
}

impl MediaFrom {
    /// The names of all selectors in Kinesis' spelling.
    pub(super) const NAMES: [&'static str; 5] =
        ["EARLIEST", "NOW", "SERVER_TIMESTAMP", "PRODUCER_TIMESTAMP", "FRAGMENT_NUMBER"];

    /// The name of the selector in Kinesis' spelling, for logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Earliest => "EARLIEST",
            Self::Now => "NOW",
            Self::ServerTime(_) => "SERVER_TIMESTAMP",
            Self::ProducerTime(_) => "PRODUCER_TIMESTAMP",
            Self::AfterFragment(_) => "FRAGMENT_NUMBER",
        }
    }
}

/// Why a connection gave nothing, or gave no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct MediaError {
    /// What kind of failure it was.
    pub cause: MediaCause,
    /// What to do about it.
    pub action: MediaAction,
    /// What happened and what to do, for people.
    pub message: String,
}

impl MediaError {
    /// An error as described by its fields.
    #[must_use]
    pub fn new(cause: MediaCause, action: MediaAction, message: impl Into<String>) -> Self {
        Self { cause, action, message: message.into() }
    }
}

/// Kinds of failure, as they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MediaCause {
    /// The response ended in good order: the ~45-minute cut, a gap in ingestion, or nothing more to read.
    EndOfStream,
    /// The connection broke, or could not be made.
    Connection,
    /// Nothing came for too long.
    Stalled,
    /// Bytes that are no stream of fragments any more.
    Damaged,
    /// An error tag inside the response.
    InBand,
    /// The stream does not exist (`ResourceNotFoundException`).
    NoStream,
    /// The caller may not read it (`NotAuthorizedException`, access denied by the key service).
    NotAuthorised,
    /// The data endpoint is stale (`InvalidEndpointException`).
    Endpoint,
    /// Too many connections or requests (`ConnectionLimitExceededException`, `ClientLimitExceededException`).
    Limit,
    /// The start selector was refused (`InvalidArgumentException`).
    Selector,
    /// The service failed.
    Service,
}

/// What to do about a [`MediaError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaAction {
    /// Connect again, after a pause.
    Retry,
    /// Connect again with the next selector.
    NextSelector,
    /// End the call with this reason.
    Fatal,
}
