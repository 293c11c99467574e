//! What a check ends as. It knows no check.

use std::fmt;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Calls will not fail by it.
    Ok,
    /// Calls run, and lose something by it; or it could not be looked at.
    Warning,
    /// No call can succeed.
    Failed,
}

impl Health {
    /// `ok`, `warning` or `failed`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// One thing that was looked at. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What, in a word or two.
    pub what: &'static str,
    /// How it is.
    pub health: Health,
    /// What was found.
    pub detail: String,
    /// What to do.
    pub advice: Option<String>,
}

impl Finding {
    pub(super) fn ok(what: &'static str, detail: impl Into<String>) -> Self {
        Self { what, health: Health::Ok, detail: detail.into(), advice: None }
    }

    pub(super) fn warning(what: &'static str, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what, health: Health::Warning, detail: detail.into(), advice: Some(advice.into()) }
    }

    pub(super) fn failed(what: &'static str, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { health: Health::Failed, ..Self::warning(what, detail, advice) }
    }

    /// Of a message as the parts write them: what happened; what to do.
    pub(super) fn of_text(what: &'static str, health: Health, text: &str) -> Self {
        let (detail, advice) = match text.rsplit_once("; ") {
            Some((detail, advice)) => (detail.to_owned(), Some(advice.to_owned())),
            None => (text.to_owned(), None),
        };
        Self { what, health, detail, advice }
    }
}

impl fmt::Display for Finding {
    /// One line: `warning  retention     streams keep no audio — …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<9}{:<14}{}", self.health.name(), self.what, self.detail)?;
        match &self.advice {
            Some(advice) => write!(f, " — {advice}"),
            None => Ok(()),
        }
    }
}
