//! The life of a call: a clock that jumps from one event to the next, and everything outside the call at its
//! place. The very `Call` that production drives, handled and polled as its contract says.
//!
//! It knows what was drawn and lets it happen; whether a promise was kept is the oracle's to say.

mod lives;
mod media;
mod sessions;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use bytes::Bytes;
use engine::call::{
    Call, Checkpoint, ContactFacts, GateSource, Input, Outcome, Output, Post, Report, Summary, TelephonyEvent,
};
use engine::clock::Slew;
use engine::recogniser::{RecogniserCause, RecogniserEvent};
use engine::time::{Span, Time};
use fixtures::kinesis::{CONTACT_ID, FOREIGN_CONTACT_ID};

use super::ears::Ears;
use super::kinesis::{Connection, Fate};
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
    /// A checkpoint is in the store; up to where audio had left when it was taken.
    Stored(Box<Checkpoint>, Time),
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
    checkpoint: Option<Box<Checkpoint>>,
    /// Up to where audio had left when that was taken.
    stored_left: Time,
    /// This life has stored one.
    kept_in_life: bool,
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
    /// How far that was ahead of the machine's clock, at most.
    ahead: Span,
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
            stored_left: Time::MIN,
            kept_in_life: false,
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
            ahead: Span::ZERO,
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
            self.oracle_gate([arrival; 2], notice.source, &notice.event);
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
                // Whoever keeps the log has only the former.
                let stamp = self.clock();
                self.log.push((stamp, source, event.clone()));
                self.sign = stamp;
                if !self.alive {
                    self.tally.strike("gate: event while no worker lives, stored");
                    return;
                }
                self.oracle_gate([stamp.max(self.read), stamp], source, &event);
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
            Later::Stored(checkpoint, left) => {
                let sequence = checkpoint.sequence;
                self.sign = self.clock();
                self.keep(checkpoint, left);
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

    fn oracle_gate(&mut self, arrival: [Time; 2], source: GateSource, event: &TelephonyEvent) {
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
        if self.steps.is_multiple_of(64) {
            self.oracle.bounds(&self.call, &self.plan.config);
            self.oracle.bounds_of_queues(self.now, &self.call, &self.plan.config);
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
            Output::Store(checkpoint) => self.store(checkpoint),
            Output::Report(report) => {
                if let (Report::MediaLost(_), Some(connection)) = (&report, &mut self.connection) {
                    connection.given_up = true;
                }
                self.tell(|| format!("{report:?}"));
            }
            _ => {}
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
}
