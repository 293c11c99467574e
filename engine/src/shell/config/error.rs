//! What is wrong with the configuration: where it stands, which key, and what was expected.

use std::fmt;
use std::path::PathBuf;

use serde::de::{Expected, Unexpected};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nowhere: it is missing.
    Missing,
    /// The configuration file.
    File(PathBuf),
    /// This environment variable.
    Variable(String),
    /// `--set` with this key.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("configuration"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(key) => write!(f, "--set {key}"),
        }
    }
}

/// Why there is no valid configuration. No value is repeated, since any may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("file {} cannot be read: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The file is no TOML.
    #[error("file {} is not TOML, {why}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, and what is wrong with it.
        why: String,
    },
    /// A name that no section or key has.
    #[error("{origin}: {what}{}", hint(nearest))]
    Unknown {
        /// Where it stands.
        origin: Origin,
        /// What it is.
        what: String,
        /// The known name most like it.
        nearest: Option<String>,
    },
    /// A flag that is not `section.key=value`.
    #[error("--set `{0}`: it should look like `salesforce.org_id=00D…`")]
    Flag(String),
    /// A value that makes no sense.
    #[error("{origin}: [{section}] {key}: {what}")]
    Value {
        /// Where it stands.
        origin: Origin,
        /// The section.
        section: String,
        /// The key within it; empty for the section as a whole.
        key: String,
        /// What is wrong, and what was expected.
        what: String,
    },
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// An error while a section is read, on its way up: the path grows as it rises.
#[derive(Debug)]
pub(super) struct ReadError {
    pub(super) path: String,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    UnknownKey { key: String, nearest: Option<String> },
    Other(String),
}

impl ReadError {
    /// The path of a key within the path of this error.
    pub(super) fn path_to(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The same error, within this key or element.
    pub(super) fn within(mut self, part: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{part}{dot}{}", self.path);
        self
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { key, .. } => write!(f, "`{key}` is not known"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ReadError {}

impl serde::de::Error for ReadError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self { path: String::new(), kind: Kind::Other(text.to_string()) }
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        let nearest = nearest(key, known.iter().copied());
        Self { path: String::new(), kind: Kind::UnknownKey { key: key.to_owned(), nearest } }
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        Self::custom(format_args!("expected one of {}", names.join(", ")))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}, found {}", kind_of(&found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match found {
            Unexpected::Signed(n) => Self::custom(format_args!("{n} is out of range, expected {expected}")),
            Unexpected::Unsigned(n) => Self::custom(format_args!("{n} is out of range, expected {expected}")),
            other => Self::custom(format_args!("expected {expected}, found {}", kind_of(&other))),
        }
    }
}

/// What kind of value it is, without the value.
const fn kind_of(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
        Unexpected::Float(_) => "a number",
        Unexpected::Str(_) | Unexpected::Char(_) => "text",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a table",
        _ => "something else",
    }
}

/// The known name most like `name`, if any is alike.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let near = known.map(|k| (distance(name, k), k)).min()?;
    (near.0 <= near.1.len().max(name.len()) / 2).then(|| near.1.to_owned())
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let best = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}
