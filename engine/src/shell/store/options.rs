//! The section `[store]`: where calls are kept, and how long a lease lasts.

use std::env::var_os;
use std::path::PathBuf;

use serde::Deserialize;

use crate::shell::secrets::{SecretError, SecretSource, SecretText};
use crate::time::Span;

use super::seal::Seal;

/// Where calls are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// In files of a folder: for one machine, or machines that share a file system with file locks.
    #[default]
    Directory,
    /// In a table of DynamoDB: for many machines.
    DynamoDb,
    /// Nowhere: a call ends with its process. Gate events wait in memory.
    None,
}

/// `[store]`: what outlives a process. The key comes from at most one of `key`, `key_file`, `key_secret` and
/// `key_parameter`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreOptions {
    /// `directory`, `dynamodb` or `none`. Default `directory`.
    pub kind: StoreKind,
    /// The folder. Default: `$STATE_DIRECTORY` as systemd sets it, else `$XDG_STATE_HOME/kvscribe`, else
    /// `$HOME/.local/state/kvscribe`, else `/var/lib/kvscribe`.
    pub directory: Option<PathBuf>,
    /// Name of the table. Default `kvscribe`.
    pub table: String,
    /// A lease that is not renewed for so long is over, s, 1 to 3,600. Default 10.
    pub lease_ttl_s: u32,
    /// How often a lease is renewed, s; less than half of `lease_ttl_s` (with a lease of 1 or 2 s: a third of it).
    /// Default 3.
    pub renew_every_s: u32,
    /// A call that is over is kept for so long, so that it is not begun a second time, h. Default 24.
    pub keep_finished_h: u32,
    /// How often a call looks for gate events that other workers took, ms, at least 50. Default 1,000.
    pub event_poll_ms: u32,
    /// Key of AES-256-GCM, 64 hexadecimal digits (`openssl rand -hex 32`). Default none: not encrypted.
    pub key: Option<SecretText>,
    /// File that holds the key.
    pub key_file: Option<PathBuf>,
    /// Name or ARN of the secret in Secrets Manager that holds the key.
    pub key_secret: Option<String>,
    /// Name or ARN of the SSM parameter that holds the key.
    pub key_parameter: Option<String>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            kind: StoreKind::Directory,
            directory: None,
            table: "kvscribe".to_owned(),
            lease_ttl_s: 10,
            renew_every_s: 3,
            keep_finished_h: 24,
            event_poll_ms: 1_000,
            key: None,
            key_file: None,
            key_secret: None,
            key_parameter: None,
        }
    }
}

/// Why `[store]` makes no sense, or its key cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreOptionsError {
    /// An option makes no sense.
    #[error("[store] {key} is {found}: it should be {expected}")]
    Option {
        /// The key.
        key: &'static str,
        /// What is there.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The encryption key is in more than one place.
    #[error("[store] names the key in {}: leave one of them", .0.join(" and "))]
    Keys(Vec<&'static str>),
    /// The encryption key cannot be fetched.
    #[error("[store] {setting}: the key cannot be had: {source}")]
    Unreadable {
        /// The option that leads to it.
        setting: &'static str,
        /// Why.
        source: SecretError,
    },
    /// The encryption key is none.
    #[error("[store] {setting} holds no key: {what}")]
    Key {
        /// The option that leads to it.
        setting: &'static str,
        /// Why, and what to do.
        what: &'static str,
    },
}

impl StoreOptions {
    /// Whether the options make sense on their own.
    ///
    /// # Errors
    /// The first that does not, with what it should be.
    pub fn check(&self) -> Result<(), StoreOptionsError> {
        let range = |key, found: u32, good: bool, expected| {
            let found = found.to_string();
            if good { Ok(()) } else { Err(StoreOptionsError::Option { key, found, expected }) }
        };
        let (ttl, every) = (self.lease_ttl_s, self.renew_every_s);
        range("lease_ttl_s", ttl, (1..=3600).contains(&ttl), "1 to 3600")?;
        // Below a second there is only one choice: `renew_every` makes it a third.
        let good = every > 0 && (every < ttl.div_ceil(2) || ttl <= 2);
        range("renew_every_s", every, good, "at least 1 and less than half of lease_ttl_s")?;
        range("keep_finished_h", self.keep_finished_h, self.keep_finished_h > 0, "at least 1")?;
        range("event_poll_ms", self.event_poll_ms, self.event_poll_ms >= 50, "at least 50")?;
        let table = &self.table;
        let good = (3..=255).contains(&table.len())
            && table.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        if !good {
            let expected = "3 to 255 letters, digits, `_`, `-` and `.`";
            return Err(StoreOptionsError::Option { key: "table", found: format!("`{table}`"), expected });
        }
        self.key_setting().map(|_| ())
    }

    /// The life of a lease without renewal.
    #[must_use]
    pub fn ttl(&self) -> Span {
        Span::from_s(i64::from(self.lease_ttl_s))
    }

    /// Time between two renewals: never more than a third of a lease.
    #[must_use]
    pub fn renew_every(&self) -> Span {
        let third = Span::from_us(self.ttl().us() / 3);
        Span::from_s(i64::from(self.renew_every_s)).min(third)
    }

    /// How long a finished call is kept.
    #[must_use]
    pub fn keep(&self) -> Span {
        Span::from_s(i64::from(self.keep_finished_h) * 3600)
    }

    /// Time between two looks for events.
    #[must_use]
    pub fn event_poll(&self) -> Span {
        Span::from_ms(i64::from(self.event_poll_ms))
    }

    /// The folder, as configured or by default.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let var = |name| var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let systemd = || var("STATE_DIRECTORY").filter(|path| path.is_absolute());
        let own = |base: PathBuf| base.join("kvscribe");
        self.directory
            .clone()
            .or_else(systemd)
            .or_else(|| var("XDG_STATE_HOME").map(own))
            .or_else(|| var("HOME").map(|home| own(home.join(".local").join("state"))))
            .unwrap_or_else(|| PathBuf::from("/var/lib/kvscribe"))
    }

    fn key_setting(&self) -> Result<Option<&'static str>, StoreOptionsError> {
        let set = [
            ("key", self.key.is_some()),
            ("key_file", self.key_file.is_some()),
            ("key_secret", self.key_secret.is_some()),
            ("key_parameter", self.key_parameter.is_some()),
        ];
        let set: Vec<&'static str> = set.into_iter().filter(|(_, set)| *set).map(|(name, _)| name).collect();
        match set[..] {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(StoreOptionsError::Keys(set)),
        }
    }

    /// Fetches the key.
    ///
    /// # Errors
    /// There is more than one, it cannot be read, or it is none.
    pub async fn seal(&self, secrets: &impl SecretSource) -> Result<Seal, StoreOptionsError> {
        let Some(setting) = self.key_setting()? else { return Ok(Seal::none()) };
        let found: Result<SecretText, SecretError> = if let Some(key) = &self.key {
            Ok(key.clone())
        } else if let Some(path) = &self.key_file {
            let read = std::fs::read_to_string(path).map(SecretText::new);
            read.map_err(|error| format!("{}: {error}", path.display()).into())
        } else if let Some(name) = &self.key_secret {
            secrets.secret(name).await
        } else {
            secrets.parameter(self.key_parameter.as_deref().unwrap_or_default()).await
        };
        let key = found.map_err(|source| StoreOptionsError::Unreadable { setting, source })?;
        Seal::new(&key).map_err(|what| StoreOptionsError::Key { setting, what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::secrets::NoSecrets;

    #[test]
    fn what_makes_no_sense_is_said() {
        let options = StoreOptions::default;
        assert!(options().check().is_ok());
        assert!(StoreOptions { lease_ttl_s: 1, renew_every_s: 1, ..options() }.check().is_ok());
        for (bad, word) in [
            (StoreOptions { lease_ttl_s: 0, ..options() }, "lease_ttl_s"),
            (StoreOptions { renew_every_s: 5, ..options() }, "half"),
            (StoreOptions { table: "a/b".into(), ..options() }, "a/b"),
            (
                StoreOptions { key: Some(SecretText::new("x")), key_file: Some("y".into()), ..options() },
                "key and key_file",
            ),
        ] {
            let error = bad.check().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_had_names_the_option_that_led_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("key");
        std::fs::write(&good, format!("{}\n", "0a".repeat(32))).unwrap();
        let from = |file: PathBuf| StoreOptions { key_file: Some(file), ..StoreOptions::default() };
        assert!(from(good).seal(&NoSecrets).await.is_ok());
        let error = from("/nowhere/key".into()).seal(&NoSecrets).await.unwrap_err().to_string();
        assert!(error.contains("key_file") && error.contains("/nowhere/key"), "{error}");
        let short = StoreOptions { key: Some(SecretText::new("c0ffee")), ..StoreOptions::default() };
        let error = short.seal(&NoSecrets).await.unwrap_err().to_string();
        assert!(error.contains("[store] key") && !error.contains("c0ffee"), "{error}");
        let secret = StoreOptions { key_secret: Some("acme".into()), ..StoreOptions::default() };
        assert!(secret.seal(&NoSecrets).await.unwrap_err().to_string().contains("key_secret"));
    }
}
