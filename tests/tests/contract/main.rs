//! The contract of a call with its driver, input by input: contacts, late events, posts, stops.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod contacts;
mod gates;
mod media;
mod posts;

use bytes::Bytes;
use engine::call::{
    Call, Config, ContactChoice, EventKind, GateSource, Input, MediaEnd, Message, Outcome, Output, Report,
    Summary, TelephonyEvent,
};
use engine::recogniser::Recogniser;
use engine::time::Time;
use fixtures::Party;
use fixtures::kinesis::{CONTACT_ID, START_EPOCH_MS, Shape};
use fixtures::tone::Script;
use tests::ToneRecogniser;

/// A driver that a test steers by hand: it recognises tone words and keeps the rest for the test.
struct Hand {
    call: Call,
    ears: ToneRecogniser,
    now: Time,
    posts: Vec<Message>,
    resolve: Vec<String>,
    stores: Vec<u64>,
    reports: Vec<Report>,
    attributes: Vec<(String, String)>,
    wait: Time,
    summary: Option<Summary>,
}

impl Hand {
    fn new(config: Config) -> Self {
        Self {
            call: Call::new(config, 3),
            ears: ToneRecogniser::default(),
            now: Time::from_ms(START_EPOCH_MS),
            posts: Vec::new(),
            resolve: Vec::new(),
            stores: Vec::new(),
            reports: Vec::new(),
            attributes: Vec::new(),
            wait: Time::MIN,
            summary: None,
        }
    }

    fn live() -> Self {
        Self::new(Config::new(ContactChoice::Id(CONTACT_ID.into()), "fallback"))
    }

    fn handle(&mut self, input: Input) {
        self.call.handle(self.now, input);
        self.perform();
    }

    fn at(&mut self, ms: i64) -> &mut Self {
        self.now = Time::from_ms(START_EPOCH_MS + ms);
        self
    }

    fn perform(&mut self) {
        loop {
            match self.call.poll() {
                Output::OpenRecogniser(spec) => {
                    let capabilities = self.ears.open(&spec).unwrap();
                    self.call.handle(self.now, Input::RecogniserReady { session: spec.id, capabilities });
                }
                Output::Audio(chunk) => {
                    self.ears.audio(chunk).unwrap();
                    self.listen();
                }
                Output::EndAudio { session } => {
                    self.ears.end(session).unwrap();
                    self.listen();
                }
                Output::Post(posts) => self.posts.extend(posts.into_iter().map(|p| p.message)),
                Output::Resolve(id) => self.resolve.push(id),
                Output::Store(checkpoint) => self.stores.push(checkpoint.sequence),
                Output::SetAttribute { name, value } => self.attributes.push((name, value)),
                Output::Report(report) => self.reports.push(report),
                Output::Done(summary) => self.summary = Some(*summary),
                Output::Wait(until) => {
                    self.wait = until;
                    return;
                }
                _ => {}
            }
        }
    }

    fn listen(&mut self) {
        while let Some(event) = self.ears.poll(false).unwrap() {
            self.call.handle(self.now, Input::Recognised(event));
        }
    }

    fn media(&mut self, bytes: impl Into<Bytes>) {
        self.handle(Input::Media(bytes.into()));
    }

    fn event(&mut self, kind: EventKind) {
        self.handle(Input::Gate(GateSource::Toolkit, TelephonyEvent::new(kind, None)));
    }

    fn answer(&mut self, outcome: &Outcome) {
        for message in std::mem::take(&mut self.posts) {
            self.handle(Input::Posted { id: message.message_id, outcome: outcome.clone() });
        }
    }

    /// Accepts whatever is posted until nothing more is; returns the texts.
    fn accept_all(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        while !self.posts.is_empty() {
            texts.extend(self.posts.iter().map(|m| m.content.0.clone()));
            self.answer(&Outcome::Accepted);
        }
        texts
    }

    fn end(&mut self) -> Vec<String> {
        self.handle(Input::MediaEnded(MediaEnd::Complete));
        self.accept_all()
    }

    fn summary(&self) -> &Summary {
        self.summary.as_ref().expect("the call is over")
    }
}

/// (start in ms, words) spoken by the customer, in fragments of 1088 ms.
fn call(lines: &[(u64, &str)], duration_ms: usize) -> Vec<Bytes> {
    fragments(&Shape::default(), lines, duration_ms)
}

fn fragments(shape: &Shape, lines: &[(u64, &str)], duration_ms: usize) -> Vec<Bytes> {
    let script = lines.iter().fold(Script::new(), |s, (at, words)| s.say(Party::Customer, *at, words));
    let written = shape.write(&script.render(duration_ms).unwrap());
    let bytes = Bytes::from(written.bytes.clone());
    let mut starts: Vec<usize> =
        written.documents.iter().map(|d| usize::try_from(d.offset).unwrap()).collect();
    starts.push(bytes.len());
    starts.windows(2).map(|w| bytes.slice(w[0]..w[1])).collect()
}
