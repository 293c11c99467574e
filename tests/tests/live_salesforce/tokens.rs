//! Tokens: fresh ones, wrong ones, and clocks that differ.

use engine::call::Outcome;
use engine::shell::salesforce::TokenUse;
use engine::shell::secrets::SecretText;
use engine::time::Span;
use tests::emulators::Clock;
use tests::emulators::salesforce::{Fault, Keys};

use crate::world::{World, refused};

#[tokio::test]
async fn a_401_or_403_is_met_with_one_fresh_token() {
    let world = World::new().await;
    let sink = world.sink().await;
    for status in [401, 403] {
        world.script([Fault::Status(status)]);
        assert_eq!(sink.post(&world.post(&format!("m-{status}"))).await, Outcome::Accepted);
    }
    assert_eq!(world.stored().len(), 2);
}

#[tokio::test]
async fn a_403_twice_is_a_refusal_that_says_what_to_check() {
    let world = World::new().await;
    world.script([Fault::Status(403), Fault::Status(403)]);
    let sink = world.sink().await;
    let why = refused(sink.post(&world.post("m-1")).await);
    assert!(why.contains("status 403") && why.contains("check the private key"), "{why}");
    assert_eq!(world.server.state().arrivals().len(), 2, "no third try");
    assert_eq!(sink.post(&world.post("m-2")).await, Outcome::Accepted, "the next message is not punished");
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_named() {
    let mut world = World::new().await;
    world.options.private_key = Some(SecretText::new(Keys::new().unwrap().private_pem));
    let why = refused(world.sink().await.post(&world.post("m-1")).await);
    assert!(why.contains("InvalidSignature") && why.contains("check the private key"), "{why}");
    assert_eq!(world.server.state().denials().len(), 2);
}

#[tokio::test]
async fn an_expired_clock_is_refused_and_named() {
    let ahead = Clock::starting_at(Clock::real().now() + Span::from_s(3600), 1.0);
    let world = World::at(ahead, |_| {}).await;
    let why = refused(world.sink().await.post(&world.post("m-1")).await);
    assert!(why.contains("expired") && why.contains("clock"), "{why}");
}

/// The emulator takes each `jti` once: a token used twice must have none, and tokens per request differ.
#[tokio::test]
async fn tokens_are_used_again_without_jti_or_once_with_one() {
    for token in [TokenUse::Cached, TokenUse::PerRequest] {
        let mut world = World::new().await;
        world.options.token = token;
        let sink = world.sink().await;
        for n in 0..5 {
            assert_eq!(sink.post(&world.post(&format!("m-{n}"))).await, Outcome::Accepted, "{token:?} {n}");
        }
        assert!(world.server.state().denials().is_empty());
    }
}
