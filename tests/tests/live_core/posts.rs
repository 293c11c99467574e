//! Salesforce throws away what is sent in a pause, answers late, and says so in several ways.

use engine::call::{EventKind, Outcome, RetryCause, TelephonyEvent};
use engine::time::Time;
use fixtures::Party;
use fixtures::kinesis::Shape;
use fixtures::tone::Script;

use super::media::{assert_said, thirty_seconds};
use tests::world::{World, at, live, stored};

fn pause() -> TelephonyEvent {
    TelephonyEvent::new(EventKind::PauseRecording, None)
}
fn resume() -> TelephonyEvent {
    TelephonyEvent::new(EventKind::ResumeRecording, None)
}

#[test]
fn what_was_acknowledged_just_before_a_pause_was_known_is_sent_again_after_it() {
    let script = Script::new()
        .say(Party::Customer, 1_000, "hello")
        .say(Party::Customer, 20_000, "refund")
        .say(Party::Agent, 40_000, "thanks");
    let mut world = World::new(live(), stored(&Shape::default(), &script, 42_000));
    world.event(25_000, pause()).event(35_000, resume());
    world.run();
    assert_eq!(world.texts(), ["hello", "refund", "refund", "thanks"]);
    let (first, second) = (&world.posted[1], &world.posted[2]);
    assert_eq!(first.1, second.1, "the same id, the same text");
    assert!(second.0 >= at(35_000), "after the gate opened");
    let messages = &world.summary.as_ref().unwrap().messages;
    assert_eq!((messages.delivered, messages.resent), (3, 1));
}

#[test]
fn a_pause_that_only_salesforce_knows_of_is_waited_for() {
    let (fragments, truth) = thirty_seconds();
    let mut world = World::new(live(), fragments);
    world.outcome = Box::new(|now, _| if now < at(15_000) { Outcome::Paused } else { Outcome::Accepted });
    world.run();
    let summary = world.summary.as_ref().unwrap();
    assert_eq!(summary.messages.delivered, truth.len() as u64);
    assert!(summary.messages.paused >= 1);
}

#[test]
fn the_end_of_the_call_tries_what_was_paused_once_more_and_counts_it() {
    let (fragments, truth) = thirty_seconds();
    let mut world = World::new(live(), fragments);
    world.outcome = Box::new(|_, _| Outcome::Paused);
    world.run();
    let messages = &world.summary.as_ref().unwrap().messages;
    assert_eq!(messages.undelivered.len(), truth.len());
    assert_eq!(messages.delivered, 0);
}

#[test]
fn a_conversation_that_appears_late_loses_no_message() {
    let (fragments, truth) = thirty_seconds();
    let mut world = World::new(live(), fragments);
    world.outcome = Box::new(|now, _| match now {
        now if now < at(40_000) => Outcome::Retry { cause: RetryCause::NoConversation },
        _ => Outcome::Accepted,
    });
    world.run();
    let messages = &world.summary.as_ref().unwrap().messages;
    assert_eq!(messages.delivered, truth.len() as u64);
    assert!(messages.not_taken[&RetryCause::NoConversation] >= 3);
}

/// Nothing is taken in the first so many seconds: everything arrives all the same, in order, and no audio
/// waits for it.
fn refused_for(outcome: fn(Time) -> Outcome, cause: RetryCause) {
    let (fragments, truth) = thirty_seconds();
    let mut calm = World::new(live(), fragments.clone());
    calm.run();
    let mut world = World::new(live(), fragments);
    world.outcome = Box::new(move |now, _| outcome(now));
    world.run();
    assert_said(&world, &truth);
    let messages = &world.summary.as_ref().unwrap().messages;
    assert_eq!(messages.delivered, truth.len() as u64);
    assert!(messages.not_taken[&cause] > 3, "{messages:?}");
    let times = |world: &World| world.chunks.iter().map(|(at, _)| *at).collect::<Vec<_>>();
    assert_eq!(times(&world), times(&calm), "audio goes on");
    // Each participant's are taken one by one, in the order in which they were said.
    for participant in ["END_USER", "VIRTUAL_AGENT"] {
        let taken = world.posted.iter().filter(|(at, post)| {
            outcome(*at) == Outcome::Accepted && post.message.participant_id.ends_with(participant)
        });
        let starts: Vec<_> = taken.map(|(_, post)| post.message.start_time).collect();
        assert!(starts.is_sorted() && starts.len() * 2 >= truth.len() - 1, "{starts:?}");
    }
}

#[test]
fn a_rate_limit_of_40_seconds_loses_no_message_and_holds_up_no_audio() {
    let limited = |now: Time| match now {
        now if now < at(42_000) => Outcome::Retry { cause: RetryCause::RateLimited },
        _ => Outcome::Accepted,
    };
    refused_for(limited, RetryCause::RateLimited);
}

#[test]
fn a_connection_refused_for_30_seconds_loses_no_message_and_holds_up_no_audio() {
    let refused = |now: Time| match now {
        now if now < at(32_000) => Outcome::Retry { cause: RetryCause::Network },
        _ => Outcome::Accepted,
    };
    refused_for(refused, RetryCause::Network);
}

#[test]
fn a_caller_who_hangs_up_on_hold_loses_nothing_said_before() {
    let script =
        Script::new().say(Party::Customer, 1_000, "hello").say(Party::Customer, 8_000, "four one two");
    let mut world = World::new(live(), stored(&Shape::default(), &script, 12_000));
    world.event(1_700, TelephonyEvent::new(EventKind::Hold, None).participant("c"));
    world.run();
    assert_eq!(world.texts(), ["hello"]);
    assert!(world.summary.as_ref().unwrap().gate.closed_at_end);
}
