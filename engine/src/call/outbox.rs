//! Messages on their way to Salesforce: in order per participant, one in flight each, none lost unsaid.
//!
//! This room knows messages and outcomes; it does not know HTTP. What a status means is the poster's to
//! say, by the [`Outcome`] it reports.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::time::{Span, Time};

use super::backoff::pause;
use super::summary::MessageSummary;
use super::utterance::Utterance;

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
    /// Waits until it is in the store.
    Unstored,
    /// May be posted at this time.
    Ready(Time),
    InFlight,
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
    /// A try had no answer: it may have been taken.
    ambiguous: bool,
}

/// Back-off after a refused try: 1 s, doubling to 40 s, so that a try falls beyond the 30-second window of
/// Salesforce's conversation service, jittered by half.
const FIRST_RETRY: Span = Span::from_s(1);
const LAST_RETRY: Span = Span::from_s(40);

/// Acknowledged messages remembered, in case a pause swallowed them: nobody says as many in 15 s.
const MAX_ACKNOWLEDGED: usize = 64;

impl Entry {
    fn again(utterance: Utterance) -> Self {
        let state = State::Ready(Time::MIN);
        Self {
            utterance,
            state,
            attempts: 1,
            rate_limited: false,
            paused: false,
            again: true,
            ambiguous: false,
        }
    }

    fn id(&self) -> &str {
        &self.utterance.message.message_id
    }
}

#[derive(Debug)]
pub(super) struct Outbox {
    store: bool,
    queues: BTreeMap<String, VecDeque<Entry>>,
    dice: fastrand::Rng,
    /// So long what was acknowledged may turn out to have been thrown away.
    provisional: Span,
    /// What was acknowledged lately, and when.
    acknowledged: VecDeque<(Time, Utterance)>,
    /// Posts were withheld when last looked at.
    withheld: bool,
    pub(super) summary: MessageSummary,
}

impl Outbox {
    pub(super) fn new(store: bool, provisional: Span, seed: u64) -> Self {
        Self {
            store,
            provisional,
            queues: BTreeMap::new(),
            dice: fastrand::Rng::with_seed(seed),
            acknowledged: VecDeque::new(),
            withheld: false,
            summary: MessageSummary::default(),
        }
    }

    pub(super) fn push(&mut self, utterance: Utterance) {
        let state = if self.store { State::Unstored } else { State::Ready(Time::MIN) };
        self.queues.entry(utterance.message.participant_id.clone()).or_default().push_back(Entry {
            utterance,
            state,
            attempts: 0,
            rate_limited: false,
            paused: false,
            again: false,
            ambiguous: false,
        });
    }

    /// What was acknowledged since `since` is to be posted again, if it is `wanted`.
    pub(super) fn recall(&mut self, since: Time, wanted: impl Fn(&Utterance) -> bool) {
        let lately: Vec<_> =
            self.acknowledged.drain(..).filter(|(at, u)| *at >= since && wanted(u)).collect();
        for (_, utterance) in lately.into_iter().rev() {
            let queue = self.queues.entry(utterance.message.participant_id.clone()).or_default();
            // What is on its way keeps its place at the head.
            let behind = usize::from(queue.front().is_some_and(|e| e.state == State::InFlight));
            queue.insert(behind, Entry::again(utterance));
        }
    }

    /// Whatever Salesforce held back for a pause is tried at once: the gate is open, or the call is over.
    pub(super) fn release_paused(&mut self, now: Time) {
        for entry in self.queues.values_mut().flatten().filter(|e| e.paused) {
            entry.state = State::Ready(now);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queues.values().all(VecDeque::is_empty)
    }

    /// All that is not yet acknowledged, in order per participant.
    pub(super) fn utterances(&self) -> impl Iterator<Item = &Utterance> {
        self.queues.values().flatten().map(|e| &e.utterance)
    }

    /// The messages up to now are in the store.
    pub(super) fn stored(&mut self, now: Time, ids: &[String]) {
        for entry in self.queues.values_mut().flatten() {
            if entry.state == State::Unstored && ids.contains(&entry.id().to_owned()) {
                entry.state = State::Ready(now);
            }
        }
    }

    /// Takes out what Salesforce has not taken for certain, in order per participant, each with whether it was
    /// tried.
    pub(super) fn take_unsent(&mut self) -> Vec<(Utterance, bool)> {
        let mut unsent = Vec::new();
        for queue in self.queues.values_mut() {
            let out = |e: &Entry| e.state == State::InFlight || e.ambiguous || e.again;
            let (kept, taken): (VecDeque<_>, VecDeque<_>) = queue.drain(..).partition(out);
            *queue = kept;
            unsent.extend(taken.into_iter().map(|e| (e.utterance, e.attempts > 0)));
        }
        unsent
    }

    /// Gives up what may have been taken and must not be sent again.
    pub(super) fn withdraw(&mut self, closed: impl Fn(&Utterance) -> bool) {
        let refused = &mut self.summary.refused;
        for queue in self.queues.values_mut() {
            queue.retain(|e| {
                let gone = (e.ambiguous || e.again) && e.state != State::InFlight && closed(&e.utterance);
                if gone && !e.again {
                    let why = "withdrawn: its time was closed after a try without an answer";
                    refused.insert(e.id().to_owned(), why.to_owned());
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
        let heads = self.queues.values_mut().filter_map(VecDeque::front_mut);
        heads
            .filter(|e| matches!(e.state, State::Ready(at) if at <= now))
            .map(|entry| {
                entry.state = State::InFlight;
                // What was acknowledged before is sent again, not tried again.
                if entry.attempts > u32::from(entry.again) {
                    self.summary.retries += 1;
                }
                entry.attempts += 1;
                entry.utterance.clone()
            })
            .collect()
    }

    /// When the next try is due.
    pub(super) fn deadline(&self) -> Option<Time> {
        let heads = self.queues.values().filter_map(VecDeque::front);
        heads.filter_map(|e| if let State::Ready(at) = e.state { Some(at) } else { None }).min()
    }

    /// Takes the outcome of a post. Of an id that is not in flight it is ignored: a late answer.
    ///
    /// What is taken while the gate is closed (`withheld`) may be thrown away, and is posted again. Once the
    /// call is over (`last`), a pause will not end any more.
    pub(super) fn posted(&mut self, now: Time, id: &str, outcome: Outcome, withheld: bool, last: bool) {
        let Some(queue) = self
            .queues
            .values_mut()
            .find(|q| q.front().is_some_and(|e| e.id() == id && e.state == State::InFlight))
        else {
            return;
        };
        match outcome {
            Outcome::Accepted => {
                let Some(mut entry) = queue.pop_front() else { return };
                if entry.again {
                    self.summary.resent += 1;
                } else {
                    self.summary.delivered += 1;
                }
                if withheld {
                    (entry.state, entry.again, entry.paused) = (State::Ready(now), true, false);
                    queue.push_front(entry);
                } else {
                    self.acknowledge(now, entry.utterance);
                }
            }
            Outcome::Refused(reason) => {
                let entry = queue.pop_front();
                // One that was taken before counts as delivered.
                if entry.is_some_and(|e| !e.again) {
                    self.summary.refused.insert(id.to_owned(), reason);
                }
            }
            Outcome::Paused => {
                self.summary.paused += 1;
                let Some(entry) = queue.front_mut() else { return };
                entry.paused = true;
                entry.state = State::Ready(now + LAST_RETRY);
                if last {
                    if !entry.again {
                        self.summary.undelivered.push(id.to_owned());
                    }
                    queue.pop_front();
                }
            }
            Outcome::Retry { cause } => {
                *self.summary.not_taken.entry(cause).or_default() += 1;
                let Some(entry) = queue.front_mut() else { return };
                entry.rate_limited = cause == RetryCause::RateLimited;
                entry.ambiguous |= matches!(cause, RetryCause::Network | RetryCause::Server);
                entry.paused = false;
                let before = entry.attempts.saturating_sub(1);
                entry.state = State::Ready(now + pause(FIRST_RETRY, LAST_RETRY, before, &mut self.dice));
            }
        }
    }

    fn acknowledge(&mut self, now: Time, utterance: Utterance) {
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
            if entry.again {
                continue;
            }
            limited |= entry.rate_limited;
            self.summary.undelivered.push(entry.id().to_owned());
        }
        limited
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::{Message, SenderType, Spoken};
    use super::*;
    use crate::recogniser::Party;

    fn message(who: &str, id: &str) -> Utterance {
        let message = Message {
            participant_id: who.into(),
            message_id: id.into(),
            start_time: 0,
            end_time: 0,
            content: Spoken(String::new()),
            sender_type: SenderType::EndUser,
        };
        Utterance {
            party: Party::Customer,
            start: s(0),
            end: s(0),
            words: Vec::new(),
            key: String::new(),
            message,
        }
    }
    fn ids(utterances: &[Utterance]) -> Vec<&str> {
        utterances.iter().map(|u| u.message.message_id.as_str()).collect()
    }
    fn s(s: i64) -> Time {
        Time::from_ms(s * 1000)
    }

    #[test]
    fn one_in_flight_per_participant_in_order() {
        let mut o = Outbox::new(false, Span::ZERO, 1);
        for (who, id) in [("a", "a1"), ("a", "a2"), ("b", "b1")] {
            o.push(message(who, id));
        }
        assert_eq!(ids(&o.poll(s(0), false)), ["a1", "b1"]);
        assert!(o.poll(s(0), false).is_empty());
        o.posted(s(0), "a1", Outcome::Accepted, false, false);
        assert_eq!(ids(&o.poll(s(0), false)), ["a2"]);
        o.posted(s(0), "a1", Outcome::Accepted, false, false);
        assert_eq!(o.summary.delivered, 1, "a late second answer changes nothing");
    }

    #[test]
    fn a_refused_try_comes_again_under_the_same_id_before_any_other() {
        let mut o = Outbox::new(false, Span::ZERO, 1);
        o.push(message("a", "a1"));
        o.push(message("a", "a2"));
        o.poll(s(0), false);
        o.posted(s(0), "a1", Outcome::Retry { cause: RetryCause::Server }, false, false);
        assert!(o.poll(s(0), false).is_empty());
        let due = o.deadline().unwrap();
        assert!(due >= Time::from_ms(500) && due <= Time::from_ms(1500), "{due:?}");
        assert_eq!(ids(&o.poll(due, false)), ["a1"]);
        assert_eq!(o.summary.retries, 1);
    }

    #[test]
    fn retries_reach_beyond_the_thirty_second_window() {
        let mut o = Outbox::new(false, Span::ZERO, 7);
        o.push(message("a", "a1"));
        let (mut now, mut tries) = (s(0), 0);
        while now < s(35) {
            assert_eq!(o.poll(now, false).len(), 1);
            o.posted(now, "a1", Outcome::Retry { cause: RetryCause::RateLimited }, false, false);
            now = o.deadline().unwrap();
            tries += 1;
        }
        assert!(tries < 9, "{tries} tries in 35 s are a hammer");
        assert!(o.abandon(), "the limit is what held it back");
        assert_eq!(o.summary.undelivered, ["a1"]);
    }

    #[test]
    fn nothing_is_posted_before_it_is_stored_or_while_the_gate_is_closed() {
        let mut o = Outbox::new(true, Span::ZERO, 1);
        o.push(message("a", "a1"));
        assert!(o.poll(s(0), false).is_empty());
        o.stored(s(0), &["a1".into()]);
        assert!(o.poll(s(0), true).is_empty());
        assert_eq!(ids(&o.poll(s(0), false)), ["a1"]);
    }
}
