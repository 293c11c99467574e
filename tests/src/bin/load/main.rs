//! `cargo load --`: the added delay and the memory of live calls, at several numbers of concurrent calls.
//!
//! Emulators of Kinesis Video Streams, Amazon Transcribe, Amazon Connect and Salesforce start on loopback,
//! `transcribe worker` runs as a process of its own, and calls made of tone words play through both in real
//! time. Everything is measured from outside, at the emulators. It fails when messages are missing or come
//! twice, never because of a time.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod args;
mod calls;
mod figures;
mod round;
mod stage;
mod table;
mod usage;
mod worker;

use std::process::ExitCode;

use args::{Args, USAGE};

fn main() -> ExitCode {
    let rest = match tests::product::arguments() {
        Ok(rest) => rest,
        Err(code) => return code,
    };
    let args = match args::read(&rest) {
        Ok(Some(args)) => args,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("error: {why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    runtime.block_on(run(&args)).unwrap_or_else(|error| failed(&error))
}

fn failed(error: &std::io::Error) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

async fn run(args: &Args) -> std::io::Result<ExitCode> {
    let mut rows = Vec::new();
    for calls in &args.calls {
        eprintln!("{calls} calls at once, {} s of them measured …", args.seconds);
        rows.push(round::run(*calls, args.seconds).await?);
    }
    print!("{}", table::table(&rows));
    let mut good = true;
    for row in &rows {
        let wrong = &row.figures.wrong;
        if wrong.missing + wrong.doubled + wrong.invented > 0 {
            eprintln!(
                "error: at {} calls {} messages are missing, {} came twice, {} were never said",
                row.calls, wrong.missing, wrong.doubled, wrong.invented
            );
            good = false;
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
