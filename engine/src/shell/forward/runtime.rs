//! The Lambda custom runtime: invocations in, answers and errors out.
//!
//! Source: AWS Lambda, runtime API for custom runtimes.

use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::shell::clock;
use crate::shell::config::Config;
use crate::shell::log::of_call;
use crate::time::Time;

use super::error::{ForwardError, ForwardSetupError};
use super::{Forwarded, Forwarder};

/// What Lambda sets for a function, and without which the runtime crate panics.
const VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];
/// Kept of an invocation's time to say what went wrong.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Takes invocations until Lambda ends the process.
///
/// # Errors
/// The configuration makes no sense, Lambda has not started this process, or its interface broke.
pub async fn run(config: &Config) -> Result<(), ForwardSetupError> {
    environment()?;
    let forwarder = Arc::new(Box::pin(Forwarder::new(config)).await?);
    let runtime = Runtime::new(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let forwarder = Arc::clone(&forwarder);
        async move { answer(&forwarder, &event).await }
    }));
    runtime.run().await.map_err(|error| ForwardSetupError::Runtime(error.to_string()))
}

async fn answer(forwarder: &Forwarder, event: &LambdaEvent<Box<RawValue>>) -> Result<Forwarded, Diagnostic> {
    let payload = event.payload.get();
    let contact = contact_of(payload);
    let handing = async {
        let started = tokio::time::Instant::now();
        let handed = forwarder.forward(payload, left(event.context.deadline)).await;
        let request_id = event.context.request_id.as_str();
        note(request_id, started.elapsed(), &handed);
        handed.map_err(Diagnostic::from)
    };
    match contact {
        Some(contact) => of_call(&contact, handing).await,
        None => handing.await,
    }
}

fn note(request_id: &str, took: Duration, handed: &Result<Forwarded, ForwardError>) {
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match handed {
        Ok(done) => {
            let (by, already_running) = (done.by.as_deref().unwrap_or("-"), done.already_running);
            tracing::info!(by, already_running, took_ms, request_id, "the call was handed on");
        }
        Err(error) => {
            let kind = error.kind();
            tracing::error!(%error, kind, took_ms, request_id, "the call was not handed on");
        }
    }
}

/// What is left until this deadline in epoch ms, but for the time to say what went wrong.
fn left(deadline_ms: u64) -> Duration {
    let deadline = Time::from_ms(i64::try_from(deadline_ms).unwrap_or(i64::MAX / 1000));
    let us = (deadline - clock::now()).us();
    Duration::from_micros(u64::try_from(us).unwrap_or_default()).saturating_sub(LAST_WORDS)
}

/// The contact of a payload that may be wrong otherwise, for the log.
fn contact_of(payload: &str) -> Option<String> {
    let value: Value = serde_json::from_str(payload).ok()?;
    let given = value.get("voiceCallId").or_else(|| value.pointer("/Details/ContactData/ContactId"))?;
    given.as_str().filter(|id| !id.is_empty() && id.len() <= 256).map(str::to_owned)
}

fn environment() -> Result<(), ForwardSetupError> {
    let missing = |name: &str| ForwardSetupError::NotLambda(format!("{name} is not set"));
    for name in VARIABLES {
        let value = std::env::var(name).map_err(|_| missing(name))?;
        let good = match name {
            "AWS_LAMBDA_RUNTIME_API" => value.parse::<http::Uri>().is_ok_and(|uri| uri.authority().is_some()),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" => value.parse::<i32>().is_ok(),
            _ => true,
        };
        if !good {
            return Err(ForwardSetupError::NotLambda(format!("{name} is `{value}`")));
        }
    }
    Ok(())
}
