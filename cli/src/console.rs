//! Where things are written: results to one place, everything else to another.

use std::io::{self, IsTerminal, Read, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The three streams of a process, or what a test puts in their place.
pub struct Io {
    /// Standard input.
    pub stdin: Box<dyn Read + Send>,
    /// Results.
    pub stdout: Box<dyn Write + Send>,
    /// Everything else.
    pub stderr: Box<dyn Write + Send>,
    /// Results go to a terminal: colours are allowed.
    pub stdout_terminal: bool,
    /// Messages go to a terminal: colours and a progress bar are allowed.
    pub stderr_terminal: bool,
}

impl Io {
    /// The streams of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            stdin: Box::new(io::stdin()),
            stdout: Box::new(io::stdout()),
            stderr: Box::new(io::stderr()),
            stdout_terminal: io::stdout().is_terminal(),
            stderr_terminal: io::stderr().is_terminal(),
        }
    }
}

/// Says things to people, beside a progress bar where there is one.
pub(crate) struct Console {
    pub(crate) io: Io,
    quiet: bool,
    verbose: bool,
    bar: Option<ProgressBar>,
}

impl Console {
    pub(crate) fn new(io: Io, quiet: bool, verbose: bool) -> Self {
        Self { io, quiet, verbose, bar: None }
    }

    /// What went wrong; said even with `--quiet`.
    pub(crate) fn error(&mut self, text: &str) {
        self.say("\x1b[31merror:\x1b[0m", "error:", text);
    }

    /// What the user should know although the job goes on.
    pub(crate) fn warning(&mut self, text: &str) {
        if !self.quiet {
            self.say("\x1b[33mwarning:\x1b[0m", "warning:", text);
        }
    }

    /// What the user may like to know.
    pub(crate) fn note(&mut self, text: &str) {
        if !self.quiet {
            self.say("\x1b[36mnote:\x1b[0m", "note:", text);
        }
    }

    /// What only `--verbose` wants.
    pub(crate) fn detail(&mut self, text: &str) {
        if self.verbose {
            self.say("\x1b[2m·\x1b[0m", "·", text);
        }
    }

    /// A text of its own, without a prefix, to standard error.
    pub(crate) fn block(&mut self, text: &str) {
        let stderr = &mut self.io.stderr;
        let _ = beside(self.bar.as_ref(), || writeln!(stderr, "{text}"));
    }

    /// One line to standard error. If even that cannot be written, there is nobody left to tell.
    fn say(&mut self, coloured: &str, plain: &str, text: &str) {
        let prefix = if self.io.stderr_terminal { coloured } else { plain };
        let stderr = &mut self.io.stderr;
        let _ = beside(self.bar.as_ref(), || writeln!(stderr, "{prefix} {text}"));
    }

    /// Writes a result with the progress bar out of the way, and flushes it.
    pub(crate) fn print(&mut self, text: &[u8]) -> io::Result<()> {
        let stdout = &mut self.io.stdout;
        beside(self.bar.as_ref(), || stdout.write_all(text).and_then(|()| stdout.flush()))
    }

    /// Shows a bar of `total` bytes, or a spinner where that is not known; on a terminal only.
    pub(crate) fn start_bar(&mut self, total: Option<u64>, what: &str) {
        if self.quiet || !self.io.stderr_terminal {
            return;
        }
        let template = if total.is_some() {
            "{prefix} {wide_bar} {bytes}/{total_bytes} {msg}"
        } else {
            "{prefix} {spinner} {bytes} {msg}"
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        bar.set_style(style);
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        self.bar = Some(bar);
    }

    pub(crate) fn set_bar(&self, bytes: u64, message: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            bar.set_message(message());
        }
    }

    pub(crate) fn end_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// Writes with the progress bar out of the way.
fn beside<T>(bar: Option<&ProgressBar>, write: impl FnOnce() -> T) -> T {
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}
