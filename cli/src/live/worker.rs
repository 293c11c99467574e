//! `transcribe worker`: many calls in one process, behind an HTTP interface.

use std::sync::Arc;
use std::time::Duration;

use engine::shell::api::Server;
use engine::shell::config::WorkerOptions;
use engine::shell::metrics;
use engine::shell::services::Services;
use engine::shell::supervisor::{Desk, Supervisor};
use tokio::sync::oneshot;

use crate::args::WorkerArgs;
use crate::console::Console;
use crate::failure::Failure;

use super::{StopSignal, block_on, prepare};

/// How often the exporter tidies up behind its histograms.
const UPKEEP: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &WorkerArgs, console: &mut Console) -> Result<(), Failure> {
    let config = prepare(&args.config)?;
    let options: WorkerOptions = config.section("worker").map_err(|e| Failure::usage(e.to_string()))?;
    let shadow = args.config.shadow.clone();
    let left = block_on(async move {
        let mut signal = StopSignal::new()?;
        let handle = metrics::install().map_err(|e| Failure::job(e.to_string()))?;
        let services = Services::new(&config, shadow.as_deref()).await.map_err(Failure::setup)?;
        let services = Arc::new(services);
        let supervisor = Supervisor::new(Arc::clone(&services), options.max_calls);
        let desk = Arc::new(Desk(Arc::clone(&supervisor)));
        let rendered = handle.clone();
        let server = Server::bind(&options, desk, move || rendered.render()).await;
        let server = server.map_err(|e| Failure::usage(e.to_string()))?;
        services.custody.listens();
        let rounds = tokio::spawn(Arc::clone(&supervisor).make_rounds());
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(async {
            // It stops when the calls are over, so that gate events are taken to the last.
            let _ = stopped.await;
        }));
        let upkeep = tokio::spawn(async move {
            let mut tick = tokio::time::interval(UPKEEP);
            loop {
                tick.tick().await;
                handle.run_upkeep();
            }
        });
        signal.next().await;
        let left = tokio::select! {
            left = supervisor.shut_down(Duration::from_secs(options.drain_deadline_s)) => left,
            () = signal.next() => supervisor.shut_down(Duration::ZERO).await,
        };
        rounds.abort();
        upkeep.abort();
        let _ = stop.send(());
        let _ = serving.await;
        Ok(left)
    })?;
    for status in &left {
        let text = format!("call {}: {} messages were not delivered", status.contact_id, status.waiting);
        console.block(&text);
    }
    if left.is_empty() { Ok(()) } else { Err(Failure::job("some messages were not delivered")) }
}
