//! The credentials in use: fetched once, by one asker at a time, and again before they expire.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use tokio::sync::Mutex;

use crate::time::{Span, Time};

/// Credentials are renewed so long before they expire: longer than a request may take.
const MARGIN: Span = Span::from_s(300);
/// A provider that says nothing is given up after this.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct Keyring {
    provider: SharedCredentialsProvider,
    held: Mutex<Option<Credentials>>,
}

impl Keyring {
    pub(super) fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, held: Mutex::new(None) }
    }

    /// Credentials that are good for a while; the error says why there are none.
    pub(super) async fn get(&self, now: Time) -> Result<Credentials, String> {
        let mut held = self.held.lock().await;
        if let Some(credentials) = held.as_ref()
            && expiry(credentials).is_none_or(|at| now + MARGIN < at)
        {
            return Ok(credentials.clone());
        }
        let fresh = tokio::time::timeout(PATIENCE, self.provider.provide_credentials()).await;
        let error = match fresh {
            Ok(Ok(fresh)) => {
                *held = Some(fresh.clone());
                return Ok(fresh);
            }
            Ok(Err(error)) => whole(&error),
            Err(_) => format!("the provider of credentials said nothing for {} s", PATIENCE.as_secs()),
        };
        // What is not yet expired may still serve.
        match held.as_ref() {
            Some(old) if expiry(old).is_some_and(|at| now < at) => Ok(old.clone()),
            _ => Err(error),
        }
    }

    /// Forgets these credentials: the service does not take them.
    pub(super) async fn reject(&self, refused: &Credentials) {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|c| c.access_key_id() == refused.access_key_id()) {
            *held = None;
        }
    }
}

fn expiry(credentials: &Credentials) -> Option<Time> {
    let since = credentials.expiry()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(Time::from_us(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)))
}

/// An error with its causes.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
