//! `transcribe lambda`: the forwarder, as a custom runtime that AWS Lambda starts.

use anyhow::Context;
use engine::shell::forward::{self, ForwardSetupError};

use crate::args::ConfigArgs;
use crate::failure::Failure;

use super::prepare;

/// Takes invocations until Lambda ends the process. Everything it is told stands in the environment, and in the
/// file that `KVSCRIBE_CONFIG` names.
pub(crate) fn run() -> Result<(), Failure> {
    let config = prepare(&ConfigArgs::default())?;
    // One thread: an execution environment has one invocation at a time, and starts sooner.
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(forward::run(&config)).map_err(|error| match error {
        ForwardSetupError::Runtime(_) => Failure::Job(error.into()),
        _ => Failure::usage(error.to_string()),
    })
}
