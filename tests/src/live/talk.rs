//! A call to be made: who says what, on which stream, under which contact, and how it is announced.

use std::sync::atomic::{AtomicU32, Ordering};

use engine::time::{Span, Time};
use fixtures::kinesis::{FRAGMENT_MS, INSTANCE_ID, Shape};
use fixtures::manifest::Utterance;
use fixtures::tone::Script;
use fixtures::{Party, Pcm};
use serde_json::{Value, json};

use crate::emulators::LiveCall;
use crate::emulators::kinesis::Fragment;

/// The customer's number: no log may hold it.
pub const CUSTOMER_PHONE: &str = "+14155550100";
/// Blocks of the fragment that carries `STOP_STREAMING`.
const LAST_BLOCKS: usize = 4;

/// The plan of a call.
#[derive(Debug, Clone)]
pub struct Talk {
    /// What is said.
    pub script: Script,
    /// How its stream is written; contact and start are filled in.
    pub shape: Shape,
    /// The contact.
    pub contact: String,
    /// The first contact of the chain, which names the call.
    pub first: String,
    /// A last fragment says that streaming has stopped.
    pub stops: bool,
}

/// A contact id that nothing else in this process has.
fn contact() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{:08x}-2222-4333-8444-555555555555", NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Default for Talk {
    fn default() -> Self {
        Self::new()
    }
}

impl Talk {
    /// A call of its own contact in which nobody says anything yet.
    #[must_use]
    pub fn new() -> Self {
        let contact = contact();
        let first = contact.clone();
        Self { script: Script::new(), shape: Shape::default(), contact, first, stops: true }
    }

    /// Both parties in turn, then at once: five utterances in about five seconds.
    #[must_use]
    pub fn both() -> Self {
        Self::new()
            .say(Party::Customer, 300, "hello")
            .say(Party::Agent, 1_200, "good morning customer")
            .say(Party::Customer, 2_400, "lost parcel number four one")
            .say(Party::Agent, 2_700, "please wait")
            .say(Party::Agent, 4_300, "thanks goodbye")
    }

    /// Adds a line.
    #[must_use]
    pub fn say(mut self, party: Party, start_ms: u64, words: &str) -> Self {
        self.script = self.script.say(party, start_ms, words);
        self
    }

    /// The stream goes on in silence after the last word: nothing says that the call is over.
    #[must_use]
    pub fn open_ended(mut self) -> Self {
        self.stops = false;
        self
    }

    /// A later leg of a call that this contact began.
    #[must_use]
    pub fn leg_of(mut self, first: &str) -> Self {
        first.clone_into(&mut self.first);
        self
    }

    /// Length of the audio in whole fragments, milliseconds.
    pub(super) fn duration_ms(&self) -> i64 {
        let said = self.script.truth(0).iter().map(|u| u.end_ms).max().unwrap_or(0);
        (said + 900).div_euclid(FRAGMENT_MS) * FRAGMENT_MS + FRAGMENT_MS
    }

    /// The fragments, as if the call began at `start`, whole milliseconds.
    ///
    /// # Panics
    /// When a word is no tone word.
    #[must_use]
    pub fn stored(&self, start: Time) -> Vec<Fragment> {
        let duration_ms = self.duration_ms();
        let shape = Shape { contact_id: self.contact.clone(), ..self.shape.clone() };
        let pcm = self.script.render(usize::try_from(duration_ms).unwrap_or(0)).expect("tone words");
        let mut fragments = LiveCall::generated(&shape, &pcm, start).expect("a stream").fragments;
        if self.stops {
            let mut last = shape.clone();
            last.blocks_per_fragment = LAST_BLOCKS;
            last.first_serial += u64::try_from(duration_ms / FRAGMENT_MS).unwrap_or(0);
            last.more_tags.push(("STOP_STREAMING".to_owned(), "true".to_owned()));
            let pcm = Pcm::silence(LAST_BLOCKS * 64);
            let end = start + Span::from_ms(duration_ms);
            fragments.extend(LiveCall::generated(&last, &pcm, end).expect("a stream").fragments);
        }
        fragments
    }
}

/// A call that is being made.
#[derive(Debug, Clone)]
pub struct Begun {
    /// The contact.
    pub contact: String,
    /// The first contact of the chain.
    pub key: String,
    /// ARN of its stream.
    pub stream: String,
    /// The time of its first sample.
    pub start: Time,
    /// The end of what is said and a little silence.
    pub end: Time,
    /// What is said, with true times.
    pub truth: Vec<Utterance>,
    /// Number of its first fragment.
    pub first_fragment: String,
}

impl Begun {
    /// So many milliseconds into the call.
    #[must_use]
    pub fn at(&self, ms: i64) -> Time {
        self.start + Span::from_ms(ms)
    }

    /// ARN of the Connect instance.
    #[must_use]
    pub fn instance_arn() -> String {
        format!("arn:aws:connect:eu-west-2:123456789012:instance/{INSTANCE_ID}")
    }

    /// The payload that kvsConsumerTrigger sends.
    ///
    /// Source: Service Cloud Voice for Amazon Connect, kvsConsumerTrigger.
    #[must_use]
    pub fn trigger(&self) -> Value {
        json!({
            "streamARN": self.stream,
            "startFragmentNum": self.first_fragment,
            "audioStartTimestamp": self.start.ms().to_string(),
            "customerPhoneNumber": CUSTOMER_PHONE,
            "voiceCallId": self.contact,
            "languageCode": "en-US",
            "streamAudioFromCustomer": true,
            "streamAudioToCustomer": true,
            "instanceARN": Self::instance_arn(),
            "engine": "standard",
        })
    }

    /// The event that the contact flow sends.
    ///
    /// Source: Amazon Connect, invoke AWS Lambda functions.
    #[must_use]
    pub fn flow_event(&self) -> Value {
        json!({
            "Name": "ContactFlowEvent",
            "Details": {
                "ContactData": {
                    "Attributes": {"languageCode": "en-US"},
                    "Channel": "VOICE",
                    "ContactId": self.contact,
                    "InitialContactId": self.key,
                    "PreviousContactId": self.key,
                    "CustomerEndpoint": {"Address": CUSTOMER_PHONE, "Type": "TELEPHONE_NUMBER"},
                    "InitiationMethod": "INBOUND",
                    "InstanceARN": Self::instance_arn(),
                    "MediaStreams": {"Customer": {"Audio": {
                        "StreamARN": self.stream,
                        "StartTimestamp": self.start.ms().to_string(),
                        "StartFragmentNumber": self.first_fragment,
                    }}},
                },
                "Parameters": {},
            },
        })
    }

    /// A toolkit event about this call, as a page forwards it.
    #[must_use]
    pub fn event(&self, kind: &str) -> Value {
        json!({"type": kind, "detail": {"callId": self.contact, "participant": CUSTOMER_PHONE}})
    }
}
