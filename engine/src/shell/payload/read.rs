//! Lenient reading of one JSON object's keys: text that may be a number, numbers that may be text.
//!
//! Values are kept as they were written, because a fragment number has 47 digits and no float holds them.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::call::MediaSegment;
use crate::time::Time;

use super::PayloadError;

/// An object whose values are not yet read.
pub(super) type Object<'a> = BTreeMap<String, &'a RawValue>;

/// Names kept of unknown keys, and how much of each.
const MAX_IGNORED: usize = 32;
const MAX_SHOWN: usize = 80;

/// The keys of one object, or of two of which the first wins; what nobody takes is unknown.
#[derive(Default)]
pub(super) struct Fields<'a> {
    path: String,
    object: Object<'a>,
    /// Where keys that were laid under these come from.
    elsewhere: BTreeMap<String, String>,
    ignored: Vec<String>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(path: &str, object: Object<'a>) -> Self {
        Self { path: path.to_owned(), object, ..Self::default() }
    }

    pub(super) fn path(&self, key: &str) -> String {
        let path = self.elsewhere.get(key).unwrap_or(&self.path);
        if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
    }

    pub(super) fn missing(&self, key: &str, expected: &str) -> PayloadError {
        PayloadError::Missing { key: self.path(key), expected: expected.to_owned() }
    }

    pub(super) fn invalid(&self, key: &str, found: &str, expected: &str) -> PayloadError {
        PayloadError::Invalid { key: self.path(key), found: shown(found), expected: expected.to_owned() }
    }

    /// Text or a number as it was written; nothing if absent, null or empty.
    pub(super) fn text(&mut self, key: &str, expected: &str) -> Result<Option<String>, PayloadError> {
        let Some(raw) = self.object.remove(key) else { return Ok(None) };
        let text = match serde_json::from_str::<Value>(raw.get()) {
            Ok(Value::Null) => return Ok(None),
            Ok(Value::String(text)) => text.trim().to_owned(),
            Ok(Value::Number(_) | Value::Bool(_)) => raw.get().trim().to_owned(),
            Ok(Value::Array(_)) => return Err(self.invalid(key, "an array", expected)),
            Ok(Value::Object(_)) => return Err(self.invalid(key, "an object", expected)),
            Err(_) => return Err(self.invalid(key, "too deep or too large a value", expected)),
        };
        Ok((!text.is_empty()).then_some(text))
    }

    /// Text for which `good` holds.
    pub(super) fn checked(
        &mut self,
        key: &str,
        expected: &str,
        good: impl Fn(&str) -> bool,
    ) -> Result<Option<String>, PayloadError> {
        match self.text(key, expected)? {
            Some(text) if !good(&text) => Err(self.invalid(key, &format!("`{text}`"), expected)),
            other => Ok(other),
        }
    }

    /// One of a few names, in any case.
    pub(super) fn choice<T>(
        &mut self,
        key: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, PayloadError> {
        let Some(text) = self.text(key, expected)? else { return Ok(None) };
        match parse(&text.to_ascii_lowercase()) {
            Some(value) => Ok(Some(value)),
            None => Err(self.invalid(key, &format!("`{text}`"), expected)),
        }
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<Option<bool>, PayloadError> {
        self.choice(key, "true or false", |text| text.parse().ok())
    }

    /// Names, separated by commas.
    pub(super) fn list(&mut self, key: &str) -> Result<Vec<String>, PayloadError> {
        let text = self.text(key, "a name, or several separated by commas")?.unwrap_or_default();
        Ok(text.split(',').map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned).collect())
    }

    /// A contact id: it becomes a part of paths and ids, so that only its own characters are taken.
    pub(super) fn id(&mut self, key: &str) -> Result<Option<String>, PayloadError> {
        self.checked(key, "an Amazon Connect contact id (letters, digits, `-` and `_`, at most 256)", |id| {
            id.len() <= 256 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
    }

    /// Stream, start time and start fragment under these three keys; all are needed.
    pub(super) fn segment(&mut self, keys: [&str; 3]) -> Result<MediaSegment, PayloadError> {
        const STREAM: &str = "the ARN of a Kinesis video stream (arn:aws:kinesisvideo:…:stream/…)";
        const START: &str = "when streaming began, in epoch milliseconds";
        const FRAGMENT: &str = "the number of the fragment in which the call begins: up to 128 digits";
        let [stream, start, fragment] = keys;
        let arn = self
            .checked(stream, STREAM, |arn| {
                arn.len() <= 1024
                    && arn.starts_with("arn:")
                    && arn.contains(":kinesisvideo:")
                    && arn.contains(":stream/")
            })?
            .ok_or_else(|| self.missing(stream, STREAM))?;
        let started = self.text(start, START)?.ok_or_else(|| self.missing(start, START))?;
        let at = epoch_ms(&started).ok_or_else(|| self.invalid(start, &format!("`{started}`"), START))?;
        let number = self
            .checked(fragment, FRAGMENT, |n| n.len() <= 128 && n.bytes().all(|b| b.is_ascii_digit()))?
            .ok_or_else(|| self.missing(fragment, FRAGMENT))?;
        Ok(MediaSegment::new(arn, Some(at), Some(number)))
    }

    /// The instance's ARN and id.
    pub(super) fn instance(&mut self, key: &str) -> Result<Option<(String, String)>, PayloadError> {
        const EXPECTED: &str = "the ARN of an Amazon Connect instance (arn:aws:connect:…:instance/…)";
        let Some(arn) = self.text(key, EXPECTED)? else { return Ok(None) };
        let id = arn.split_once(":instance/").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
        let good = |id: &&str| {
            !id.is_empty() && id.len() <= 128 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        match id.filter(good).map(str::to_owned) {
            Some(id) if arn.starts_with("arn:") && arn.len() <= 1024 => Ok(Some((arn, id))),
            _ => Err(self.invalid(key, &format!("`{arn}`"), EXPECTED)),
        }
    }

    /// An object under this key; nothing if absent or null.
    pub(super) fn object(&mut self, key: &str) -> Result<Option<Fields<'a>>, PayloadError> {
        let Some(raw) = self.object.remove(key) else { return Ok(None) };
        let path = self.path(key);
        serde_json::from_str::<Option<Object<'a>>>(raw.get())
            .map(|found| found.map(|object| Self::new(&path, object)))
            .map_err(|_| self.invalid(key, "not an object", "an object"))
    }

    /// Takes keys of `other` that are not here already.
    pub(super) fn underlay(&mut self, other: Self) {
        for (key, raw) in other.object {
            let weak = self.object.get(&key).is_none_or(|own| matches!(own.get(), "null" | "\"\""));
            if weak {
                self.elsewhere.insert(key.clone(), other.path.clone());
                self.object.insert(key, raw);
            }
        }
        self.ignored.extend(other.ignored);
    }

    /// Passes over all but these.
    pub(super) fn keep(&mut self, keys: &[&str]) {
        self.object.retain(|key, _| keys.contains(&key.as_str()));
    }

    /// Passes over keys that are known and not needed.
    pub(super) fn skip(&mut self, keys: &[&str]) {
        for key in keys {
            self.object.remove(*key);
        }
    }

    /// Notes something that is not taken into account.
    pub(super) fn ignore(&mut self, what: &str) {
        self.ignored.push(what.to_owned());
    }

    /// What nobody took, for the log: bounded, and names alone, since values may be anything.
    pub(super) fn rest(self) -> Vec<String> {
        let path = self.path.clone();
        let named = self
            .object
            .into_keys()
            .map(|key| if path.is_empty() { key_shown(&key) } else { format!("{path}.{}", key_shown(&key)) });
        self.ignored.into_iter().chain(named).take(MAX_IGNORED).collect()
    }
}

/// Epoch milliseconds from 2001 to 9999. Anything smaller was meant as seconds.
fn epoch_ms(text: &str) -> Option<Time> {
    const RANGE: std::ops::Range<i64> = 1_000_000_000_000..253_402_300_800_000;
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    whole.parse().ok().filter(|ms| RANGE.contains(ms)).map(Time::from_ms)
}

/// The beginning of a value, without control characters.
fn shown(text: &str) -> String {
    let mut short: String =
        text.chars().take(MAX_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        short.push('…');
    }
    short
}

/// A key's name, unless it might itself be a number that was dialled.
fn key_shown(key: &str) -> String {
    let digits = key.chars().filter(char::is_ascii_digit).count();
    if digits >= 6 { "…".to_owned() } else { shown(key) }
}
