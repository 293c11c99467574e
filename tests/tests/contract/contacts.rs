//! Whose audio it is.

use engine::call::{Config, ContactChoice, ContactFacts, DropReason, Input};
use engine::time::Time;
use fixtures::kinesis::{CONTACT_ID, Shape};

use super::{Hand, fragments};

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

pub(super) fn chain(first: &str) -> ContactFacts {
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
