//! Messages on their way to Salesforce: in order per participant, one in flight each, none lost unsaid.
//!
//! This room knows messages and outcomes; it does not know HTTP. What a status means is the poster's to
//! say, by the [`Outcome`] it reports.

mod saved;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::time::{Span, Time};

use super::backoff::pause;
use super::config::{Ambiguous, Config};
use super::summary::{MessageSummary, Unposted};
use super::utterance::Utterance;
pub(super) use saved::SavedOutbox;

/// What became of one post.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Taken.
    Accepted,
    /// Not taken, and worth trying again: rate limit, server error, no connection, no conversation yet.
    Retry {
        /// Why it was not taken.
        cause: RetryCause,
    },
    /// Salesforce says that transcription is paused: wait for the gate, then try again.
    Paused,
    /// Refused for good; why.
    Refused(String),
}

/// Why a message was not taken this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetryCause {
    /// Too many messages: 429, or `RESOURCE_EXHAUSTED`.
    RateLimited,
    /// Salesforce does not know the conversation, yet: records can appear late.
    NoConversation,
    /// A status of 500 or more.
    Server,
    /// No connection, or no answer in time. The message may have been taken all the same.
    Network,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waits until the checkpoint of this number is in the store; `None`: until there is one that holds it.
    Unstored(Option<u64>),
    /// May be posted at this time.
    Ready(Time),
    InFlight,
}

/// Whether the store knows that a message is about to be posted. Only where none may be posted twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Announced {
    No,
    /// It will, once the checkpoint of this number is stored.
    Soon(Option<u64>),
    Yes,
}

#[derive(Debug)]
struct Entry {
    utterance: Utterance,
    state: State,
    attempts: u32,
    rate_limited: bool,
    /// Salesforce said that it is paused.
    paused: bool,
    /// It was acknowledged before, and may have been thrown away all the same.
    again: bool,
    /// A try had no answer, or a server error for one: it may have been taken.
    ambiguous: bool,
    announced: Announced,
}

/// Back-off after a refused try: 1 s, doubling to 40 s, so that a try falls beyond the 30-second window of
/// Salesforce's conversation service, jittered by half.
const FIRST_RETRY: Span = Span::from_s(1);
const LAST_RETRY: Span = Span::from_s(40);

/// Acknowledged messages remembered, in case a pause swallowed them: nobody says as many in 15 s, but a backlog may
/// go out in as short a time.
const MAX_ACKNOWLEDGED: usize = 1024;

/// Why a message that may have been taken is listed as refused.
const NOT_AGAIN: &str = "it may have been taken, and is not sent again";
/// Why a message is listed as undelivered.
const TOO_LATE: &str = "the call was over before it was taken";

impl Entry {
    fn new(utterance: Utterance, state: State) -> Self {
        Self {
            utterance,
            state,
            attempts: 0,
            rate_limited: false,
            paused: false,
            again: false,
            ambiguous: false,
            announced: Announced::No,
        }
    }

    fn again(utterance: Utterance) -> Self {
        Self { attempts: 1, again: true, ..Self::new(utterance, State::Ready(Time::MIN)) }
    }

    fn id(&self) -> &str {
        &self.utterance.message.message_id
    }

    /// It will not be posted any more. What was acknowledged, and perhaps thrown away, does not count as delivered.
    fn is_refused(&self, summary: &mut MessageSummary, reason: impl Into<String>) {
        summary.delivered = summary.delivered.saturating_sub(u64::from(self.again));
        summary.refused.insert(self.id().to_owned(), Unposted::new(&self.utterance, reason));
    }

    /// There is no more time to post it.
    fn is_undelivered(&self, summary: &mut MessageSummary) {
        summary.delivered = summary.delivered.saturating_sub(u64::from(self.again));
        summary.undelivered.insert(self.id().to_owned(), Unposted::new(&self.utterance, TOO_LATE));
    }
}

#[derive(Debug)]
pub(super) struct Outbox {
    store: bool,
    /// What may have been taken is not sent again.
    once: bool,
    /// A message waits for the store to know that it is about to be posted.
    announces: bool,
    queues: BTreeMap<String, VecDeque<Entry>>,
    dice: fastrand::Rng,
    /// So long what was acknowledged may turn out to have been thrown away.
    provisional: Span,
    /// The time on the clock by which the gate goes.
    present: Time,
    /// What was acknowledged lately, and when by that clock.
    acknowledged: VecDeque<(Time, Utterance)>,
    /// Posts were withheld when last looked at.
    withheld: bool,
    pub(super) summary: MessageSummary,
}

impl Outbox {
    pub(super) fn new(config: &Config, seed: u64) -> Self {
        Self {
            store: config.store,
            once: config.ambiguous == Ambiguous::Drop,
            announces: false,
            provisional: config.live.as_ref().map_or(Span::ZERO, |live| live.provisional),
            queues: BTreeMap::new(),
            dice: fastrand::Rng::with_seed(seed),
            present: Time::MIN,
            acknowledged: VecDeque::new(),
            withheld: false,
            summary: MessageSummary::default(),
        }
    }

    /// How a message begins that was never tried.
    fn fresh(&self) -> State {
        if self.store { State::Unstored(None) } else { State::Ready(Time::MIN) }
    }

    pub(super) fn push(&mut self, utterance: Utterance) {
        let state = self.fresh();
        let queue = self.queues.entry(utterance.message.participant_id.clone()).or_default();
        queue.push_back(Entry::new(utterance, state));
    }

    /// What was acknowledged shortly before `closing` is to be posted again, if it is `wanted`.
    pub(super) fn recall(&mut self, closing: Time, wanted: impl Fn(&Utterance) -> bool) {
        let since = closing - self.provisional;
        let (lately, others): (VecDeque<_>, VecDeque<_>) =
            self.acknowledged.drain(..).partition(|(at, _)| (since..=closing).contains(at));
        self.acknowledged = others;
        for (_, utterance) in lately.into_iter().rev().filter(|(_, u)| wanted(u)) {
            let queue = self.queues.entry(utterance.message.participant_id.clone()).or_default();
            // What is on its way keeps its place at the head.
            let behind = usize::from(queue.front().is_some_and(|e| e.state == State::InFlight));
            queue.insert(behind, Entry::again(utterance));
        }
    }

    /// Whatever Salesforce held back for a pause is tried at once: the gate is open, or the call is over.
    pub(super) fn release_paused(&mut self, now: Time) {
        for entry in self.queues.values_mut().flatten().filter(|e| e.paused && e.state != State::InFlight) {
            entry.state = State::Ready(now);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queues.values().all(VecDeque::is_empty)
    }

    /// A checkpoint of this number holds all there is now.
    pub(super) fn held_in(&mut self, sequence: u64) {
        for entry in self.queues.values_mut().flatten() {
            if entry.state == State::Unstored(None) {
                entry.state = State::Unstored(Some(sequence));
            }
            if entry.announced == Announced::Soon(None) {
                entry.announced = Announced::Soon(Some(sequence));
            }
        }
    }

    /// The checkpoints up to this number are in the store.
    pub(super) fn stored(&mut self, now: Time, sequence: u64) {
        for entry in self.queues.values_mut().flatten() {
            if matches!(entry.state, State::Unstored(Some(n)) if n <= sequence) {
                entry.state = State::Ready(now);
            }
            if matches!(entry.announced, Announced::Soon(Some(n)) if n <= sequence) {
                entry.announced = Announced::Yes;
            }
        }
    }

    /// A message waits for a checkpoint; true once.
    pub(super) fn wants_store(&mut self) -> bool {
        std::mem::take(&mut self.announces)
    }

    /// Puts other messages in the place of those that Salesforce has not taken for certain. `cut` says what is left
    /// of a message, and is told whether it was tried; `None` leaves it as it is, with its back-off.
    pub(super) fn replace(&mut self, mut cut: impl FnMut(&Utterance, bool) -> Option<Vec<Utterance>>) {
        let state = self.fresh();
        for queue in self.queues.values_mut() {
            for entry in std::mem::take(queue) {
                let out = entry.state == State::InFlight || entry.ambiguous || entry.again;
                let parts = if out { None } else { cut(&entry.utterance, entry.attempts > 0) };
                match parts {
                    None => queue.push_back(entry),
                    Some(parts) => queue.extend(parts.into_iter().map(|part| Entry::new(part, state))),
                }
            }
        }
    }

    /// Gives up what may have been taken and must not be sent again, if it is `closed`, which is told whether it was
    /// acknowledged before.
    pub(super) fn withdraw(&mut self, mut closed: impl FnMut(&Utterance, bool) -> bool) {
        let refused = &mut self.summary.refused;
        for queue in self.queues.values_mut() {
            queue.retain(|e| {
                let gone =
                    (e.ambiguous || e.again) && e.state != State::InFlight && closed(&e.utterance, e.again);
                if gone && !e.again {
                    let why = "withdrawn: its time was closed after a try without an answer";
                    refused.insert(e.id().to_owned(), Unposted::new(&e.utterance, why));
                }
                !gone
            });
        }
    }

    /// The utterances to post now: at most one per participant. While `gate_closed`, Salesforce would throw
    /// away what is sent, so all wait.
    pub(super) fn poll(&mut self, now: Time, gate_closed: bool) -> Vec<Utterance> {
        if std::mem::replace(&mut self.withheld, gate_closed) && !gate_closed {
            self.release_paused(now);
        }
        if gate_closed {
            return Vec::new();
        }
        let announce = self.once && self.store;
        let heads = self.queues.values_mut().filter_map(VecDeque::front_mut);
        let mut due = Vec::new();
        for entry in heads.filter(|e| matches!(e.state, State::Ready(at) if at <= now)) {
            if announce && entry.announced != Announced::Yes {
                self.announces |= entry.announced == Announced::No;
                if entry.announced == Announced::No {
                    entry.announced = Announced::Soon(None);
                }
                continue;
            }
            (entry.state, entry.paused) = (State::InFlight, false);
            // What was acknowledged before is sent again, not tried again.
            if entry.attempts > u32::from(entry.again) {
                self.summary.retries += 1;
            }
            self.summary.ambiguous += u64::from(entry.ambiguous);
            entry.attempts += 1;
            due.push(entry.utterance.clone());
        }
        due
    }

    /// When the next try is due.
    pub(super) fn deadline(&self) -> Option<Time> {
        let heads = self.queues.values().filter_map(VecDeque::front);
        heads
            .filter(|e| !matches!(e.announced, Announced::Soon(_)))
            .filter_map(|e| if let State::Ready(at) = e.state { Some(at) } else { None })
            .min()
    }

    /// What is acknowledged from here on is acknowledged at this time of the gate's clock.
    pub(super) fn at_present(&mut self, present: Time) {
        self.present = present;
    }

    /// Takes the outcome of a post. Of an id that is not in flight it is ignored: a late answer.
    ///
    /// What is taken while the gate is closed (`withheld`) may be thrown away, and is posted again. Once the
    /// call is over (`last`), a pause will not end any more. True if it is settled, or what is left of it must be
    /// stored; a try that comes again is neither.
    pub(super) fn posted(
        &mut self,
        now: Time,
        id: &str,
        outcome: Outcome,
        withheld: bool,
        last: bool,
    ) -> bool {
        let Some(queue) = self
            .queues
            .values_mut()
            .find(|q| q.front().is_some_and(|e| e.id() == id && e.state == State::InFlight))
        else {
            return false;
        };
        match outcome {
            Outcome::Accepted => {
                let Some(mut entry) = queue.pop_front() else { return false };
                if entry.again {
                    self.summary.resent += 1;
                } else {
                    self.summary.delivered += 1;
                }
                if withheld {
                    (entry.state, entry.again, entry.paused) = (State::Ready(now), true, false);
                    entry.attempts = 1;
                    entry.announced = Announced::No;
                    queue.push_front(entry);
                } else {
                    self.acknowledge(entry.utterance);
                }
            }
            Outcome::Refused(reason) => {
                if let Some(entry) = queue.pop_front() {
                    entry.is_refused(&mut self.summary, reason);
                }
            }
            Outcome::Paused => {
                self.summary.paused += 1;
                let Some(entry) = queue.front_mut() else { return false };
                entry.paused = true;
                entry.announced = Announced::No;
                entry.state = State::Ready(now + LAST_RETRY);
                if last && let Some(entry) = queue.pop_front() {
                    entry.is_undelivered(&mut self.summary);
                }
            }
            Outcome::Retry { cause } => {
                *self.summary.not_taken.entry(cause).or_default() += 1;
                if self.once && cause == RetryCause::Network {
                    if let Some(entry) = queue.pop_front() {
                        entry.is_refused(&mut self.summary, NOT_AGAIN);
                    }
                    return true;
                }
                let Some(entry) = queue.front_mut() else { return false };
                entry.announced = Announced::No;
                entry.rate_limited = cause == RetryCause::RateLimited;
                entry.ambiguous |= matches!(cause, RetryCause::Network | RetryCause::Server);
                entry.paused = false;
                let before = entry.attempts.saturating_sub(1);
                entry.state = State::Ready(now + pause(FIRST_RETRY, LAST_RETRY, before, &mut self.dice));
                return false;
            }
        }
        true
    }

    fn acknowledge(&mut self, utterance: Utterance) {
        let now = self.present;
        while self.acknowledged.front().is_some_and(|(at, _)| *at < now - self.provisional) {
            self.acknowledged.pop_front();
        }
        if self.acknowledged.len() >= MAX_ACKNOWLEDGED {
            self.acknowledged.pop_front();
        }
        self.acknowledged.push_back((now, utterance));
    }

    /// Gives up on all that is left; true if the rate limit was what held some of it back.
    pub(super) fn abandon(&mut self) -> bool {
        let left = std::mem::take(&mut self.queues);
        let mut limited = false;
        for entry in left.into_values().flatten() {
            limited |= entry.rate_limited;
            entry.is_undelivered(&mut self.summary);
        }
        limited
    }
}

#[cfg(test)]
mod tests;
