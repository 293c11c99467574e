//! What every store promises.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::shell::store::{ABANDONED, Acquisition, Before, Claim, Cursor, EARLY_EVENTS, Entry, StoreError};
use engine::time::Span;

use crate::kit::{KEEP, Kit, START, TTL, ask, event, ids, take, take_over};

const CALL: &str = "11111111-2222-4333-8444-555555555555";
const SECOND: Span = Span::from_s(1);

fn lost<T>(done: Result<T, StoreError>) -> bool {
    matches!(done, Err(error) if error.is_lease_lost())
}

pub(crate) async fn a_new_call_is_begun_with_what_it_was_triggered_with(kit: &Kit) {
    let store = kit.store();
    store.probe().await.unwrap();
    assert!(matches!(take_over(&store, CALL).await, Acquisition::Unknown));
    let held = take(&store, CALL, "a").await;
    assert_eq!((held.start.as_slice(), held.begun, held.reopened), (START, kit.now(), false));
    assert_eq!(held.before, None);
    assert_eq!((held.lease.contact(), held.lease.ttl()), (CALL, TTL));
    store.release(&held.lease).await.unwrap();
    // The first start counts, whatever a later one brings.
    let Acquisition::Acquired(held) = take_over(&store, CALL).await else { panic!("it is free") };
    assert_eq!(held.start, START);
}

pub(crate) async fn of_many_who_want_a_call_one_gets_it(kit: &Kit) {
    let asking = (0..8).map(|i| {
        let store = kit.store();
        tokio::spawn(async move { ask(&store, CALL, &format!("worker-{i}")).await })
    });
    let asking: Vec<_> = asking.collect();
    let mut holders = Vec::new();
    let mut told = 0;
    for asked in asking {
        match asked.await.unwrap() {
            Acquisition::Acquired(held) => holders.push(held),
            Acquisition::HeldBy { .. } => told += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((holders.len(), told), (1, 7));
    kit.store().save(&holders[0].lease, 1, b"one").await.unwrap();
}

pub(crate) async fn a_call_that_is_held_is_had_by_nobody_until_its_lease_is_over(kit: &Kit) {
    let (a, b) = (kit.store(), kit.store());
    let held = take(&a, CALL, "worker-a").await;
    let begun = kit.now();
    kit.pass(SECOND);
    match ask(&b, CALL, "worker-b").await {
        Acquisition::HeldBy { owner, until } => {
            assert_eq!((owner.as_str(), until), ("worker-a", begun + TTL));
        }
        other => panic!("{other:?}"),
    }
    kit.pass(SECOND);
    a.renew(&held.lease).await.unwrap();
    let renewed = kit.now();
    kit.pass(TTL - SECOND);
    assert!(
        matches!(ask(&b, CALL, "worker-b").await, Acquisition::HeldBy { until, .. } if until == renewed + TTL)
    );
    kit.pass(SECOND);
    let taken = take(&b, CALL, "worker-b").await;
    assert_eq!(taken.before, Some(Before { died: renewed, checkpoint: None }));
}

pub(crate) async fn whoever_lost_the_lease_writes_nothing_any_more(kit: &Kit) {
    let (a, b) = (kit.store(), kit.store());
    let old = take(&a, CALL, "a").await.lease;
    a.save(&old, 4, b"of a").await.unwrap();
    kit.pass(TTL);
    // Nobody has taken it: whoever was late goes on.
    a.save(&old, 5, b"late").await.unwrap();
    let new = take(&b, CALL, "b").await.lease;
    assert!(lost(a.save(&old, 6, b"too late").await));
    assert!(lost(a.renew(&old).await));
    assert!(lost(a.finish(&old).await));
    assert!(lost(a.release(&old).await));
    // The other is not disturbed by any of it.
    b.renew(&new).await.unwrap();
    b.save(&new, 6, b"of b").await.unwrap();
    b.release(&new).await.unwrap();
    let before = take(&a, CALL, "a").await.before.unwrap();
    assert_eq!(before.checkpoint.as_deref(), Some(&b"of b"[..]));
}

pub(crate) async fn a_released_call_goes_on_at_once_from_its_checkpoint(kit: &Kit) {
    let (a, b) = (kit.store(), kit.store());
    let lease = take(&a, CALL, "a").await.lease;
    kit.pass(SECOND);
    a.save(&lease, 1, b"first").await.unwrap();
    a.save(&lease, 2, b"second").await.unwrap();
    let released = kit.pass(SECOND);
    a.release(&lease).await.unwrap();
    kit.pass(SECOND);
    let held = take(&b, CALL, "b").await;
    assert_eq!(held.before, Some(Before { died: released, checkpoint: Some(b"second".to_vec()) }));
    assert_eq!(held.start, START);
    // A checkpoint is a sign of life too.
    let saved = kit.pass(SECOND);
    b.save(&held.lease, 3, b"third").await.unwrap();
    drop(held);
    kit.pass(TTL);
    let died = take(&a, CALL, "a").await.before.unwrap();
    assert_eq!((died.died, died.checkpoint.as_deref()), (saved, Some(&b"third"[..])));
}

pub(crate) async fn a_finished_call_stays_so_until_it_is_swept(kit: &Kit) {
    let store = kit.store();
    let lease = take(&store, CALL, "a").await.lease;
    store.save(&lease, 1, b"one").await.unwrap();
    store.add_event(CALL, &event("e", kit.now())).await.unwrap();
    store.finish(&lease).await.unwrap();
    assert!(matches!(ask(&store, CALL, "b").await, Acquisition::Finished { .. }));
    assert!(matches!(take_over(&store, CALL).await, Acquisition::Finished { .. }));
    assert!(lost(store.renew(&lease).await));
    assert_eq!(store.unfinished(9).await.unwrap(), Vec::<String>::new());
    assert_eq!(store.sweep(kit.pass(KEEP - SECOND)).await.unwrap(), 0);
    assert!(matches!(ask(&store, CALL, "b").await, Acquisition::Finished { .. }));
    kit.pass(SECOND + SECOND);
    assert_eq!(store.sweep(kit.now()).await.unwrap(), 1);
    assert!(matches!(take_over(&store, CALL).await, Acquisition::Unknown));
    assert!(ids(&store, CALL).await.is_empty());
    assert_eq!(take(&store, CALL, "b").await.before, None, "it begins anew");
}

pub(crate) async fn a_finished_call_begins_anew_where_that_is_asked_for(kit: &Kit) {
    let store = kit.store();
    let lease = take(&store, CALL, "a").await.lease;
    store.save(&lease, 9, b"of the first part").await.unwrap();
    store.add_event(CALL, &event("e", kit.now())).await.unwrap();
    store.finish(&lease).await.unwrap();
    let Acquisition::Finished { start } = take_over(&store, CALL).await else { panic!("it is over") };
    assert_eq!(start.as_deref(), Some(START));
    let begun = kit.pass(SECOND);
    let claim = Claim { reopen: true, ..Claim::begin("b", TTL, b"again") };
    let Acquisition::Acquired(held) = store.acquire(CALL, claim).await.unwrap() else { panic!("it is over") };
    assert_eq!((held.start.as_slice(), held.begun, held.before), (&b"again"[..], begun, None));
    assert!(held.reopened, "its log holds what belongs to the former call");
    assert_eq!(ids(&store, CALL).await, ["e"], "events stay");
    assert!(lost(store.save(&lease, 10, b"late").await));
    // Its checkpoints count from the beginning again.
    store.save(&held.lease, 1, b"of the second part").await.unwrap();
    let other = store.acquire(CALL, claim).await.unwrap();
    assert!(matches!(other, Acquisition::HeldBy { .. }), "only what is over begins anew: {other:?}");
    kit.pass(TTL);
    let again = take(&store, CALL, "c").await;
    assert_eq!((again.start.as_slice(), again.begun, again.reopened), (&b"again"[..], begun, true));
    assert_eq!(again.before.unwrap().checkpoint.as_deref(), Some(&b"of the second part"[..]));
}

pub(crate) async fn a_lower_sequence_never_replaces_a_higher_one(kit: &Kit) {
    let store = kit.store();
    let lease = take(&store, CALL, "a").await.lease;
    for (sequence, text) in [(1, "one"), (3, "three"), (2, "two"), (3, "other three")] {
        store.save(&lease, sequence, text.as_bytes()).await.unwrap();
    }
    store.release(&lease).await.unwrap();
    let before = take(&store, CALL, "b").await.before.unwrap();
    assert_eq!(before.checkpoint.as_deref(), Some(&b"three"[..]));
}

pub(crate) async fn events_come_in_order_of_arrival_and_none_is_left_out(kit: &Kit) {
    let (a, b) = (kit.store(), kit.store());
    let mut known = BTreeSet::new();
    let mut cursor = Cursor::default();
    for (round, name) in ["hold", "resume", "pause", "unpause"].into_iter().enumerate() {
        let store = if round % 2 == 0 { &a } else { &b };
        store.add_event(CALL, &event(name, kit.pass(SECOND))).await.unwrap();
        let (entries, behind) = b.events(CALL, cursor).await.unwrap();
        let new: Vec<_> = entries.into_iter().filter(|entry| known.insert(entry.id.clone())).collect();
        assert_eq!(new, [event(name, kit.now())]);
        cursor = behind;
    }
    assert_eq!(ids(&a, CALL).await, ["hold", "resume", "pause", "unpause"]);
    // One that arrives late, with the time of a worker whose clock is behind, is found by whoever reads on.
    a.add_event(CALL, &event("late", kit.now() - SECOND - SECOND)).await.unwrap();
    let (entries, _) = b.events(CALL, cursor).await.unwrap();
    assert!(entries.iter().any(|entry| entry.id == "late"));
    // Many at once from many workers: all are there.
    let adding = (0..20).map(|i| {
        let (store, at) = (kit.store(), kit.now());
        tokio::spawn(async move { store.add_event("busy", &event(&format!("e{i}"), at)).await.unwrap() })
    });
    for added in adding.collect::<Vec<_>>() {
        added.await.unwrap();
    }
    assert_eq!(ids(&a, "busy").await.into_iter().collect::<BTreeSet<_>>().len(), 20);
}

pub(crate) async fn an_event_stamped_by_a_clock_that_is_ahead_hides_none(kit: &Kit) {
    let store = kit.store();
    let hour = Span::from_s(3600);
    store.add_event(CALL, &event("early", kit.now() + hour)).await.unwrap();
    let (entries, cursor) = store.events(CALL, Cursor::default()).await.unwrap();
    assert_eq!(entries.len(), 1);
    store.add_event(CALL, &event("hold", kit.pass(SECOND))).await.unwrap();
    let (entries, _) = store.events(CALL, cursor).await.unwrap();
    assert!(entries.iter().any(|entry| entry.id == "hold"), "{entries:?}");
}

pub(crate) async fn an_event_that_is_stored_twice_is_one(kit: &Kit) {
    let store = kit.store();
    for _ in 0..3 {
        store.add_event(CALL, &event("hold", kit.now())).await.unwrap();
    }
    store.add_event(CALL, &event("resume", kit.pass(SECOND))).await.unwrap();
    store.add_event(CALL, &event("hold", kit.pass(SECOND))).await.unwrap();
    assert_eq!(ids(&store, CALL).await, ["hold", "resume"]);
    assert_ne!(Entry::new(kit.now(), "x").id, Entry::new(kit.now(), "x").id);
    let odd = Entry { id: "../x".to_owned(), at: kit.now(), body: Vec::new() };
    assert!(matches!(store.add_event(CALL, &odd).await, Err(StoreError::Invalid { .. })));
}

pub(crate) async fn events_of_a_contact_without_a_call_wait_an_hour(kit: &Kit) {
    let store = kit.store();
    store.add_event("early", &event("hold", kit.now())).await.unwrap();
    assert_eq!(store.sweep(kit.pass(EARLY_EVENTS - SECOND)).await.unwrap(), 0);
    assert_eq!(ids(&store, "early").await, ["hold"]);
    assert!(matches!(take_over(&store, "early").await, Acquisition::Unknown), "an event begins no call");
    assert!(store.unfinished(9).await.unwrap().is_empty());
    assert_eq!(store.sweep(kit.pass(SECOND + SECOND)).await.unwrap(), 1);
    assert!(ids(&store, "early").await.is_empty());
}

pub(crate) async fn events_that_came_before_the_call_are_kept_as_long_as_the_call(kit: &Kit) {
    let store = kit.store();
    store.add_event(CALL, &event("hold", kit.now())).await.unwrap();
    kit.pass(SECOND);
    let held = take(&store, CALL, "a").await;
    // A long call: its events outlive the hour, and every sweep.
    for _ in 0..3 {
        assert_eq!(store.sweep(kit.pass(EARLY_EVENTS)).await.unwrap(), 0);
    }
    assert_eq!(ids(&store, CALL).await, ["hold"]);
    store.renew(&held.lease).await.unwrap();
}

pub(crate) async fn only_calls_that_nobody_holds_are_found_unfinished(kit: &Kit) {
    let store = kit.store();
    let mut leases = Vec::new();
    for name in ["expired", "released", "finished", "held"] {
        leases.push(take(&store, name, "a").await.lease);
    }
    store.release(&leases[1]).await.unwrap();
    store.finish(&leases[2]).await.unwrap();
    kit.pass(TTL);
    store.renew(&leases[3]).await.unwrap();
    let found: BTreeSet<_> = store.unfinished(9).await.unwrap().into_iter().collect();
    assert_eq!(found, BTreeSet::from(["expired".to_owned(), "released".to_owned()]));
    assert_eq!(store.unfinished(1).await.unwrap().len(), 1);
    for contact in found {
        assert!(matches!(take_over(&store, &contact).await, Acquisition::Acquired(_)));
    }
}

pub(crate) async fn an_abandoned_call_is_deleted_after_a_week(kit: &Kit) {
    let store = kit.store();
    let lease = take(&store, CALL, "a").await.lease;
    store.save(&lease, 1, b"one").await.unwrap();
    drop(lease);
    assert_eq!(store.sweep(kit.pass(ABANDONED - SECOND)).await.unwrap(), 0);
    assert_eq!(store.unfinished(9).await.unwrap(), [CALL]);
    assert_eq!(store.sweep(kit.pass(TTL + SECOND)).await.unwrap(), 1);
    assert!(matches!(take_over(&store, CALL).await, Acquisition::Unknown));
}

pub(crate) async fn odd_contacts_are_kept_apart_and_impossible_ones_refused(kit: &Kit) {
    let store = kit.store();
    let long = "x".repeat(256);
    let odd = ["..", "../../etc/passwd", "a/b", "A", "a", "é\n\0", "~", long.as_str()];
    for contact in odd {
        assert_eq!(take(&store, contact, contact).await.before, None, "{contact:?} is a call of its own");
        store.add_event(contact, &event("e", kit.now())).await.unwrap();
        assert_eq!(ids(&store, contact).await, ["e"]);
    }
    for contact in ["", &"x".repeat(257)] {
        let claim = Claim::begin("a", TTL, START);
        assert!(matches!(store.acquire(contact, claim).await, Err(StoreError::Invalid { .. })));
        let added = store.add_event(contact, &event("e", kit.now())).await;
        assert!(matches!(added, Err(StoreError::Invalid { .. })));
    }
    kit.pass(TTL);
    let found: BTreeSet<_> = store.unfinished(99).await.unwrap().into_iter().collect();
    assert_eq!(found, odd.map(str::to_owned).into());
}

pub(crate) async fn what_is_large_comes_back_whole(kit: &Kit) {
    let store: Arc<_> = kit.store();
    let lease = take(&store, CALL, "a").await.lease;
    // Some 2 MB, as transcripts are: words that come again.
    let text: String = (0..200_000).map(|i| format!("word{} ", i * 7919 % 1000)).collect();
    store.save(&lease, 1, text.as_bytes()).await.unwrap();
    store.release(&lease).await.unwrap();
    let before = take(&store, CALL, "b").await.before.unwrap();
    assert!(before.checkpoint.unwrap() == text.as_bytes());
    for i in 0..30 {
        let entry = Entry { id: format!("e{i}"), at: kit.pass(SECOND), body: vec![b'x'; 100_000] };
        store.add_event(CALL, &entry).await.unwrap();
    }
    let (entries, _) = store.events(CALL, Cursor::default()).await.unwrap();
    assert_eq!(entries.len(), 30, "more than one page");
}
