//! Sessions of the recogniser fail, grow old and are closed in long silence.

use engine::call::{EndReason, EventKind, TelephonyEvent};
use engine::recogniser::{Action, RecogniserCause, RecogniserError};
use engine::time::Span;
use fixtures::Party;
use fixtures::kinesis::Shape;
use fixtures::tone::Script;

use super::media::{assert_said, talk, thirty_seconds};
use tests::world::{Outside, World, at, live, stored};

fn failure(cause: RecogniserCause) -> RecogniserError {
    RecogniserError::new(cause, Action::Retry, "as scripted")
}

#[test]
fn a_session_that_fails_at_any_moment_loses_and_doubles_no_word() {
    for moment in (500..29_000).step_by(700) {
        let (fragments, truth) = thirty_seconds();
        let mut world = World::new(live(), fragments);
        world.outside.push((at(moment), Outside::Fail(failure(RecogniserCause::Internal))));
        world.run();
        assert_said(&world, &truth);
    }
}

#[test]
fn a_session_that_hears_and_says_nothing_for_long_loses_no_word() {
    let (fragments, truth) = thirty_seconds();
    let mut world = World::new(live(), fragments);
    world.deaf = vec![1];
    world.outside.push((at(25_000), Outside::Fail(failure(RecogniserCause::Stalled))));
    world.run();
    assert_said(&world, &truth);
}

#[test]
fn sessions_that_fail_while_the_call_ends_lose_no_word() {
    let (script, truth) = talk(10);
    for moment in (7_000..15_000).step_by(300) {
        let mut config = live();
        config.live.as_mut().unwrap().idle_end = Span::from_s(2);
        let mut world = World::new(config, stored(&Shape::default(), &script, 10_000));
        world.ready_after = Span::from_ms(400);
        for later in [0, 700, 1_500, 2_500] {
            let error = failure(RecogniserCause::Limit);
            world.outside.push((at(moment + later), Outside::Fail(error)));
        }
        world.run();
        assert_said(&world, &truth);
    }
}

#[test]
fn a_quota_that_is_used_up_for_a_minute_loses_no_word() {
    let (fragments, truth) = thirty_seconds();
    let mut world = World::new(live(), fragments);
    for moment in (3_000..60_000).step_by(900) {
        world.outside.push((at(moment), Outside::Fail(failure(RecogniserCause::Limit))));
    }
    world.run();
    assert_said(&world, &truth);
    let summary = world.summary.as_ref().unwrap();
    assert!(summary.recogniser.failures[&RecogniserCause::Limit] > 2, "{:?}", summary.recogniser);
}

#[test]
fn an_error_that_no_retry_mends_ends_the_call_and_delivers_what_there_is() {
    let (fragments, _) = thirty_seconds();
    let mut world = World::new(live(), fragments);
    let error = RecogniserError::new(RecogniserCause::Refused, Action::Fatal, "no such vocabulary");
    world.outside.push((at(10_000), Outside::Fail(error)));
    assert_eq!(world.run().end, EndReason::RecogniserFailed("no such vocabulary".into()));
    assert!(world.texts().len() >= 3);
}

#[test]
fn a_session_that_grew_old_is_replaced_in_a_pause_and_no_word_is_cut() {
    let (fragments, truth) = thirty_seconds();
    let mut config = live();
    let policy = config.live.as_mut().unwrap();
    policy.rotate_after = Span::from_s(7);
    policy.rotate_at_last = Span::from_s(20);
    let mut world = World::new(config, fragments);
    world.run();
    assert_said(&world, &truth);
    assert!(world.sessions.len() >= 2, "{:?}", world.sessions);
    assert_eq!(world.summary.as_ref().unwrap().recogniser.rotations as usize, world.sessions.len() - 1);
}

#[test]
fn a_session_that_fails_when_the_next_has_gone_on_loses_and_doubles_no_word() {
    for moment in (8_000..16_000).step_by(250) {
        let (fragments, truth) = thirty_seconds();
        let mut config = live();
        let policy = config.live.as_mut().unwrap();
        policy.rotate_after = Span::from_s(7);
        policy.rotate_at_last = Span::from_s(9);
        let mut world = World::new(config, fragments);
        world.slow = vec![(1, Span::from_s(5))];
        world.outside.push((at(moment), Outside::FailOne(1, failure(RecogniserCause::Connection))));
        world.run();
        assert_said(&world, &truth);
        let summary = world.summary.as_ref().unwrap();
        assert_eq!(summary.recogniser.unfinished, 0, "failed at {moment} ms");
    }
}

#[test]
fn a_long_hold_closes_the_billed_session_and_a_new_one_hears_the_rest() {
    let script = Script::new()
        .say(Party::Customer, 1_000, "hello")
        .say(Party::Customer, 20_000, "four one two")
        .say(Party::Agent, 60_000, "thanks")
        .say(Party::Customer, 62_000, "goodbye");
    let mut world = World::new(live(), stored(&Shape::default(), &script, 64_000));
    world.event(5_000, TelephonyEvent::new(EventKind::Hold, None).participant("c"));
    world.event(57_000, TelephonyEvent::new(EventKind::Resume, None).participant("c"));
    world.run();
    let truth = [(1_000, "hello"), (60_000, "thanks"), (62_000, "goodbye")];
    assert_said(&world, &truth.map(|(t, w)| (t, w.to_owned())));
    assert_eq!(world.sessions, [1, 2]);
    let heard = world.chunks.iter().filter(|(_, c)| c.start > at(38_000) && c.start < at(56_000)).count();
    assert_eq!(heard, 0, "nothing is billed in the long hold");
}

#[test]
fn audio_sent_again_is_silent_where_the_gate_has_closed_since() {
    let script = Script::new().say(Party::Customer, 1_000, "hello").say(
        Party::Agent,
        2_600,
        "one two three four five six",
    );
    let mut world = World::new(live(), stored(&Shape::default(), &script, 12_000));
    // The event comes late; then the session fails before the number was final.
    world.event(4_500, TelephonyEvent::new(EventKind::PauseRecording, Some(at(3_500))));
    world.event(9_000, TelephonyEvent::new(EventKind::ResumeRecording, None));
    world.outside.push((at(4_600), Outside::Fail(failure(RecogniserCause::Connection))));
    world.run();
    let said: Vec<_> = world.said().into_iter().map(|(_, text)| text).collect();
    assert_eq!(said, ["hello", "one two three"]);
    let again = world.chunks.iter().filter(|(_, c)| c.session == 2);
    let mut closed = again.filter(|(_, c)| c.start >= at(3_500) && c.start < at(8_900));
    assert!(closed.all(|(_, c)| c.is_silent()), "P2 holds for what is sent again");
}

#[test]
fn hours_of_audio_are_kept_no_longer_than_needed() {
    let (script, _) = talk(120);
    let mut world = World::new(live(), stored(&Shape::default(), &script, 120_000));
    world.run();
    assert!(world.call.replay_bytes() < 15 * 32_000, "{}", world.call.replay_bytes());
}
