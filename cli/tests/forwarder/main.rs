//! `transcribe lambda`: a process of its own against an emulated Lambda runtime interface, in front of
//! workers and of an emulated ECS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod tasks;
mod workers;
mod world;

use engine::shell::config::Config;
use engine::shell::forward;

#[tokio::test]
async fn a_process_that_lambda_did_not_start_says_so() {
    let error = forward::run(&Config::default()).await.unwrap_err().to_string();
    assert!(error.contains("AWS_LAMBDA_RUNTIME_API is not set") && error.contains("AWS Lambda"), "{error}");
}
