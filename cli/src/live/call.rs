//! `transcribe call EVENT`: one call, from payload to empty outbox.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use engine::call::{EndReason, Summary};
use engine::shell::api::{CallStatus, Server};
use engine::shell::clock;
use engine::shell::config::WorkerOptions;
use engine::shell::log;
use engine::shell::metrics;
use engine::shell::payload::{MAX_PAYLOAD_BYTES, Payload};
use engine::shell::services::Services;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::args::{CallArgs, SummaryFormat};
use crate::console::Console;
use crate::failure::Failure;

use super::one::OneCall;
use super::standby::{End, Standby};
use super::{StopSignal, block_on, prepare, report};

pub(crate) fn run(args: &CallArgs, console: &mut Console) -> Result<(), Failure> {
    let text = event(&args.event, console)?;
    let payload = Payload::parse(&text).map_err(|e| Failure::usage(format!("{}: {e}", args.event)))?;
    let config = prepare(&args.config)?;
    let mut worker: WorkerOptions = config.section("worker").map_err(|e| Failure::usage(e.to_string()))?;
    let listen = args.listen;
    worker.bind = listen.unwrap_or(worker.bind);
    let shadow = args.config.shadow.clone();
    let contact = payload.contact_id.clone();
    let calling = async move {
        let mut signal = StopSignal::new()?;
        let services = Services::new(&config, shadow.as_deref()).await.map_err(Failure::setup)?;
        let services = Arc::new(services);
        services.order(&payload).map_err(Failure::setup)?;
        if !payload.ignored.is_empty() {
            tracing::info!(keys = ?payload.ignored, "the payload has keys that nobody knows");
        }
        let key = payload.key().unwrap_or(&payload.contact_id);
        let (shown, status) = watch::channel(CallStatus::new(&payload.contact_id, key, clock::now().ms()));
        let (wire, inputs) = watch::channel(None);
        let serving = match listen {
            Some(_) => {
                let one = OneCall { services: Arc::clone(&services), inputs, status };
                Some(serve(&worker, one).await?)
            }
            None => None,
        };
        let drain = Duration::from_secs(worker.drain_deadline_s);
        let desk = Standby { services, payload, shown, wire, drain };
        let end = desk.see_through(&mut signal).await;
        if let Some(serving) = serving {
            serving.abort();
        }
        end
    };
    match block_on(log::of_call(&contact, calling))? {
        End::Over(summary, stopped) => {
            match args.summary {
                SummaryFormat::Text => console.block(&report::text(&summary)),
                SummaryFormat::Json => {
                    let text = serde_json::to_string(&summary).context("cannot write the summary")?;
                    console.block(&text);
                }
            }
            conclude(&summary, stopped)
        }
        End::Finished => {
            console.block(&format!("call {contact} is over already: nothing to do"));
            Ok(())
        }
        End::HandedOver => {
            console.block(&format!("call {contact} is not over: whoever takes it goes on with it"));
            Ok(())
        }
        End::NeverHeld => {
            console.block(&format!("call {contact} runs in another process"));
            Ok(())
        }
    }
}

/// Takes gate events over HTTP from here on.
async fn serve(options: &WorkerOptions, call: OneCall) -> Result<JoinHandle<()>, Failure> {
    let handle = metrics::install().map_err(|e| Failure::job(e.to_string()))?;
    let services = Arc::clone(&call.services);
    let server = Server::bind(options, Arc::new(call), move || handle.render()).await;
    let server = server.map_err(|e| Failure::usage(e.to_string()))?;
    services.custody.listens();
    Ok(log::spawn(server.serve(std::future::pending())))
}

/// 0 if the call ended and every message was delivered or is accounted for.
fn conclude(summary: &Summary, stopped: bool) -> Result<(), Failure> {
    let contact = &summary.contact;
    match &summary.end {
        EndReason::MediaFailed(why) => return Err(Failure::job(format!("call {contact}: media: {why}"))),
        EndReason::RecogniserFailed(why) => {
            return Err(Failure::job(format!("call {contact}: recogniser: {why}")));
        }
        _ => {}
    }
    let left = summary.messages.undelivered.len();
    if left > 0 {
        return Err(Failure::job(format!("call {contact}: {left} messages could not be delivered")));
    }
    if summary.start_time.is_none() && !stopped {
        return Err(Failure::job(format!("call {contact}: the stream brought no audio of this contact")));
    }
    Ok(())
}

/// The payload: a file, standard input for `-`, or an environment variable for `env:NAME`.
fn event(source: &str, console: &mut Console) -> Result<Vec<u8>, Failure> {
    if let Some(name) = source.strip_prefix("env:") {
        let value = std::env::var_os(name)
            .ok_or_else(|| Failure::usage(format!("the environment has no variable {name}")))?;
        return Ok(value.into_encoded_bytes());
    }
    let mut text = Vec::new();
    // One byte more than is taken, so that a longer one is told from one that just fits.
    let limit = MAX_PAYLOAD_BYTES as u64 + 1;
    if source == "-" {
        let stdin = std::mem::replace(&mut console.io.stdin, Box::new(std::io::empty()));
        stdin.take(limit).read_to_end(&mut text).context("cannot read the payload from standard input")?;
    } else {
        let wrong = |error| Failure::usage(format!("the payload cannot be read from {source}: {error}"));
        File::open(source).and_then(|file| file.take(limit).read_to_end(&mut text)).map_err(wrong)?;
    }
    Ok(text)
}
