//! A DynamoDB in memory, one for all tests of this process, and what only a table can suffer.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials as Keys;
use aws_credential_types::provider::SharedCredentialsProvider;
use engine::shell::aws::{Aws, AwsOptions};
use engine::shell::store::{Claim, DynamoDb, Store, StoreAction, StoreError};
use serde_json::json;
use tests::tools;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::kit::{KEEP, START, TTL};

/// The server ends with its standard input, and that with this process.
static SERVER: Mutex<Option<(Child, u16)>> = Mutex::new(None);
static TABLES: AtomicU32 = AtomicU32::new(0);

/// Its port; `None` where there is no node.
fn port() -> Option<u16> {
    let mut server = SERVER.lock().unwrap();
    if let Some((_, port)) = &*server {
        return Some(*port);
    }
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("dynamodb");
    let installed = tools::npm("dynamodb", &scripts)?;
    // A module is looked for beside the script that wants it.
    let script = installed.join(format!("server-{}.mjs", std::process::id()));
    std::fs::copy(scripts.join("server.mjs"), &script).unwrap();
    let mut child = Command::new("node")
        .arg(&script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    std::fs::remove_file(script).unwrap();
    let port = line.trim().parse().expect("a port");
    *server = Some((child, port));
    Some(port)
}

/// A new table as the templates make it, and a client.
pub(crate) async fn table() -> Option<(Arc<Aws>, String)> {
    let port = tokio::task::spawn_blocking(port).await.unwrap()?;
    let name = format!("kvscribe-{}", TABLES.fetch_add(1, Ordering::Relaxed));
    create(port, &name).await;
    let url = Some(format!("http://127.0.0.1:{port}"));
    let region = Some("eu-west-2".to_owned());
    let options = AwsOptions { region, dynamodb_endpoint_url: url, ..AwsOptions::default() };
    let keys = SharedCredentialsProvider::new(Keys::new("AKIDEXAMPLE", "secret", None, None, "test"));
    Some((Arc::new(Aws::new(options, keys).unwrap()), name))
}

async fn create(port: u16, name: &str) {
    let text = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    let keys = |hash: &str, range: &str| json!([{ "AttributeName": hash, "KeyType": "HASH" }, { "AttributeName": range, "KeyType": "RANGE" }]);
    let body = json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [text("pk"), text("sk"), text("queue"),
            { "AttributeName": "due", "AttributeType": "N" }],
        "KeySchema": keys("pk", "sk"),
        "GlobalSecondaryIndexes": [{
            "IndexName": "queue",
            "KeySchema": keys("queue", "due"),
            "Projection": { "ProjectionType": "INCLUDE", "NonKeyAttributes": ["until"] },
        }],
    })
    .to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: DynamoDB_20120810.CreateTable\r\nX-Amz-Date: 20191018T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20191018/eu-west-2/dynamodb/aws4_request, \
         SignedHeaders=host, Signature=00\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
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
