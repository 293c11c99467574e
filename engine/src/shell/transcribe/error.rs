//! What the service's exceptions mean to a call.
//!
//! Source: Amazon Transcribe, StartStreamTranscription, "Errors", before the stream as an HTTP answer and in
//! the stream as an event; common errors of AWS services.

use std::error::Error;

use aws_sdk_transcribestreaming::operation::start_medical_stream_transcription::StartMedicalStreamTranscriptionError;
use aws_sdk_transcribestreaming::operation::start_stream_transcription::StartStreamTranscriptionError;
use aws_sdk_transcribestreaming::types::error::{
    MedicalTranscriptResultStreamError, TranscriptResultStreamError,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::options::TranscribeOptions;
use crate::audio::resample::ResampleError;
use crate::recogniser::{Action, RecogniserCause, RecogniserError};
use crate::shell::connector::{explain, has_no_credentials};

/// The service's exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exception {
    BadRequest,
    LimitExceeded,
    InternalFailure,
    Conflict,
    ServiceUnavailable,
    /// One that the SDK does not know.
    Unknown,
}

/// An error that may be one of the service's exceptions. In the stream they carry no code, only a type.
pub(super) trait ToException {
    fn to_exception(&self) -> Exception;
}

macro_rules! to_exception {
    ($($error:ty),+) => {$(
        impl ToException for $error {
            fn to_exception(&self) -> Exception {
                match self {
                    Self::BadRequestException(_) => Exception::BadRequest,
                    Self::LimitExceededException(_) => Exception::LimitExceeded,
                    Self::InternalFailureException(_) => Exception::InternalFailure,
                    Self::ConflictException(_) => Exception::Conflict,
                    Self::ServiceUnavailableException(_) => Exception::ServiceUnavailable,
                    _ => Exception::Unknown,
                }
            }
        }
    )+};
}

to_exception!(
    StartStreamTranscriptionError,
    StartMedicalStreamTranscriptionError,
    TranscriptResultStreamError,
    MedicalTranscriptResultStreamError
);

/// What the SDK says when a session is opened.
pub(super) fn opening<E>(error: &SdkError<E, HttpResponse>) -> RecogniserError
where
    E: ToException + ProvideErrorMetadata + Error + 'static,
{
    let SdkError::ServiceError(answer) = error else { return transport(error) };
    let code = answer.err().code().unwrap_or_default();
    let said = answer.err().message().unwrap_or_default();
    match (answer.err().to_exception(), answer.raw().status().as_u16()) {
        (Exception::Unknown, 401 | 403) => refused_access(code, said),
        (Exception::Unknown, status) if code.starts_with("ExpiredToken") || code == "RequestExpired" => {
            refused_access(code, &format!("({status}) {said}"))
        }
        (Exception::Unknown, _) if is_throttling(code) => meaning(Exception::LimitExceeded, said),
        (Exception::Unknown, 408) => meaning(Exception::ServiceUnavailable, said),
        (Exception::Unknown, 429) => meaning(Exception::LimitExceeded, said),
        (Exception::Unknown, 503) => meaning(Exception::ServiceUnavailable, said),
        (Exception::Unknown, status @ 400..500) => RecogniserError::new(
            RecogniserCause::Refused,
            Action::Fatal,
            format!("Transcribe refused the session: {code} ({status}) {said}; check the call's options"),
        ),
        (exception, _) => meaning(exception, said),
    }
}

/// The gateway's own words for too many requests, with status 400 as a rule. Source: common errors of AWS
/// services.
fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "ThrottlingException"
            | "Throttling"
            | "ThrottledException"
            | "RequestLimitExceeded"
            | "TooManyRequestsException"
    )
}

/// What the SDK says in the middle of a session.
pub(super) fn streaming<E, R>(error: &SdkError<E, R>) -> RecogniserError
where
    E: ToException + ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
    SdkError<E, R>: Error + 'static,
{
    match error {
        SdkError::ServiceError(event) => {
            let said = event.err().message().map_or_else(|| explain(event.err()), str::to_owned);
            meaning(event.err().to_exception(), &said)
        }
        _ => transport(error),
    }
}

fn meaning(exception: Exception, said: &str) -> RecogniserError {
    use RecogniserCause as Cause;
    let (cause, action, advice) = match exception {
        // The words are all that tells it apart.
        Exception::BadRequest if said.contains("no new audio was received") => {
            (Cause::NoAudio, Action::Retry, "open another session and keep audio flowing")
        }
        Exception::BadRequest => (Cause::Refused, Action::Fatal, "check the call's Transcribe options"),
        Exception::LimitExceeded => (
            Cause::Limit,
            Action::Retry,
            "too many sessions at once, opened too fast, or one of more than four hours; raise the quota, or \
             lower max_sessions or starts_per_second",
        ),
        Exception::InternalFailure => (Cause::Internal, Action::Retry, "the service failed; try again"),
        Exception::Conflict => (
            Cause::Conflict,
            Action::Retry,
            "another stream has the session's id; the next session has a new one",
        ),
        Exception::ServiceUnavailable => {
            (Cause::Unavailable, Action::Retry, "the service is unavailable; try again")
        }
        Exception::Unknown => {
            (Cause::Internal, Action::Retry, "an exception that is not documented; try again")
        }
    };
    let name = match exception {
        Exception::BadRequest => "BadRequestException",
        Exception::LimitExceeded => "LimitExceededException",
        Exception::InternalFailure => "InternalFailureException",
        Exception::Conflict => "ConflictException",
        Exception::ServiceUnavailable => "ServiceUnavailableException",
        Exception::Unknown => "an unknown exception",
    };
    RecogniserError::new(cause, action, format!("Transcribe: {name}: {said}; {advice}"))
}

fn refused_access(code: &str, said: &str) -> RecogniserError {
    let expired = code.contains("Expired");
    // A renewed token mends the first; nothing in this process mends the second.
    let (action, advice) = if expired {
        (Action::Retry, "renew the credentials of this process")
    } else {
        (
            Action::Fatal,
            "allow transcribe:StartStreamTranscription (or …Medical…) to this process; check its clock",
        )
    };
    let message = format!("Transcribe: access denied: {code} {said}; {advice}");
    RecogniserError::new(RecogniserCause::NotAuthorised, action, message)
}

/// Nothing came from the service, or nothing that could be read.
fn transport<E: Error + 'static>(error: &E) -> RecogniserError {
    if has_no_credentials(error) {
        let message = format!("Transcribe: {}; configure AWS credentials for this process", explain(error));
        return RecogniserError::new(RecogniserCause::NotAuthorised, Action::Fatal, message);
    }
    let message = format!("the connection to Transcribe failed: {}", explain(error));
    RecogniserError::new(RecogniserCause::Connection, Action::Retry, message)
}

/// No answer to the request in time.
pub(super) fn not_opened(options: &TranscribeOptions) -> RecogniserError {
    let message = format!(
        "Transcribe did not answer within {} ms; check network and endpoint, or raise open_timeout_ms",
        options.open_timeout_ms
    );
    RecogniserError::new(RecogniserCause::Connection, Action::Retry, message)
}

/// Speech was sent and nothing came.
pub(super) fn stalled(options: &TranscribeOptions) -> RecogniserError {
    let message = format!("Transcribe said nothing for {} ms of speech and more", options.stall_timeout_ms);
    RecogniserError::new(RecogniserCause::Stalled, Action::Retry, message)
}

/// The audio had ended and the session did not.
pub(super) fn not_drained(options: &TranscribeOptions) -> RecogniserError {
    let message =
        format!("Transcribe did not finish within {} ms of the end of the audio", options.drain_timeout_ms);
    RecogniserError::new(RecogniserCause::Stalled, Action::Retry, message)
}

/// The stream ended in good order, but nobody had asked for it.
pub(super) fn ended_early() -> RecogniserError {
    let message = "Transcribe ended the stream before its audio had ended";
    RecogniserError::new(RecogniserCause::EndedEarly, Action::Retry, message)
}

/// Something in the session broke its own rules.
pub(super) fn panicked() -> RecogniserError {
    let message = "the session failed by a defect of this program; it is replaced, and please report it";
    RecogniserError::new(RecogniserCause::Internal, Action::Retry, message)
}

/// The audio cannot be brought to the engine's rate.
pub(super) fn resampling(error: &ResampleError) -> RecogniserError {
    let message = format!("Transcribe needs another sampling rate: {error}");
    RecogniserError::new(RecogniserCause::Refused, Action::Fatal, message)
}

/// The service takes 8 to 48 kHz.
pub(super) fn rate(rate_hz: u32) -> RecogniserError {
    let message = format!("Transcribe takes audio of 8000 to 48000 Hz, not {rate_hz} Hz");
    RecogniserError::new(RecogniserCause::Refused, Action::Fatal, message)
}
