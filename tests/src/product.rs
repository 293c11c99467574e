//! The product inside the programs of the lab: they are built with it, and start themselves as it.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use tokio::process::Command;

/// The argument with which such a program starts itself as the product.
const AS_PRODUCT: &str = "--as-transcribe";

/// A command that runs `transcribe` in a process of its own.
///
/// # Errors
/// When the path of this program cannot be had.
pub fn transcribe() -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(AS_PRODUCT);
    Ok(command)
}

/// Runs as the product where this process was started by [`transcribe`]; else the arguments of the program.
///
/// # Errors
/// This process is the product, and has ended with this code.
pub fn arguments() -> Result<Vec<OsString>, ExitCode> {
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_default();
    let rest: Vec<OsString> = args.collect();
    if rest.first().is_some_and(|a| a == AS_PRODUCT) {
        let args = std::iter::once(name).chain(rest.into_iter().skip(1));
        return Err(cli::run(args, cli::Io::of_process()));
    }
    Ok(rest)
}
