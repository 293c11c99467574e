//! A DynamoDB in memory (`dynalite` from npm), one for all tests of a process, on loopback.
#![allow(clippy::expect_used, reason = "helpers of tests may fail loudly")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::tools;

/// The server ends with its standard input, and that with this process.
static SERVER: Mutex<Option<(Child, u16)>> = Mutex::new(None);
static TABLES: AtomicU32 = AtomicU32::new(0);

/// Its port; `None` where there is no node.
fn port() -> Option<u16> {
    let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, port)) = &*server {
        return Some(*port);
    }
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("dynamodb");
    let installed = tools::npm("dynamodb", &scripts)?;
    // A module is looked for beside the script that wants it.
    let script = installed.join(format!("server-{}.mjs", std::process::id()));
    std::fs::copy(scripts.join("server.mjs"), &script).expect("the script");
    let mut command = Command::new("node");
    command.arg(&script).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("node runs");
    let mut line = String::new();
    let output = child.stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut line).expect("it says something");
    std::fs::remove_file(script).expect("the script");
    let port = line.trim().parse().expect("a port");
    *server = Some((child, port));
    Some(port)
}

/// A new table as `deploy/store.yaml` makes it: the server's address, and its name. `None`: there is no node here.
///
/// # Panics
/// The server cannot be started.
pub async fn table() -> Option<(String, String)> {
    let port = tokio::task::spawn_blocking(port).await.expect("it does not panic")?;
    let name = format!("kvscribe-{}", TABLES.fetch_add(1, Ordering::Relaxed));
    create(port, &name).await.expect("the server answers");
    Some((format!("http://127.0.0.1:{port}"), name))
}

async fn create(port: u16, name: &str) -> std::io::Result<()> {
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
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}
