//! What the log of a contact holds: gate events, triggers that say where the media of a call goes on, and what one
//! life of a call leaves the next besides its checkpoint.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::call::{Absence, GateSource, TelephonyEvent};
use crate::shell::payload::Payload;
use crate::shell::store::Entry;
use crate::time::Time;

/// Something that was sent to a call, and stored before that was said.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Unlike that of any other.
    pub id: String,
    /// When it arrived.
    pub at: Time,
    /// What it says.
    pub matter: Matter,
}

/// What a letter says.
#[derive(Clone)]
pub enum Matter {
    /// A telephony event, and where it was seen.
    Gate(GateSource, TelephonyEvent),
    /// The call goes on in the stream that this payload names.
    Segment(Box<Payload>),
    /// The call failed for good where it ran: it goes on only if somebody starts it again.
    Failed,
    /// Somebody started it again after that.
    StartedAgain,
    /// So a life of the call found it when it began: the next must know, if that one stores nothing.
    Absent(Absence),
}

impl fmt::Debug for Matter {
    /// Events and payloads name telephone numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gate(..) => "Gate(…)",
            Self::Segment(_) => "Segment(…)",
            Self::Failed => "Failed",
            Self::StartedAgain => "StartedAgain",
            Self::Absent(_) => "Absent(…)",
        })
    }
}

/// The form in the store.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stored {
    Gate { source: GateSource, event: Box<RawValue> },
    Segment(Box<RawValue>),
    Failed,
    StartedAgain,
    Absent(Absence),
}

impl Letter {
    /// One that arrives now, and its form in the store.
    pub(super) fn new(at: Time, matter: Matter) -> (Self, Entry) {
        let stored = match &matter {
            Matter::Gate(source, event) => {
                raw(&written(event).to_string()).map(|event| Stored::Gate { source: *source, event })
            }
            Matter::Segment(payload) => {
                str::from_utf8(payload.text.reveal()).ok().and_then(raw).map(Stored::Segment)
            }
            Matter::Failed => Some(Stored::Failed),
            Matter::StartedAgain => Some(Stored::StartedAgain),
            Matter::Absent(absence) => Some(Stored::Absent(*absence)),
        };
        // A payload was JSON when it was read, and an event is written by us.
        let body = stored.and_then(|stored| serde_json::to_vec(&stored).ok()).unwrap_or_default();
        let entry = Entry::new(at, body);
        (Self { id: entry.id.clone(), at, matter }, entry)
    }

    /// Reads what was stored for this contact; `None`: it is of no form that is known.
    pub(super) fn read(contact: &str, entry: Entry) -> Option<Self> {
        let matter = match serde_json::from_slice(&entry.body).ok()? {
            Stored::Gate { source, event } => {
                let mut event = TelephonyEvent::parse(event.get()).ok()?;
                event.call_id.get_or_insert_with(|| contact.to_owned());
                Matter::Gate(source, event)
            }
            Stored::Segment(payload) => {
                Matter::Segment(Box::new(Payload::parse(payload.get().as_bytes()).ok()?))
            }
            Stored::Failed => Matter::Failed,
            Stored::StartedAgain => Matter::StartedAgain,
            Stored::Absent(absence) => Matter::Absent(absence),
        };
        Some(Self { id: entry.id, at: entry.at, matter })
    }
}

fn raw(text: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(text.to_owned()).ok()
}

/// An event as the toolkit writes it.
fn written(event: &TelephonyEvent) -> Value {
    json!({
        "type": event.kind.name(),
        "at": event.at.map(Time::ms),
        "detail": { "callId": event.call_id, "participant": event.participant },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::EventKind;

    fn there_and_back(matter: Matter) -> Letter {
        let (letter, entry) = Letter::new(Time::from_ms(7), matter);
        let read = Letter::read("c", entry).expect("its form is known");
        assert_eq!((&read.id, read.at), (&letter.id, letter.at));
        read
    }

    #[test]
    fn every_event_comes_back_as_it_was() {
        use EventKind::*;
        for kind in [
            CallStarted,
            CallConnected,
            CallEnded,
            Hold,
            Resume,
            ParticipantAdded,
            ParticipantRemoved,
            Mute,
            Unmute,
            Conference,
            Swap,
            PauseRecording,
            ResumeRecording,
            WrapUpEnded,
            Unknown("DANCE".into()),
        ] {
            let mut event = TelephonyEvent::new(kind, Some(Time::from_ms(1_571_360_130_000)));
            event = event.participant("+14155550100");
            event.call_id = Some("another".into());
            let read = there_and_back(Matter::Gate(GateSource::AgentEvents, event.clone()));
            let Matter::Gate(source, found) = read.matter else { panic!("it is an event") };
            assert_eq!((source, found), (GateSource::AgentEvents, event));
        }
        let bare = TelephonyEvent::new(Hold, None);
        let Matter::Gate(_, found) = there_and_back(Matter::Gate(GateSource::Toolkit, bare)).matter else {
            panic!("it is an event")
        };
        assert_eq!((found.at, found.call_id.as_deref()), (None, Some("c")), "the log names the call");
    }

    #[test]
    fn a_payload_comes_back_and_what_is_no_letter_does_not() {
        let text = r#"{"streamARN":"arn:aws:kinesisvideo:x:1:stream/s/1","startFragmentNum":"91","voiceCallId":"c",
            "audioStartTimestamp":"1571360125131","customerPhoneNumber":"+1555"}"#;
        let payload = Payload::parse(text.as_bytes()).unwrap();
        let read = there_and_back(Matter::Segment(Box::new(payload.clone())));
        assert!(!format!("{read:?}").contains("1555"));
        let Matter::Segment(found) = read.matter else { panic!("it is a segment") };
        assert_eq!((found.segment, found.customer_phone), (payload.segment, payload.customer_phone));
        assert!(matches!(there_and_back(Matter::Failed).matter, Matter::Failed));
        assert!(matches!(there_and_back(Matter::StartedAgain).matter, Matter::StartedAgain));
        let absence = Absence { died: Time::from_us(5), listening: Time::from_us(9) };
        let Matter::Absent(found) = there_and_back(Matter::Absent(absence)).matter else {
            panic!("an absence")
        };
        assert_eq!(found, absence);
        for body in ["", "{}", r#"{"gate":{"source":"toolkit","event":{}}}"#, r#"{"segment":{}}"#] {
            assert!(Letter::read("c", Entry::new(Time::from_ms(1), body)).is_none(), "{body}");
        }
    }
}
