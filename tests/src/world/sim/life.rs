//! The life of a call: a clock that jumps from one event to the next, and everything outside the call at its
//! place. The very `Call` that production drives, handled and polled as its contract says.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use bytes::Bytes;
use engine::call::{
    Absence, Call, Checkpoint, ContactFacts, GateSource, Input, MediaCause, MediaEnd, MediaRequest, Outcome,
    Output, Post, Report, Summary, TelephonyEvent,
};
use engine::clock::Slew;
use engine::recogniser::{
    Action, AudioChunk, Capabilities, RecogniserCause, RecogniserError, RecogniserEvent, SessionSpec,
    WordTimes,
};
use engine::time::{Span, Time};
use fixtures::kinesis::{CONTACT_ID, FOREIGN_CONTACT_ID};

use super::ears::Ears;
use super::kinesis::{Connection, Fate, LONGEST, in_band_error, refusal};
use super::oracle::Oracle;
use super::plan::{Blow, Death, Plan};
use super::shop::Shop;
use super::tally::Tally;
use crate::world::at;

/// A session of the recogniser lasts no longer.
const SESSION_LONGEST: Span = Span::from_s(4 * 3600);
/// Without audio for so long it ends.
const SESSION_IDLE: Span = Span::from_s(15);

/// Something that happens later.
#[derive(Debug)]
enum Later {
    /// The call hears of it.
    Input(Input),
    /// A session takes audio.
    Ready(u32),
    /// The recogniser says something.
    Said(u32, RecogniserEvent),
    /// A session fails.
    Fails(u32, RecogniserCause),
    /// What was drawn to happen to sessions.
    Blow(Blow),
    Notice(GateSource, TelephonyEvent),
    Answer(String, Outcome),
    FaultsEnd,
    /// A worker is to die, or to lose the call.
    Death(Death),
    /// Another worker takes the call on.
    Return,
    /// A checkpoint is in the store.
    Stored(u64, Vec<u8>),
}

impl Later {
    /// It happens to the worker, and never if that is gone.
    fn is_the_workers(&self) -> bool {
        let outside = matches!(self, Self::Input(Input::Segment(_) | Input::ContactEnded(_)));
        let inside = matches!(self, Self::Input(_) | Self::Ready(_) | Self::Said(..) | Self::Fails(..));
        (inside && !outside) || matches!(self, Self::Answer(..) | Self::Stored(..))
    }
}

/// A life, and all that it meets.
pub(super) struct Life<'p> {
    plan: &'p Plan,
    pub now: Time,
    call: Call,
    /// A worker holds the call.
    alive: bool,
    /// What ends the present worker, and after how many outputs.
    doom: Option<(Death, u32)>,
    /// Last sign of life that everybody can see: heart-beats, and what is stored.
    sign: Time,
    /// What the store holds.
    checkpoint: Option<(u64, Vec<u8>)>,
    log: Vec<(Time, GateSource, TelephonyEvent)>,
    died: Time,
    /// What happened outside while nobody held the call, and is told to whoever takes it.
    missed: Vec<Input>,
    pub oracle: Oracle<'p>,
    pub ears: Ears,
    pub shop: Shop,
    pub tally: Tally,
    connection: Option<Connection>,
    queue: BinaryHeap<Reverse<(Time, u64)>>,
    waiting: HashMap<u64, Later>,
    count: u64,
    deadline: Time,
    clock: Slew,
    /// Where the audio ends that this worker was given.
    read: Time,
    pub summary: Option<Summary>,
    dice: fastrand::Rng,
    noise: Bytes,
    faulty: bool,
    steps: u64,
    /// What happened, for people; only if asked for.
    pub story: Option<Vec<(i64, String)>>,
}

impl<'p> Life<'p> {
    pub(super) fn new(plan: &'p Plan, tell: bool) -> Self {
        let seed = plan.seed;
        let noise: Bytes = (0..3000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 | 1).collect();
        let mut life = Self {
            plan,
            now: at(plan.begin_ms),
            call: Call::new(plan.config.clone(), seed),
            alive: true,
            doom: None,
            sign: at(plan.begin_ms),
            checkpoint: None,
            log: Vec::new(),
            died: Time::MIN,
            missed: Vec::new(),
            oracle: Oracle::new(plan),
            ears: Ears::new(plan.ears.clone(), seed ^ 0x1111),
            shop: Shop::new(plan.shop.clone(), seed ^ 0x2222),
            tally: Tally { faults: plan.faults.clone(), lives: 1, ..Tally::default() },
            connection: None,
            queue: BinaryHeap::new(),
            waiting: HashMap::new(),
            count: 0,
            deadline: Time::MIN,
            read: Time::MIN,
            clock: Slew::new(Span::ZERO, at(plan.begin_ms)),
            summary: None,
            dice: fastrand::Rng::with_seed(seed ^ 0x3333),
            noise,
            faulty: true,
            steps: 0,
            story: tell.then(Vec::new),
        };
        life.foresee();
        life
    }

    /// Puts what was drawn in its place in time.
    fn foresee(&mut self) {
        let plan = self.plan;
        let begin = self.now;
        self.soon(at(plan.faults_end_ms), Later::FaultsEnd);
        for (ms, blow) in &plan.blows {
            self.soon(at(*ms), Later::Blow(*blow));
        }
        for death in &plan.deaths {
            self.soon(at(death.at_ms).max(begin), Later::Death(*death));
        }
        for notice in plan.notices.iter().filter(|n| at(n.at_ms) >= begin) {
            self.soon(at(notice.at_ms), Later::Notice(notice.source, notice.event.clone()));
        }
        for (ms, segment) in &plan.segments {
            self.soon(at(*ms).max(begin), Later::Input(Input::Segment(segment.clone())));
        }
        for (ms, contact) in &plan.over {
            self.soon(at(*ms).max(begin), Later::Input(Input::ContactEnded(contact.clone())));
        }
    }

    /// Lives to the end.
    pub(super) fn run(&mut self) {
        let begin = self.now;
        for notice in self.plan.notices.iter().filter(|n| at(n.at_ms) < begin) {
            // It came before there was a call to take it.
            let arrival = at(notice.at_ms);
            self.oracle_gate(arrival, notice.source, &notice.event);
            self.log.push((arrival, notice.source, notice.event.clone()));
            self.call.handle(begin, Input::PastGate(arrival, notice.source, notice.event.clone()));
            self.settle();
        }
        self.handle(Input::Tick);
        let last = at(self.plan.end_ms) + Span::from_s(3 * 3600 + self.plan.end_ms / 1000);
        while self.summary.is_none() {
            if self.now > last || self.steps > 40_000_000 {
                self.oracle.broken("P3", format!("the call comes to no end: {:?}", self.call.progress()));
                return;
            }
            self.step();
        }
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        let ms = (self.now - at(0)).ms();
        if let Some(story) = &mut self.story {
            story.push((ms, line()));
        }
    }

    fn soon(&mut self, time: Time, what: Later) {
        self.count += 1;
        self.queue.push(Reverse((time, self.count)));
        self.waiting.insert(self.count, what);
    }

    /// The time on the machine's clock, by which the call goes: it leans towards a wall clock that is set at times.
    fn clock(&mut self) -> Time {
        let ms = (self.now - at(0)).ms();
        let set = self.plan.clock.iter().take_while(|(from, _)| *from <= ms).last();
        let wall = self.now + Span::from_ms(set.map_or(0, |(_, off)| *off));
        self.clock.now(self.now - at(self.plan.begin_ms), wall)
    }

    // --- the clock ---------------------------------------------------------------------------------

    /// Goes to the next thing that happens, and lets it happen.
    fn step(&mut self) {
        self.steps += 1;
        let queued = self.queue.peek().map_or(Time::MAX, |r| r.0.0);
        let media = self.connection.as_ref().filter(|_| self.alive && self.call.wants_media());
        let media = media.and_then(|c| c.due(&self.plan.kinesis)).unwrap_or(Time::MAX);
        let starved = self.starved();
        // The clock runs fast or slow by one part in a hundred at most: no look comes too late.
        let shown = self.clock();
        let left = if self.alive { (self.deadline - shown).us().max(0) } else { i64::MAX };
        let left = if self.plan.clock.is_empty() { left } else { left / 101 * 100 + 1 };
        let deadline = if left > 1_000_000_000_000_000 { Time::MAX } else { self.now + Span::from_us(left) };
        let next = deadline.min(queued).min(media).min(starved.map_or(Time::MAX, |s| s.0));
        if next == Time::MAX {
            self.oracle.broken("P3", "the call waits for nothing".to_owned());
            self.summary = None;
            self.steps = u64::MAX;
            return;
        }
        self.now = self.now.max(next);
        if self.alive && self.doom.is_none() {
            // A heart-beat each second.
            self.sign = self.sign.max(shown - Span::from_s(1));
        }
        if queued <= self.now {
            if let Some(Reverse((_, number))) = self.queue.pop()
                && let Some(later) = self.waiting.remove(&number)
            {
                self.happen(later);
            }
        } else if let Some((_, session, cause)) = starved.filter(|s| s.0 <= self.now) {
            self.fail(session, cause);
        } else if media <= self.now {
            self.give();
        } else {
            self.handle(Input::Tick);
        }
    }

    /// The session that ends next by the service's own rules.
    fn starved(&self) -> Option<(Time, u32, RecogniserCause)> {
        let sessions = self.ears.sessions.iter().filter_map(|(id, s)| Some((id, s, s.ready?)));
        sessions
            .filter(|(_, s, _)| !s.audio_ended)
            .map(|(id, s, ready)| {
                let (idle, old) = (s.fed + SESSION_IDLE, ready + SESSION_LONGEST);
                if idle < old {
                    (idle, *id, RecogniserCause::NoAudio)
                } else {
                    (old, *id, RecogniserCause::Limit)
                }
            })
            .min_by_key(|s| s.0)
    }

    fn happen(&mut self, later: Later) {
        match later {
            Later::Input(input) if !self.alive => self.missed.push(input),
            Later::Input(input) => {
                self.tell(|| format!("{input:?}"));
                self.handle(input);
            }
            Later::Ready(session) => self.ready(session),
            Later::Said(session, event) => self.say(session, event),
            Later::Fails(session, cause) => self.fail(session, cause),
            Later::Blow(blow) => self.blow(blow),
            Later::Notice(source, event) => {
                if !self.alive && !self.plan.listens {
                    self.tally.strike("gate: event while no worker lives, lost");
                    return;
                }
                // A machine's clock may be behind the clock of the media; what has been read is not still to come.
                let now = self.clock().max(self.read);
                self.log.push((now, source, event.clone()));
                self.sign = now;
                if !self.alive {
                    self.tally.strike("gate: event while no worker lives, stored");
                    return;
                }
                self.oracle_gate(now, source, &event);
                self.tell(|| format!("event {:?} of {:?}", event.kind, event.participant));
                self.handle(Input::Gate(source, event));
            }
            Later::Answer(id, outcome) => {
                let now = self.clock().max(self.read);
                self.oracle.answered(now, &id, &outcome);
                match &outcome {
                    Outcome::Accepted => self.tally.accepted += 1,
                    Outcome::Paused => self.tally.paused += 1,
                    Outcome::Retry { cause } => *self.tally.not_taken.entry(*cause).or_default() += 1,
                    _ => {}
                }
                self.tell(|| format!("answer to {id}: {outcome:?}"));
                self.handle(Input::Posted { id, outcome });
            }
            Later::Death(death) => {
                // A worker that is about to die dies only once.
                if self.alive && self.doom.is_none() {
                    self.doom = Some((death, death.outputs));
                }
            }
            Later::Return => self.come_back(),
            Later::Stored(sequence, json) => {
                self.sign = self.clock();
                self.keep(sequence, json);
                self.handle(Input::Stored(sequence));
            }
            Later::FaultsEnd => {
                for _ in &self.plan.clock {
                    self.tally.strike("clock set");
                }
                self.doom = None;
                self.faulty = false;
                if let Some(connection) = &mut self.connection {
                    connection.fate = Fate::Lasts;
                }
            }
        }
    }

    fn oracle_gate(&mut self, arrival: Time, source: GateSource, event: &TelephonyEvent) {
        if event.call_id.as_deref() == Some(FOREIGN_CONTACT_ID) {
            self.oracle.logged += 1;
            self.oracle.known.taken += 1;
            self.oracle.known.other_calls += 1;
        } else {
            let now = self.clock().max(self.read);
            self.oracle.gate(arrival, now, source, event);
        }
    }

    // --- the call ----------------------------------------------------------------------------------

    fn handle(&mut self, input: Input) {
        if !self.alive {
            return;
        }
        let now = self.clock();
        self.call.handle(now, input);
        self.settle();
    }

    /// Polls to rest.
    fn settle(&mut self) {
        while self.alive {
            let output = self.call.poll();
            let last = match &mut self.doom {
                Some((death, left)) if !matches!(output, Output::Wait(_) | Output::Done(_)) => {
                    *left = left.saturating_sub(1);
                    (*left == 0).then_some(*death)
                }
                _ => None,
            };
            if let Some(death) = last {
                if death.behind {
                    self.perform(output);
                }
                self.doom = None;
                self.die(death);
                return;
            }
            match output {
                Output::Wait(until) => {
                    self.deadline = until;
                    break;
                }
                Output::Done(summary) => {
                    self.summary = Some(*summary);
                    break;
                }
                output => self.perform(output),
            }
        }
        self.oracle.bounds(&self.call, &self.plan.config);
        if self.steps.is_multiple_of(64) {
            self.oracle.bounds_of_queues(&self.call, &self.plan.config);
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::OpenMedia(request) => self.connect(&request),
            Output::CloseMedia => self.connection = None,
            Output::Resolve(id) => self.resolve(id),
            Output::OpenRecogniser(spec) => self.open(spec),
            Output::CloseRecogniser { session } => {
                self.ears.sessions.remove(&session);
            }
            Output::Audio(chunk) => self.hear(&chunk),
            Output::EndAudio { session } => {
                for (time, event) in self.ears.end(self.now, session) {
                    self.soon(time, Later::Said(session, event));
                }
            }
            Output::Post(posts) => posts.iter().for_each(|post| self.post(post)),
            Output::Store(checkpoint) => self.store(&checkpoint),
            Output::Report(report) => {
                if let Report::Utterance(u) = &report {
                    let place = (u.party.channel(), u.start, u.end);
                    self.oracle.uttered.insert(u.message.message_id.clone(), place);
                }
                if let (Report::MediaLost(_), Some(connection)) = (&report, &mut self.connection) {
                    connection.given_up = true;
                }
                self.tell(|| format!("{report:?}"));
            }
            _ => {}
        }
    }

    // --- lives -------------------------------------------------------------------------------------

    /// The store takes a while, and fails at times; then it is tried again.
    fn store(&mut self, checkpoint: &Checkpoint) {
        let (longest, failing) = self.plan.store;
        let mut after = self.dice.i64(1..=longest);
        while self.faulty && self.dice.u32(0..100) < failing {
            self.tally.strike("store: error");
            after += self.dice.i64(200..3_000);
        }
        let json = checkpoint.to_json();
        self.soon(self.now + Span::from_ms(after), Later::Stored(checkpoint.sequence, json));
    }

    /// A later checkpoint is never replaced by an earlier one.
    fn keep(&mut self, sequence: u64, json: Vec<u8>) {
        if self.checkpoint.as_ref().is_none_or(|(number, _)| *number < sequence) {
            self.checkpoint = Some((sequence, json));
        }
    }

    /// The worker is gone, and all its connections with it. What it had posted is on its way all the same.
    fn die(&mut self, death: Death) {
        if death.lease {
            self.tally.strike("worker: lost the call to another");
            let now = self.clock();
            self.call.handle(now, Input::LeaseLost);
            loop {
                match self.call.poll() {
                    Output::Wait(_) | Output::Done(_) => break,
                    Output::Post(_) => self.oracle.broken("P5", "posted after the call was lost".to_owned()),
                    _ => {}
                }
            }
        } else {
            self.tally.strike("worker: died");
            if death.outputs < 4 && self.tally.lives > 1 {
                self.tally.strike("worker: died while it came back");
            }
        }
        self.tell(|| format!("the worker is gone: {death:?}"));
        self.alive = false;
        self.read = Time::MIN;
        self.connection = None;
        self.ears.sessions.clear();
        let now = self.clock();
        self.sign = self.sign.max(now - Span::from_ms(self.dice.i64(0..5_000)));
        self.died = self.sign.min(now);
        let mut gone: Vec<u64> =
            self.waiting.iter().filter(|(_, w)| w.is_the_workers()).map(|(number, _)| *number).collect();
        gone.sort_unstable();
        for number in gone {
            match self.waiting.remove(&number) {
                Some(Later::Answer(id, _)) => self.oracle.answer_lost(&id),
                Some(Later::Stored(sequence, json)) if death.stored => self.keep(sequence, json),
                _ => {}
            }
        }
        self.soon(self.now + Span::from_ms(death.absent_ms), Later::Return);
    }

    fn come_back(&mut self) {
        self.tally.lives += 1;
        let checkpoint = self.checkpoint.as_ref().map(|(_, json)| match Checkpoint::from_json(json) {
            Ok(checkpoint) => checkpoint,
            Err(error) => panic!("a checkpoint cannot be read: {error}"),
        });
        let now = self.clock();
        let listening = if self.plan.listens { self.died } else { now };
        let absence = Absence { died: self.died, listening };
        let seed = self.plan.seed ^ self.tally.lives;
        self.tell(|| format!("another worker takes the call on: {absence:?}"));
        self.call = Call::resume(self.plan.config.clone(), seed, checkpoint, absence);
        self.alive = true;
        self.oracle.returned(now, absence, &self.log, self.plan.config.on_doubt);
        for (arrival, source, event) in self.log.clone() {
            self.call.handle(now, Input::PastGate(arrival, source, event));
        }
        self.handle(Input::Tick);
        for input in std::mem::take(&mut self.missed) {
            if self.alive {
                self.handle(input);
            } else {
                self.missed.push(input);
            }
        }
    }

    fn resolve(&mut self, id: String) {
        let plan = self.plan;
        if plan.unanswered.contains(&id) {
            self.tally.strike("contact: no answer");
            return;
        }
        let mut facts = ContactFacts::unknown();
        if id == FOREIGN_CONTACT_ID {
            if self.dice.bool() {
                facts.initial_contact_id = Some(id.clone());
            }
        } else if plan.consults.iter().any(|(.., contact)| *contact == id) {
            facts.initial_contact_id = Some(id.clone());
            facts.related_contact_id = Some(CONTACT_ID.to_owned());
        } else {
            facts.initial_contact_id = Some(plan.key.clone());
            facts.previous_contact_id = (id != CONTACT_ID).then(|| CONTACT_ID.to_owned());
        }
        let after = Span::from_ms(self.dice.i64(1..=plan.resolve_ms));
        self.soon(self.now + after, Later::Input(Input::Contact { id, facts }));
    }

    fn post(&mut self, post: &Post) {
        let id = &post.message.message_id;
        self.tally.posts += 1;
        self.tally.retries += u64::from(self.oracle.sent.get(id).is_some_and(|s| s.unanswered));
        self.tell(|| format!("posts {id}: {}", post.message.content.0));
        self.oracle.post(post);
        let (time, outcome) = self.shop.post(self.now, post);
        self.soon(time, Later::Answer(id.clone(), outcome));
    }

    // --- sessions ----------------------------------------------------------------------------------

    fn open(&mut self, spec: SessionSpec) {
        self.tally.sessions += 1;
        let id = spec.id;
        let after = Span::from_ms(self.dice.i64(1..=self.plan.ears.ready_ms));
        self.ears.open(spec, self.now);
        let ready = self.now + after;
        let full = self.plan.full.iter().any(|(from, to)| (at(*from)..at(*to)).contains(&ready));
        let what = if full { Later::Fails(id, RecogniserCause::Limit) } else { Later::Ready(id) };
        self.soon(ready, what);
    }

    fn ready(&mut self, id: u32) {
        let Some(session) = self.ears.sessions.get_mut(&id) else { return };
        session.ready = Some(self.now);
        session.fed = self.now;
        let times = WordTimes::Measured { error_ms: self.plan.ears.error_ms };
        let capabilities = Capabilities::new("tones", self.plan.ears.partials, times, false);
        self.handle(Input::RecogniserReady { session: id, capabilities });
    }

    fn hear(&mut self, chunk: &AudioChunk) {
        self.tell(|| {
            let loud = chunk.pcm.iter().filter(|b| **b != 0).count();
            let (from, position) = ((chunk.start - at(0)).ms(), chunk.position / 8);
            format!("chunk of {} from {from} at {position}: {loud} bytes of sound", chunk.session)
        });
        self.oracle.chunk(chunk);
        for (time, event) in self.ears.audio(self.now, chunk) {
            self.soon(time, Later::Said(chunk.session, event));
        }
    }

    fn say(&mut self, id: u32, event: RecogniserEvent) {
        // What a session had not said when it failed is never said.
        if !self.ears.sessions.contains_key(&id) {
            return;
        }
        self.tell(|| format!("recogniser: {event:?}"));
        match &event {
            RecogniserEvent::Segment(s) if s.is_final => {
                self.tally.finals += 1;
                self.tally.words += s.words.len() as u64;
            }
            RecogniserEvent::Segment(_) => self.tally.partials += 1,
            RecogniserEvent::Ended { .. } => {
                self.ears.sessions.remove(&id);
            }
            _ => {}
        }
        self.handle(Input::Recognised(event));
    }

    fn blow(&mut self, blow: Blow) {
        // Mostly the open session; at times one that is still ending.
        let ids: Vec<u32> = self.ears.sessions.keys().copied().collect();
        let (Some(last), Some(first)) = (ids.last(), ids.first()) else { return };
        let id = if self.dice.u8(0..4) == 0 { *first } else { *last };
        match blow {
            Blow::Fails(cause) => self.fail(id, cause),
            Blow::Deaf(ms) => {
                if let Some(session) = self.ears.sessions.get_mut(&id).filter(|s| s.ready.is_some()) {
                    session.deaf = Some(self.now);
                    self.soon(self.now + Span::from_ms(ms), Later::Fails(id, RecogniserCause::Stalled));
                }
            }
        }
    }

    fn fail(&mut self, id: u32, cause: RecogniserCause) {
        let Some(session) = self.ears.sessions.remove(&id) else { return };
        self.tally.strike(match cause {
            RecogniserCause::Limit => "session: limit",
            RecogniserCause::NoAudio => "session: no audio",
            RecogniserCause::Stalled => "session: stalled",
            RecogniserCause::EndedEarly => "session: ended early",
            RecogniserCause::Connection => "session: reset",
            RecogniserCause::Conflict => "session: conflict",
            RecogniserCause::Unavailable => "session: unavailable",
            _ => "session: internal failure",
        });
        if session.ready.is_none() {
            self.tally.strike("session: failed before it was ready");
        }
        if session.audio_ended {
            self.tally.strike("session: failed while it ended");
        }
        if u64::from(id) < self.tally.sessions
            && let Some((_, to)) = session.window
        {
            self.tally.left_behind.push((to - Span::from_s(60), to));
        }
        *self.tally.failures.entry(cause).or_default() += 1;
        let error = RecogniserError::new(cause, Action::Retry, "as drawn");
        self.handle(Input::RecogniserLost { session: id, error });
    }

    // --- media -------------------------------------------------------------------------------------

    fn connect(&mut self, request: &MediaRequest) {
        self.tally.connections += 1;
        let plan = self.plan;
        let ready = self.now + Span::from_ms(self.dice.i64(1..=plan.links.connect_ms));
        let fate = self.fate();
        if let Fate::Refused(cause) = fate {
            self.connection = None;
            self.tally.strike(fate.name().unwrap_or("media"));
            *self.tally.ended.entry(cause).or_default() += 1;
            self.soon(ready, Later::Input(Input::MediaEnded(MediaEnd::Lost(refusal(cause)))));
            return;
        }
        let (stream, mut next) = plan.kinesis.seek(&request.stream, &request.from, self.now);
        self.tell(|| format!("{request:?} begins at fragment {next}"));
        if self.faulty && next > 0 && self.dice.f64() < plan.links.repeats {
            self.tally.strike("media: fragment repeated");
            next -= 1;
        }
        let rest = Bytes::new();
        let (opened, given) = (self.now, 0);
        self.connection = Some(Connection {
            stream,
            next,
            given,
            fate,
            opened,
            ready,
            rest,
            breaks: false,
            mute: false,
            ends: false,
            tells: false,
            given_up: false,
        });
    }

    fn fate(&mut self) -> Fate {
        let links = &self.plan.links;
        let dice = &mut self.dice;
        if !self.faulty {
            return Fate::Lasts;
        }
        if dice.f64() < links.refused {
            let causes =
                [MediaCause::Connection, MediaCause::Limit, MediaCause::Service, MediaCause::Endpoint];
            return Fate::Refused(causes[dice.usize(..causes.len())]);
        }
        let Some(life) = links.life else { return Fate::Lasts };
        let after = dice.u32(0..life * 2);
        match dice.u8(0..12) {
            0..3 => Fate::End(after),
            3..6 => Fate::Reset(after, dice.u8(..)),
            6 => Fate::Stall(after),
            7 => Fate::Noise(after),
            8 | 9 => {
                let ids = ["3002", "5000", "4503"];
                Fate::InBand(after, ids[dice.usize(..ids.len())], dice.bool())
            }
            _ => Fate::Lasts,
        }
    }

    /// The open connection gives what comes next.
    fn give(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        if !connection.rest.is_empty() {
            return self.give_piece();
        }
        if connection.breaks || connection.ends {
            let (cause, end) = if connection.breaks {
                (MediaCause::Connection, MediaEnd::Truncated("connection reset".into()))
            } else {
                (MediaCause::EndOfStream, MediaEnd::Complete)
            };
            *self.tally.ended.entry(cause).or_default() += 1;
            self.connection = None;
            return self.handle(Input::MediaEnded(end));
        }
        let struck = match connection.fate {
            Fate::End(n) | Fate::Stall(n) | Fate::Noise(n) | Fate::InBand(n, ..) => connection.given >= n,
            Fate::Reset(n, _) => connection.given >= n,
            _ => false,
        };
        let old = self.now >= connection.opened + LONGEST;
        let Some(fragment) = self.plan.kinesis.streams[connection.stream].fragments.get(connection.next)
        else {
            if old {
                self.tally.strike("media: 45-minute cut");
            }
            connection.ends = true;
            return;
        };
        if old {
            connection.ends = true;
            return self.tally.strike("media: 45-minute cut");
        }
        if struck {
            self.tally.strike(connection.fate.name().unwrap_or("media"));
            match std::mem::replace(&mut connection.fate, Fate::Lasts) {
                Fate::End(_) => connection.ends = true,
                Fate::Reset(_, part) => {
                    let document = self.plan.kinesis.document(fragment, &self.plan.words);
                    connection.rest = document.slice(..document.len() * usize::from(part) / 256);
                    connection.breaks = true;
                }
                Fate::Stall(_) => connection.mute = true,
                Fate::Noise(_) => {
                    connection.rest = self.noise.clone();
                    connection.mute = true;
                }
                Fate::InBand(_, id, ends) => {
                    connection.rest = in_band_error(id);
                    connection.tells = true;
                    (connection.ends, connection.mute) = (ends, !ends);
                }
                Fate::Lasts | Fate::Refused(_) => {}
            }
            return;
        }
        connection.rest = self.plan.kinesis.document(fragment, &self.plan.words);
        connection.next += 1;
        connection.given += 1;
        self.give_piece();
    }

    /// The next piece of a fragment, cut anywhere.
    fn give_piece(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        let length = match self.plan.links.pieces {
            0 => connection.rest.len(),
            _ if self.dice.u16(0..2_000) == 0 => 1,
            most => self.dice.usize(1..=most),
        };
        let piece = connection.rest.split_to(length.min(connection.rest.len()));
        let fragments = &self.plan.kinesis.streams[connection.stream].fragments;
        if let (true, Some(last)) = (connection.rest.is_empty(), connection.next.checked_sub(1))
            && !self.plan.kinesis.legs[fragments[last].leg].foreign
        {
            self.read = self.read.max(at(fragments[last].end_ms()));
        }
        connection.ready = self.now + Span::from_us(self.dice.i64(0..3_000));
        // What still comes over a connection that was given up is not read.
        if !connection.given_up {
            self.tally.media_bytes += piece.len() as u64;
            self.tally.in_band += u64::from(connection.tells && connection.rest.is_empty());
        }
        self.handle(Input::Media(piece));
    }
}
