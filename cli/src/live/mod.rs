//! The live commands: one call, many in a worker, the forwarder in front of both, and the doctor. Configuration
//! in, services up, signals heeded.

mod call;
mod doctor;
mod lambda;
mod one;
mod report;
mod standby;
mod worker;

pub(crate) use call::run as call;
pub(crate) use doctor::run as doctor;
pub(crate) use lambda::run as lambda;
pub(crate) use worker::run as worker;

use std::future::Future;

use anyhow::Context;
use engine::shell::config::{Config, Sources};
use engine::shell::log::{self, LogOptions};

use crate::args::ConfigArgs;
use crate::failure::Failure;

/// Reads the configuration and sets up logging.
fn prepare(args: &ConfigArgs) -> Result<Config, Failure> {
    let sources = Sources::of_process(args.config.clone(), args.set.clone());
    let wrong = |error: &dyn std::fmt::Display| Failure::usage(error.to_string());
    let config = Config::load(&sources).map_err(|e| wrong(&e))?;
    let options: LogOptions = config.section("log").map_err(|e| wrong(&e))?;
    log::install(&options).map_err(|e| wrong(&e))?;
    Ok(config)
}

/// Runs a command on a runtime of its own.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().build().context("cannot start the runtime")?;
    let done = runtime.block_on(work);
    // What is left belongs to nobody any more.
    runtime.shutdown_background();
    done
}

/// Ctrl-C and SIGTERM. From the moment it is made none is missed, and none ends the process by itself.
#[cfg(unix)]
struct StopSignal {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignal {
    fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let heed = |kind| signal(kind).context("cannot heed signals");
        Ok(Self { interrupt: heed(SignalKind::interrupt())?, terminate: heed(SignalKind::terminate())? })
    }

    /// Completes at the next one.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
struct StopSignal;

#[cfg(not(unix))]
impl StopSignal {
    fn new() -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // Without a handler Ctrl-C ends the process at once, as it does everywhere.
        let _ = tokio::signal::ctrl_c().await;
    }
}
