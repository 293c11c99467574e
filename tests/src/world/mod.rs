//! A world for one live call: a stream that grows, a recogniser, Salesforce, and a clock that jumps from one
//! event to the next. The very `Call` that production drives, without a socket and without waiting.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a world that cannot go on has found a fault, and says where"
)]

pub mod sim;

use bytes::Bytes;
use engine::call::{
    Call, Config, ContactChoice, ContactFacts, GateSource, Input, LiveConfig, MediaEnd, MediaError,
    MediaFrom, MediaRequest, MediaSegment, Outcome, Output, Post, Report, Summary, TelephonyEvent,
};
use engine::recogniser::{
    AudioChunk, Capabilities, Recogniser, RecogniserError, RecogniserEvent, SessionSpec, WordTimes,
};
use engine::time::{Span, Time};
use fixtures::kinesis::{CONTACT_ID, START_EPOCH_MS, Shape};
use fixtures::tone::Script;

use crate::ToneRecogniser;

/// A fragment and when it can be read.
#[derive(Clone)]
pub struct Stored {
    /// When it can be read.
    pub at: Time,
    /// Its number.
    pub number: String,
    /// The document.
    pub bytes: Bytes,
}

/// The fragments of a call, each readable as soon as it is complete.
pub fn stored(shape: &Shape, script: &Script, duration_ms: usize) -> Vec<Stored> {
    let written = shape.write(&script.render(duration_ms).unwrap());
    let bytes = Bytes::from(written.bytes.clone());
    let mut starts: Vec<usize> =
        written.documents.iter().map(|d| usize::try_from(d.offset).unwrap()).collect();
    starts.push(bytes.len());
    (0..written.documents.len())
        .map(|i| Stored {
            at: Time::from_ms(shape.fragment_start_ms(i + 1)),
            number: shape.fragment_number(i),
            bytes: bytes.slice(starts[i]..starts[i + 1]),
        })
        .collect()
}

/// What a scripted connection does after it has given some fragments.
#[derive(Debug, Clone)]
pub enum Cut {
    /// Ends in good order after this many fragments.
    End(usize),
    /// Breaks in the middle of the fragment behind this many.
    Break(usize),
    /// Gives nothing any more after this many fragments.
    Stall(usize),
    /// Gives these bytes after this many fragments, then nothing.
    Garbage(usize, Bytes),
    /// Gives these bytes after this many fragments, then ends in good order.
    Last(usize, Bytes),
    /// Cannot be made at all.
    Refuse(MediaError),
}

/// So many milliseconds after the beginning of the call.
#[must_use]
pub fn at(ms: i64) -> Time {
    Time::from_ms(START_EPOCH_MS + ms)
}

/// The configuration of a live call that knows its key and ends after a minute without audio.
#[must_use]
pub fn live() -> Config {
    let mut config = Config::new(ContactChoice::Id(CONTACT_ID.into()), "fallback");
    let mut policy = LiveConfig::new(MediaSegment::new("arn:one", Some(at(0)), None));
    policy.resolve_key = false;
    policy.idle_end = Span::from_s(60);
    config.live = Some(policy);
    config
}

/// What becomes of a post at this time.
pub type Answer = Box<dyn FnMut(Time, &Post) -> Outcome>;

/// What happens outside at a time of its own.
pub enum Outside {
    /// A telephony event.
    Gate(TelephonyEvent),
    /// A further segment of the call.
    Segment(MediaSegment),
    /// A contact is over.
    Ended(String),
    /// The open session fails.
    Fail(RecogniserError),
    /// This session fails, whether another has gone on or not.
    FailOne(u32, RecogniserError),
}

/// One live call and all it meets.
pub struct World {
    /// The call.
    pub call: Call,
    /// The clock.
    pub now: Time,
    /// Streams by ARN.
    pub streams: Vec<(String, Vec<Stored>)>,
    /// What the next connections do, one after another.
    pub cuts: Vec<Cut>,
    /// Connections asked for.
    pub requests: Vec<(Time, MediaRequest)>,
    /// What happens outside, by time.
    pub outside: Vec<(Time, Outside)>,
    /// Sessions opened.
    pub sessions: Vec<u32>,
    /// Audio handed on, and when.
    pub chunks: Vec<(Time, AudioChunk)>,
    /// Messages posted, and when.
    pub posted: Vec<(Time, Post)>,
    /// News, and when.
    pub reports: Vec<(Time, Report)>,
    /// Contacts asked about.
    pub resolved: Vec<String>,
    /// What is known of a contact.
    pub facts: fn(&str) -> ContactFacts,
    /// What becomes of a post.
    pub outcome: Answer,
    /// How long Salesforce takes to answer.
    pub answer_after: Span,
    /// How long the recogniser takes to say what it heard.
    pub result_after: Span,
    /// How long a session takes to be ready.
    pub ready_after: Span,
    /// The recogniser says that it sends partial results.
    pub partials: bool,
    /// Sessions that take audio and say nothing.
    pub deaf: Vec<u32>,
    /// Sessions whose results take longer than others', and how long.
    pub slow: Vec<(u32, Span)>,
    /// The closing summary.
    pub summary: Option<Summary>,
    ears: ToneRecogniser,
    open: Option<(String, usize, usize, Option<Cut>)>,
    opening: Option<(Time, SessionSpec)>,
    deadline: Time,
    began: Time,
    /// What will be heard of later, in order of time.
    later: Vec<(Time, Input)>,
}

impl World {
    /// A world with one stream, `arn:one`, of these fragments.
    pub fn new(config: Config, fragments: Vec<Stored>) -> Self {
        Self::with_seed(config, fragments, 5)
    }

    /// The same; the call's own randomness follows from `seed`.
    pub fn with_seed(config: Config, fragments: Vec<Stored>, seed: u64) -> Self {
        Self {
            call: Call::new(config, seed),
            now: at(0),
            streams: vec![("arn:one".into(), fragments)],
            cuts: Vec::new(),
            requests: Vec::new(),
            outside: Vec::new(),
            sessions: Vec::new(),
            chunks: Vec::new(),
            posted: Vec::new(),
            reports: Vec::new(),
            resolved: Vec::new(),
            facts: |_| ContactFacts::unknown(),
            outcome: Box::new(|_, _| Outcome::Accepted),
            answer_after: Span::ZERO,
            result_after: Span::ZERO,
            ready_after: Span::ZERO,
            partials: true,
            deaf: Vec::new(),
            slow: Vec::new(),
            summary: None,
            ears: ToneRecogniser::default(),
            open: None,
            opening: None,
            deadline: Time::MIN,
            began: Time::MIN,
            later: Vec::new(),
        }
    }

    /// A telephony event at this time.
    pub fn event(&mut self, ms: i64, event: TelephonyEvent) -> &mut Self {
        self.outside.push((at(ms), Outside::Gate(event)));
        self
    }

    /// Runs to the end of the call.
    pub fn run(&mut self) -> &Summary {
        self.outside.sort_by_key(|(at, _)| *at);
        self.began = self.now;
        self.handle(Input::Tick);
        for _ in 0..2_000_000 {
            if self.summary.is_some() {
                break;
            }
            self.step();
        }
        let about = (self.now, self.deadline, self.arrival(), self.requests.last());
        self.summary.as_ref().unwrap_or_else(|| panic!("the call came to no end: {about:?}"))
    }

    /// Texts in the order of posting.
    pub fn texts(&self) -> Vec<String> {
        self.posted.iter().map(|(_, p)| p.message.content.0.clone()).collect()
    }

    /// Texts with their true start, milliseconds from the beginning.
    pub fn said(&self) -> Vec<(i64, String)> {
        let mut said: Vec<_> = self
            .posted
            .iter()
            .map(|(_, p)| &p.message)
            .map(|m| (m.start_time - START_EPOCH_MS, m.content.0.clone(), m.message_id.clone()))
            .collect();
        said.sort();
        // What may have been thrown away in a pause is sent again, the same in every way.
        said.dedup();
        said.into_iter().map(|(start, text, _)| (start, text)).collect()
    }

    fn handle(&mut self, input: Input) {
        self.call.handle(self.now, input);
        loop {
            match self.call.poll() {
                Output::Wait(until) => {
                    self.deadline = until;
                    return;
                }
                Output::Done(summary) => {
                    self.summary = Some(*summary);
                    return;
                }
                output => self.perform(output),
            }
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::OpenMedia(request) => self.connect(request),
            Output::CloseMedia => self.open = None,
            Output::Resolve(id) => {
                let facts = (self.facts)(&id);
                self.resolved.push(id.clone());
                self.call.handle(self.now, Input::Contact { id, facts });
            }
            Output::OpenRecogniser(spec) => {
                self.sessions.push(spec.id);
                self.opening = Some((self.now + self.ready_after, spec));
                if self.ready_after == Span::ZERO {
                    self.ready();
                }
            }
            Output::CloseRecogniser { .. } => self.opening = None,
            Output::Audio(chunk) => {
                self.chunks.push((self.now, chunk.clone()));
                if self.deaf.contains(&chunk.session) {
                    return;
                }
                self.ears.audio(chunk).unwrap();
                self.listen();
            }
            Output::EndAudio { session } => {
                self.ears.end(session).unwrap();
                self.listen();
            }
            Output::Post(posts) => {
                for post in posts {
                    let outcome = (self.outcome)(self.now, &post);
                    self.posted.push((self.now, post.clone()));
                    self.soon(self.answer_after, Input::Posted { id: post.message.message_id, outcome });
                }
            }
            Output::Report(report) => self.reports.push((self.now, report)),
            _ => {}
        }
    }

    fn ready(&mut self) {
        let Some((_, spec)) = self.opening.take() else { return };
        self.ears.open(&spec).unwrap();
        let times = WordTimes::Measured { error_ms: 20 };
        let capabilities = Capabilities::new("tones", self.partials, times, false);
        self.call.handle(self.now, Input::RecogniserReady { session: spec.id, capabilities });
    }

    fn listen(&mut self) {
        while let Some(event) = self.ears.poll(false).unwrap() {
            let session = speaker(&event);
            let slow = self.slow.iter().find(|(slow, _)| *slow == session).map(|(_, after)| *after);
            self.soon(slow.unwrap_or(self.result_after), Input::Recognised(event));
        }
    }

    /// Lets the call hear of this after a while, behind what it hears of at the same time.
    fn soon(&mut self, after: Span, input: Input) {
        if after == Span::ZERO {
            self.call.handle(self.now, input);
            return;
        }
        let at = self.now + after;
        let place = self.later.partition_point(|(t, _)| *t <= at);
        self.later.insert(place, (at, input));
    }

    fn connect(&mut self, request: MediaRequest) {
        self.requests.push((self.now, request.clone()));
        let cut = if self.cuts.is_empty() { None } else { Some(self.cuts.remove(0)) };
        if let Some(Cut::Refuse(error)) = cut {
            self.call.handle(self.now, Input::MediaEnded(MediaEnd::Lost(error)));
            return;
        }
        let Some((_, fragments)) = self.streams.iter().find(|(name, _)| *name == request.stream) else {
            panic!("no stream {}", request.stream)
        };
        let next = match &request.from {
            MediaFrom::AfterFragment(number) => {
                fragments.iter().position(|f| f.number == *number).map_or(0, |i| i + 1)
            }
            MediaFrom::Now => fragments.iter().position(|f| f.at >= self.now).unwrap_or(fragments.len()),
            MediaFrom::ServerTime(time) | MediaFrom::ProducerTime(time) => {
                fragments.iter().position(|f| f.at > *time).unwrap_or(fragments.len())
            }
            _ => 0,
        };
        self.open = Some((request.stream, next, 0, cut));
    }

    /// When the open connection gives something next.
    fn arrival(&self) -> Option<Time> {
        let (stream, next, given, cut) = self.open.as_ref().filter(|_| self.call.wants_media())?;
        let fragments = &self.streams.iter().find(|(name, _)| name == stream)?.1;
        match cut {
            Some(Cut::Stall(n)) if given >= n => None,
            Some(Cut::Garbage(n, _)) if *given > *n => None,
            Some(Cut::End(n) | Cut::Break(n) | Cut::Garbage(n, _)) if given == n => Some(self.now),
            Some(Cut::Last(n, _)) if given >= n => Some(self.now),
            _ => fragments.get(*next).map(|f| f.at.max(self.now)),
        }
    }

    /// Goes to the next thing that happens, and lets it happen.
    fn step(&mut self) {
        let arrival = self.arrival();
        let outside = self.outside.first().map(|(at, _)| *at);
        let ready = self.opening.as_ref().map(|(at, _)| *at);
        let later = self.later.first().map(|(at, _)| *at);
        let next = [Some(self.deadline), arrival, outside, ready, later].into_iter().flatten().min();
        let next = next.expect("something is to come").max(self.now);
        assert!(next < Time::MAX, "the call waits for nothing");
        self.now = next;
        if ready.is_some_and(|at| at <= next) {
            self.ready();
            self.handle(Input::Tick);
        } else if later.is_some_and(|at| at <= next) {
            let (_, input) = self.later.remove(0);
            self.handle(input);
        } else if outside.is_some_and(|at| at <= next) {
            let (came, what) = self.outside.remove(0);
            let input = match what {
                // It came before there was a call to take it.
                Outside::Gate(event) if came < self.began => {
                    Input::PastGate(came, GateSource::Toolkit, event)
                }
                Outside::Gate(event) => Input::Gate(GateSource::Toolkit, event),
                Outside::Segment(segment) => Input::Segment(segment),
                Outside::Ended(id) => Input::ContactEnded(id),
                Outside::Fail(error) => {
                    let session = self.sessions.last().copied().unwrap_or(0);
                    self.lose(session, error)
                }
                Outside::FailOne(session, error) => self.lose(session, error),
            };
            self.handle(input);
        } else if arrival.is_some_and(|at| at <= next) {
            let input = self.give();
            self.handle(input);
        } else {
            self.handle(Input::Tick);
        }
    }

    /// What a session has not said when it fails is never said.
    fn lose(&mut self, session: u32, error: RecogniserError) -> Input {
        let says = |input: &Input| matches!(input, Input::Recognised(e) if speaker(e) == session);
        self.later.retain(|(_, input)| !says(input));
        Input::RecogniserLost { session, error }
    }

    fn give(&mut self) -> Input {
        let (stream, next, given, cut) = self.open.as_mut().unwrap();
        let fragments = &self.streams.iter().find(|(name, _)| name == stream).unwrap().1;
        let fragment = fragments.get(*next).map(|f| f.bytes.clone()).unwrap_or_default();
        let number = *given;
        *next += 1;
        *given += 1;
        match cut.clone() {
            Some(Cut::Last(n, bytes)) if number == n => Input::Media(bytes),
            Some(Cut::End(n) | Cut::Last(n, _)) if number >= n => {
                self.open = None;
                Input::MediaEnded(MediaEnd::Complete)
            }
            Some(Cut::Break(n)) if number == n => {
                self.call.handle(self.now, Input::Media(fragment.slice(..fragment.len() / 2)));
                loop {
                    match self.call.poll() {
                        Output::Wait(_) => break,
                        output => self.perform(output),
                    }
                }
                self.open = None;
                Input::MediaEnded(MediaEnd::Truncated("connection reset".into()))
            }
            Some(Cut::Garbage(n, bytes)) if number == n => Input::Media(bytes),
            _ => Input::Media(fragment),
        }
    }
}

/// The session that says this.
fn speaker(event: &RecogniserEvent) -> u32 {
    match event {
        RecogniserEvent::Segment(segment) => segment.session,
        RecogniserEvent::Progress { session, .. } | RecogniserEvent::Ended { session } => *session,
        _ => 0,
    }
}
