//! `transcribe call` and `transcribe worker` as programs of their own, against every emulator over TLS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use tests::live::{Lab, Program};

mod call;
mod death;
mod shadow;
mod worker;

/// Options of a call that lies in the past and is read as fast as it can be.
pub(crate) const FAST: [&str; 3] =
    ["live.catch_up_percent=400", "live.burst_ms=60000", "live.max_waiting_audio_ms=60000"];

/// The lab's settings and more.
pub(crate) fn settings(lab: &Lab, more: &[&str]) -> Vec<String> {
    let mut settings = lab.settings();
    settings.extend(more.iter().map(|s| (*s).to_owned()));
    settings
}

/// Starts `transcribe` with these arguments and settings.
pub(crate) async fn transcribe(arguments: &[&str], settings: &[String], stdin: &str) -> Program {
    Program::start(env!("CARGO_BIN_EXE_transcribe"), arguments, settings, &[], stdin).await
}
