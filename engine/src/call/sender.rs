//! Whose name an utterance goes under: `senderType` and `participantId`.

use crate::recogniser::Party;
use crate::time::Time;

use super::message::SenderType;
use super::telephony::{EventKind, TelephonyEvent};

/// Who speaks on the agent's track, as far as configuration says.
///
/// The track mixes all who speak to the customer, so `VIRTUAL_AGENT` is the only sender that is always
/// true; the others are the configuring person's word for the whole call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SenderPolicy {
    /// `VIRTUAL_AGENT`, `{key}VIRTUAL_AGENT`.
    #[default]
    VirtualAgent,
    /// `HUMAN_AGENT` under this 005… user id while exactly one agent is connected, else `VIRTUAL_AGENT`.
    HumanAgent(String),
    /// `SUPERVISOR`, `{key}SUPERVISOR`.
    Supervisor,
    /// `EXTERNAL_USER` under this id of its own.
    ExternalUser(String),
}

/// Why an id is not a Salesforce user id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no Salesforce user id: it has 15 or 18 letters and digits and begins with 005")]
pub struct UserIdError(String);

impl SenderPolicy {
    /// `HUMAN_AGENT` for a Salesforce user id.
    ///
    /// # Errors
    /// The id is not one of a user (key prefix 005, 15 or 18 characters).
    pub fn human_agent(user_id: &str) -> Result<Self, UserIdError> {
        let good = matches!(user_id.len(), 15 | 18)
            && user_id.starts_with("005")
            && user_id.bytes().all(|b| b.is_ascii_alphanumeric());
        if good { Ok(Self::HumanAgent(user_id.to_owned())) } else { Err(UserIdError(user_id.to_owned())) }
    }
}

/// Participants who came and went, kept per call; no call has as many.
const MAX_CHANGES: usize = 10_000;

/// How many agents were connected when, from the telephony events.
#[derive(Debug, Clone, Default)]
pub(super) struct Presence {
    /// Times at which an agent was connected, and changes of the number of further participants.
    connected: Option<Time>,
    changes: Vec<(Time, i32)>,
}

impl Presence {
    pub(super) fn handle(&mut self, event: &TelephonyEvent, at: Time) {
        match event.kind {
            EventKind::CallConnected => self.connected = Some(self.connected.map_or(at, |t| t.min(at))),
            EventKind::ParticipantAdded => self.change(at, 1),
            EventKind::ParticipantRemoved => self.change(at, -1),
            _ => {}
        }
    }

    fn change(&mut self, at: Time, by: i32) {
        if self.changes.len() < MAX_CHANGES {
            self.changes.push((at, by));
        }
    }

    /// One agent is connected, and nobody else speaks on his track. Without any event about it the
    /// configured agent is taken at the configuring person's word.
    fn one_agent(&self, at: Time) -> bool {
        let others: i32 = self.changes.iter().filter(|(t, _)| *t <= at).map(|(_, n)| n).sum();
        self.connected.is_none_or(|t| t <= at) && others <= 0
    }
}

/// Sender of what `party` said at `at`.
pub(super) fn sender(
    policy: &SenderPolicy,
    presence: &Presence,
    key: &str,
    party: Party,
    at: Time,
) -> (SenderType, String) {
    let keyed = |kind: SenderType, suffix: &str| (kind, format!("{key}{suffix}"));
    match (party, policy) {
        (Party::Customer, _) => keyed(SenderType::EndUser, "END_USER"),
        (Party::Agent, SenderPolicy::HumanAgent(id)) if presence.one_agent(at) => {
            (SenderType::HumanAgent, id.clone())
        }
        (Party::Agent, SenderPolicy::VirtualAgent | SenderPolicy::HumanAgent(_)) => {
            keyed(SenderType::VirtualAgent, "VIRTUAL_AGENT")
        }
        (Party::Agent, SenderPolicy::Supervisor) => keyed(SenderType::Supervisor, "SUPERVISOR"),
        (Party::Agent, SenderPolicy::ExternalUser(id)) => (SenderType::ExternalUser, id.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Time {
        Time::from_ms(ms)
    }

    #[test]
    fn the_customer_is_always_the_end_user() {
        let (kind, id) =
            sender(&SenderPolicy::Supervisor, &Presence::default(), "key", Party::Customer, at(0));
        assert_eq!((kind, id.as_str()), (SenderType::EndUser, "keyEND_USER"));
    }

    #[test]
    fn each_policy_has_its_sender() {
        let said = |policy: &SenderPolicy| sender(policy, &Presence::default(), "key", Party::Agent, at(0));
        assert_eq!(said(&SenderPolicy::VirtualAgent), (SenderType::VirtualAgent, "keyVIRTUAL_AGENT".into()));
        assert_eq!(said(&SenderPolicy::Supervisor), (SenderType::Supervisor, "keySUPERVISOR".into()));
        assert_eq!(said(&SenderPolicy::ExternalUser("x".into())), (SenderType::ExternalUser, "x".into()));
        let human = SenderPolicy::human_agent("005000000000001").unwrap();
        assert_eq!(said(&human), (SenderType::HumanAgent, "005000000000001".into()));
    }

    #[test]
    fn a_human_agent_is_named_only_while_he_is_the_only_one() {
        let human = SenderPolicy::human_agent("005000000000001AAA").unwrap();
        let mut presence = Presence::default();
        presence.handle(&TelephonyEvent::new(EventKind::CallConnected, None), at(1000));
        presence.handle(&TelephonyEvent::new(EventKind::ParticipantAdded, None), at(2000));
        presence.handle(&TelephonyEvent::new(EventKind::ParticipantRemoved, None), at(3000));
        let kinds: Vec<_> =
            [500, 1500, 2500, 3500].map(|t| sender(&human, &presence, "k", Party::Agent, at(t)).0).into();
        use SenderType::{HumanAgent as H, VirtualAgent as V};
        assert_eq!(kinds, [V, H, V, H]);
    }

    #[test]
    fn only_user_ids_are_user_ids() {
        for bad in ["", "005", "006000000000001", "00500000000000!", "0050000000000012"] {
            assert!(SenderPolicy::human_agent(bad).is_err(), "{bad}");
        }
    }
}
