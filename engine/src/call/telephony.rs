//! Events of the Salesforce telephony toolkit: what an LWC or the Aura toolkit says about hold, pause and
//! participants. Only their shape is known here; what they mean for the gate is `gate.rs`.

use serde::Deserialize;

use crate::time::Time;

/// One telephony event, either spelling (`pauserecording` of the LWC, `PAUSE_RECORDING` of Aura).
///
/// Source: Service Cloud Voice Implementation Guide, toolkit events.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TelephonyEvent {
    /// What happened.
    pub kind: EventKind,
    /// When, by the sender's clock.
    pub at: Option<Time>,
    /// The contact it speaks of.
    pub call_id: Option<String>,
    /// The participant it speaks of: a phone number or a user.
    pub participant: Option<String>,
}

/// The kinds of telephony event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum EventKind {
    /// `callstarted`
    CallStarted,
    /// `callconnected`
    CallConnected,
    /// `callended`
    CallEnded,
    /// `hold`
    Hold,
    /// `resume`
    Resume,
    /// `participantadded`
    ParticipantAdded,
    /// `participantremoved`
    ParticipantRemoved,
    /// `mute`: the agent's own microphone, no gate
    Mute,
    /// `unmute`
    Unmute,
    /// `conference`: all are off hold
    Conference,
    /// `swap`: one participant leaves hold while the other enters it
    Swap,
    /// `pauserecording`
    PauseRecording,
    /// `resumerecording`
    ResumeRecording,
    /// `wrapupended`
    WrapUpEnded,
    /// Anything else, as it was spelt.
    Unknown(String),
}

impl EventKind {
    /// Reads either spelling; case, `_`, `-` and spaces do not matter.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        let plain: String =
            name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        match plain.as_str() {
            "callstarted" => Self::CallStarted,
            "callconnected" => Self::CallConnected,
            "callended" => Self::CallEnded,
            "hold" => Self::Hold,
            "resume" => Self::Resume,
            "participantadded" => Self::ParticipantAdded,
            "participantremoved" => Self::ParticipantRemoved,
            "mute" => Self::Mute,
            "unmute" => Self::Unmute,
            "conference" => Self::Conference,
            "swap" => Self::Swap,
            "pauserecording" => Self::PauseRecording,
            "resumerecording" => Self::ResumeRecording,
            "wrapupended" => Self::WrapUpEnded,
            _ => Self::Unknown(name.to_owned()),
        }
    }

    /// The kind as the toolkit of the Lightning component spells it; an unknown one as it was spelt.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::CallStarted => "callstarted",
            Self::CallConnected => "callconnected",
            Self::CallEnded => "callended",
            Self::Hold => "hold",
            Self::Resume => "resume",
            Self::ParticipantAdded => "participantadded",
            Self::ParticipantRemoved => "participantremoved",
            Self::Mute => "mute",
            Self::Unmute => "unmute",
            Self::Conference => "conference",
            Self::Swap => "swap",
            Self::PauseRecording => "pauserecording",
            Self::ResumeRecording => "resumerecording",
            Self::WrapUpEnded => "wrapupended",
            Self::Unknown(name) => name,
        }
    }
}

/// Why a text is not a telephony event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; an event looks like {{\"type\":\"hold\",\"at\":1571360130000,\"detail\":{{\"callId\":\"…\",\"participant\":\"+1…\"}}}}"
)]
pub struct EventSyntaxError(String);

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    at: Option<serde_json::Value>,
    #[serde(default)]
    detail: Option<RawDetail>,
}

#[derive(Deserialize, Default)]
struct RawDetail {
    #[serde(default, rename = "callId")]
    call_id: Option<String>,
    #[serde(default)]
    participant: Option<serde_json::Value>,
}

impl TelephonyEvent {
    /// An event of this kind, at this time, naming no call and no participant.
    #[must_use]
    pub const fn new(kind: EventKind, at: Option<Time>) -> Self {
        Self { kind, at, call_id: None, participant: None }
    }

    /// The same event, for this participant.
    #[must_use]
    pub fn participant(mut self, participant: impl Into<String>) -> Self {
        self.participant = Some(participant.into());
        self
    }

    /// Reads one JSON object. `at` is epoch milliseconds, a number or a string of digits.
    ///
    /// # Errors
    /// The text is not JSON, has no `type`, or its `at` is no time.
    pub fn parse(json: &str) -> Result<Self, EventSyntaxError> {
        let raw: Raw = serde_json::from_str(json)
            .map_err(|e| EventSyntaxError(format!("not a telephony event: {e}")))?;
        let at = match raw.at {
            None | Some(serde_json::Value::Null) => None,
            Some(value) => Some(epoch_ms(&value).ok_or_else(|| {
                EventSyntaxError(format!("\"at\" is {value}, not a time in epoch milliseconds"))
            })?),
        };
        let detail = raw.detail.unwrap_or_default();
        Ok(Self {
            kind: EventKind::parse(&raw.kind),
            at,
            call_id: detail.call_id,
            participant: detail.participant.as_ref().and_then(text_of),
        })
    }
}

/// Epoch milliseconds between 1970 and the year 9999, or nothing.
fn epoch_ms(value: &serde_json::Value) -> Option<Time> {
    const YEAR_9999_MS: i64 = 253_402_300_800_000;
    let ms = match value {
        serde_json::Value::String(s) => s.trim().parse::<i64>().ok()?,
        other => match other.as_i64() {
            Some(ms) => ms,
            // A time with a fraction; beyond 2^53 a float is no time anyway.
            None => other.as_f64().filter(|f| f.abs() < 9e15)?.round() as i64,
        },
    };
    (0..YEAR_9999_MS).contains(&ms).then(|| Time::from_ms(ms))
}

/// A participant is a string in the guide; an object with a phone number has been seen in Aura.
fn text_of(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(s) => Some(s.clone()),
        serde_json::Value::Object(map) => {
            ["phoneNumber", "id", "name"].iter().find_map(|k| map.get(*k)?.as_str().map(str::to_owned))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_the_same_event() {
        for (lwc, aura) in [("pauserecording", "PAUSE_RECORDING"), ("participantadded", "PARTICIPANT_ADDED")]
        {
            assert_eq!(EventKind::parse(lwc), EventKind::parse(aura));
        }
        assert_eq!(EventKind::parse("DANCE"), EventKind::Unknown("DANCE".into()));
    }

    #[test]
    fn the_guides_shape_is_read() {
        let event = TelephonyEvent::parse(
            r#"{"type":"hold","at":1571360130000,"detail":{"callId":"c","participant":"+14155550100"}}"#,
        )
        .unwrap();
        assert_eq!(event.kind, EventKind::Hold);
        assert_eq!(event.at, Some(Time::from_ms(1_571_360_130_000)));
        assert_eq!(
            (event.call_id.as_deref(), event.participant.as_deref()),
            (Some("c"), Some("+14155550100"))
        );
        let text = TelephonyEvent::parse(r#"{"type":"HOLD","at":"1571360130000"}"#).unwrap();
        assert_eq!(text.at, event.at);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (bad, word) in [
            ("{", "not a telephony event"),
            (r#"{"at":1}"#, "type"),
            (r#"{"type":"hold","at":"noon"}"#, "noon"),
            (r#"{"type":"hold","at":1e300}"#, "at"),
            (r#"{"type":"hold","at":-5}"#, "-5"),
        ] {
            let said = TelephonyEvent::parse(bad).unwrap_err().to_string();
            assert!(said.contains(word), "{bad}: {said}");
        }
    }
}
