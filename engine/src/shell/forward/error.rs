//! What goes wrong between an invocation and whoever is to take its payload.

use lambda_runtime::Diagnostic;

use crate::shell::aws::{AwsError, ConfigError as AwsConfigError};
use crate::shell::config::ConfigError;
use crate::shell::http::ClientError;
use crate::shell::payload::PayloadError;

/// Why the forwarder does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardSetupError {
    /// The configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An option is missing or makes no sense.
    #[error("[forward] {key}: {what}")]
    Option {
        /// The key.
        key: &'static str,
        /// What is wrong and what to do.
        what: String,
    },
    /// No HTTP client.
    #[error("[aws] {0}")]
    Client(#[from] ClientError),
    /// No way to AWS.
    #[error(transparent)]
    Aws(#[from] AwsConfigError),
    /// This process was not started by Lambda.
    #[error("{0}: `transcribe lambda` is started by AWS Lambda, as a custom runtime")]
    NotLambda(String),
    /// The runtime interface broke.
    #[error("the Lambda runtime interface failed: {0}")]
    Runtime(String),
}

/// Why a payload was not handed on. The invocation fails with it, and Lambda tries an asynchronous one again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// It starts no call; trying again changes nothing.
    #[error("the payload starts no call: {0}")]
    Payload(#[from] PayloadError),
    /// No worker has taken it.
    #[error("no worker has taken the call: {tried}")]
    Workers {
        /// Each address in turn, and what it said.
        tried: String,
    },
    /// The token for the worker cannot be had.
    #[error("there is no token for the worker: {0}")]
    Token(String),
    /// ECS has not started a task.
    #[error("no task was started for the call: {0}")]
    Task(#[from] AwsError),
    /// ECS takes no override of this size.
    #[error(
        "the payload makes a task override of {found} characters and ECS takes {limit}: send less, or forward to a worker ([forward] mode = \"worker\")"
    )]
    TooLarge {
        /// Characters of the override.
        found: usize,
        /// Most that are taken.
        limit: usize,
    },
    /// Time ran out; whether somebody has taken it is not known. The same payload may be sent again: a call
    /// that runs is not started twice.
    #[error("nobody has taken the call within {budget_ms} ms{}", with(tried))]
    Late {
        /// Time there was.
        budget_ms: u128,
        /// The addresses asked by then, and what they said.
        tried: String,
    },
}

fn with(tried: &str) -> String {
    if tried.is_empty() { String::new() } else { format!(": {tried}") }
}

impl ForwardError {
    /// Its kind, as Lambda's `errorType`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Payload(_) => "Kvscribe.BadPayload",
            Self::Workers { .. } => "Kvscribe.NoWorker",
            Self::Token(_) => "Kvscribe.NoToken",
            Self::Task(_) | Self::TooLarge { .. } => "Kvscribe.NoTask",
            Self::Late { .. } => "Kvscribe.Late",
        }
    }
}

impl From<ForwardError> for Diagnostic {
    fn from(error: ForwardError) -> Self {
        Self { error_type: error.kind().to_owned(), error_message: error.to_string() }
    }
}
