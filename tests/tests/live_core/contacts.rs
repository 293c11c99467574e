//! Transfers, consults, and which contact names the call.

use engine::call::{ContactFacts, EndReason, EventKind, TelephonyEvent};
use fixtures::Party;
use fixtures::kinesis::{CONTACT_ID, Shape};
use fixtures::tone::Script;

use tests::world::{Outside, Stored, World, at, live, stored};

const FIRST: &str = "00000000-0000-4000-8000-000000000001";
const NEXT: &str = "00000000-0000-4000-8000-000000000002";

/// Two legs of ten seconds on one stream, the second under another contact.
pub(crate) fn two_legs() -> Vec<Stored> {
    let say = |word: &str| Script::new().say(Party::Customer, 1_000, word);
    let mut fragments = stored(&Shape::default(), &say("hello"), 9_792);
    let next = Shape {
        start_ms: Shape::default().start_ms + 9_792,
        first_serial: 9,
        contact_id: NEXT.into(),
        segment_uuid: [9; 16],
        ..Shape::default()
    };
    fragments.extend(stored(&next, &say("refund"), 9_792));
    fragments
}

/// Whoever is asked about is of the chain that this contact began.
pub(crate) fn chain_of_this_call(_: &str) -> ContactFacts {
    ContactFacts::first_of_its_chain(CONTACT_ID)
}

fn keys(world: &World) -> Vec<(String, String)> {
    let key = |p: &engine::call::Post| (p.vendor_call_key.clone(), p.message.content.0.clone());
    world.posted.iter().map(|(_, p)| key(p)).collect()
}

#[test]
fn the_first_contact_of_the_chain_is_asked_for_and_names_the_call() {
    let mut config = live();
    config.live.as_mut().unwrap().resolve_key = true;
    let mut world = World::new(config, two_legs());
    world.facts = |_| ContactFacts::first_of_its_chain(FIRST);
    world.run();
    assert_eq!(world.resolved, [CONTACT_ID, NEXT]);
    assert_eq!(keys(&world), [(FIRST.into(), "hello".into()), (FIRST.into(), "refund".into())]);
    assert_eq!(world.posted[0].1.message.participant_id, format!("{FIRST}END_USER"));
    assert!(!world.summary.as_ref().unwrap().key_unresolved);
}

#[test]
fn without_permission_to_ask_the_contact_serves_and_is_counted() {
    let mut config = live();
    config.live.as_mut().unwrap().resolve_key = true;
    let mut world = World::new(config, two_legs());
    world.run();
    assert_eq!(keys(&world), [(CONTACT_ID.into(), "hello".into())]);
    assert!(world.summary.as_ref().unwrap().key_unresolved);
}

#[test]
fn an_unmerged_consult_goes_under_its_own_key_until_the_conference() {
    for (conference, key) in [(None, NEXT), (Some(9_900), CONTACT_ID)] {
        let mut world = World::new(live(), two_legs());
        world.facts = |_| {
            let mut facts = ContactFacts::first_of_its_chain(NEXT);
            facts.related_contact_id = Some(CONTACT_ID.into());
            facts
        };
        if let Some(ms) = conference {
            world.event(ms, TelephonyEvent::new(EventKind::Conference, None));
        }
        world.run();
        assert_eq!(keys(&world), [(CONTACT_ID.into(), "hello".into()), (key.into(), "refund".into())]);
    }
}

#[test]
fn the_end_of_a_leg_is_no_end_of_the_call_but_the_end_of_all_legs_is() {
    let mut world = World::new(live(), two_legs());
    world.facts = |_| ContactFacts::first_of_its_chain(CONTACT_ID);
    world.outside.push((at(9_900), Outside::Ended(CONTACT_ID.into())));
    world.outside.push((at(20_000), Outside::Ended(NEXT.into())));
    assert_eq!(world.run().end, EndReason::ContactsEnded);
    assert_eq!(world.texts(), ["hello", "refund"]);
    assert!(world.now < at(45_000), "it need not wait until it is idle: {:?}", world.now);
}
