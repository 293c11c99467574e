//! Gate events, in time and late.

use engine::call::{EventKind, GateSource, Input, Report, TelephonyEvent};
use engine::time::Time;
use fixtures::kinesis::{CONTACT_ID, START_EPOCH_MS, Shape};

use super::contacts::chain;
use super::{Hand, call, fragments};

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
