//! The two options.

use std::ffi::OsString;

pub(crate) const USAGE: &str = "usage: cargo load -- [--calls N,N,…] [--seconds N]

Plays N calls at once through emulated services and `transcribe worker`, and prints the added
delay and the memory of each number of calls in one table.

  --calls N,N,…   numbers of concurrent calls, 1 to 1,000 each [default: 1,50,200]
  --seconds N     how long all of them are measured, 5 to 3,600 [default: 30]";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    /// Numbers of concurrent calls, one after the other.
    pub(crate) calls: Vec<usize>,
    /// How long each is measured.
    pub(crate) seconds: i64,
}

/// Reads the arguments; `None`: help is asked for.
pub(crate) fn read(args: &[OsString]) -> Result<Option<Args>, String> {
    let mut read = Args { calls: vec![1, 50, 200], seconds: 30 };
    let mut args = args.iter().map(|a| a.to_string_lossy());
    while let Some(arg) = args.next() {
        let (name, value) = match arg.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (arg.into_owned(), None),
        };
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        let value = || value.or_else(|| args.next().map(std::borrow::Cow::into_owned)).unwrap_or_default();
        match name.as_str() {
            "--calls" => read.calls = numbers(&value())?,
            "--seconds" => read.seconds = number(&value(), 5, 3600)?,
            other => return Err(format!("{other} is no option")),
        }
    }
    Ok(Some(read))
}

fn numbers(text: &str) -> Result<Vec<usize>, String> {
    text.split(',').map(|n| number(n, 1, 1000).map(|n| usize::try_from(n).unwrap_or(1))).collect()
}

fn number(text: &str, least: i64, most: i64) -> Result<i64, String> {
    let number = text.trim().parse().ok().filter(|n| (least..=most).contains(n));
    number.ok_or_else(|| format!("{text:?} is no number from {least} to {most}"))
}
