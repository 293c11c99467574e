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
    let (region, url) = (Some("eu-west-2".to_owned()), Some(url));
    let options = AwsOptions { region, dynamodb_endpoint_url: url, ..AwsOptions::default() };
    let keys = SharedCredentialsProvider::new(Keys::new("AKIDEXAMPLE", "secret", None, None, "test"));
    Some((Arc::new(Aws::new(options, keys).unwrap()), name))
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

/// What those begin a call with who begin it at once. The one who gets it gives it away again.
async fn race(store: &DynamoDb, contact: &str, round: &str) -> Vec<u8> {
    let racing = (0..8).map(|i| {
        let (store, contact, start) = (store.clone(), contact.to_owned(), format!("{round} {i}"));
        tokio::spawn(async move {
            let claim = Claim { reopen: true, ..Claim::begin("a", TTL, start.as_bytes()) };
            match store.acquire(&contact, claim).await.unwrap() {
                Acquisition::Acquired(held) => Some(held),
                _ => None,
            }
        })
    });
    let mut won = Vec::new();
    for racer in racing.collect::<Vec<_>>() {
        won.extend(racer.await.unwrap());
    }
    assert_eq!(won.len(), 1);
    store.release(&won[0].lease).await.unwrap();
    won.remove(0).start
}

#[tokio::test]
async fn of_several_who_begin_a_call_at_once_none_overwrites_what_its_holder_read() {
    let Some((aws, table)) = table().await else { return };
    let store = store(&aws, &table);
    for contact in ["one", "two", "three", "four"] {
        for round in ["begun", "again"] {
            let start = race(&store, contact, round).await;
            let held = acquired(store.acquire(contact, Claim::take_over("b", TTL)).await.unwrap());
            assert_eq!(held.start, start, "the next life of {contact} begins as the first");
            assert!(held.start.starts_with(round.as_bytes()));
            store.finish(&held.lease).await.unwrap();
        }
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
