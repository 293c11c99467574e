//! The outbox in a checkpoint: what was not acknowledged, and what may have been thrown away all the same.

use serde::{Deserialize, Serialize};

use crate::time::Time;

use super::{Announced, Entry, MessageSummary, NOT_AGAIN, Outbox, State};
use crate::call::utterance::{SavedUtterance, Utterance};

/// What survives of the outbox.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::call) struct SavedOutbox {
    /// In order per participant.
    waiting: Vec<SavedEntry>,
    /// When it was acknowledged, oldest first.
    acknowledged: Vec<(Time, SavedUtterance)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SavedEntry {
    utterance: SavedUtterance,
    attempts: u32,
    /// It was acknowledged before.
    again: bool,
    /// A try had no answer, or a server error for one.
    ambiguous: bool,
    /// It may be posted as soon as this is stored.
    announced: bool,
}

impl SavedOutbox {
    /// Messages not acknowledged.
    pub(in crate::call) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl Outbox {
    /// What is to survive.
    pub(in crate::call) fn save(&self) -> SavedOutbox {
        let saved = |e: &Entry| SavedEntry {
            utterance: SavedUtterance::from(&e.utterance),
            attempts: e.attempts,
            again: e.again,
            ambiguous: e.ambiguous,
            announced: e.announced != Announced::No,
        };
        SavedOutbox {
            waiting: self.queues.values().flatten().map(saved).collect(),
            acknowledged: self.acknowledged.iter().map(|(at, u)| (*at, u.into())).collect(),
        }
    }

    /// Goes on where another process left off. What it had stored it may have posted: returns all that may be there.
    pub(in crate::call) fn restore(&mut self, saved: SavedOutbox, summary: MessageSummary) -> Vec<Utterance> {
        self.summary = summary;
        let mut there = Vec::new();
        for entry in saved.waiting {
            let may_be_there = entry.ambiguous || entry.announced || !self.once;
            let participant = entry.utterance.participant().to_owned();
            let entry = Entry {
                attempts: entry.attempts,
                again: entry.again,
                ambiguous: may_be_there,
                ..Entry::new(entry.utterance.into(), State::Ready(Time::MIN))
            };
            there.extend(may_be_there.then(|| entry.utterance.clone()));
            if self.once && may_be_there {
                entry.is_refused(&mut self.summary, NOT_AGAIN);
                continue;
            }
            self.queues.entry(participant).or_default().push_back(entry);
        }
        self.acknowledged = saved.acknowledged.into_iter().map(|(at, u)| (at, u.into())).collect();
        there
    }
}
