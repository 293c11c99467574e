//! `transcribe lambda`: a process of its own against an emulated Lambda runtime interface, in front of
//! workers and of an emulated ECS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod cold_start;
mod tasks;
mod workers;
mod world;

use engine::shell::config::{Config, Sources};
use engine::shell::forward;
use engine::shell::log::{self, LogFormat, LogOptions};

/// The function itself: what `transcribe lambda` does.
#[test]
#[ignore = "the other tests run it, in a process of its own"]
fn the_function() {
    log::install(&LogOptions { format: LogFormat::Json, ..LogOptions::default() }).unwrap();
    let config = Config::load(&Sources::of_process(None, Vec::new())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(forward::run(&config)).unwrap();
}

#[tokio::test]
async fn a_process_that_lambda_did_not_start_says_so() {
    let error = forward::run(&Config::default()).await.unwrap_err().to_string();
    assert!(error.contains("AWS_LAMBDA_RUNTIME_API is not set") && error.contains("AWS Lambda"), "{error}");
}
