//! A worker may die anywhere: another goes on with the call from its checkpoint, and nothing is lost, doubled or
//! heard that was not to be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use engine::call::{
    Absence, Ambiguous, Call, Checkpoint, Config, EventKind, GateSource, Input, MediaFrom, OnDoubt, Outcome,
    Output, Post, Summary, TelephonyEvent,
};
use engine::recogniser::{Capabilities, Recogniser, WordTimes};
use engine::time::{Span, Time};
use fixtures::Party;
use fixtures::kinesis::{START_EPOCH_MS, Shape};
use fixtures::tone::Script;
use tests::ToneRecogniser;
use tests::world::{Stored, at, live, stored};

/// Everything that is no worker and outlives all of them.
struct Outside {
    now: Time,
    /// How far the clocks of all workers are behind.
    behind: Span,
    fragments: Vec<Stored>,
    /// What the store holds.
    checkpoint: Option<Vec<u8>>,
    /// Gate events by the time at which they come; true: nobody is left to take it from the source.
    events: Vec<(Time, TelephonyEvent)>,
    /// Messages in the order in which Salesforce took them, and when.
    shop: Vec<(Time, Post)>,
    /// Where sound that left began and ended, chunk by chunk, as (time of the sample, when it left).
    sound: Vec<(Time, Time)>,
    /// Where each worker began to read.
    began: Vec<MediaFrom>,
    /// What each worker found, as the event log keeps it.
    absences: Vec<Absence>,
}

enum End {
    Died,
    Over(Box<Summary>),
}

impl Outside {
    fn new() -> Self {
        static FRAGMENTS: LazyLock<Vec<Stored>> =
            LazyLock::new(|| stored(&Shape::default(), &conversation(), 13_000));
        let fragments = FRAGMENTS.clone();
        let (checkpoint, now) = (None, at(0));
        let (events, shop, sound, began) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (behind, absences) = (Span::ZERO, Vec::new());
        Self { now, behind, fragments, checkpoint, events, shop, sound, began, absences }
    }

    /// What time it is, as a worker knows it.
    fn clock(&self) -> Time {
        self.now - self.behind
    }

    fn event(&mut self, ms: i64, kind: EventKind) {
        self.events.push((at(ms), TelephonyEvent::new(kind, Some(at(ms))).participant("c")));
    }

    /// One worker's life: to the end of the call, or to its death right before the output of this number is
    /// performed, or right behind it.
    fn life(&mut self, mut call: Call, death: Option<(usize, bool)>) -> End {
        let mut ears = ToneRecogniser::default();
        let mut next: Option<usize> = None;
        let mut taken = self.events.iter().filter(|(at, _)| *at <= self.now).count();
        call.handle(self.clock(), Input::Tick);
        for number in 0.. {
            let output = call.poll();
            if death == Some((number, false)) {
                return End::Died;
            }
            match output {
                Output::Wait(deadline) => {
                    let fragment = next.filter(|_| call.wants_media()).and_then(|i| self.fragments.get(i));
                    let arrival = fragment.map_or(Time::MAX, |f| f.at.max(self.now));
                    let event = self.events.get(taken).map_or(Time::MAX, |(at, _)| *at);
                    self.now = self.now.max((deadline + self.behind).min(arrival).min(event));
                    if event <= self.now {
                        taken += 1;
                        let event = self.events[taken - 1].1.clone();
                        call.handle(self.clock(), Input::Gate(GateSource::Toolkit, event));
                    } else if let Some(fragment) = fragment.filter(|_| arrival <= self.now) {
                        call.handle(self.clock(), Input::Media(fragment.bytes.clone()));
                        next = next.map(|i| i + 1);
                    } else {
                        call.handle(self.clock(), Input::Tick);
                    }
                }
                Output::Done(summary) => return End::Over(summary),
                Output::OpenMedia(request) => {
                    next = Some(match &request.from {
                        MediaFrom::AfterFragment(number) => {
                            1 + self.fragments.iter().position(|f| f.number == *number).unwrap()
                        }
                        _ => 0,
                    });
                    self.began.push(request.from);
                }
                Output::CloseMedia => next = None,
                Output::OpenRecogniser(spec) => {
                    ears.open(&spec).unwrap();
                    let times = WordTimes::Measured { error_ms: 20 };
                    let capabilities = Capabilities::new("tones", true, times, false);
                    call.handle(self.clock(), Input::RecogniserReady { session: spec.id, capabilities });
                }
                Output::Audio(chunk) => {
                    let loud = |frame: &[u8]| frame.iter().any(|b| *b != 0);
                    let mut frames = chunk.pcm.chunks_exact(4);
                    let first = frames.position(loud);
                    let last = chunk.pcm.chunks_exact(4).rposition(loud);
                    for n in first.into_iter().chain(last) {
                        let sample = chunk.start + Span::from_samples(n as i64, chunk.rate_hz);
                        self.sound.push((sample, self.now));
                    }
                    ears.audio(chunk).unwrap();
                }
                Output::EndAudio { session } => ears.end(session).unwrap(),
                Output::Store(checkpoint) => {
                    let sequence = checkpoint.sequence;
                    self.checkpoint = Some(checkpoint.to_json());
                    call.handle(self.clock(), Input::Stored(sequence));
                }
                Output::Post(posts) => {
                    for post in posts {
                        let id = post.message.message_id.clone();
                        self.shop.push((self.now, post));
                        if death == Some((number, true)) {
                            // Taken, and nobody hears the answer.
                            return End::Died;
                        }
                        call.handle(self.clock(), Input::Posted { id, outcome: Outcome::Accepted });
                    }
                }
                _ => {}
            }
            if death == Some((number, true)) {
                return End::Died;
            }
            while let Some(event) = ears.poll(false).unwrap() {
                call.handle(self.clock(), Input::Recognised(event));
            }
        }
        unreachable!()
    }

    /// The next worker, after a while.
    fn resume(&mut self, config: &Config, after: Span, listening: bool) -> Call {
        let died = self.clock();
        self.now = self.now + after;
        let checkpoint = self.checkpoint.as_deref().map(|json| Checkpoint::from_json(json).unwrap());
        let listening = if listening { died } else { self.clock() };
        let absence = Absence { died, listening };
        let mut call = Call::resume(config.clone(), 9, checkpoint, absence);
        for earlier in &self.absences {
            call.handle(self.clock(), Input::Absent(*earlier));
        }
        self.absences.push(absence);
        for (at, event) in self.events.iter().filter(|(at, _)| *at <= self.now) {
            let stamp = *at - self.behind;
            call.handle(self.clock(), Input::PastGate(stamp, GateSource::Toolkit, event.clone()));
        }
        call
    }

    /// What Salesforce shows: one text an id, in order of time, as (who, from, what).
    fn shown(&self) -> Vec<(String, i64, String)> {
        let mut by_id: BTreeMap<&str, &Post> = BTreeMap::new();
        for (_, post) in &self.shop {
            let known = by_id.entry(&post.message.message_id).or_insert(post);
            assert_eq!(known.message, post.message, "one id, one message");
        }
        let line = |p: &&Post| {
            let message = &p.message;
            (message.participant_id.clone(), message.start_time - START_EPOCH_MS, message.content.0.clone())
        };
        let mut lines: Vec<_> = by_id.values().map(line).collect();
        lines.sort();
        lines
    }
}

fn stores() -> Config {
    let mut config = live();
    config.store = true;
    config
}

fn conversation() -> Script {
    Script::new()
        .say(Party::Customer, 1_000, "one two three")
        .say(Party::Agent, 2_600, "four five")
        .say(Party::Customer, 4_200, "six seven eight nine")
        .say(Party::Agent, 4_400, "one")
        .say(Party::Agent, 7_000, "two three four")
        .say(Party::Customer, 9_100, "five")
        .say(Party::Agent, 11_000, "six seven")
}

/// How the call looks if nobody dies, and after how many outputs it is over.
fn undisturbed(config: &Config, outside: impl Fn() -> Outside) -> (Outside, usize) {
    let mut one = outside();
    let End::Over(summary) = one.life(Call::new(config.clone(), 3), None) else { unreachable!() };
    assert_eq!(summary.resumed, 0);
    let mut outputs = 0;
    while let End::Died = outside().life(Call::new(config.clone(), 3), Some((outputs, false))) {
        outputs += 7;
    }
    (one, outputs)
}

/// The first output that comes at this time of the call or later.
fn output_at(config: &Config, outside: impl Fn() -> Outside, ms: i64) -> usize {
    let reaches = |output: usize| {
        let mut one = outside();
        one.life(Call::new(config.clone(), 3), Some((output, true)));
        one.now >= at(ms)
    };
    let (mut early, mut late) = (0, undisturbed(config, &outside).1);
    while early < late {
        let middle = usize::midpoint(early, late);
        if reaches(middle) { late = middle } else { early = middle + 1 }
    }
    late
}

/// Lets a worker die at every output, or every so many, before and behind it, and another go on.
fn die_everywhere(
    config: &Config,
    outside: impl Fn() -> Outside,
    every: usize,
    check: impl Fn(&Outside, &Summary),
) {
    let after = Span::from_s(4);
    let (_, outputs) = undisturbed(config, &outside);
    for death in (0..outputs).step_by(every) {
        for performed in [false, true] {
            let mut world = outside();
            let End::Died = world.life(Call::new(config.clone(), 3), Some((death, performed))) else {
                continue;
            };
            let call = world.resume(config, after, false);
            let End::Over(summary) = world.life(call, None) else { unreachable!() };
            assert_eq!(summary.resumed, 1);
            check(&world, &summary);
        }
    }
}

#[test]
fn a_death_at_any_moment_loses_and_doubles_nothing() {
    let config = stores();
    let outside = Outside::new;
    let expected = undisturbed(&config, outside).0.shown();
    assert_eq!(expected.len(), 7);
    die_everywhere(&config, outside, 2, |world, summary| {
        assert_eq!(world.shown(), expected);
        let doubles = world.shop.len() - expected.len();
        assert!(doubles as u64 <= summary.messages.ambiguous, "{doubles} doubles, {:?}", summary.messages);
        assert_eq!(summary.messages.delivered, 7);
    });
}

#[test]
fn whoever_goes_on_reads_again_from_the_fragment_that_holds_the_mark() {
    let config = stores();
    let mut world = Outside::new();
    let death = output_at(&config, Outside::new, 9_000);
    world.life(Call::new(config.clone(), 3), Some((death, true)));
    let earlier = world.began.len();
    let call = world.resume(&config, Span::from_s(4), false);
    world.life(call, None);
    let MediaFrom::AfterFragment(number) = &world.began[earlier] else { panic!("{:?}", world.began) };
    let index = world.fragments.iter().position(|f| f.number == *number).unwrap();
    assert!((3..9).contains(&index), "behind fragment {index} of {}", world.fragments.len());
}

#[test]
fn where_nothing_may_stand_twice_what_may_have_been_taken_is_listed_instead() {
    let mut config = stores();
    config.ambiguous = Ambiguous::Drop;
    let outside = Outside::new;
    let expected = undisturbed(&config, outside).0.shown();
    die_everywhere(&config, outside, 7, |world, summary| {
        assert!(world.shop.len() <= expected.len(), "one stands there twice");
        let refused = &summary.messages.refused;
        assert!(refused.len() <= 2, "at most one for each participant was in doubt: {refused:?}");
        for line in expected.iter().filter(|line| !world.shown().contains(line)) {
            assert!(refused.len() + world.shop.len() >= expected.len(), "{line:?} is missing and not listed");
        }
    });
}

/// Speech in a pause, of which one worker hears and another does not.
fn paused_call() -> Outside {
    let mut outside = Outside::new();
    outside.event(500, EventKind::CallConnected);
    outside.event(4_000, EventKind::PauseRecording);
    outside.event(6_500, EventKind::ResumeRecording);
    outside
}

#[test]
fn a_pause_stays_silent_whoever_hears_of_it() {
    let mut config = stores();
    config.on_doubt = OnDoubt::Open;
    let expected = undisturbed(&config, paused_call).0.shown();
    assert_eq!(expected.len(), 5, "{expected:?}");
    die_everywhere(&config, paused_call, 5, |world, summary| {
        assert_eq!(world.shown(), expected);
        let inside = |t: Time| t >= at(4_000) && t < at(6_500);
        let late = |(sample, left): &&(Time, Time)| inside(*sample) && *left > at(4_000);
        assert_eq!(world.sound.iter().find(late), None);
        assert_eq!((summary.gate.exposed_ms, summary.gate.exposed_words), (0, 0));
    });
}

#[test]
fn a_pause_stays_silent_by_a_clock_that_is_behind_the_media() {
    let mut config = stores();
    config.on_doubt = OnDoubt::Open;
    let slow = || Outside { behind: Span::from_s(20), ..paused_call() };
    die_everywhere(&config, slow, 5, |world, _| {
        let inside = |t: Time| t >= at(4_000) && t < at(6_500);
        let late = |(sample, left): &&(Time, Time)| inside(*sample) && *left > at(4_000);
        assert_eq!(world.sound.iter().find(late), None);
    });
}

#[test]
fn time_in_which_nobody_could_hear_of_a_pause_is_silent_on_a_call_that_has_events() {
    let config = stores();
    let life = |outside: fn() -> Outside, listening: bool| {
        let mut world = outside();
        // Dies while the agent speaks at 7 s, and nobody is there until 12 s.
        let death = output_at(&config, outside, 7_600);
        world.life(Call::new(config.clone(), 3), Some((death, true)));
        let call = world.resume(&config, Span::from_s(5), listening);
        let End::Over(summary) = world.life(call, None) else { unreachable!() };
        (world.shown().into_iter().map(|(_, from, _)| from).collect::<Vec<_>>(), summary)
    };
    let (mut starts, summary) = life(paused_call, false);
    starts.sort_unstable();
    assert!(!starts.iter().any(|from| (8_000..12_000).contains(from)), "{starts:?}");
    assert!((4_900..5_100).contains(&summary.gate.doubtful_ms), "{}", summary.gate.doubtful_ms);

    let (starts, summary) = life(paused_call, true);
    assert_eq!((starts.len(), summary.gate.doubtful_ms), (5, 0), "somebody was there all the time");
    let (starts, summary) = life(Outside::new, false);
    assert_eq!((starts.len(), summary.gate.doubtful_ms), (7, 0), "nobody sends events of this call");
}

#[test]
fn what_a_worker_could_not_hear_stays_silent_if_the_next_dies_before_it_stores_anything() {
    let config = stores();
    let death = output_at(&config, paused_call, 7_600);
    let mut world = paused_call();
    world.life(Call::new(config.clone(), 3), Some((death, true)));
    let call = world.resume(&config, Span::from_s(5), false);
    world.life(call, Some((0, false)));
    let call = world.resume(&config, Span::from_s(1), true);
    let End::Over(summary) = world.life(call, None) else { unreachable!() };
    let starts: Vec<_> = world.shown().into_iter().map(|(_, from, _)| from).collect();
    assert!(!starts.iter().any(|from| (8_000..12_000).contains(from)), "{starts:?}");
    assert!((4_900..5_100).contains(&summary.gate.doubtful_ms), "{}", summary.gate.doubtful_ms);
}

#[test]
fn an_event_that_came_while_nobody_held_the_call_closes_what_is_read_again() {
    let mut config = stores();
    config.on_doubt = OnDoubt::Open;
    // Whenever it dies before the pause, the pause is known before its audio is read.
    die_everywhere(&config, paused_call, 9, |world, _| {
        let words: Vec<_> = world.shown().into_iter().map(|(_, from, text)| (from, text)).collect();
        assert!(!words.iter().any(|(from, _)| (4_000..6_500).contains(from)), "{words:?}");
    });
}

#[test]
fn a_second_death_during_the_return_does_no_more_harm_than_the_first() {
    let config = stores();
    let outside = Outside::new;
    let (one, outputs) = undisturbed(&config, outside);
    let expected = one.shown();
    for first in (0..outputs).step_by(17) {
        for second in (0..60).step_by(5) {
            let mut world = outside();
            let End::Died = world.life(Call::new(config.clone(), 3), Some((first, true))) else { continue };
            let call = world.resume(&config, Span::from_s(2), true);
            let End::Died = world.life(call, Some((second, true))) else { continue };
            let call = world.resume(&config, Span::from_s(2), true);
            let End::Over(summary) = world.life(call, None) else { unreachable!() };
            assert_eq!(world.shown(), expected, "deaths at {first} and {second}");
            let doubles = (world.shop.len() - expected.len()) as u64;
            assert!(doubles <= summary.messages.ambiguous, "deaths at {first} and {second}: {doubles}");
        }
    }
}

#[test]
fn a_death_right_behind_the_return_does_not_forget_the_place() {
    let config = stores();
    let death = output_at(&config, Outside::new, 9_000);
    for second in (1..80).step_by(4) {
        let mut world = Outside::new();
        world.life(Call::new(config.clone(), 3), Some((death, true)));
        let call = world.resume(&config, Span::from_s(1), true);
        let End::Died = world.life(call, Some((second, true))) else { continue };
        let earlier = world.began.len();
        let call = world.resume(&config, Span::from_s(1), true);
        world.life(call, None);
        let begins = &world.began[earlier];
        assert!(matches!(begins, MediaFrom::AfterFragment(_)), "second death at {second}: {begins:?}");
    }
}

#[test]
fn words_that_a_dead_worker_may_have_posted_count_as_exposed_when_their_time_turns_out_closed() {
    let mut config = stores();
    config.on_doubt = OnDoubt::Open;
    let mut late = Outside::new();
    // "one" had been said when the recording was paused, and nobody lives when that is told.
    let pause = TelephonyEvent::new(EventKind::PauseRecording, Some(at(1_200)));
    late.events =
        vec![(at(6_000), pause), (at(6_500), TelephonyEvent::new(EventKind::ResumeRecording, None))];
    let posted = (0..).map(|output| {
        let mut world = Outside::new();
        world.life(Call::new(config.clone(), 3), Some((output, true)));
        world
    });
    let mut world = posted.into_iter().find(|world| !world.shop.is_empty()).unwrap();
    assert!(world.now < at(6_000));
    world.events = late.events;
    let call = world.resume(&config, Span::from_s(5), true);
    let End::Over(summary) = world.life(call, None) else { unreachable!() };
    let message = &world.shop[0].1.message;
    assert_eq!(message.content.0, "one two three");
    assert_eq!(summary.gate.exposed_words, 2, "\"two three\" is there, or may be");
    let why = summary.messages.refused[&message.message_id].why.clone();
    assert!(why.starts_with("withdrawn"), "{why}");
}
