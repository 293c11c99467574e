//! `cargo lab --`: a call from beginning to end on this machine.
//!
//! Emulators of Kinesis Video Streams, Amazon Transcribe, Amazon Connect and Salesforce start on loopback, a
//! bundled call plays live in the one, `transcribe call` runs as a process of its own, and what Salesforce
//! receives is printed as it comes.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod stage;
mod telephone;
mod watch;

use std::process::{ExitCode, Stdio};

use tests::emulators::{Clock, live_call};
use tests::product;

use stage::Stage;

const USAGE: &str = "usage: cargo lab -- [RECORDING]

Plays a bundled call live through emulated services and `transcribe call`, and prints each
utterance as Salesforce receives it. RECORDING is a name in fixtures/data [default: calls/returns.mkv].";

fn main() -> ExitCode {
    let rest = match product::arguments() {
        Ok(rest) => rest,
        Err(code) => return code,
    };
    let recording = match rest.as_slice() {
        [] => "calls/returns.mkv".to_owned(),
        [one] if !one.to_string_lossy().starts_with('-') => one.to_string_lossy().into_owned(),
        [help] if help == "--help" || help == "-h" => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let code = match runtime.block_on(run(&recording)) {
        Ok(code) => code,
        Err(error) => failed(&error),
    };
    // The recogniser's threads may still be at work.
    runtime.shutdown_background();
    code
}

fn failed(error: &std::io::Error) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

async fn run(recording: &str) -> std::io::Result<ExitCode> {
    eprintln!(
        "starting the recogniser behind the emulated Transcribe; the first time its model is fetched (75 MB)"
    );
    let mut stage = Stage::set().await?;
    let call = live_call(recording, Clock::real().now() + engine::time::Span::from_s(1))?;
    stage.play(&call);
    let files = stage.write_files(&call)?;
    eprintln!(
        "on stage: Kinesis Video {}, Transcribe {}, Salesforce {}",
        stage.kinesis.url(),
        stage.transcribe.url(),
        stage.salesforce.base()
    );
    let mut product = product::transcribe()?
        .arg("call")
        .arg(&files.event)
        .arg("--config")
        .arg(&files.config)
        .args(["--listen", &files.gate.to_string()])
        .env("AWS_ACCESS_KEY_ID", &stage.credentials.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &stage.credentials.secret_access_key)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    eprintln!(
        "on the line: {recording}, {} s; `transcribe call` listens\n",
        (call.end - call.start).ms() / 1000
    );
    let printing = watch::print(stage.salesforce.subscribe(), &call);
    let telephone = telephone::ring(&call, files.gate, &stage.salesforce);
    let over = async {
        tokio::select! {
            status = product.wait() => status,
            () = async { tokio::join!(printing, telephone); std::future::pending().await } => unreachable!(),
        }
    };
    let status = over.await?;
    println!();
    Ok(ExitCode::from(if status.success() { watch::verdict(&stage.salesforce, &call) } else { 1 }))
}
