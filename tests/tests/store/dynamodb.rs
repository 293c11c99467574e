//! What only a table can suffer.

use std::sync::Arc;

use aws_credential_types::Credentials as Keys;
use aws_credential_types::provider::SharedCredentialsProvider;
use engine::shell::aws::{Aws, AwsOptions};
use engine::shell::store::{Claim, DynamoDb, Store, StoreAction, StoreError};
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
