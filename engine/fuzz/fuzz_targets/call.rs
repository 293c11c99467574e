//! Any input of a call in any order: fragments of several contacts, garbage, ends of connections, gate events,
//! results for sessions that are and are not, answers that come twice, clocks that leap. The call must not
//! panic, must come to rest after each input, must stay within its bounds, and must keep what it promises of
//! messages: one in flight per participant, one text under one id. Its process may die at any moment: another
//! goes on from the last checkpoint that was stored, and the same holds.
//!
//! In `engine`, on a stable toolchain: `RUSTC_BOOTSTRAP=1 cargo fuzz run call -- -max_total_time=30`
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use bytes::Bytes;
use engine::call::{
    Absence, Ambiguous, Call, Checkpoint, Config, ContactChoice, ContactFacts, EventKind, GateSource, Input,
    LiveConfig, MediaAction, MediaCause, MediaEnd, MediaError, MediaSegment, OnDoubt, Outcome, Output,
    RetryCause, TelephonyEvent,
};
use engine::recogniser::{
    Action, Capabilities, Party, RecogniserCause, RecogniserError, RecogniserEvent, Segment, Word, WordTimes,
};
use engine::time::{Span, Time};
use fixtures::kinesis::{CONTACT_ID, START_EPOCH_MS, Shape};
use fixtures::tone::Script;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Life {
    live: bool,
    resolve: bool,
    stores: bool,
    once: bool,
    trusting: bool,
    rotate_s: u8,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Fragment(u8),
    /// The first so many bytes of a fragment.
    Piece(u8, u16),
    Bytes(Vec<u8>),
    End(u8),
    Facts(u8, u8),
    Gate {
        kind: u8,
        at: Option<i16>,
        who: u8,
        call: u8,
        source: u8,
    },
    PastGate {
        kind: u8,
        before: u16,
    },
    Ready(u8),
    Segment {
        session: u8,
        agent: bool,
        last: bool,
        start: u16,
        length: u8,
        words: u8,
    },
    Progress {
        session: u8,
        agent: bool,
        until: u16,
    },
    Ended(u8),
    Lost(u8, u8),
    Answer(u8, u8),
    Stored(u8),
    Announce(u8),
    ContactEnded(u8),
    Later(u16),
    Earlier(u16),
    Stop,
    GiveUp,
    LeaseLost,
    /// The process dies; another goes on after so many milliseconds, and was there to take events or not.
    Die(u16, bool),
}

/// Fragments of the call and of others, in order of time; the last ones say that streaming stopped, report
/// errors, or come from far away in time.
static FRAGMENTS: LazyLock<Vec<Bytes>> = LazyLock::new(|| {
    let tag = |name: &str, value: &str| Shape {
        more_tags: vec![(name.to_owned(), value.to_owned())],
        ..Shape::default()
    };
    let far = Shape { start_ms: START_EPOCH_MS + 3_600_000, first_serial: 5000, ..Shape::default() };
    let leg =
        Shape { contact_id: "leg".into(), segment_uuid: [9; 16], first_serial: 700, ..Shape::default() };
    let shapes = [
        (Shape::default(), 6000),
        (Shape::foreign(), 1000),
        (leg, 2000),
        (tag("STOP_STREAMING", "true"), 300),
        (tag("AWS_KINESISVIDEO_ERROR_ID", "4500"), 100),
        (tag("AWS_KINESISVIDEO_ERROR_ID", "5000"), 100),
        (tag("AWS_KINESISVIDEO_ERROR_ID", "4000"), 100),
        (far, 2500),
    ];
    let script = Script::new().say(fixtures::Party::Customer, 200, "four one two").say(
        fixtures::Party::Agent,
        900,
        "hello thanks",
    );
    let mut all = Vec::new();
    for (shape, ms) in shapes {
        let written = shape.write(&script.render(ms).expect("tone words"));
        let bytes = Bytes::from(written.bytes.clone());
        let mut starts: Vec<usize> = written.documents.iter().map(|d| d.offset as usize).collect();
        starts.push(bytes.len());
        all.extend(starts.windows(2).map(|w| bytes.slice(w[0]..w[1])));
    }
    all
});

const CONTACTS: [&str; 4] = [CONTACT_ID, "leg", fixtures::kinesis::FOREIGN_CONTACT_ID, "nobody"];

/// What the call has asked for and said so far.
#[derive(Default)]
struct Witness {
    sessions: BTreeSet<u32>,
    ready: BTreeSet<u32>,
    flying: BTreeMap<String, String>,
    texts: BTreeMap<String, String>,
    asked: Vec<String>,
    done: bool,
    /// Checkpoints asked for lately, and the last one stored.
    asked_to_store: Vec<(u64, Vec<u8>)>,
    stored: Option<Vec<u8>>,
    /// Gate events so far: the log of the store.
    log: Vec<(Time, GateSource, TelephonyEvent)>,
}

impl Witness {
    /// Polls to rest. What one input sets off is bounded: audio is paced, fragments are few.
    fn settle(&mut self, call: &mut Call, live: bool) {
        for round in 0.. {
            assert!(round < 200_000, "the call does not come to rest");
            match call.poll() {
                Output::Wait(_) => return,
                Output::Done(_) => {
                    assert!(!std::mem::replace(&mut self.done, true), "it ends once");
                    return;
                }
                Output::OpenRecogniser(spec) => {
                    assert!(self.sessions.insert(spec.id), "a session is opened once");
                }
                Output::Audio(chunk) => {
                    assert!(self.ready.contains(&chunk.session), "audio for a session that is not ready");
                    assert!(chunk.pcm.len() % 4 == 0 && chunk.samples() <= 8000);
                }
                Output::Post(posts) => {
                    for post in posts {
                        let message = post.message;
                        let who = message.participant_id.clone();
                        let before = self.flying.insert(who, message.message_id.clone());
                        assert!(before.is_none(), "one in flight per participant");
                        let text = self.texts.entry(message.message_id).or_insert(message.content.0.clone());
                        assert_eq!(*text, message.content.0, "one text under one id");
                        assert!(message.start_time <= message.end_time);
                    }
                }
                Output::Resolve(id) => self.asked.push(id),
                Output::Store(checkpoint) => {
                    let json = checkpoint.to_json();
                    let read = Checkpoint::from_json(&json).expect("it can be read again");
                    assert!(read.to_json() == json, "it is the same when read again");
                    if self.asked_to_store.len() >= 32 {
                        self.asked_to_store.remove(0);
                    }
                    self.asked_to_store.push((checkpoint.sequence, json));
                }
                Output::OpenMedia(_) => assert!(live || !self.done),
                _ => {}
            }
        }
    }
}

impl Witness {
    fn stored(&mut self, sequence: u64) {
        if let Some((_, json)) = self.asked_to_store.iter().rev().find(|(n, _)| *n <= sequence) {
            self.stored = Some(json.clone());
        }
    }

    /// Another process goes on; what was asked of the one before is forgotten, what was said is not.
    fn resume(&mut self, config: Config, died: Time, now: Time, listened: bool) -> Call {
        (self.sessions, self.ready, self.flying) = Default::default();
        self.asked_to_store.clear();
        let checkpoint =
            self.stored.as_deref().map(|json| Checkpoint::from_json(json).expect("stored whole"));
        let absence = Absence { died, listening: if listened { died } else { now } };
        let mut call = Call::resume(config, 2, checkpoint, absence);
        for (at, source, event) in &self.log {
            call.handle(now, Input::PastGate(*at, *source, event.clone()));
        }
        call.handle(now, Input::Tick);
        call
    }
}

fn config(life: &Life) -> Config {
    let mut config = Config::new(ContactChoice::Id(CONTACT_ID.into()), "fallback");
    config.store = life.stores;
    config.ambiguous = if life.once { Ambiguous::Drop } else { Ambiguous::Retry };
    config.on_doubt = if life.trusting { OnDoubt::Open } else { OnDoubt::Closed };
    if life.live {
        let start = Some(Time::from_ms(START_EPOCH_MS));
        let mut live = LiveConfig::new(MediaSegment::new("arn", start, Some("1".into())));
        live.resolve_key = life.resolve;
        live.rotate_after = Span::from_s(i64::from(life.rotate_s) + 1);
        live.rotate_at_last = Span::from_s(i64::from(life.rotate_s) + 5);
        config.live = Some(live);
    }
    config
}

fn input(step: Step, now: Time, call: &Call, witness: &mut Witness) -> Option<Input> {
    let pick = |n: u8| FRAGMENTS[usize::from(n) % FRAGMENTS.len()].clone();
    let id = |n: u8| CONTACTS[usize::from(n) % CONTACTS.len()].to_owned();
    let party = |agent: bool| if agent { Party::Agent } else { Party::Customer };
    let offset = |tenths: u16| Span::from_ms(i64::from(tenths) * 10);
    Some(match step {
        Step::Fragment(n) if call.wants_media() => Input::Media(pick(n)),
        Step::Piece(n, length) if call.wants_media() => {
            let bytes = pick(n);
            Input::Media(bytes.slice(..bytes.len().min(usize::from(length))))
        }
        Step::Bytes(bytes) if call.wants_media() => Input::Media(bytes.into()),
        Step::Fragment(_) | Step::Piece(..) | Step::Bytes(_) => return None,
        Step::End(how) => Input::MediaEnded(match how % 6 {
            0 => MediaEnd::Complete,
            1 => MediaEnd::Truncated("cut".into()),
            2 => MediaEnd::Failed("why".into()),
            3 => MediaEnd::Lost(MediaError::new(MediaCause::Stalled, MediaAction::Retry, "")),
            4 => MediaEnd::Lost(MediaError::new(MediaCause::Selector, MediaAction::NextSelector, "")),
            _ => MediaEnd::Lost(MediaError::new(MediaCause::NoStream, MediaAction::Fatal, "")),
        }),
        Step::Facts(of, chain) => {
            let mut facts = ContactFacts::unknown();
            match chain % 4 {
                0 => {}
                1 => facts.initial_contact_id = Some(id(chain / 4)),
                2 => facts.previous_contact_id = Some(id(chain / 4)),
                _ => facts.related_contact_id = Some(id(chain / 4)),
            }
            Input::Contact { id: id(of), facts }
        }
        Step::Gate { kind, at, who, call, source } => {
            let at = at.map(|s| now + Span::from_s(i64::from(s)));
            let mut event = TelephonyEvent::new(kind_of(kind), at);
            if who % 3 > 0 {
                event = event.participant(["c", "a"][usize::from(who % 2)]);
            }
            event.call_id = (call % 5 > 0).then(|| id(call));
            let sources = [GateSource::Toolkit, GateSource::AgentEvents, GateSource::CloudTrail];
            let source = sources[usize::from(source) % 3];
            witness.log.push((now, source, event.clone()));
            Input::Gate(source, event)
        }
        Step::PastGate { kind, before } => {
            let at = now - Span::from_ms(i64::from(before));
            Input::PastGate(at, GateSource::Toolkit, TelephonyEvent::new(kind_of(kind), None))
        }
        Step::Ready(n) => {
            let session = u32::from(n % 8);
            if !witness.sessions.contains(&session) {
                return None;
            }
            witness.ready.insert(session);
            let times = WordTimes::Measured { error_ms: 50 };
            let capabilities = Capabilities::new("fuzz", n & 8 == 0, times, false);
            Input::RecogniserReady { session, capabilities }
        }
        Step::Segment { session, agent, last, start, length, words } => {
            let (from, length) = (offset(start), i64::from(length) * 20);
            let to = from + Span::from_ms(length);
            let each = length / i64::from(words % 6).max(1);
            let word = |i: i64| {
                let at = from + Span::from_ms(i * each);
                Word::new(format!("w{i}"), at, at + Span::from_ms(each))
            };
            let words = (0..i64::from(words % 6)).map(word).collect();
            let segment = Segment::new(u32::from(session % 8), party(agent), last, from, to, words);
            Input::Recognised(RecogniserEvent::Segment(segment))
        }
        Step::Progress { session, agent, until } => Input::Recognised(RecogniserEvent::Progress {
            session: u32::from(session % 8),
            party: party(agent),
            until: offset(until),
        }),
        Step::Ended(n) => Input::Recognised(RecogniserEvent::Ended { session: u32::from(n % 8) }),
        Step::Lost(n, fatal) => {
            let action = if fatal == 0 { Action::Fatal } else { Action::Retry };
            let error = RecogniserError::new(RecogniserCause::Internal, action, "as drawn");
            Input::RecogniserLost { session: u32::from(n % 8), error }
        }
        Step::Answer(which, how) => {
            let known: Vec<String> = witness.texts.keys().cloned().collect();
            let id = known.get(usize::from(which) % known.len().max(1))?.clone();
            witness.flying.retain(|_, flying| *flying != id);
            let outcome = match how % 8 {
                0..=2 => Outcome::Accepted,
                3 => Outcome::Retry { cause: RetryCause::RateLimited },
                4 => Outcome::Retry { cause: RetryCause::NoConversation },
                5 => Outcome::Retry { cause: RetryCause::Network },
                6 => Outcome::Paused,
                _ => Outcome::Refused("no".into()),
            };
            Input::Posted { id, outcome }
        }
        Step::Stored(n) => {
            witness.stored(u64::from(n));
            Input::Stored(u64::from(n))
        }
        Step::Announce(n) => {
            Input::Segment(MediaSegment::new(["arn", "two"][usize::from(n % 2)], Some(now), None))
        }
        Step::ContactEnded(n) => Input::ContactEnded(id(n)),
        Step::Later(_) | Step::Earlier(_) => Input::Tick,
        Step::Stop => Input::Stop,
        Step::GiveUp => Input::GiveUp,
        Step::LeaseLost => Input::LeaseLost,
        Step::Die(..) => return None,
    })
}

fn kind_of(n: u8) -> EventKind {
    let kinds = [
        EventKind::Hold,
        EventKind::Resume,
        EventKind::PauseRecording,
        EventKind::ResumeRecording,
        EventKind::Swap,
        EventKind::Conference,
        EventKind::ParticipantAdded,
        EventKind::ParticipantRemoved,
        EventKind::CallEnded,
        EventKind::CallConnected,
        EventKind::Mute,
        EventKind::Unknown("dance".into()),
    ];
    kinds[usize::from(n) % kinds.len()].clone()
}

fuzz_target!(|life: Life| {
    let live = life.live;
    let (config, stores) = (config(&life), life.stores);
    let mut call = Call::new(config.clone(), 1);
    let mut witness = Witness::default();
    let mut now = Time::from_ms(START_EPOCH_MS);
    call.handle(now, Input::Tick);
    witness.settle(&mut call, live);
    for step in life.steps {
        match &step {
            Step::Later(ms) => now = now + Span::from_ms(i64::from(*ms) * 4),
            Step::Earlier(ms) => now = now - Span::from_ms(i64::from(*ms)),
            // Without a store nothing is known of what was posted, and without a connection it cannot go on.
            Step::Die(ms, listened) if live && stores && !witness.done => {
                let died = now;
                now = now + Span::from_ms(i64::from(*ms));
                call = witness.resume(config.clone(), died, now, *listened);
                witness.settle(&mut call, live);
                continue;
            }
            _ => {}
        }
        let Some(input) = input(step, now, &call, &mut witness) else { continue };
        call.handle(now, input);
        witness.settle(&mut call, live);
        assert!(call.replay_bytes() <= 90 * 32_000 + 3200, "the replay ring is bounded");
    }
});
