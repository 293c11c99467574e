//! The seam between a room that needs a secret and the one that can fetch it, and text that never prints.
//!
//! It knows neither what a secret is for nor where it is kept.

use std::fmt;
use std::future::Future;

use serde::Deserialize;

/// A secret. It prints as `…`, so that it never reaches a log by accident.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Why a secret could not be fetched: where, what, and what to do, in one sentence.
pub type SecretError = Box<dyn std::error::Error + Send + Sync>;

/// Where secrets are kept.
pub trait SecretSource: Sync {
    /// The current value of a secret by its name or ARN (Secrets Manager).
    fn secret(&self, name: &str) -> impl Future<Output = Result<SecretText, SecretError>> + Send;
    /// The decrypted value of a parameter by its name or ARN (SSM Parameter Store).
    fn parameter(&self, name: &str) -> impl Future<Output = Result<SecretText, SecretError>> + Send;
}

/// Nowhere: for settings that name no secret.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

impl SecretSource for NoSecrets {
    async fn secret(&self, name: &str) -> Result<SecretText, SecretError> {
        Err(format!("there is no access to Secrets Manager to read {name}").into())
    }

    async fn parameter(&self, name: &str) -> Result<SecretText, SecretError> {
        Err(format!("there is no access to SSM to read {name}").into())
    }
}
