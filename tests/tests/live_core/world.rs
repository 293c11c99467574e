//! A world for one live call: a stream that grows, a recogniser, Salesforce, and a clock that jumps from one
//! event to the next.

use bytes::Bytes;
use engine::call::{
    Call, Config, ContactChoice, ContactFacts, GateSource, Input, LiveConfig, MediaEnd, MediaError,
    MediaFrom, MediaRequest, MediaSegment, Outcome, Output, Post, Report, Summary, TelephonyEvent,
};
use engine::recogniser::{AudioChunk, Capabilities, Recogniser, RecogniserError, SessionSpec, WordTimes};
use engine::time::{Span, Time};
use fixtures::kinesis::{CONTACT_ID, START_EPOCH_MS, Shape};
use fixtures::tone::Script;
use tests::ToneRecogniser;

/// A fragment and when it can be read.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) at: Time,
    pub(crate) number: String,
    pub(crate) bytes: Bytes,
}

/// The fragments of a call, each readable as soon as it is complete.
pub(crate) fn stored(shape: &Shape, script: &Script, duration_ms: usize) -> Vec<Stored> {
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
pub(crate) enum Cut {
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

pub(crate) fn at(ms: i64) -> Time {
    Time::from_ms(START_EPOCH_MS + ms)
}

pub(crate) fn live() -> Config {
    let mut config = Config::new(ContactChoice::Id(CONTACT_ID.into()), "fallback");
    let mut policy = LiveConfig::new(MediaSegment::new("arn:one", Some(at(0)), None));
    policy.resolve_key = false;
    policy.idle_end = Span::from_s(60);
    config.live = Some(policy);
    config
}

/// What happens outside at a time of its own.
pub(crate) enum Outside {
    Gate(TelephonyEvent),
    Segment(MediaSegment),
    Ended(String),
    /// The open session fails.
    Fail(RecogniserError),
}

pub(crate) struct World {
    pub(crate) call: Call,
    pub(crate) now: Time,
    pub(crate) streams: Vec<(String, Vec<Stored>)>,
    pub(crate) cuts: Vec<Cut>,
    pub(crate) requests: Vec<(Time, MediaRequest)>,
    pub(crate) outside: Vec<(Time, Outside)>,
    pub(crate) sessions: Vec<u32>,
    pub(crate) chunks: Vec<(Time, AudioChunk)>,
    pub(crate) posted: Vec<(Time, Post)>,
    pub(crate) reports: Vec<(Time, Report)>,
    pub(crate) resolved: Vec<String>,
    pub(crate) facts: fn(&str) -> ContactFacts,
    pub(crate) outcome: fn(Time, usize) -> Outcome,
    /// How long a session takes to be ready.
    pub(crate) ready_after: Span,
    pub(crate) partials: bool,
    /// Sessions that take audio and say nothing.
    pub(crate) deaf: Vec<u32>,
    pub(crate) summary: Option<Summary>,
    ears: ToneRecogniser,
    open: Option<(String, usize, usize, Option<Cut>)>,
    opening: Option<(Time, SessionSpec)>,
    deadline: Time,
}

impl World {
    pub(crate) fn new(config: Config, fragments: Vec<Stored>) -> Self {
        Self {
            call: Call::new(config, 5),
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
            outcome: |_, _| Outcome::Accepted,
            ready_after: Span::ZERO,
            partials: true,
            deaf: Vec::new(),
            summary: None,
            ears: ToneRecogniser::default(),
            open: None,
            opening: None,
            deadline: Time::MIN,
        }
    }

    pub(crate) fn event(&mut self, ms: i64, event: TelephonyEvent) -> &mut Self {
        self.outside.push((at(ms), Outside::Gate(event)));
        self
    }

    /// Runs to the end of the call.
    pub(crate) fn run(&mut self) -> &Summary {
        self.outside.sort_by_key(|(at, _)| *at);
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

    pub(crate) fn texts(&self) -> Vec<String> {
        self.posted.iter().map(|(_, p)| p.message.content.0.clone()).collect()
    }

    /// Texts with their true start, milliseconds from the beginning.
    pub(crate) fn said(&self) -> Vec<(i64, String)> {
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
                    let outcome = (self.outcome)(self.now, self.posted.len());
                    self.posted.push((self.now, post.clone()));
                    self.call.handle(self.now, Input::Posted { id: post.message.message_id, outcome });
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
            self.call.handle(self.now, Input::Recognised(event));
        }
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
        let next = [Some(self.deadline), arrival, outside, ready].into_iter().flatten().min();
        let next = next.expect("something is to come").max(self.now);
        assert!(next < Time::MAX, "the call waits for nothing");
        self.now = next;
        if ready.is_some_and(|at| at <= next) {
            self.ready();
            self.handle(Input::Tick);
        } else if outside.is_some_and(|at| at <= next) {
            let (_, what) = self.outside.remove(0);
            let input = match what {
                Outside::Gate(event) => Input::Gate(GateSource::Toolkit, event),
                Outside::Segment(segment) => Input::Segment(segment),
                Outside::Ended(id) => Input::ContactEnded(id),
                Outside::Fail(error) => {
                    let session = self.sessions.last().copied().unwrap_or(0);
                    Input::RecogniserLost { session, error }
                }
            };
            self.handle(input);
        } else if arrival.is_some_and(|at| at <= next) {
            let input = self.give();
            self.handle(input);
        } else {
            self.handle(Input::Tick);
        }
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
