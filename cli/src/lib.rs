//! The command line of kvscribe: arguments, wiring, printing. No logic of calls lives here.
//!
//! Read it in the order of a run: `args` is what was typed, [`run`] picks the command, `transcribe` wires
//! source, call, recogniser and output together, `output` prints. Results go to standard output, everything
//! else to standard error.

mod args;
mod console;
mod failure;
mod inspect;
mod interrupt;
mod listener;
mod live;
mod model;
mod notes;
mod output;
mod recogniser;
mod transcribe;
mod wav;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

pub use console::Io;

use args::{Args, Command};
use console::Console;
use failure::Failure;

/// Runs the program with these arguments (the first is its own name) and says how it ended: 0 done, 1 the
/// job failed, 2 wrong usage, 130 interrupted.
pub fn run(args: impl IntoIterator<Item = OsString>, io: Io) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => return usage(&error, io),
    };
    let mut console = Console::new(io, args.quiet(), args.verbose());
    let done = match args.command {
        Some(Command::Call(args)) => live::call(&args, &mut console),
        Some(Command::Worker(args)) => live::worker(&args, &mut console),
        Some(Command::Lambda) => live::lambda(),
        Some(Command::Doctor(args)) => live::doctor(&args, &mut console),
        Some(Command::Inspect(args)) => inspect::run(&args, &mut console),
        Some(Command::Model(args)) => model::run(&args, &mut console),
        None => transcribe::run(&args.file, &mut console),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => conclude(&failure, &mut console),
    }
}

/// `--help` and `--version` are results; everything else clap says is about wrong usage.
fn usage(error: &clap::Error, mut io: Io) -> ExitCode {
    use std::io::Write;
    let text = error.render();
    let (out, terminal) = if error.use_stderr() {
        (&mut io.stderr, io.stderr_terminal)
    } else {
        (&mut io.stdout, io.stdout_terminal)
    };
    // Nobody is left to tell if this fails.
    let _ = if terminal { write!(out, "{}", text.ansi()) } else { write!(out, "{text}") };
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

fn conclude(failure: &Failure, console: &mut Console) -> ExitCode {
    if failure.is_closed_pipe() {
        // Whoever read the results has seen enough.
        return ExitCode::SUCCESS;
    }
    if let Some(error) = failure.error() {
        console.error(&format!("{error:#}"));
    }
    ExitCode::from(failure.code())
}
