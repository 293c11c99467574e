//! The forwarder: takes a call's payload where kvsConsumerTrigger invokes kvsTranscriber, and hands it on
//! unchanged to whoever transcribes, within a second.
//!
//! It is a Lambda function that lives for milliseconds: it prepares what its mode needs and nothing else. A
//! payload goes either to a worker's HTTP interface or into an ECS task of its own. Whatever cannot be handed
//! on is an error of the invocation, never a success, so that Lambda's asynchronous retry and alarms see it.
//! This room knows no media, no Transcribe and no Salesforce.

mod error;
mod options;
mod runtime;
mod task;
mod token;
mod workers;

use std::time::Duration;

use serde::Serialize;

use crate::shell::aws::AwsOptions;
use crate::shell::config::Config;
use crate::shell::payload::Payload;

pub use error::{ForwardError, ForwardSetupError};
pub use options::{ForwardMode, ForwardOptions};
pub use runtime::run;

use task::Tasks;
use workers::Workers;

/// What became of a payload that was handed on. It is the answer of the invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Forwarded {
    /// The contact of the payload.
    pub contact_id: String,
    /// It ran already: the payload had been handed on before.
    pub already_running: bool,
    /// Where it runs: the worker's address without its path, or the task's ARN; absent where ECS only said
    /// that there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Hands payloads on.
#[derive(Debug)]
pub struct Forwarder {
    target: Target,
    budget: Duration,
}

#[derive(Debug)]
enum Target {
    Workers(Workers),
    Tasks(Box<Tasks>),
}

impl Forwarder {
    /// Prepares what `[forward]` asks for. It speaks to nobody yet.
    ///
    /// # Errors
    /// An option is missing or makes no sense, or there is no client or no credentials.
    pub async fn new(config: &Config) -> Result<Self, ForwardSetupError> {
        let options: ForwardOptions = config.section("forward")?;
        options.check()?;
        let aws: AwsOptions = config.section("aws")?;
        let target = match options.mode {
            ForwardMode::Worker => Target::Workers(Workers::new(&options, aws)?),
            ForwardMode::Ecs => Target::Tasks(Box::new(Tasks::new(&options, aws).await?)),
        };
        Ok(Self { target, budget: Duration::from_millis(options.timeout_ms) })
    }

    /// Hands a payload on, byte for byte, within `timeout_ms` or what is left of the invocation.
    ///
    /// # Errors
    /// The payload starts no call, or nobody has taken it.
    pub async fn forward(&self, payload: &str, left: Duration) -> Result<Forwarded, ForwardError> {
        let order = Payload::parse(payload.as_bytes())?;
        let budget = self.budget.min(left);
        let mut tried = Vec::new();
        let handing = async {
            match &self.target {
                Target::Workers(workers) => workers.hand_on(&order, payload, budget, &mut tried).await,
                Target::Tasks(tasks) => Box::pin(tasks.hand_on(&order, payload)).await,
            }
        };
        match tokio::time::timeout(budget, handing).await {
            Ok(handed) => handed,
            Err(_) => Err(ForwardError::Late { budget_ms: budget.as_millis(), tried: tried.join("; ") }),
        }
    }
}
