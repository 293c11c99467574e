//! Under which `vendorCallKey` a message goes.
//!
//! The first contact of the transfer chain names the call. An unmerged consult is a call of its own until
//! it is merged by a conference.

use crate::time::Time;

/// Changes of key kept per call; no call has as many.
const MAX_CHANGES: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The first contact of the chain, once Amazon Connect has said so.
    pub(super) resolved: Option<String>,
    /// From when on the audio is which consult's; `None`: the call's own.
    turns: Vec<(Time, Option<String>)>,
    conferences: Vec<Time>,
}

impl Keys {
    /// From `at` on the audio is that of an unmerged consult, or of the call itself.
    pub(super) fn turn(&mut self, at: Time, consult: Option<&str>) {
        let last = self.turns.last().and_then(|(_, c)| c.as_deref());
        if last != consult && self.turns.len() < MAX_CHANGES {
            self.turns.push((at, consult.map(str::to_owned)));
        }
    }

    pub(super) fn turns(&self) -> &[(Time, Option<String>)] {
        &self.turns
    }

    /// Goes on where another process left off; conferences come again as events.
    pub(super) fn restore(&mut self, turns: Vec<(Time, Option<String>)>) {
        self.turns = turns;
    }

    /// All parties were put together.
    pub(super) fn conference(&mut self, at: Time) {
        if self.conferences.len() < MAX_CHANGES {
            self.conferences.push(at);
        }
    }

    /// The consult whose own words are spoken at `at`.
    pub(super) fn consult_at(&self, at: Time) -> Option<&str> {
        let index = self.turns.partition_point(|(from, _)| *from <= at).checked_sub(1)?;
        let (from, consult) = self.turns.get(index)?;
        let merged = self.conferences.iter().any(|c| c >= from && *c <= at);
        consult.as_deref().filter(|_| !merged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consult_speaks_under_its_own_key_until_it_is_merged() {
        let at = Time::from_ms;
        let mut keys = Keys::default();
        keys.turn(at(10), None);
        keys.turn(at(20), Some("consult"));
        keys.turn(at(25), Some("consult"));
        keys.conference(at(30));
        keys.turn(at(40), None);
        let said: Vec<_> = [5, 15, 20, 29, 30, 45].map(|ms| keys.consult_at(at(ms))).into();
        assert_eq!(said, [None, None, Some("consult"), Some("consult"), None, None]);
    }
}
