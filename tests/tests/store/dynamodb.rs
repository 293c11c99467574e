//! What only a table can suffer.

use std::sync::Arc;

use aws_credential_types::Credentials as Keys;
use aws_credential_types::provider::SharedCredentialsProvider;
use engine::shell::aws::{Aws, AwsOptions, DynamoDbOperation};
use engine::shell::store::{Acquisition, Claim, DynamoDb, Held, Store, StoreAction, StoreError};
use engine::time::{Span, Time};
use serde_json::json;
use tests::dynamodb;

use crate::kit::{KEEP, START, TTL};

/// A new table, and a client.
pub(crate) async fn table() -> Option<(Arc<Aws>, String)> {
    let (url, name) = dynamodb::table().await?;
    Some((client(Some(url)), name))
}

fn client(url: Option<String>) -> Arc<Aws> {
    let region = Some("eu-west-2".to_owned());
    let options = AwsOptions { region, dynamodb_endpoint_url: url, ..AwsOptions::default() };
    let keys = SharedCredentialsProvider::new(Keys::new("AKIDEXAMPLE", "secret", None, None, "test"));
    Arc::new(Aws::new(options, keys).unwrap())
}

fn store(aws: &Arc<Aws>, table: &str) -> DynamoDb {
    DynamoDb::new(Arc::clone(aws), table, KEEP, Arc::new(engine::shell::clock::now))
}

#[tokio::test]
async fn a_table_that_is_missing_or_another_is_told_before_a_call_begins() {
    let Some((aws, table)) = table().await else { return };
    let said = store(&aws, &table).probe().await.unwrap();
    assert!(said.contains(&table), "{said}");
    let error = store(&aws, "nowhere").probe().await.unwrap_err();
    assert_eq!(error.action(), StoreAction::Fatal);
    assert!(error.to_string().contains("nowhere does not exist"), "{error}");
}

#[tokio::test]
async fn a_checkpoint_beyond_the_item_limit_is_refused_and_the_one_before_stays() {
    let Some((aws, table)) = table().await else { return };
    let store = store(&aws, &table);
    let claim = Claim::begin("a", TTL, START);
    let engine::shell::store::Acquisition::Acquired(held) = store.acquire("c", claim).await.unwrap() else {
        panic!("it is free")
    };
    store.save(&held.lease, 1, b"good").await.unwrap();
    // What cannot be packed.
    let mut noise = vec![0; 500_000];
    fastrand::Rng::with_seed(1).fill(&mut noise);
    let error = store.save(&held.lease, 2, &noise).await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { kind: "checkpoint", .. }), "{error}");
    assert_eq!(error.action(), StoreAction::Drop);
    store.save(&held.lease, 3, b"better").await.unwrap();
}

fn acquired(acquired: Acquisition) -> Held {
    match acquired {
        Acquisition::Acquired(held) => *held,
        other => panic!("it is free, not {other:?}"),
    }
}

/// Begins a call after another has seen that it is free and before he has done anything about it; what he is told
/// then, and what the call was begun with as far as its holder knows.
async fn overtake(aws: &Arc<Aws>, table: &str) -> (Acquisition, Held) {
    let (seen, sees) = std::sync::mpsc::sync_channel(1);
    let (goes_on, waits) = std::sync::mpsc::sync_channel::<()>(1);
    let waits = std::sync::Mutex::new(Some(waits));
    // He looks at the clock when he has read the call.
    let clock = move || {
        if let Some(waits) = waits.lock().unwrap().take() {
            seen.send(()).unwrap();
            waits.recv().unwrap();
        }
        engine::shell::clock::now()
    };
    let begin = |start: &'static [u8]| Claim { reopen: true, ..Claim::begin("a", TTL, start) };
    let (url, name) = (aws.options().dynamodb_endpoint_url.clone(), table.to_owned());
    // A thread and a client of his own: he blocks all that runs there.
    let overtaken = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let slow = DynamoDb::new(client(url), name, KEEP, Arc::new(clock));
        runtime.block_on(slow.acquire("c", begin(b"slow"))).unwrap()
    });
    tokio::task::spawn_blocking(move || sees.recv().unwrap()).await.unwrap();
    let held = acquired(store(aws, table).acquire("c", begin(b"fast")).await.unwrap());
    goes_on.send(()).unwrap();
    (tokio::task::spawn_blocking(|| overtaken.join().unwrap()).await.unwrap(), held)
}

#[tokio::test]
async fn whoever_is_too_late_to_begin_a_call_does_not_change_what_it_was_begun_with() {
    let Some((aws, table)) = table().await else { return };
    let store = store(&aws, &table);
    for time in ["begun", "begun anew"] {
        let (told, first) = overtake(&aws, &table).await;
        assert!(matches!(told, Acquisition::HeldBy { .. }), "{time}: {told:?}");
        assert_eq!(first.start, b"fast", "{time}");
        store.release(&first.lease).await.unwrap();
        let next = acquired(store.acquire("c", Claim::take_over("b", TTL)).await.unwrap());
        assert_eq!(next.start, b"fast", "{time}");
        store.finish(&next.lease).await.unwrap();
    }
}

#[tokio::test]
async fn a_start_of_somebody_who_died_before_he_had_the_call_hides_no_other() {
    let Some((aws, table)) = table().await else { return };
    let store = store(&aws, &table);
    let dies = async |generation: &str, start: &str| {
        let key = json!({ "pk": { "S": "c" }, "sk": { "S": "start" } });
        let values = json!({
            ":body": { "B": start },
            ":gen": { "N": generation },
        });
        let body = json!({
            "TableName": table,
            "Key": key,
            "UpdateExpression": "SET body = :body, gen = :gen",
            "ExpressionAttributeValues": values,
        });
        aws.dynamodb(DynamoDbOperation::UpdateItem, &body).await.unwrap();
    };
    dies("1", "bmV2ZXIgaGFk").await;
    assert!(matches!(store.acquire("c", Claim::take_over("a", TTL)).await.unwrap(), Acquisition::Unknown));
    let claim = Claim::begin("a", TTL, START);
    let held = acquired(store.acquire("c", claim).await.unwrap());
    // Whoever begins it says himself what he came for, where this is something else.
    assert_eq!(held.start, b"never had");
    store.finish(&held.lease).await.unwrap();
    dies("2", "YSBmdXJ0aGVyIHN0cmVhbQ==").await;
    let Acquisition::Finished { start } = store.acquire("c", claim).await.unwrap() else { panic!("over") };
    assert_eq!(start, None, "the further stream was never read");
}

#[tokio::test]
async fn a_call_is_begun_when_it_was_taken_and_every_life_of_it_says_so() {
    let Some((aws, table)) = table().await else { return };
    // Every look at the clock takes a second.
    let seconds = std::sync::atomic::AtomicI64::new(1_571_360_000);
    let clock =
        move || Time::from_us(0) + Span::from_s(seconds.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
    let store = DynamoDb::new(aws, table, KEEP, Arc::new(clock));
    let first = acquired(store.acquire("c", Claim::begin("a", TTL, START)).await.unwrap());
    store.release(&first.lease).await.unwrap();
    let second = acquired(store.acquire("c", Claim::take_over("b", TTL)).await.unwrap());
    assert_eq!(second.begun, first.begun);
}

#[tokio::test]
async fn a_table_out_of_reach_is_tried_again() {
    let options = AwsOptions {
        region: Some("eu-west-2".to_owned()),
        // Nobody listens there.
        dynamodb_endpoint_url: Some("http://127.0.0.1:9".to_owned()),
        max_attempts: 1,
        ..AwsOptions::default()
    };
    let keys = SharedCredentialsProvider::new(Keys::new("AKIDEXAMPLE", "secret", None, None, "test"));
    let aws = Arc::new(Aws::new(options, keys).unwrap());
    let error = store(&aws, "kvscribe").unfinished(1).await.unwrap_err();
    assert_eq!(error.action(), StoreAction::Retry);
    assert!(error.to_string().contains("DynamoDB Query"), "{error}");
}
