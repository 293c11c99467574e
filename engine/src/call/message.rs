//! The Salesforce message of an utterance, and its id.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::recogniser::Party;
use crate::time::Time;

/// Namespace of every message id. Never change it: a resumed or repeated call must find the same ids.
pub const MESSAGE_NAMESPACE: Uuid = Uuid::from_u128(0x6b76_7363_7269_4265_8d0e_7472_616e_7363);

/// `senderType` of the Telephony Integration API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SenderType {
    /// The customer.
    EndUser,
    /// Somebody outside both companies.
    ExternalUser,
    /// One known agent.
    HumanAgent,
    /// A supervisor.
    Supervisor,
    /// Whoever speaks on the agent's side: the default, since the track mixes all of them.
    VirtualAgent,
}

/// Text that was said on a call. It prints as `…`, so that it never reaches a log by accident.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spoken(pub String);

impl fmt::Debug for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// One message as `POST /telephony/v1/voiceCalls/{vendorCallKey}/messages` takes it: exactly these six
/// fields, in these spellings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Who said it: `{vendorCallKey}END_USER`, `{vendorCallKey}VIRTUAL_AGENT`, a user id, …
    pub participant_id: String,
    /// Stable id: the same utterance has the same id in every life of the call.
    pub message_id: String,
    /// Start of the speech, epoch milliseconds.
    pub start_time: i64,
    /// End of the speech, epoch milliseconds.
    pub end_time: i64,
    /// What was said.
    pub content: Spoken,
    /// Kind of sender.
    pub sender_type: SenderType,
}

/// The id of the utterance that `party` began at `start` in the call `key`: UUIDv5 of
/// `{key}/{customer|agent}/{start_ms}`.
#[must_use]
pub fn message_id(key: &str, party: Party, start: Time) -> String {
    let name = format!("{key}/{party}/{}", start.ms());
    Uuid::new_v5(&MESSAGE_NAMESPACE, name.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The golden ids: if this fails, every message posted before would be posted again under a new id.
    #[test]
    fn message_ids_never_change() {
        let key = "11111111-2222-4333-8444-555555555555";
        let at = Time::from_ms(1_571_360_125_131);
        assert_eq!(message_id(key, Party::Customer, at), "67f623cc-0ac0-5d2e-be3b-c7f4bc7e2501");
        assert_eq!(message_id(key, Party::Agent, at), "9599d02f-7ee8-5352-8de8-6f8516606a2f");
    }

    #[test]
    fn a_message_has_the_six_fields_in_salesforces_spelling() {
        let message = Message {
            participant_id: "keyEND_USER".into(),
            message_id: "m".into(),
            start_time: 1,
            end_time: 2,
            content: Spoken("Hello".into()),
            sender_type: SenderType::EndUser,
        };
        assert_eq!(
            serde_json::to_string(&message).unwrap(),
            r#"{"participantId":"keyEND_USER","messageId":"m","startTime":1,"endTime":2,"content":"Hello","senderType":"END_USER"}"#
        );
        assert!(!format!("{message:?}").contains("Hello"), "what was said stays out of logs");
    }
}
