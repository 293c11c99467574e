//! Salesforce as the worse reading has it: what arrives in a pause is acknowledged and thrown away, the same id
//! twice is two messages unless it deduplicates, and its answers get lost.
//!
//! This room knows posts and pauses; not who sends them or why.

use std::collections::{BTreeMap, HashMap};

use engine::call::{Outcome, Post, RetryCause};
use engine::time::{Span, Time};

/// How a stretch of time goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing can be reached.
    Outage,
    /// Too many messages.
    Limit,
    /// It answers with 500.
    Server,
    /// The record of the conversation is not there yet.
    NoConversation,
}

/// How it behaves in this call.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    pub deduplicates: bool,
    /// An answer of 500 may come although the message was taken.
    pub fails_behind: bool,
    /// It says so when transcription is paused; else it takes and throws away.
    pub says_paused: bool,
    /// Stretches of trouble.
    pub windows: Vec<(Time, Time, Trouble)>,
    /// Part of the posts that go wrong by themselves, until `faults_end`.
    pub trouble: f64,
    pub faults_end: Time,
    /// When it is paused in truth.
    pub paused: Vec<(Time, Time)>,
    /// How long an answer takes at most.
    pub answer_ms: i64,
}

/// One message as it is stored.
#[derive(Debug)]
pub(super) struct Stored {
    pub times: u64,
}

#[derive(Debug)]
pub(super) struct Shop {
    pub manner: Manner,
    /// By message id.
    pub stored: HashMap<String, Stored>,
    /// Messages acknowledged and thrown away, by id: when it was answered last.
    pub swallowed: BTreeMap<String, Time>,
    /// Posts stored whose answer was lost.
    pub ambiguous: u64,
    /// Faults that struck.
    pub struck: BTreeMap<&'static str, u64>,
    dice: fastrand::Rng,
}

impl Shop {
    pub(super) fn new(manner: Manner, seed: u64) -> Self {
        Self {
            manner,
            stored: HashMap::new(),
            swallowed: BTreeMap::new(),
            ambiguous: 0,
            struck: BTreeMap::new(),
            dice: fastrand::Rng::with_seed(seed),
        }
    }

    fn strike(&mut self, kind: &'static str) {
        *self.struck.entry(kind).or_default() += 1;
    }

    /// Takes a post; says when it answers what. `lost`: the answer will reach nobody.
    pub(super) fn post(&mut self, now: Time, post: &Post) -> (Time, Outcome) {
        let transit = Span::from_ms(self.dice.i64(1..=20 + self.manner.answer_ms / 2));
        let there = now + transit;
        let answered = there + Span::from_ms(self.dice.i64(1..=20 + self.manner.answer_ms / 2));
        let timed_out = now + Span::from_ms(self.dice.i64(2_000..10_000));
        let retry = |cause| Outcome::Retry { cause };
        let open = self.manner.windows.iter().find(|(from, to, _)| (*from..*to).contains(&there));
        if let Some((.., trouble)) = open.copied() {
            let (kind, cause) = match trouble {
                Trouble::Outage => ("salesforce: outage", RetryCause::Network),
                Trouble::Limit => ("salesforce: 429", RetryCause::RateLimited),
                Trouble::Server => ("salesforce: 500", RetryCause::Server),
                Trouble::NoConversation => ("salesforce: no conversation", RetryCause::NoConversation),
            };
            self.strike(kind);
            return (answered, retry(cause));
        }
        if now < self.manner.faults_end && self.dice.f64() < self.manner.trouble {
            return match self.dice.u8(0..8) {
                0 => {
                    self.strike("salesforce: 429");
                    (answered, retry(RetryCause::RateLimited))
                }
                1 => {
                    self.strike("salesforce: 500");
                    (answered, retry(RetryCause::Server))
                }
                2 => {
                    self.strike("salesforce: no conversation");
                    (answered, retry(RetryCause::NoConversation))
                }
                3 | 4 => {
                    self.strike("salesforce: answer lost after acceptance");
                    self.take(there, answered, post);
                    self.ambiguous += 1;
                    (timed_out, retry(RetryCause::Network))
                }
                5 if self.manner.fails_behind => {
                    self.strike("salesforce: 500 after acceptance");
                    self.take(there, answered, post);
                    self.ambiguous += 1;
                    (answered, retry(RetryCause::Server))
                }
                _ => {
                    self.strike("salesforce: post lost");
                    (timed_out, retry(RetryCause::Network))
                }
            };
        }
        if self.manner.says_paused && self.is_paused(there) {
            self.strike("salesforce: paused");
            return (answered, Outcome::Paused);
        }
        self.take(there, answered, post);
        (answered, Outcome::Accepted)
    }

    /// Between its pauses and outside.
    pub(super) fn is_paused(&self, at: Time) -> bool {
        self.manner.paused.iter().any(|(from, to)| (*from..*to).contains(&at))
    }

    fn take(&mut self, there: Time, answered: Time, post: &Post) {
        let id = post.message.message_id.clone();
        if self.is_paused(there) {
            self.strike("salesforce: thrown away in a pause");
            self.swallowed.insert(id, answered);
            return;
        }
        let entry = self.stored.entry(id).or_insert_with(|| Stored { times: 0 });
        if entry.times == 0 || !self.manner.deduplicates {
            entry.times += 1;
        }
    }
}
