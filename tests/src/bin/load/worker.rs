//! `transcribe worker` as a process of its own, and what is asked of it over HTTP.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tests::emulators::Clock;
use tests::emulators::sigv4::Credentials;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Child;

/// Time for it to come up.
const READY: Duration = Duration::from_secs(30);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The process; it is killed when this is dropped.
pub(crate) struct Worker {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Worker {
    /// Starts it, and returns when it is ready for calls.
    pub(crate) async fn start(
        config: &Path,
        address: SocketAddr,
        credentials: &Credentials,
    ) -> io::Result<Self> {
        let child = tests::product::transcribe()?
            .args(["worker", "--config"])
            .arg(config)
            .env("AWS_ACCESS_KEY_ID", &credentials.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let worker = Self { child, address };
        let ready = async {
            while !matches!(ask(address, "GET", "/readyz", "").await, Ok((200, _))) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let late = |_| io::Error::other("the worker does not come up");
        tokio::time::timeout(READY, ready).await.map_err(late)?;
        Ok(worker)
    }

    /// Its process id; 0 when it has ended.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Ends every call in good order, and returns when all are over.
    pub(crate) async fn end_calls(&self, contacts: &[String], within: Duration) -> io::Result<()> {
        for contact in contacts {
            ask(self.address, "DELETE", &format!("/v1/calls/{contact}"), "").await?;
        }
        let over = async {
            loop {
                let (_, body) = ask(self.address, "GET", "/v1/calls", "").await?;
                let calls: Value = serde_json::from_str(&body).map_err(io::Error::other)?;
                let calls = calls["calls"].as_array().cloned().unwrap_or_default();
                if calls.iter().all(|call| call["state"] == "ended") {
                    return Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        match tokio::time::timeout(within, over).await {
            Ok(over) => over,
            Err(_) => Err(io::Error::other("calls do not end")),
        }
    }

    /// Its metrics.
    pub(crate) async fn metrics(&self) -> io::Result<Metrics> {
        Ok(Metrics(ask(self.address, "GET", "/metrics", "").await?.1))
    }
}

/// Starts a call at its time.
pub(crate) async fn start_call(
    worker: SocketAddr,
    at: engine::time::Time,
    payload: String,
) -> io::Result<()> {
    Clock::real().wait(at).await;
    match ask(worker, "POST", "/v1/calls", &payload).await? {
        (202, _) => Ok(()),
        (status, body) => Err(io::Error::other(format!("a call was not started: {status} {body}"))),
    }
}

/// One request; status and body of the answer.
async fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split_whitespace().nth(1).and_then(|s| s.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("the worker answered no HTTP"))?;
    Ok((status, body.to_owned()))
}

/// Metrics in Prometheus' text format.
pub(crate) struct Metrics(String);

impl Metrics {
    /// A metric without labels; 0 before it was first set.
    pub(crate) fn value(&self, name: &str) -> f64 {
        let line = self.0.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
    }

    /// Upper bounds of a histogram's buckets with how many were below each.
    fn buckets(&self, name: &str) -> Vec<(String, f64)> {
        let bucket = |line: &str| {
            let (bound, count) =
                line.strip_prefix(name)?.strip_prefix("_bucket{le=\"")?.split_once("\"} ")?;
            Some((bound.to_owned(), count.trim().parse().ok()?))
        };
        self.0.lines().filter_map(bucket).collect()
    }

    /// The bucket, by its upper bound in seconds, below which a share of all lies that was counted since.
    pub(crate) fn quantile_since(&self, then: &Self, name: &str, share: f64) -> Option<f64> {
        let before = then.buckets(name);
        let count = |bound: &str, now: f64| {
            now - before.iter().find(|(b, _)| b == bound).map_or(0.0, |(_, count)| *count)
        };
        let counted: Vec<(String, f64)> =
            self.buckets(name).into_iter().map(|(bound, now)| (bound.clone(), count(&bound, now))).collect();
        let all = counted.last()?.1;
        let (bound, _) = counted.iter().find(|(_, below)| *below >= share * all && all > 0.0)?;
        Some(bound.parse().unwrap_or(f64::INFINITY))
    }
}
