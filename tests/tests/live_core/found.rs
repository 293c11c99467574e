//! What the simulated world found: for each fault the smallest call that shows it.

use engine::call::{EndReason, EventKind, MediaSegment, Outcome, RetryCause, TelephonyEvent};
use engine::recogniser::{Action, RecogniserCause, RecogniserError};
use engine::time::Span;
use fixtures::Party;
use fixtures::kinesis::{CONTACT_ID, Shape};
use fixtures::tone::Script;

use super::contacts::{chain_of_this_call, two_legs};
use tests::world::{Cut, Outside, World, at, live, stored};

fn said(lines: &[(u64, &str)], s: usize) -> World {
    let script = lines.iter().fold(Script::new(), |all, (ms, word)| all.say(Party::Customer, *ms, word));
    World::new(live(), stored(&Shape::default(), &script, s * 1000))
}

/// An event that arrives at `ms` and says it happened at `of_ms`.
fn event(world: &mut World, ms: i64, kind: EventKind, of_ms: i64) {
    world.event(ms, TelephonyEvent::new(kind, Some(at(of_ms))));
}

#[test]
fn a_message_that_was_refused_keeps_its_pause_when_closed_words_are_cut() {
    let mut world = said(&[(1_000, "hello"), (3_500, "card"), (9_000, "refund")], 30);
    event(&mut world, 6_000, EventKind::PauseRecording, 3_000);
    event(&mut world, 8_000, EventKind::ResumeRecording, 8_000);
    let limited = Outcome::Retry { cause: RetryCause::RateLimited };
    world.outcome =
        Box::new(move |now, _| if now < at(60_000) { limited.clone() } else { Outcome::Accepted });
    world.run();
    let early = world.posted.iter().filter(|(now, _)| *now < at(60_000)).count();
    assert!(early < 20, "{early} posts in a minute of refusals");
    let said: Vec<_> = world.said().into_iter().map(|(_, text)| text).collect();
    assert_eq!(said, ["hello", "refund"]);
}

#[test]
fn a_result_that_comes_late_answers_nothing_that_was_said_behind_it() {
    let mut world = said(&[(1_000, "hello"), (2_200, "refund")], 30);
    world.result_after = Span::from_s(12);
    let lost = RecogniserError::new(RecogniserCause::Connection, Action::Retry, "by the test");
    // "hello" has been said to be heard, "refund" is about to be.
    world.outside.push((at(14_300), Outside::Fail(lost)));
    world.run();
    assert_eq!(world.texts(), ["hello", "refund"]);
}

#[test]
fn a_message_that_a_pause_swallowed_after_a_retry_is_sent_again_and_is_no_second_retry() {
    let mut world = said(&[(1_000, "hello")], 30);
    world.answer_after = Span::from_s(2);
    let mut tries = 0;
    world.outcome = Box::new(move |_, _| {
        tries += 1;
        if tries == 1 { Outcome::Retry { cause: RetryCause::RateLimited } } else { Outcome::Accepted }
    });
    event(&mut world, 6_000, EventKind::PauseRecording, 6_000);
    event(&mut world, 12_000, EventKind::ResumeRecording, 12_000);
    let messages = &world.run().messages;
    assert_eq!((messages.delivered, messages.retries, messages.resent), (1, 1, 1));
}

#[test]
fn a_word_posted_three_times_before_its_time_is_closed_is_exposed_once() {
    let mut world = said(&[(1_000, "card")], 30);
    let mut tries = 0;
    world.outcome = Box::new(move |_, _| {
        tries += 1;
        if tries < 3 { Outcome::Retry { cause: RetryCause::Network } } else { Outcome::Accepted }
    });
    event(&mut world, 9_500, EventKind::PauseRecording, 500);
    event(&mut world, 12_000, EventKind::ResumeRecording, 12_000);
    world.run();
    assert_eq!(world.posted.len(), 3);
    assert_eq!(world.summary.as_ref().unwrap().gate.exposed_words, 1);
}

#[test]
fn a_call_whose_outbox_is_full_behind_a_gate_that_never_opens_comes_to_its_end() {
    let mut world = said(&[(1_000, "hello"), (4_000, "refund"), (7_000, "order")], 30);
    let mut config = live();
    config.max_outbox = 2;
    world = World::new(config, std::mem::take(&mut world.streams[0].1));
    let limited = Outcome::Retry { cause: RetryCause::RateLimited };
    world.outcome =
        Box::new(move |now, _| if now < at(12_000) { limited.clone() } else { Outcome::Accepted });
    event(&mut world, 9_500, EventKind::PauseRecording, 9_500);
    let summary = world.run();
    assert_eq!((summary.end.clone(), summary.messages.undelivered.len()), (EndReason::Idle, 0));
    assert!(summary.messages.delivered >= 2);
}

#[test]
fn a_leg_behind_a_stall_is_not_lost_when_the_leg_before_it_is_over() {
    let mut world = World::new(live(), two_legs());
    world.facts = chain_of_this_call;
    world.cuts = vec![Cut::Stall(8)];
    world.outside.push((at(9_000), Outside::Ended(CONTACT_ID.into())));
    world.run();
    assert_eq!(world.texts(), ["hello", "refund"]);
}

#[test]
fn a_segment_that_was_read_already_is_not_read_again() {
    let mut world = said(&[(1_000, "hello")], 10);
    let script = Script::new().say(Party::Customer, 1_000, "refund");
    let mut next = Shape { first_serial: 500, ..Shape::default() };
    next.start_ms += 12_000;
    world.streams.push(("arn:two".into(), stored(&next, &script, 5_000)));
    let first = MediaSegment::new("arn:one", Some(at(0)), None);
    let second = MediaSegment::new("arn:two", Some(at(12_000)), None);
    world.outside.push((at(12_000), Outside::Segment(second)));
    // The trigger of the first comes once more.
    world.outside.push((at(16_000), Outside::Segment(first)));
    world.run();
    assert_eq!(world.texts(), ["hello", "refund"]);
    let streams: Vec<_> = world.requests.iter().map(|(_, r)| r.stream.as_str()).collect();
    let last_of_first = streams.iter().rposition(|s| *s == "arn:one").unwrap();
    assert!(streams[..last_of_first].iter().all(|s| *s == "arn:one"), "{streams:?}");
}

#[test]
fn what_a_later_session_said_first_is_posted_behind_the_last_words_of_the_one_before() {
    let mut config = live();
    if let Some(policy) = &mut config.live {
        // A session is replaced in the pause between the two.
        policy.rotate_after = Span::from_s(4);
        policy.rotate_at_last = Span::from_s(600);
    }
    let script = Script::new().say(Party::Customer, 1_000, "hello").say(Party::Customer, 8_000, "refund");
    let mut world = World::new(config, stored(&Shape::default(), &script, 20_000));
    world.slow = vec![(1, Span::from_s(12))];
    world.run();
    assert!(world.sessions.len() > 1);
    assert_eq!(world.texts(), ["hello", "refund"]);
}

#[test]
fn what_waited_for_its_turn_when_its_session_failed_is_heard_again_and_counted() {
    let mut config = live();
    if let Some(policy) = &mut config.live {
        policy.rotate_after = Span::from_s(6);
        policy.rotate_at_last = Span::from_s(600);
    }
    let script = Script::new().say(Party::Customer, 1_000, "hello").say(Party::Customer, 8_000, "refund");
    let mut world = World::new(config, stored(&Shape::default(), &script, 20_000));
    world.slow = vec![(1, Span::from_s(12))];
    let lost = RecogniserError::new(RecogniserCause::Connection, Action::Retry, "by the test");
    // "refund" has been said to be final, and the session of "hello" has not ended.
    world.outside.push((at(11_500), Outside::Fail(lost)));
    let recogniser = world.run().recogniser.clone();
    assert_eq!(world.texts(), ["hello", "refund"]);
    assert_eq!((recogniser.finals, recogniser.stray), (2, 1));
}

#[test]
fn a_backlog_that_goes_out_slowly_is_not_given_up_at_the_end() {
    let words: Vec<_> = (0..15).map(|i| (1_000 + i * 3_000, "hello")).collect();
    let mut world = said(&words, 50);
    // Ten minutes for all of them, twice the time that the end of a call gives Salesforce for one.
    world.answer_after = Span::from_s(40);
    assert!(world.run().messages.undelivered.is_empty());
    assert_eq!(world.texts().len(), 15);
}

#[test]
fn a_word_that_a_stall_cut_off_is_heard_although_all_behind_it_is_closed() {
    // Sent up to the end of the word, which is that of a chunk.
    let words = [(1_000, "hello"), (4_110, "refund")];
    for fragments in [30, 4] {
        let mut world = said(&words, 30);
        world.streams[0].1.truncate(fragments);
        world.cuts = vec![Cut::Stall(4)];
        event(&mut world, 4_400, EventKind::PauseRecording, 4_300);
        world.run();
        let said: Vec<_> = world.said().into_iter().map(|(_, text)| text).collect();
        assert_eq!(said, ["hello", "refund"], "{fragments} fragments");
    }
}
