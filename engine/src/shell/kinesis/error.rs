//! What the service's refusals mean to a call.
//!
//! Source: Kinesis Video Streams, GetMedia and GetDataEndpoint, "Errors"; common errors of AWS services.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::call::{MediaAction, MediaCause, MediaError, MediaFrom, MediaRequest};
use crate::shell::connector::{explain, has_no_credentials};

/// What was asked for, as messages say it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    stream: String,
    from: MediaFrom,
}

impl Target {
    pub(super) fn new(request: &MediaRequest) -> Self {
        Self { stream: request.stream.clone(), from: request.from.clone() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {} from {}", self.stream, self.from.name())?;
        match &self.from {
            MediaFrom::ServerTime(time) | MediaFrom::ProducerTime(time) => write!(f, " {} ms", time.ms()),
            MediaFrom::AfterFragment(number) => write!(f, " {number}"),
            MediaFrom::Earliest | MediaFrom::Now => Ok(()),
        }
    }
}

/// A try that failed.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) error: MediaError,
    /// The token had expired: another one may be at hand.
    pub(super) expired: bool,
}

impl Refused {
    /// The selector cannot be said.
    pub(super) fn selector(target: &Target, why: &str) -> Self {
        let message = format!("{target}: the selector is not valid: {why}");
        Self::new(MediaCause::Selector, MediaAction::NextSelector, message)
    }

    /// GetDataEndpoint was answered without an endpoint.
    pub(super) fn no_endpoint(target: &Target) -> Self {
        let message = format!("{target}: GetDataEndpoint named no endpoint");
        Self::new(MediaCause::Service, MediaAction::Retry, message)
    }

    fn new(cause: MediaCause, action: MediaAction, message: String) -> Self {
        Self { error: MediaError::new(cause, action, message), expired: false }
    }

    /// Whatever the SDK says of an operation.
    pub(super) fn by<E>(operation: &str, target: &Target, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        use MediaAction::{Fatal, Retry};
        let what = |advice: &str| format!("{target}: {operation}: {}{advice}", explain(error));
        match error {
            SdkError::ServiceError(answer) => {
                let code = answer.err().code().unwrap_or_default();
                let said = answer.err().message().unwrap_or_default();
                let status = answer.raw().status().as_u16();
                let ((cause, action, advice), expired) = meaning(code, said, status);
                let name = if code.is_empty() { "an error without a name" } else { code };
                let message = format!("{target}: {operation}: {name} ({status}) {said}; {advice}");
                Self { error: MediaError::new(cause, action, message), expired }
            }
            _ if has_no_credentials(error) => {
                let advice = "; configure AWS credentials for this process";
                Self::new(MediaCause::NotAuthorised, Fatal, what(advice))
            }
            SdkError::ResponseError(_) => Self::new(MediaCause::Service, Retry, what("")),
            // The request did not reach the service, or its answer not us.
            _ => Self::new(MediaCause::Connection, Retry, what("; check network, endpoint and certificates")),
        }
    }
}

type Meaning = (MediaCause, MediaAction, &'static str);

/// Cause, action and advice for an answer, and whether a renewed token may mend it.
fn meaning(code: &str, said: &str, status: u16) -> (Meaning, bool) {
    use MediaAction::{Fatal, NextSelector, Retry};
    const SIGNATURE: &str = "the signature was not taken: check the credentials and this machine's clock";
    const TOKEN: &str = "the token has expired; renew the credentials of this process";
    let expired = matches!(code, "ExpiredToken" | "ExpiredTokenException" | "RequestExpired")
        || (code == "NotAuthorizedException" && said.contains("expired"));
    let meaning = match (code, status) {
        _ if expired => (MediaCause::NotAuthorised, Fatal, TOKEN),
        ("InvalidSignatureException" | "SignatureDoesNotMatch" | "UnrecognizedClientException", _) => {
            (MediaCause::NotAuthorised, Fatal, SIGNATURE)
        }
        ("ResourceNotFoundException", _) => {
            (MediaCause::NoStream, Fatal, "the stream does not exist; check its ARN and the region")
        }
        ("InvalidArgumentException", _) => {
            (MediaCause::Selector, NextSelector, "the start selector was refused; try another one")
        }
        ("InvalidEndpointException", _) => {
            (MediaCause::Endpoint, Retry, "the data endpoint is stale and will be asked for again")
        }
        ("ConnectionLimitExceededException", _) => {
            (MediaCause::Limit, Retry, "a stream allows three connections; look for a second reader")
        }
        ("ClientLimitExceededException" | "ThrottlingException" | "Throttling", _) | (_, 429) => {
            (MediaCause::Limit, Retry, "too many calls; a stream allows five a second")
        }
        (_, 500..) => (MediaCause::Service, Retry, "the service failed; try again"),
        ("NotAuthorizedException" | "AccessDeniedException", _) | (_, 401 | 403) => (
            MediaCause::NotAuthorised,
            Fatal,
            "allow kinesisvideo:GetDataEndpoint, kinesisvideo:GetMedia and the stream's KMS key to this process",
        ),
        _ => (MediaCause::Service, Retry, "an answer that is not documented; try again"),
    };
    (meaning, expired)
}
