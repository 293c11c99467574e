//! The directory of contacts: each asked about once, by one asker at a time, and no faster than the account
//! allows.
//!
//! Its answer is always one: where Connect cannot be asked, nothing is known, and the call decides what that
//! means.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::call::ContactFacts;
use crate::shell::clock;
use crate::time::{Span, Time};

use super::bucket::TokenBucket;
use super::client::Aws;
use super::error::{AwsError, AwsErrorKind};

/// A question that failed is not asked again for so long.
const AFTER_FAILURE: Span = Span::from_s(30);
/// Without permission nobody is asked about for so long.
const AFTER_DENIAL: Span = Span::from_s(300);

/// What is known of contacts. One for the process: the account's quota is one.
#[derive(Debug)]
pub struct ContactDirectory {
    aws: Arc<Aws>,
    shelf: Mutex<Shelf>,
    /// How long an answer is believed.
    age: Span,
    max_entries: usize,
    longest_wait: Span,
}

#[derive(Debug)]
struct Shelf {
    slots: HashMap<String, Slot>,
    bucket: TokenBucket,
    /// There is no permission; not asked again before this.
    denied_until: Option<Time>,
    /// Failures of these kinds were logged.
    logged: Vec<AwsErrorKind>,
}

#[derive(Debug, Clone)]
struct Slot {
    known: Arc<tokio::sync::Mutex<Option<Known>>>,
    used: Time,
}

#[derive(Debug, Clone)]
struct Known {
    facts: ContactFacts,
    until: Time,
}

impl ContactDirectory {
    /// An empty one, with the sizes and rates of the client's options.
    #[must_use]
    pub fn new(aws: Arc<Aws>) -> Self {
        let options = aws.options();
        let bucket = TokenBucket::new(options.describe_contact_per_s, options.describe_contact_burst);
        let shelf = Shelf { slots: HashMap::new(), bucket, denied_until: None, logged: Vec::new() };
        let ms = |ms: u64| Span::from_ms(i64::try_from(ms).unwrap_or(i64::MAX));
        Self {
            shelf: Mutex::new(shelf),
            age: ms(options.contact_cache_s.saturating_mul(1000)),
            max_entries: options.contact_cache_entries.max(1),
            longest_wait: ms(options.describe_contact_max_wait_ms),
            aws,
        }
    }

    /// What Connect says of a contact; [`ContactFacts::unknown`] where it does not. `instance` is an id or an
    /// ARN. The reason is logged, once for each kind.
    pub async fn facts(&self, instance: &str, contact: &str) -> ContactFacts {
        let slot = self.slot(contact, clock::now());
        // Who comes second waits for the first one's answer. Where that one is given up, the next one asks.
        let mut known = slot.lock().await;
        let now = clock::now();
        if let Some(known) = known.as_ref()
            && now < known.until
        {
            return known.facts.clone();
        }
        let Some(turn) = self.turn(now) else {
            return ContactFacts::unknown();
        };
        tokio::time::sleep(Duration::from_micros(u64::try_from(turn.us()).unwrap_or_default())).await;
        let answer = Box::pin(self.aws.describe_contact(instance, contact)).await;
        let now = clock::now();
        let (facts, until) = match answer {
            Ok(found) => (found.into(), now + self.age),
            Err(error) => {
                self.failed(now, &error);
                (ContactFacts::unknown(), now + AFTER_FAILURE)
            }
        };
        *known = Some(Known { facts: facts.clone(), until });
        facts
    }

    fn slot(&self, contact: &str, now: Time) -> Arc<tokio::sync::Mutex<Option<Known>>> {
        let mut shelf = self.lock();
        if !shelf.slots.contains_key(contact) && shelf.slots.len() >= self.max_entries {
            let oldest = shelf.slots.iter().min_by_key(|(_, slot)| slot.used);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                shelf.slots.remove(&key);
            }
        }
        let fresh = || Slot { known: Arc::default(), used: now };
        let slot = shelf.slots.entry(contact.to_owned()).or_insert_with(fresh);
        slot.used = now;
        Arc::clone(&slot.known)
    }

    /// How long to wait before asking; `None` where it is no use to ask.
    fn turn(&self, now: Time) -> Option<Span> {
        let mut shelf = self.lock();
        if shelf.denied_until.is_some_and(|until| now < until) {
            return None;
        }
        let turn = shelf.bucket.take(now, self.longest_wait);
        if turn.is_none() {
            tracing::warn!(
                "contacts are asked about faster than describe_contact_per_s allows; one stays unknown"
            );
        }
        turn
    }

    fn failed(&self, now: Time, error: &AwsError) {
        let mut shelf = self.lock();
        if matches!(error.kind, AwsErrorKind::Denied | AwsErrorKind::NotAuthenticated) {
            shelf.denied_until = Some(now + AFTER_DENIAL);
        }
        if !shelf.logged.contains(&error.kind) {
            shelf.logged.push(error.kind);
            tracing::warn!(%error, "a contact stays unknown; further failures of this kind are not logged");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
