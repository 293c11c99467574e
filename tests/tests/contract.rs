//! The contract of a call with its driver, input by input: contacts, late events, posts, stops.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use bytes::Bytes;
use engine::call::{
    Call, Config, ContactChoice, ContactFacts, DropReason, EndReason, EventKind, GateSource, Input, MediaEnd,
    Message, Outcome, Output, Report, RetryCause, Summary, TelephonyEvent,
};
use engine::recogniser::{Recogniser, RecogniserEvent};
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

#[test]
fn an_unknown_contact_is_resolved_before_it_is_judged() {
    let next_leg = Shape { contact_id: "next-leg".into(), segment_uuid: [7; 16], ..Shape::default() };
    for (facts, expected) in [
        (chain(CONTACT_ID), vec!["refund order"]),
        (chain("somebody-else"), vec![]),
        (ContactFacts::unknown(), vec![]),
    ] {
        let mut hand = Hand::live();
        for fragment in fragments(&next_leg, &[(200, "refund order")], 2000) {
            hand.media(fragment);
        }
        assert_eq!(hand.resolve, ["next-leg"], "asked once");
        assert!(hand.call.wants_media());
        assert!(hand.ears.heard[0].is_empty(), "its audio waits");
        hand.handle(Input::Contact { id: "next-leg".into(), facts });
        assert_eq!(hand.end(), expected);
    }
}

fn chain(first: &str) -> ContactFacts {
    ContactFacts::first_of_its_chain(first)
}

#[test]
fn nobody_answers_and_the_contact_is_foreign_but_counted() {
    let mut hand = Hand::live();
    let other = Shape { contact_id: "other".into(), segment_uuid: [7; 16], ..Shape::default() };
    for fragment in fragments(&other, &[(200, "card")], 1000) {
        hand.media(fragment);
    }
    let until = hand.wait;
    assert!(until > hand.now && until < Time::MAX, "the call says when it gives up");
    hand.now = until;
    hand.handle(Input::Tick);
    assert!(hand.end().is_empty());
    assert_eq!(hand.summary().drops[&DropReason::UnresolvedContact].count, 1);
    assert!(hand.ears.heard[0].is_empty(), "P1: nothing of it was recognised");
}

#[test]
fn waiting_fragments_push_back() {
    let mut config = Config::new(ContactChoice::Id(CONTACT_ID.into()), "fallback");
    config.max_waiting_fragments = 3;
    let mut hand = Hand::new(config);
    let other = Shape { contact_id: "other".into(), segment_uuid: [7; 16], ..Shape::default() };
    for fragment in fragments(&other, &[], 3300).into_iter().take(3) {
        assert!(hand.call.wants_media());
        hand.media(fragment);
    }
    assert!(!hand.call.wants_media());
    hand.handle(Input::Contact { id: "other".into(), facts: chain("x") });
    assert!(hand.call.wants_media());
}

#[test]
fn a_pause_known_in_time_lets_no_sample_through() {
    let mut hand = Hand::live();
    // The event arrives at 1100 ms; audio from there on is silent although it is said in the same breath.
    let media = call(&[(100, "card"), (1200, "four one two"), (3600, "thanks")], 4500);
    hand.media(media[0].clone());
    hand.at(1100).event(EventKind::PauseRecording);
    for fragment in &media[1..3] {
        hand.media(fragment.clone());
    }
    hand.at(3300).event(EventKind::ResumeRecording);
    for fragment in &media[3..] {
        hand.media(fragment.clone());
    }
    hand.at(4500);
    assert_eq!(hand.end(), ["card", "thanks"]);
    let sound: i64 = hand.ears.heard[0]
        .iter()
        .flat_map(|(start, samples)| {
            samples.iter().enumerate().filter(|(_, s)| **s != 0).map(move |(i, _)| start + i as i64 / 8)
        })
        .filter(|ms| (START_EPOCH_MS + 1100..START_EPOCH_MS + 3299).contains(ms))
        .count() as i64;
    assert_eq!(sound, 0, "P2: no sample of the closed interval left the call");
    assert_eq!(hand.summary().gate.exposed_ms, 0);
    assert!(hand.summary().gate.closed_ms > 2000);
}

#[test]
fn an_event_that_comes_late_cuts_what_is_unposted_and_counts_the_rest() {
    let mut hand = Hand::live();
    let media = call(&[(100, "hello"), (1200, "four one two three"), (4000, "thanks")], 6000);
    for fragment in &media {
        hand.media(fragment.clone());
    }
    // "hello" is posted and stays in flight, the card number waits behind it.
    assert_eq!(hand.posts.len(), 1);
    hand.at(4000).handle(Input::Gate(
        GateSource::Toolkit,
        TelephonyEvent::new(EventKind::PauseRecording, Some(Time::from_ms(START_EPOCH_MS + 1000))),
    ));
    hand.at(6500).event(EventKind::ResumeRecording);
    assert_eq!(hand.end(), ["hello"], "neither the number nor what came in the pause");
    let gate = &hand.summary().gate;
    assert!(gate.exposed_ms > 4000, "{gate:?}");
    assert_eq!((gate.cut_words, gate.exposed_words), (5, 0));
}

#[test]
fn words_already_posted_are_counted_as_exposed() {
    let mut hand = Hand::live();
    for fragment in call(&[(100, "four one two")], 3000) {
        hand.media(fragment);
    }
    assert_eq!(hand.accept_all(), ["four one two"]);
    hand.at(3000).handle(Input::Gate(
        GateSource::Toolkit,
        TelephonyEvent::new(EventKind::Hold, Some(Time::from_ms(START_EPOCH_MS))),
    ));
    hand.end();
    assert_eq!(hand.summary().gate.exposed_words, 3);
}

#[test]
fn what_was_said_before_a_pause_waits_until_it_is_over() {
    let mut hand = Hand::live();
    let media = call(&[(500, "order number"), (3000, "again")], 4400);
    hand.media(media[0].clone());
    hand.at(1088).event(EventKind::Hold);
    hand.media(media[1].clone());
    assert!(hand.posts.is_empty(), "Salesforce throws away what is sent while paused");
    hand.at(2300).event(EventKind::Resume);
    assert_eq!(hand.accept_all(), ["order number"]);
    for fragment in &media[2..] {
        hand.media(fragment.clone());
    }
    assert_eq!(hand.end(), ["again"]);
}

#[test]
fn a_caller_who_hangs_up_on_hold_loses_nothing() {
    let mut hand = Hand::live();
    let media = call(&[(500, "order number")], 2000);
    hand.media(media[0].clone());
    hand.at(1088).event(EventKind::Hold);
    hand.media(media[1].clone());
    assert_eq!(hand.end(), ["order number"], "the end of the call releases what is held");
    assert!(hand.summary().gate.closed_at_end);
}

#[test]
fn a_gate_that_never_opens_raises_an_alarm_once() {
    let mut hand = Hand::live();
    hand.media(call(&[], 1000)[0].clone());
    hand.at(1_100).event(EventKind::PauseRecording);
    let alarms = |h: &Hand| h.reports.iter().filter(|r| matches!(r, Report::GateAlarm { .. })).count();
    assert_eq!((alarms(&hand), hand.wait), (0, hand.now + engine::time::Span::from_s(600)));
    hand.now = hand.wait;
    hand.handle(Input::Tick);
    hand.at(900_000).handle(Input::Tick);
    assert_eq!(alarms(&hand), 1);
}

#[test]
fn a_machine_whose_clock_is_behind_closes_and_opens_where_the_audio_is() {
    let mut hand = Hand::live();
    let media = call(&[(100, "one"), (1_500, "two"), (3_700, "three"), (5_900, "four")], 7_000);
    // The clock stands at the beginning while six seconds of audio come.
    hand.media(media[0].clone());
    hand.event(EventKind::PauseRecording);
    hand.media(media[1].clone());
    hand.media(media[2].clone());
    hand.event(EventKind::ResumeRecording);
    for fragment in &media[3..] {
        hand.media(fragment.clone());
    }
    assert_eq!(hand.end(), ["one", "three", "four"]);
}

#[test]
fn events_of_another_call_do_nothing() {
    let mut hand = Hand::live();
    let mut event = TelephonyEvent::new(EventKind::Hold, None);
    event.call_id = Some("another".into());
    hand.handle(Input::Gate(GateSource::Toolkit, event));
    for fragment in call(&[(100, "hello")], 1500) {
        hand.media(fragment);
    }
    assert_eq!(hand.end(), ["hello"]);
    assert_eq!(hand.summary().gate.events_of_other_calls, 1);
}

#[test]
fn an_event_of_the_next_leg_counts_once_that_leg_is_known() {
    let mut hand = Hand::live();
    let mut event = TelephonyEvent::new(EventKind::Hold, None);
    event.call_id = Some("next-leg".into());
    hand.handle(Input::Gate(GateSource::Toolkit, event));
    let next = Shape { contact_id: "next-leg".into(), segment_uuid: [7; 16], ..Shape::default() };
    for fragment in fragments(&next, &[(100, "hello")], 1500) {
        hand.media(fragment);
    }
    hand.handle(Input::Contact { id: "next-leg".into(), facts: chain(CONTACT_ID) });
    assert!(hand.end().is_empty(), "the leg was on hold from its start");
}

#[test]
fn nothing_is_posted_before_it_is_stored() {
    let mut config = Config::new(ContactChoice::Id(CONTACT_ID.into()), "fallback");
    config.store = true;
    let mut hand = Hand::new(config);
    for fragment in call(&[(100, "hello")], 2000) {
        hand.media(fragment);
    }
    hand.handle(Input::MediaEnded(MediaEnd::Complete));
    assert_eq!((hand.posts.len(), hand.stores.len()), (0, 1));
    hand.handle(Input::Stored(1));
    assert_eq!(hand.accept_all(), ["hello"]);
    assert!(hand.summary.is_some());
}

#[test]
fn a_worker_that_lost_its_lease_posts_nothing_more() {
    let mut hand = Hand::live();
    for fragment in call(&[(100, "hello")], 2000) {
        hand.media(fragment);
    }
    let posted = hand.posts.len();
    hand.handle(Input::LeaseLost);
    hand.answer(&Outcome::Retry { cause: RetryCause::Server });
    hand.at(100_000).handle(Input::Tick);
    assert_eq!(posted, 1);
    assert!(hand.posts.is_empty());
    assert_eq!(hand.summary().end, EndReason::LeaseLost);
}

#[test]
fn a_message_that_cannot_be_delivered_is_listed_and_the_contact_is_marked() {
    let mut config = Config::new(ContactChoice::Id(CONTACT_ID.into()), "fallback");
    config.limit_attribute = Some(("status".into(), "limit".into()));
    let mut hand = Hand::new(config);
    for fragment in call(&[(100, "hello")], 2000) {
        hand.media(fragment);
    }
    hand.handle(Input::MediaEnded(MediaEnd::Complete));
    let mut ids = BTreeSet::new();
    let mut tries = 0;
    while hand.summary.is_none() {
        ids.extend(hand.posts.iter().map(|m| m.message_id.clone()));
        tries += hand.posts.len();
        hand.answer(&Outcome::Retry { cause: RetryCause::RateLimited });
        hand.now = hand.wait;
        hand.handle(Input::Tick);
    }
    assert_eq!(ids.len(), 1, "always the same id");
    assert!(tries > 5);
    assert!(hand.summary().messages.undelivered.keys().eq(&ids));
    assert_eq!(hand.attributes, [("status".to_owned(), "limit".to_owned())]);
}

#[test]
fn a_stop_hands_on_what_was_heard() {
    let mut hand = Hand::live();
    hand.media(call(&[(100, "hello")], 2000)[0].clone());
    hand.handle(Input::Stop);
    assert_eq!(hand.accept_all(), ["hello"]);
    assert_eq!(hand.summary().end, EndReason::Stopped);
    hand.media(call(&[(100, "again")], 2000)[0].clone());
    assert!(hand.posts.is_empty(), "nothing follows the end");
}

#[test]
fn a_jump_of_the_clock_is_believed_when_a_second_fragment_confirms_it() {
    let hour_ms = 3_600_000;
    let later = Shape { start_ms: START_EPOCH_MS + hour_ms, first_serial: 50, ..Shape::default() };
    let mut hand = Hand::live();
    for fragment in call(&[(100, "hello")], 2000) {
        hand.media(fragment);
    }
    for fragment in fragments(&later, &[(100, "again")], 2000) {
        hand.media(fragment);
    }
    hand.handle(Input::MediaEnded(MediaEnd::Complete));
    let mut times = Vec::new();
    while !hand.posts.is_empty() {
        times.extend(hand.posts.iter().map(|m| (m.content.0.clone(), m.start_time - START_EPOCH_MS)));
        hand.answer(&Outcome::Accepted);
    }
    assert_eq!(times.len(), 2);
    assert!((times[0].1 - 100).abs() <= 10 && (times[1].1 - hour_ms - 100).abs() <= 10, "{times:?}");
    assert_eq!((hand.summary().audio.jumps, hand.summary().recogniser.sessions), (1, 2));
    assert!(hand.summary().audio.duration_ms < 10_000, "an hour of silence is not recognised");
}

#[test]
fn a_single_fragment_from_far_away_is_let_go() {
    let far = Shape { start_ms: START_EPOCH_MS + 86_400_000, first_serial: 50, ..Shape::default() };
    let media = call(&[(100, "hello"), (2400, "again")], 4300);
    let mut hand = Hand::live();
    hand.media(media[0].clone());
    hand.media(fragments(&far, &[(100, "lost")], 900)[0].clone());
    for fragment in &media[1..] {
        hand.media(fragment.clone());
    }
    assert_eq!(hand.end(), ["hello", "again"]);
    assert_eq!(hand.summary().drops[&DropReason::TimeJump].count, 1);
}

#[test]
fn results_of_a_session_that_is_over_are_stray() {
    let mut hand = Hand::live();
    hand.media(call(&[], 1000)[0].clone());
    hand.handle(Input::Recognised(RecogniserEvent::Segment(engine::recogniser::Segment::new(
        99,
        engine::recogniser::Party::Agent,
        true,
        engine::time::Span::ZERO,
        engine::time::Span::from_ms(5),
        vec![engine::recogniser::Word::new("ghost", engine::time::Span::ZERO, engine::time::Span::ZERO)],
    ))));
    assert!(hand.end().is_empty(), "P3: none is invented");
    assert_eq!(hand.summary().recogniser.stray, 1);
}

#[test]
fn a_call_without_a_single_byte_ends_at_once() {
    let mut hand = Hand::live();
    assert!(hand.end().is_empty());
    assert_eq!((&hand.summary().end, hand.summary().start_time), (&EndReason::MediaEnded, None));
}

#[test]
fn hours_of_silence_between_blocks_are_made_one_chunk_at_a_time() {
    let mut call = Call::new(Config::new(ContactChoice::Id(CONTACT_ID.into()), "fallback"), 1);
    let mut stream = Vec::new();
    for i in 0..100 {
        // Just under the gap that silence bridges: a day of silence from a few kilobytes.
        let shape = Shape {
            start_ms: START_EPOCH_MS + i * 840_000,
            first_serial: u64::try_from(i).unwrap(),
            blocks_per_fragment: 1,
            ..Shape::default()
        };
        stream.extend(shape.write(&Script::new().say(Party::Customer, 0, "card").render(64).unwrap()).bytes);
    }
    call.handle(Time::from_ms(0), Input::Media(stream.into()));
    let mut chunks = 0_u64;
    let mut ears = ToneRecogniser::default();
    loop {
        match call.poll() {
            Output::OpenRecogniser(spec) => {
                let capabilities = ears.open(&spec).unwrap();
                call.handle(Time::from_ms(0), Input::RecogniserReady { session: spec.id, capabilities });
            }
            Output::Audio(chunk) => chunks += u64::from(chunk.samples() > 0),
            Output::Wait(_) => break,
            _ => {}
        }
        if chunks % 100_000 == 1 {
            assert!(resident_mib() < 400, "{} MiB after {chunks} chunks", resident_mib());
        }
    }
    assert!(chunks > 800_000, "{chunks}");
}

/// Memory of this process; 0 where the system does not tell.
fn resident_mib() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|s| s.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()));
    pages.unwrap_or(0) * 4096 / (1 << 20)
}
