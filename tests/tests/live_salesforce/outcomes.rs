//! What each bad answer, and none, makes of a message.

use engine::call::{Outcome, RetryCause};
use engine::time::Span;
use tests::emulators::Clock;
use tests::emulators::salesforce::{Fate, Fault, Options, Paused};

use crate::world::{KEY, TEXT, World, refused, retry};

#[tokio::test]
async fn a_message_arrives_as_it_was_written() {
    let world = World::new().await;
    assert_eq!(world.sink().await.post(&world.post("m-1")).await, Outcome::Accepted);
    let state = world.server.state();
    let arrived = &state.arrivals()[0];
    assert_eq!((arrived.content.as_str(), arrived.fate.clone()), (TEXT, Fate::Stored));
    assert_eq!(arrived.participant_id, format!("{KEY}END_USER"));
}

#[tokio::test]
async fn rate_limits_server_errors_and_refusals_are_told_apart() {
    let world = World::new().await;
    let sink = world.sink().await;
    let echo = format!(r#"{{"message":"cannot read {TEXT}"}}"#);
    world.script([
        Fault::too_many(),
        Fault::Body(400, "RESOURCE_EXHAUSTED".into()),
        Fault::Status(500),
        Fault::Status(503),
    ]);
    for cause in [RetryCause::RateLimited, RetryCause::RateLimited, RetryCause::Server, RetryCause::Server] {
        assert_eq!(sink.post(&world.post("m-1")).await, retry(cause));
    }
    world.script([Fault::Status(404), Fault::Body(400, echo)]);
    assert_eq!(refused(sink.post(&world.post("m-1")).await), "status 404: by script");
    assert_eq!(refused(sink.post(&world.post("m-1")).await), "status 400: cannot read … …");
    assert!(world.stored().is_empty());
}

#[tokio::test]
async fn a_207_is_judged_by_its_entry() {
    let world = World::new().await;
    let sink = world.sink().await;
    let gone = "PERMISSION_DENIED: Conversation does not exist";
    for (entry, outcome) in [
        (Fault::exhausted(), retry(RetryCause::RateLimited)),
        ((400, gone.to_owned()), retry(RetryCause::NoConversation)),
        ((409, "Transcription paused for participant".to_owned()), Outcome::Paused),
        ((500, "oops".to_owned()), retry(RetryCause::Server)),
        ((202, String::new()), Outcome::Accepted),
    ] {
        world.script([Fault::Multi(vec![entry.clone()])]);
        assert_eq!(sink.post(&world.post("m-1")).await, outcome, "{entry:?}");
    }
    world.script([Fault::Multi(vec![(400, "bad payload".to_owned())])]);
    assert!(refused(sink.post(&world.post("m-2")).await).contains("bad payload"));
}

#[tokio::test]
async fn a_conversation_that_appears_late_is_waited_for() {
    let world = World::new().await;
    let sink = world.sink().await;
    world.server.state().end(KEY);
    assert_eq!(sink.post(&world.post("m-1")).await, retry(RetryCause::NoConversation));
    world.server.state().open(KEY, world.began);
    assert_eq!(sink.post(&world.post("m-1")).await, Outcome::Accepted);
}

#[tokio::test]
async fn a_paused_conversation_is_no_refusal() {
    let conflict = |o: &mut Options| o.paused_single = Paused::Conflict;
    let world = World::at(Clock::real(), conflict).await;
    world.server.state().pause(KEY, true);
    assert_eq!(world.sink().await.post(&world.post("m-1")).await, Outcome::Paused);
}

/// The message was taken and nobody knew: the second try carries the same id, so it can be recognised.
#[tokio::test]
async fn a_time_out_after_accepting_is_tried_again_under_the_same_id() {
    let mut world = World::at(Clock::real(), |o| o.deduplicates = true).await;
    world.options.request_timeout_ms = 2_000;
    let sink = world.sink().await;
    world.script([Fault::AcceptThenSilence, Fault::AcceptThenCut]);
    let post = world.post("m-1");
    for _ in 0..2 {
        assert_eq!(sink.post(&post).await, retry(RetryCause::Network));
    }
    assert_eq!(sink.post(&post).await, Outcome::Accepted);
    assert_eq!(world.stored(), ["m-1"]);
    let ids: Vec<_> = world.server.state().arrivals().iter().map(|a| a.message_id.clone()).collect();
    assert_eq!(ids, ["m-1", "m-1", "m-1"]);
}

#[tokio::test]
async fn a_refused_connection_and_a_frozen_peer_are_the_networks_fault_and_pass() {
    let mut world = World::new().await;
    world.options.request_timeout_ms = 1_000;
    let sink = world.sink().await;
    assert!(sink.check().await.is_ok());
    world.server.server().refuse().await;
    assert_eq!(sink.post(&world.post("m-1")).await, retry(RetryCause::Network));
    let error = sink.check().await.unwrap_err().to_string();
    assert!(error.contains("check endpoint_base"), "{error}");
    world.server.server().freeze().await;
    assert_eq!(sink.post(&world.post("m-1")).await, retry(RetryCause::Network));
    world.server.server().serve().await;
    let mut last = sink.post(&world.post("m-1")).await;
    // A frozen connection of the pool may be met once more.
    if last == retry(RetryCause::Network) {
        last = sink.post(&world.post("m-1")).await;
    }
    assert_eq!(last, Outcome::Accepted);
    assert_eq!(world.stored(), ["m-1"]);
}

#[tokio::test]
async fn a_slow_answer_is_waited_for() {
    let world = World::new().await;
    world.script([Fault::Late(Span::from_ms(700))]);
    assert_eq!(world.sink().await.post(&world.post("m-1")).await, Outcome::Accepted);
}

#[tokio::test]
async fn a_check_touches_nothing() {
    let world = World::new().await;
    let reached = world.sink().await.check().await.unwrap();
    assert_eq!((reached.endpoint, reached.status), (world.server.base(), 404));
    assert!(world.server.state().arrivals().is_empty());
}
