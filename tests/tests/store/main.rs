//! One suite for every store: in files, in a table of DynamoDB, in memory, and encrypted.
//!
//! DynamoDB is `dynalite` from npm, on loopback. Where node is missing its tests pass with a note; with `CI=true`
//! they fail.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod dynamodb;
mod kit;
mod sealed;
mod suite;

use std::sync::Arc;

use engine::shell::secrets::SecretText;
use engine::shell::store::{Directory, DynamoDb, Memory, Seal, Sealed, Store, StoreClock};

use kit::{KEEP, Kit};

/// Every test of the suite against every store.
macro_rules! suite {
    ($($name:ident),+ $(,)?) => {
        mod directory { $(#[tokio::test] async fn $name() { super::suite::$name(&super::directory()).await; })+ }
        mod memory { $(#[tokio::test] async fn $name() { super::suite::$name(&super::memory()).await; })+ }
        mod encrypted { $(#[tokio::test] async fn $name() { super::suite::$name(&super::encrypted()).await; })+ }
        mod table {
            $(#[tokio::test] async fn $name() {
                if let Some(kit) = super::table().await {
                    super::suite::$name(&kit).await;
                }
            })+
        }
    };
}

suite! {
    a_new_call_is_begun_with_what_it_was_triggered_with,
    of_many_who_want_a_call_one_gets_it,
    a_call_that_is_held_is_had_by_nobody_until_its_lease_is_over,
    whoever_lost_the_lease_writes_nothing_any_more,
    a_released_call_goes_on_at_once_from_its_checkpoint,
    a_finished_call_stays_so_until_it_is_swept,
    a_finished_call_begins_anew_where_that_is_asked_for,
    a_lower_sequence_never_replaces_a_higher_one,
    events_come_in_order_of_arrival_and_none_is_left_out,
    an_event_stamped_by_a_clock_that_is_ahead_hides_none,
    an_event_that_is_stored_twice_is_one,
    events_of_a_contact_without_a_call_wait_an_hour,
    events_that_came_before_the_call_are_kept_as_long_as_the_call,
    only_calls_that_nobody_holds_are_found_unfinished,
    an_abandoned_call_is_deleted_after_a_week,
    odd_contacts_are_kept_apart_and_impossible_ones_refused,
    what_is_large_comes_back_whole,
}

fn directory() -> Kit {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let open = move |clock: StoreClock| Arc::new(Directory::new(&root, KEEP, clock)) as Arc<dyn Store>;
    Kit::new(open, Some(folder))
}

fn memory() -> Kit {
    let one = std::sync::OnceLock::<Arc<dyn Store>>::new();
    Kit::new(move |clock| Arc::clone(one.get_or_init(|| Arc::new(Memory::new(KEEP, clock)))), None)
}

fn encrypted() -> Kit {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let open = move |clock: StoreClock| {
        let seal = Seal::new(&SecretText::new("5e".repeat(32))).unwrap();
        Arc::new(Sealed::new(Directory::new(&root, KEEP, clock), seal)) as Arc<dyn Store>
    };
    Kit::new(open, Some(folder))
}

/// A table of its own for each test.
async fn table() -> Option<Kit> {
    let (aws, table) = dynamodb::table().await?;
    let open = move |clock: StoreClock| {
        Arc::new(DynamoDb::new(Arc::clone(&aws), &table, KEEP, clock)) as Arc<dyn Store>
    };
    Some(Kit::new(open, None))
}
