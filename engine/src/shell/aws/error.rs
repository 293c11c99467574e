//! What goes wrong between this process and AWS, and what to do about it.

use std::fmt;

use crate::shell::http::one_line;

/// A message of the service is kept up to so many characters.
const MAX_MESSAGE: usize = 300;

/// A service of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AwsService {
    /// Amazon Connect.
    Connect,
    /// AWS Secrets Manager.
    SecretsManager,
    /// AWS Systems Manager: Parameter Store.
    Ssm,
    /// Amazon Elastic Container Service.
    Ecs,
    /// Amazon DynamoDB.
    DynamoDb,
}

impl AwsService {
    /// Its name in addresses and signatures.
    #[must_use]
    pub fn signing_name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::SecretsManager => "secretsmanager",
            Self::Ssm => "ssm",
            Self::Ecs => "ecs",
            Self::DynamoDb => "dynamodb",
        }
    }
}

impl fmt::Display for AwsService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "Amazon Connect",
            Self::SecretsManager => "Secrets Manager",
            Self::Ssm => "SSM",
            Self::Ecs => "ECS",
            Self::DynamoDb => "DynamoDB",
        })
    }
}

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AwsErrorKind {
    /// There are no credentials, or they could not be fetched.
    NoCredentials,
    /// The credentials are wrong or too old, or this machine's clock is.
    NotAuthenticated,
    /// The credentials do not permit this operation.
    Denied,
    /// What was asked for does not exist.
    NotFound,
    /// Too many requests.
    Throttled,
    /// The service does not accept the request.
    Invalid,
    /// The service failed.
    Server,
    /// No connection, or no answer in time.
    Network,
    /// The answer is not what the service's description says.
    Unreadable,
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsAction {
    /// Try again later: nothing but time is needed.
    Retry,
    /// Trying again changes nothing.
    Fatal,
}

/// A failed operation. It never holds a secret, nor anything that was said on a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{service} {operation}: {}; {}", self.what(), self.advice())]
#[non_exhaustive]
pub struct AwsError {
    /// Which service.
    pub service: AwsService,
    /// Which operation, in the service's spelling.
    pub operation: &'static str,
    /// Kind of the failure.
    pub kind: AwsErrorKind,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Error type in the service's spelling, such as `AccessDeniedException`.
    pub code: Option<String>,
    /// What the service or the connection said, one line of at most 300 characters.
    pub message: String,
}

impl AwsError {
    pub(super) fn new(
        service: AwsService,
        operation: &'static str,
        kind: AwsErrorKind,
        message: impl AsRef<str>,
    ) -> Self {
        let message = one_line(message.as_ref(), MAX_MESSAGE);
        Self { service, operation, kind, status: None, code: None, message }
    }

    /// An answer that says no.
    pub(super) fn answered(
        service: AwsService,
        operation: &'static str,
        status: u16,
        code: Option<String>,
        message: &str,
    ) -> Self {
        let kind = kind_of(status, code.as_deref().unwrap_or_default());
        let message = one_line(message, MAX_MESSAGE);
        let code = code.map(|code| one_line(&code, 100));
        Self { service, operation, kind, status: Some(status), code, message }
    }

    /// What to do about it.
    #[must_use]
    pub fn action(&self) -> AwsAction {
        match self.kind {
            AwsErrorKind::Throttled
            | AwsErrorKind::Server
            | AwsErrorKind::Network
            | AwsErrorKind::NoCredentials => AwsAction::Retry,
            AwsErrorKind::NotAuthenticated
            | AwsErrorKind::Denied
            | AwsErrorKind::NotFound
            | AwsErrorKind::Invalid
            | AwsErrorKind::Unreadable => AwsAction::Fatal,
        }
    }

    /// DynamoDB found the condition of a write not met: nothing is wrong with the service.
    #[must_use]
    pub fn is_condition_failed(&self) -> bool {
        self.service == AwsService::DynamoDb
            && self.code.as_deref() == Some("ConditionalCheckFailedException")
    }

    /// What happened, without the advice.
    pub(crate) fn what(&self) -> String {
        let status = self.status.map(|s| format!("status {s}"));
        let message = (!self.message.is_empty()).then(|| self.message.clone());
        [status, self.code.clone(), message].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// What to do.
    pub(crate) fn advice(&self) -> &'static str {
        match self.kind {
            AwsErrorKind::NoCredentials => "give the process a role, a profile or AWS_ACCESS_KEY_ID",
            AwsErrorKind::NotAuthenticated => "check the credentials and this machine's clock",
            AwsErrorKind::Denied => "allow the operation in the role's policy",
            AwsErrorKind::NotFound => "check the name, the account and the region",
            AwsErrorKind::Throttled => "ask less often or raise the quota",
            AwsErrorKind::Invalid => "check the request's settings",
            AwsErrorKind::Server => "try again later",
            AwsErrorKind::Network => "check the route, the endpoint_url and the time-outs",
            AwsErrorKind::Unreadable => "check that the endpoint_url leads to the service",
        }
    }
}

/// The kind of an answer, by its type first and its status where the type is not known.
fn kind_of(status: u16, code: &str) -> AwsErrorKind {
    let any = |parts: &[&str]| parts.iter().any(|part| code.contains(part));
    let slower =
        ["Throttl", "TooManyRequests", "LimitExceeded", "RequestLimit", "SlowDown", "ThroughputExceeded"];
    if any(&slower) || status == 429 {
        AwsErrorKind::Throttled
    } else if any(&[
        "InvalidSignature",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "UnrecognizedClient",
        "InvalidClientTokenId",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "RequestExpired",
        "RequestTimeTooSkewed",
    ]) || status == 401
    {
        AwsErrorKind::NotAuthenticated
    } else if any(&["AccessDenied", "NotAuthorized", "UnauthorizedOperation"]) || status == 403 {
        AwsErrorKind::Denied
    } else if any(&["NotFound"]) || status == 404 {
        AwsErrorKind::NotFound
    } else if status >= 500 || any(&["InternalS", "ServiceUnavailable", "ServerException"]) {
        AwsErrorKind::Server
    } else {
        AwsErrorKind::Invalid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_judged_by_its_type_before_its_status() {
        for (status, code, kind) in [
            (400, "ThrottlingException", AwsErrorKind::Throttled),
            (429, "", AwsErrorKind::Throttled),
            (400, "ProvisionedThroughputExceededException", AwsErrorKind::Throttled),
            (400, "AccessDeniedException", AwsErrorKind::Denied),
            (403, "InvalidSignatureException", AwsErrorKind::NotAuthenticated),
            (400, "ExpiredTokenException", AwsErrorKind::NotAuthenticated),
            (400, "ResourceNotFoundException", AwsErrorKind::NotFound),
            (400, "ParameterNotFound", AwsErrorKind::NotFound),
            (400, "ServerException", AwsErrorKind::Server),
            (503, "", AwsErrorKind::Server),
            (400, "InvalidParameterException", AwsErrorKind::Invalid),
        ] {
            assert_eq!(kind_of(status, code), kind, "{status} {code}");
        }
    }
}
