//! `[call]`: what holds for every call, and how it becomes the core's own configuration.

use serde::Deserialize;

use crate::call::{Ambiguous, Config, ContactChoice, HoldGate, OnDoubt, SenderPolicy, UserIdError};
use crate::shell::payload::Payload;
use crate::time::Span;

/// `[call]`: policy and bounds of each call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallOptions {
    /// Whose hold closes the gate: `any` or `customer`. Default `any`.
    pub hold_gate: HoldGate,
    /// Who speaks on the agent's track: `VIRTUAL_AGENT`, `SUPERVISOR` or `EXTERNAL_USER`. Default
    /// `VIRTUAL_AGENT`.
    pub agent_sender: AgentSender,
    /// The one agent's Salesforce user id (005…): `HUMAN_AGENT` while he alone is connected. A payload's
    /// `agentUserId` wins. Default none.
    pub agent_user_id: Option<String>,
    /// Participant id of the sender `EXTERNAL_USER`. Default none.
    pub external_user_id: Option<String>,
    /// How far a live event may move a closing back before its arrival, ms. Default 10,000.
    pub gate_backdate_max_ms: u32,
    /// How far a live event may move an opening beyond its arrival, ms. Default 10,000.
    pub gate_postdate_max_ms: u32,
    /// After this long a gate that never opens raises an alarm, s. Default 600.
    pub gate_alarm_after_s: u32,
    /// Gate events kept per call; further ones close the gate for good. Default 10,000.
    pub max_gate_events: usize,
    /// Length of an audio chunk, ms: 50 to 200. Default 100.
    pub chunk_ms: u32,
    /// How long one party's audio waits for the other's of the same time, ms. Default 1,000.
    pub max_track_skew_ms: u32,
    /// A hole up to this long becomes silence; a longer one begins a new session, s. Default 900.
    pub max_gap_s: u32,
    /// Audio held for one fragment until its tags have settled, bytes. Default 16,777,216.
    pub max_fragment_bytes: usize,
    /// Fragments that wait for an unknown contact before media stops being read. Default 32.
    pub max_waiting_fragments: usize,
    /// After this long an unresolved contact counts as foreign, ms. Default 20,000.
    pub resolve_timeout_ms: u32,
    /// Messages not yet delivered before media stops being read. Default 1,000.
    pub max_outbox: usize,
    /// After the end of audio, how long the recogniser has for its last words, and Salesforce after each message
    /// it takes for the next one, s. Default 300.
    pub drain_timeout_s: u32,
    /// What an interval in which no worker may have been there to take gate events means, on a call that has
    /// them: `closed` or `open`. Default `closed`.
    pub on_doubt: OnDoubt,
    /// What becomes of a message that Salesforce may have taken: `retry` (one may stand there twice) or `drop`
    /// (one may be missing). Default `retry`.
    pub ambiguous: Ambiguous,
    /// Without anything else to store, how often a checkpoint follows the audio, s. Default 10.
    pub checkpoint_every_s: u32,
    /// Contact attribute set once if Salesforce's rate limit cost messages; empty: none. Default
    /// `sf_realtime_transcription_status`.
    pub limit_attribute: String,
    /// Its value. Default `Exceeded Limits for creating messages in Transcription`.
    pub limit_attribute_value: String,
}

/// Who speaks on the agent's track, for the whole call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AgentSender {
    /// Whoever speaks on the agent's side.
    #[default]
    VirtualAgent,
    /// A supervisor.
    Supervisor,
    /// Somebody outside, under `external_user_id`.
    ExternalUser,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            hold_gate: HoldGate::Any,
            agent_sender: AgentSender::VirtualAgent,
            agent_user_id: None,
            external_user_id: None,
            gate_backdate_max_ms: 10_000,
            gate_postdate_max_ms: 10_000,
            gate_alarm_after_s: 600,
            max_gate_events: 10_000,
            chunk_ms: 100,
            max_track_skew_ms: 1_000,
            max_gap_s: 900,
            max_fragment_bytes: 16 << 20,
            max_waiting_fragments: 32,
            resolve_timeout_ms: 20_000,
            max_outbox: 1_000,
            drain_timeout_s: 300,
            on_doubt: OnDoubt::Closed,
            ambiguous: Ambiguous::Retry,
            checkpoint_every_s: 10,
            limit_attribute: "sf_realtime_transcription_status".to_owned(),
            limit_attribute_value: "Exceeded Limits for creating messages in Transcription".to_owned(),
        }
    }
}

/// Why `[call]` makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallOptionsError {
    /// A figure is out of its range.
    #[error("[call] {key} is {found}: it should be {expected}")]
    Range {
        /// The key.
        key: &'static str,
        /// What is there.
        found: u64,
        /// What it should be.
        expected: &'static str,
    },
    /// Sender and id contradict each other.
    #[error("[call] {0}")]
    Sender(&'static str),
    /// The agent's id is none.
    #[error("[call] agent_user_id: {0}")]
    UserId(#[from] UserIdError),
}

impl CallOptions {
    /// Whether the options make sense on their own.
    ///
    /// # Errors
    /// The first that does not, with what it should be.
    pub fn check(&self) -> Result<(), CallOptionsError> {
        let range = |key, found: u64, good: bool, expected| {
            if good { Ok(()) } else { Err(CallOptionsError::Range { key, found, expected }) }
        };
        let chunk = u64::from(self.chunk_ms);
        range("chunk_ms", chunk, (50..=200).contains(&chunk), "50 to 200")?;
        for (key, count) in [
            ("max_gate_events", self.max_gate_events),
            ("max_fragment_bytes", self.max_fragment_bytes),
            ("max_waiting_fragments", self.max_waiting_fragments),
            ("max_outbox", self.max_outbox),
            ("checkpoint_every_s", self.checkpoint_every_s as usize),
        ] {
            range(key, count as u64, count > 0, "at least 1")?;
        }
        self.sender(None).map(|_| ())
    }

    /// The core's configuration of the call that this payload starts.
    ///
    /// # Errors
    /// The options make no sense.
    pub fn config(&self, payload: &Payload) -> Result<Config, CallOptionsError> {
        self.check()?;
        let contact = payload.contact_id.clone();
        let mut config = Config::new(ContactChoice::Id(contact.clone()), contact);
        config.vendor_call_key = payload.key().map(str::to_owned);
        config.channels = payload.channels;
        config.customer_participant = payload.customer_phone.as_ref().map(|p| p.reveal().to_owned());
        config.sender = self.sender(payload.agent_user_id.as_deref())?;
        config.limit_attribute = (!self.limit_attribute.is_empty())
            .then(|| (self.limit_attribute.clone(), self.limit_attribute_value.clone()));
        self.fill(&mut config);
        Ok(config)
    }

    /// What does not depend on the payload.
    fn fill(&self, config: &mut Config) {
        let ms = |n: u32| Span::from_ms(i64::from(n));
        let s = |n: u32| Span::from_s(i64::from(n));
        config.hold_gate = self.hold_gate;
        config.gate_backdate_max = ms(self.gate_backdate_max_ms);
        config.gate_postdate_max = ms(self.gate_postdate_max_ms);
        config.gate_alarm_after = s(self.gate_alarm_after_s);
        config.max_gate_events = self.max_gate_events;
        config.chunk = ms(self.chunk_ms);
        config.max_track_skew = ms(self.max_track_skew_ms);
        config.max_gap = s(self.max_gap_s);
        config.max_fragment_bytes = self.max_fragment_bytes;
        config.max_waiting_fragments = self.max_waiting_fragments;
        config.resolve_timeout = ms(self.resolve_timeout_ms);
        config.max_outbox = self.max_outbox;
        config.drain_timeout = s(self.drain_timeout_s);
        config.on_doubt = self.on_doubt;
        config.ambiguous = self.ambiguous;
        config.checkpoint_every = s(self.checkpoint_every_s);
    }

    fn sender(&self, agent: Option<&str>) -> Result<SenderPolicy, CallOptionsError> {
        use AgentSender::{ExternalUser, Supervisor, VirtualAgent};
        match (self.agent_sender, &self.external_user_id, agent.or(self.agent_user_id.as_deref())) {
            (VirtualAgent | Supervisor, Some(_), _) => {
                Err(CallOptionsError::Sender("external_user_id needs agent_sender = \"EXTERNAL_USER\""))
            }
            (ExternalUser, None, _) => Err(CallOptionsError::Sender(
                "agent_sender = \"EXTERNAL_USER\" needs external_user_id, an id of its own",
            )),
            (VirtualAgent, None, None) => Ok(SenderPolicy::VirtualAgent),
            (VirtualAgent, None, Some(id)) => Ok(SenderPolicy::human_agent(id)?),
            (Supervisor, None, _) => Ok(SenderPolicy::Supervisor),
            (ExternalUser, Some(id), _) => Ok(SenderPolicy::ExternalUser(id.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(more: &str) -> Payload {
        let text = format!(
            r#"{{"streamARN":"arn:aws:kinesisvideo:x:1:stream/s/1","startFragmentNum":"1","voiceCallId":"c",
                "audioStartTimestamp":"1571360125131","customerPhoneNumber":"+1555"{more}}}"#
        );
        Payload::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_defaults_are_the_cores_own() {
        let config = CallOptions::default().config(&payload("")).unwrap();
        let mut core = Config::new(ContactChoice::Id("c".into()), "c");
        core.customer_participant = Some("+1555".into());
        core.limit_attribute = config.limit_attribute.clone();
        assert_eq!(config, core);
    }

    #[test]
    fn the_payloads_agent_wins_and_its_key_is_the_calls() {
        let options = CallOptions { agent_user_id: Some("005000000000001".into()), ..CallOptions::default() };
        let payload = payload(r#","agentUserId":"005000000000002","vendorCallKey":"first""#);
        let config = options.config(&payload).unwrap();
        assert_eq!(config.sender, SenderPolicy::HumanAgent("005000000000002".into()));
        assert_eq!(config.vendor_call_key.as_deref(), Some("first"));
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let options = CallOptions::default();
        for (bad, word) in [
            (CallOptions { chunk_ms: 20, ..options.clone() }, "chunk_ms"),
            (CallOptions { max_outbox: 0, ..options.clone() }, "max_outbox"),
            (CallOptions { agent_sender: AgentSender::ExternalUser, ..options.clone() }, "external_user_id"),
            (CallOptions { external_user_id: Some("x".into()), ..options.clone() }, "EXTERNAL_USER"),
            (CallOptions { agent_user_id: Some("x".into()), ..options }, "agent_user_id"),
        ] {
            assert!(bad.check().unwrap_err().to_string().contains(word), "{word}");
        }
    }
}
