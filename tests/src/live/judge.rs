//! Everything that Salesforce has of a call, compared with what was said in it.

use std::collections::BTreeSet;

use fixtures::Party;
use fixtures::manifest::Utterance;

use super::lab::Lab;
use crate::emulators::salesforce::Arrival;

/// One audio block, and what the emulated recogniser is wrong by: it looks at every 4 ms.
pub const TOLERANCE_MS: i64 = 64 + 4;

/// Who speaks on the agent's track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent<'a> {
    /// `VIRTUAL_AGENT`.
    Virtual,
    /// `HUMAN_AGENT`, by Salesforce user id.
    Human(&'a str),
}

impl Lab {
    /// Judges the transcript of a call: no message too few, too many or twice; text, sender and participant
    /// as they should be; times within [`TOLERANCE_MS`]; each participant's in order and one at a time; ids
    /// that are those of the truth.
    ///
    /// # Panics
    /// With what differs.
    pub fn judge(&self, key: &str, said: &[Utterance]) {
        self.judge_agent(key, said, Agent::Virtual);
    }

    /// The same with another sender on the agent's track.
    ///
    /// # Panics
    /// With what differs.
    pub fn judge_agent(&self, key: &str, said: &[Utterance], agent: Agent<'_>) {
        let state = self.salesforce.state();
        let stored = state.transcript(key);
        let summary: Vec<String> = stored.iter().map(|a| line(a)).collect();
        let expected: Vec<String> =
            said.iter().map(|u| format!("{} {:?} {}", u.start_ms, u.party, u.text)).collect();
        assert_eq!(stored.len(), said.len(), "stored {summary:#?}\nsaid {expected:#?}");
        let mut ids = BTreeSet::new();
        for utterance in said {
            let (sender, participant) = sender(key, utterance.party, agent);
            let near = |a: &&&Arrival| {
                a.participant_id == participant && (a.start_ms - utterance.start_ms).abs() <= TOLERANCE_MS
            };
            let found = stored.iter().find(near);
            let found = found.unwrap_or_else(|| panic!("nobody posted {utterance:?}; stored {summary:#?}"));
            assert_eq!(found.content, format!("{}.", utterance.text));
            assert_eq!(found.sender_type, sender);
            assert!(
                (found.end_ms - utterance.end_ms).abs() <= TOLERANCE_MS,
                "{utterance:?}: {}",
                line(found)
            );
            assert!(!found.out_of_order, "out of order: {}", line(found));
            assert!(ids.insert(&found.message_id), "an id twice: {}", line(found));
        }
        for arrival in state.arrivals().iter().filter(|a| a.key == key) {
            assert!(!arrival.overlapping, "two at a time: {}", line(arrival));
            assert!(ids.contains(&arrival.message_id), "never stored: {}", line(arrival));
        }
        assert!(state.denials().is_empty(), "{:?}", state.denials());
    }
}

fn sender<'a>(key: &str, party: Party, agent: Agent<'a>) -> (&'static str, String) {
    match (party, agent) {
        (Party::Customer, _) => ("END_USER", format!("{key}END_USER")),
        (Party::Agent, Agent::Virtual) => ("VIRTUAL_AGENT", format!("{key}VIRTUAL_AGENT")),
        (Party::Agent, Agent::Human(id)) => ("HUMAN_AGENT", id.to_owned()),
    }
}

fn line(a: &Arrival) -> String {
    let Arrival { start_ms, end_ms, participant_id, content, fate, .. } = a;
    format!("{start_ms}-{end_ms} {participant_id} {content} {fate:?} {}", a.message_id)
}
