//! Why there is no way to Salesforce. What becomes of a message is no error: it is an outcome.

use std::path::PathBuf;

use crate::shell::http::ClientError;
use crate::shell::secrets::SecretError;

/// What is wrong with the settings or with what they lead to. It never shows a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A setting is missing.
    #[error("[salesforce] {name} is not set; {advice}")]
    Missing {
        /// Which one.
        name: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The key is named in several ways.
    #[error("[salesforce] {} exclude each other; keep one", .0.join(" and "))]
    Contradiction(Vec<&'static str>),
    /// A setting has no meaning.
    #[error("[salesforce] {name}: {what}")]
    Invalid {
        /// Which one.
        name: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The key's file cannot be read.
    #[error("[salesforce] private_key_file: cannot read {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The secret or parameter cannot be fetched.
    #[error("[salesforce] {setting}: {source}")]
    Secret {
        /// Which setting names it.
        setting: &'static str,
        /// Why.
        source: SecretError,
    },
    /// The secret is not what Service Cloud Voice writes.
    #[error("[salesforce] secret {name}: {what}")]
    SecretShape {
        /// Its name.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// The key cannot sign.
    #[error("[salesforce] the private key from {setting} cannot be used: {what}")]
    Key {
        /// Which setting it comes from.
        setting: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// No HTTP client.
    #[error("[salesforce] {0}")]
    Client(#[from] ClientError),
}

/// Why Salesforce would not take messages, as far as can be told without sending one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The key does not sign.
    #[error("no token can be signed: {0}")]
    Token(String),
    /// Nobody answers.
    #[error("{endpoint} does not answer: {why}; check endpoint_base and the route to it")]
    Unreachable {
        /// The endpoint base.
        endpoint: String,
        /// Why.
        why: String,
    },
}
