//! Exceptions, and faults of a session.

use engine::time::Span;

/// An exception of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Its type, as in `:exception-type`.
    pub name: &'static str,
    /// HTTP status, where it comes before the stream.
    pub status: u16,
    /// What it says.
    pub message: String,
}

impl Exception {
    /// 400: the request or the audio makes no sense.
    #[must_use]
    pub fn bad_request(message: &str) -> Self {
        Self { name: "BadRequestException", status: 400, message: message.to_owned() }
    }
    /// 400: 15 seconds without audio, in the words of the service.
    #[must_use]
    pub fn no_audio() -> Self {
        Self::bad_request("Your request timed out because no new audio was received for 15 seconds.")
    }
    /// 429: too many streams, too fast, or too long.
    #[must_use]
    pub fn limit(message: &str) -> Self {
        Self { name: "LimitExceededException", status: 429, message: message.to_owned() }
    }
    /// 500.
    #[must_use]
    pub fn internal() -> Self {
        Self::failure("by script")
    }
    /// 500, for this reason.
    #[must_use]
    pub fn failure(message: &str) -> Self {
        Self { name: "InternalFailureException", status: 500, message: message.to_owned() }
    }
    /// 409: the session is open elsewhere.
    #[must_use]
    pub fn conflict() -> Self {
        let message = "A new stream started with the same session ID.".to_owned();
        Self { name: "ConflictException", status: 409, message }
    }
    /// 503.
    #[must_use]
    pub fn unavailable() -> Self {
        Self { name: "ServiceUnavailableException", status: 503, message: "by script".to_owned() }
    }
    /// 403: the signature is wrong or too old.
    #[must_use]
    pub fn signature(message: &str) -> Self {
        Self { name: "InvalidSignatureException", status: 403, message: message.to_owned() }
    }
}

/// A fault of the next session. `after` counts audio received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The session is refused.
    Refuse(Exception),
    /// The session ends with this.
    Throw {
        /// Audio before.
        after: Span,
        /// What is thrown.
        exception: Exception,
    },
    /// Audio is taken and nothing said any more.
    Stall {
        /// Audio before.
        after: Span,
    },
    /// The answer ends as if all were well, without the results that are due.
    EndEarly {
        /// Audio before.
        after: Span,
    },
    /// The stream is reset.
    Reset {
        /// Audio before.
        after: Span,
    },
    /// An event of a type nobody knows; then all goes on.
    Unknown {
        /// Audio before.
        after: Span,
    },
}

impl Fault {
    /// Audio before it strikes; `None` for a refusal.
    pub(super) fn after(&self) -> Option<Span> {
        match self {
            Self::Refuse(_) => None,
            Self::Throw { after, .. }
            | Self::Stall { after }
            | Self::EndEarly { after }
            | Self::Reset { after }
            | Self::Unknown { after } => Some(*after),
        }
    }
}
