//! How a command fails: with which exit code, and what is said.

use std::io;

/// A command that did not end with 0.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The job failed: 1.
    Job(anyhow::Error),
    /// It was called wrongly: 2.
    Usage(anyhow::Error),
    /// Somebody pressed Ctrl-C, and what was final has been written: 130.
    Interrupted,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(anyhow::Error::msg(message.into()))
    }

    /// The services of a live call cannot be prepared: wrong usage or configuration.
    #[allow(clippy::needless_pass_by_value, reason = "made for `map_err`")]
    pub(crate) fn setup(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self::usage(chain(error.as_ref()))
    }

    pub(crate) fn job(message: impl Into<String>) -> Self {
        Self::Job(anyhow::Error::msg(message.into()))
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Job(_) => 1,
            Self::Usage(_) => 2,
            Self::Interrupted => 130,
        }
    }

    pub(crate) fn error(&self) -> Option<&anyhow::Error> {
        match self {
            Self::Job(error) | Self::Usage(error) => Some(error),
            Self::Interrupted => None,
        }
    }

    /// The reader of standard output went away (`transcribe … | head`).
    pub(crate) fn is_closed_pipe(&self) -> bool {
        self.error().is_some_and(|error| {
            error.chain().any(|cause| {
                cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
            })
        })
    }
}

/// An error with all that lies behind it, unless it says that itself.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Job(error)
    }
}
