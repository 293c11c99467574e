//! Whose fragment is it: the contact filter.
//!
//! Kinesis streams are reused: the one that carries this call carried another a minute ago. A fragment goes
//! on only when its contact is known to belong to the call. A contact not heard of before is resolved before
//! it is judged; meanwhile its fragments wait, and all behind them, so that time keeps its order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::time::{Span, Time};

use super::config::{Config, ContactChoice};
use super::fragment::Fragment;

/// What Amazon Connect says of a contact (`DescribeContact`), as far as it decides whose audio it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContactFacts {
    /// `InitialContactId`: the first contact of the transfer chain.
    pub initial_contact_id: Option<String>,
    /// `PreviousContactId`.
    pub previous_contact_id: Option<String>,
    /// `RelatedContactId`.
    pub related_contact_id: Option<String>,
    /// `InitiationMethod`: `INBOUND`, `TRANSFER`, `QUEUE_TRANSFER`, `MONITOR`, …
    pub initiation_method: Option<String>,
    /// `DisconnectTimestamp`: since then the contact is over.
    pub disconnected: Option<Time>,
}

impl ContactFacts {
    /// Nothing is known of the contact: no permission to ask, or it does not exist.
    #[must_use]
    pub fn unknown() -> Self {
        Self::default()
    }

    /// The contact is the first of its own chain: no transfer led to it.
    #[must_use]
    pub fn first_of_its_chain(id: &str) -> Self {
        Self { initial_contact_id: Some(id.to_owned()), ..Self::default() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Ours,
    Foreign,
    /// Being resolved since.
    Asked(Time),
}

/// What the filter says of the fragment at its head.
#[derive(Debug)]
pub(super) enum Judged {
    /// It belongs to the call.
    Ours(Fragment),
    /// It belongs to another contact: let go.
    Foreign(Fragment),
    /// It names no contact, and none can be inferred, in a stream that names contacts: let go.
    Unidentified(Fragment),
}

#[derive(Debug)]
pub(super) struct ContactFilter {
    verdicts: BTreeMap<String, Verdict>,
    by_segment: BTreeMap<[u8; 16], String>,
    /// Contacts that were made from within the call and are not merged into it.
    consults: BTreeSet<String>,
    waiting: VecDeque<Fragment>,
    max_waiting: usize,
    resolve_timeout: Span,
    /// The first contact named becomes ours.
    adopt_first: bool,
    /// A stream that names no contact at all is one call.
    accept_nameless: bool,
    /// Contacts in the order in which the stream named them.
    pub(super) seen: Vec<String>,
    /// Contacts that nobody could resolve in time.
    pub(super) unresolved: u64,
    ask: VecDeque<String>,
    /// No more fragments will come: what waits for identity waits no longer.
    ended: bool,
}

/// What survives of the filter: what was decided. A question without an answer is asked again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SavedContacts {
    /// Contacts in the order in which the stream named them, and whether each belongs to the call.
    seen: Vec<(String, bool)>,
    /// Contacts known to belong to the call that the stream has not named.
    unseen: Vec<String>,
    segments: Vec<([u8; 16], String)>,
    consults: BTreeSet<String>,
    adopt_first: bool,
    unresolved: u64,
}

impl SavedContacts {
    pub(super) fn ours(&self) -> impl Iterator<Item = &str> {
        self.seen.iter().filter(|(_, ours)| *ours).map(|(id, _)| id.as_str())
    }
}

/// Contacts and segments remembered. A stream of more is hostile; its later contacts are foreign.
const MAX_CONTACTS: usize = 1024;
/// Fragments that wait for a later one of their segment to name the contact: about four seconds, and as many that a
/// connection which broke off had brought before.
const MAX_UNIDENTIFIED: usize = 8;

impl ContactFilter {
    pub(super) fn new(config: &Config) -> Self {
        let mut verdicts = BTreeMap::new();
        let adopt_first = match &config.contact {
            ContactChoice::First => true,
            ContactChoice::Id(id) => {
                verdicts.insert(id.clone(), Verdict::Ours);
                false
            }
        };
        if let Some(key) = &config.vendor_call_key {
            // The chain's first contact: its audio is part of the same call.
            verdicts.insert(key.clone(), Verdict::Ours);
        }
        Self {
            verdicts,
            by_segment: BTreeMap::new(),
            consults: BTreeSet::new(),
            waiting: VecDeque::new(),
            max_waiting: config.max_waiting_fragments,
            resolve_timeout: config.resolve_timeout,
            adopt_first,
            accept_nameless: config.accept_nameless,
            seen: Vec::new(),
            unresolved: 0,
            ask: VecDeque::new(),
            ended: false,
        }
    }

    /// What is to survive.
    pub(super) fn save(&self) -> SavedContacts {
        let verdict = |id: &String| match self.verdicts.get(id)? {
            Verdict::Asked(_) => None,
            verdict => Some((id.clone(), *verdict == Verdict::Ours)),
        };
        let unseen = |id: &&String| self.is_ours(id) && !self.seen.contains(*id);
        let decided = |(_, id): &(&[u8; 16], &String)| verdict(id).is_some();
        SavedContacts {
            seen: self.seen.iter().filter_map(verdict).collect(),
            unseen: self.verdicts.keys().filter(unseen).cloned().collect(),
            // Of a contact that is still asked about nothing is known: its fragments wait to be named again.
            segments: self.by_segment.iter().filter(decided).map(|(uuid, id)| (*uuid, id.clone())).collect(),
            consults: self.consults.clone(),
            adopt_first: self.adopt_first,
            unresolved: self.unresolved,
        }
    }

    /// Goes on where another process left off.
    pub(super) fn restore(&mut self, saved: SavedContacts) {
        for id in saved.unseen {
            self.verdicts.insert(id, Verdict::Ours);
        }
        for (id, ours) in saved.seen {
            let verdict = if ours { Verdict::Ours } else { Verdict::Foreign };
            self.verdicts.insert(id.clone(), verdict);
            self.seen.push(id);
        }
        self.by_segment.extend(saved.segments);
        self.consults = saved.consults;
        self.adopt_first = saved.adopt_first;
        self.unresolved = saved.unresolved;
    }

    /// Takes the next fragment of the stream.
    pub(super) fn push(&mut self, now: Time, fragment: Fragment) {
        if let Some(id) = fragment.tags.contact_id.clone() {
            if let Some(uuid) = fragment.segment_uuid
                && self.by_segment.len() < MAX_CONTACTS
            {
                self.by_segment.insert(uuid, id.clone());
            }
            self.meet(now, &id);
        }
        self.waiting.push_back(fragment);
    }

    fn meet(&mut self, now: Time, id: &str) {
        if self.seen.iter().any(|s| s == id) || self.seen.len() >= MAX_CONTACTS {
            return;
        }
        self.seen.push(id.to_owned());
        if std::mem::take(&mut self.adopt_first) {
            self.verdicts.insert(id.to_owned(), Verdict::Ours);
        }
        self.verdicts.entry(id.to_owned()).or_insert_with(|| {
            self.ask.push_back(id.to_owned());
            Verdict::Asked(now)
        });
    }

    /// The next contact to be resolved.
    pub(super) fn next_question(&mut self) -> Option<String> {
        self.ask.pop_front()
    }

    /// Takes what is known of a contact: one whose chain holds a contact of the call is of the call.
    pub(super) fn resolve(&mut self, id: &str, facts: &ContactFacts) {
        if !matches!(self.verdicts.get(id), Some(Verdict::Asked(_))) {
            return;
        }
        let known = |c: &&String| self.verdicts.get(*c) == Some(&Verdict::Ours);
        let chain = [&facts.initial_contact_id, &facts.previous_contact_id];
        let next_leg = chain.into_iter().flatten().any(|c| known(&c));
        let consult = facts.related_contact_id.iter().any(|c| known(&c)) && !next_leg;
        let ours = next_leg || consult;
        if consult {
            self.consults.insert(id.to_owned());
        }
        if *facts == ContactFacts::unknown() {
            self.unresolved += 1;
        }
        self.verdicts.insert(id.to_owned(), if ours { Verdict::Ours } else { Verdict::Foreign });
    }

    /// A contact is known to be of the call.
    pub(super) fn adopt(&mut self, id: &str) {
        self.verdicts.insert(id.to_owned(), Verdict::Ours);
    }

    /// The contact is that of a consult: its words go under its own key until it is merged.
    pub(super) fn consult<'a>(&'a self, fragment: &'a Fragment) -> Option<&'a str> {
        self.contact_of(fragment).filter(|id| self.consults.contains(*id))
    }

    pub(super) fn is_ours(&self, id: &str) -> bool {
        self.verdicts.get(id) == Some(&Verdict::Ours)
    }

    /// No more fragments will come; true the first time it is said.
    pub(super) fn end(&mut self) -> bool {
        !std::mem::replace(&mut self.ended, true)
    }

    /// Puts a fragment that was judged ours back in front.
    pub(super) fn unpop(&mut self, fragment: Fragment) {
        self.waiting.push_front(fragment);
    }

    /// Lets go of all that waits; how many bytes of audio.
    pub(super) fn abandon(&mut self) -> u64 {
        self.waiting.drain(..).map(|f| f.payload_bytes()).sum()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= self.max_waiting
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When an unanswered question counts as answered by "foreign".
    pub(super) fn deadline(&self) -> Option<Time> {
        let id = self.contact_of(self.waiting.front()?)?;
        match self.verdicts.get(id) {
            Some(Verdict::Asked(since)) => Some(*since + self.resolve_timeout),
            _ => None,
        }
    }

    fn contact_of<'a>(&'a self, fragment: &'a Fragment) -> Option<&'a str> {
        let own = fragment.tags.contact_id.as_deref();
        own.or_else(|| self.by_segment.get(&fragment.segment_uuid?).map(String::as_str))
    }

    /// Judges the fragment at the head of the queue, if it can be judged now.
    pub(super) fn poll(&mut self, now: Time) -> Option<Judged> {
        let head = self.waiting.front()?;
        match self.contact_of(head).map(str::to_owned) {
            Some(id) => match self.verdicts.get(&id).copied() {
                Some(Verdict::Ours) => self.pop(Judged::Ours),
                Some(Verdict::Foreign) | None => self.pop(Judged::Foreign),
                Some(Verdict::Asked(since)) if now >= since + self.resolve_timeout => {
                    self.resolve(&id, &ContactFacts::unknown());
                    self.pop(Judged::Foreign)
                }
                Some(Verdict::Asked(_)) => None,
            },
            None => self.judge_nameless(),
        }
    }

    /// A fragment without identity, of a segment that has none either. A plain file never names contacts
    /// and is one call. In a Kinesis stream a later fragment of the segment may still name it.
    fn judge_nameless(&mut self) -> Option<Judged> {
        let head = self.waiting.front()?;
        let whole = self.accept_nameless && self.seen.is_empty();
        if whole && !head.tags.kinesis {
            return self.pop(Judged::Ours);
        }
        if !self.ended && self.waiting.len() < MAX_UNIDENTIFIED {
            return None;
        }
        // Of a whole recording that names no contact at all, the audio is the call's.
        if whole { self.pop(Judged::Ours) } else { self.pop(Judged::Unidentified) }
    }

    fn pop(&mut self, verdict: fn(Fragment) -> Judged) -> Option<Judged> {
        self.waiting.pop_front().map(verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fragment::Tags;
    use super::*;

    fn fragment(contact: Option<&str>) -> Fragment {
        let mut tags = Tags::default();
        tags.contact_id = contact.map(str::to_owned);
        tags.kinesis = true;
        Fragment {
            document: 0,
            segment_uuid: Some([7; 16]),
            date: None,
            tags,
            tracks: Vec::new(),
            blocks: Vec::new(),
            first_cluster_ns: None,
            first_piece: true,
            complete: true,
        }
    }

    #[test]
    fn what_was_asked_about_when_a_worker_died_is_another_calls_only_once_it_is_named_and_answered() {
        let config = Config::new(ContactChoice::Id("ours".into()), "ours");
        let now = Time::from_ms(0);
        let mut before = ContactFilter::new(&config);
        before.push(now, fragment(Some("next")));
        assert_eq!(before.next_question().as_deref(), Some("next"));
        let mut filter = ContactFilter::new(&config);
        filter.restore(before.save());
        // The first fragment that is read again names nobody, the second does.
        filter.push(now, fragment(None));
        assert!(filter.poll(now).is_none(), "whose it is may still be said");
        filter.push(now, fragment(Some("next")));
        assert_eq!(filter.next_question().as_deref(), Some("next"));
        let facts = ContactFacts { previous_contact_id: Some("ours".into()), ..ContactFacts::default() };
        filter.resolve("next", &facts);
        assert!(matches!(filter.poll(now), Some(Judged::Ours(_))));
    }
}
