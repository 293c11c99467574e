//! Sessions by themselves: what is final and what is not when results wait for those of another session.

use super::*;
use crate::call::replay::Kept;
use crate::call::{Config, ContactChoice, LiveConfig, MediaSegment};
use crate::recogniser::{Party, RecogniserCause, RecogniserEvent, Word};

fn at(ms: i64) -> Time {
    Time::from_ms(1_000_000 + ms)
}

/// A call with a session that is to say its last words, and one that follows it and has heard 20 s from `at(0)` on.
fn two_sessions() -> Call {
    let mut config = Config::new(ContactChoice::First, "call");
    config.live = Some(LiveConfig::new(MediaSegment::new("arn", None, None)));
    let mut call = Call::new(config, 1);
    call.now = at(20_000);
    for id in [1, 2] {
        call.end_audio();
        call.open_session(8000);
        let times = WordTimes::Measured { error_ms: 20 };
        call.recogniser_ready(id, Capabilities::new("test", true, times, false));
        if let Some(session) = call.sessions.last_mut() {
            session.map.sent(at(0), 160_000);
            session.sent_until = Some(at(20_000));
        }
    }
    call
}

fn said(call: &mut Call, is_final: bool, from: i64, to: i64) {
    let (from, to) = (Span::from_ms(from), Span::from_ms(to));
    let word = Word::new("hello", from, to);
    let segment = Segment::new(2, Party::Customer, is_final, from, to, vec![word]);
    call.recognised(RecogniserEvent::Segment(segment));
}

#[test]
fn a_final_result_that_waited_ends_no_speech_that_began_since() {
    let mut call = two_sessions();
    said(&mut call, true, 1_000, 1_200);
    said(&mut call, false, 3_000, 6_000);
    let lost = RecogniserError::new(RecogniserCause::Connection, Action::Retry, "by the test");
    // Its last words never come: what waited for them is taken.
    call.recogniser_lost(1, &lost);
    assert_eq!(call.summary.recogniser.finals, 1);
    call.forget_final();
    assert_eq!(call.marks[Party::Customer.channel()], Some(at(1_200)), "what began since is not final");
}

#[test]
fn what_a_cut_left_to_be_heard_again_is_not_final() {
    let mut call = two_sessions();
    let lost = RecogniserError::new(RecogniserCause::Connection, Action::Retry, "by the test");
    call.recogniser_lost(1, &lost);
    said(&mut call, false, 0, 15_000);
    call.cut(true);
    // What was cut off in the middle of a long speech comes as a final result, and is put aside.
    said(&mut call, true, 0, 19_900);
    call.recognised(RecogniserEvent::Ended { session: 2 });
    assert_eq!(call.marks[Party::Customer.channel()], None, "all of it is heard again");
}

#[test]
fn a_recogniser_that_fails_for_good_ends_the_call_whatever_was_to_be_heard_again() {
    let mut call = two_sessions();
    call.cut_in_speech = true;
    call.replay.keep(Kept { start: at(0), end: at(100), pcm: bytes::Bytes::from_static(&[1; 64]) });
    call.replay.rewind();
    said(&mut call, true, 1_000, 1_200);
    let fatal = RecogniserError::new(RecogniserCause::Refused, Action::Fatal, "by the test");
    call.recogniser_lost(2, &fatal);
    assert!(!call.hear_cut_again(), "nobody is left to hear it");
    assert_eq!(call.summary.recogniser.finals, 1, "what had been said already is taken");
}

#[test]
fn what_a_session_owes_that_never_says_its_last_words_is_heard_again_with_all_behind_it() {
    for owes in [false, true] {
        let mut call = two_sessions();
        call.outputs.clear();
        call.replay.keep(Kept { start: at(0), end: at(100), pcm: bytes::Bytes::from_static(&[1; 64]) });
        call.sessions[0].unanswered[0] = owes.then_some(at(0));
        said(&mut call, true, 1_000, 1_200);
        call.now = call.now + LAST_WORDS;
        assert!(call.give_up_silent_session());
        let summary = &call.summary.recogniser;
        assert_eq!(
            (summary.unfinished, summary.finals, summary.stray),
            (1, u64::from(!owes), u64::from(owes))
        );
        assert_eq!(call.replay.is_pending(), owes);
        assert_eq!(call.sessions[1].ended, owes, "what it hears is out of turn now");
        let closed = |o: &Output| match o {
            Output::CloseRecogniser { session } => Some(*session),
            _ => None,
        };
        let closed: Vec<u32> = call.outputs.iter().filter_map(closed).collect();
        assert_eq!(closed, if owes { vec![1, 2] } else { vec![1] });
        let reported: Vec<String> = call.reports.iter().take(2).map(|report| format!("{report:?}")).collect();
        assert_eq!(reported[0], format!("SessionSilent {{ session: 1, owes: {owes} }}"));
        assert_eq!(reported[1] == "SessionsClosed { behind: 1, closed: 1 }", owes, "{reported:?}");
        assert!(!call.give_up_silent_session());
    }
}

#[test]
fn no_session_is_forgotten_that_has_still_to_say_its_last_words() {
    let mut call = two_sessions();
    while call.sessions.len() < MAX_SESSIONS {
        call.end_audio();
        call.open_session(8000);
        let id = call.sessions.last().map_or(0, |s| s.map.id);
        call.recogniser_ready(
            id,
            Capabilities::new("test", true, WordTimes::Measured { error_ms: 20 }, false),
        );
    }
    call.end_audio();
    assert_eq!(call.ear(8000, true), Ear::Waits, "the first would be forgotten");
    call.recognised(RecogniserEvent::Ended { session: 1 });
    assert_eq!(call.ear(8000, true), Ear::Opening);
    assert_eq!(call.sessions.first().map(|s| s.map.id), Some(2));
}
