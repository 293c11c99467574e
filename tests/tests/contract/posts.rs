//! Messages: stored, posted, given up.

use std::collections::BTreeSet;

use engine::call::{Config, ContactChoice, EndReason, Input, MediaEnd, Outcome, RetryCause};
use fixtures::kinesis::CONTACT_ID;

use super::{Hand, call};

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
