//! A worker on loopback with calls that take notes, and a client that says exactly what it is told.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::call::{GateSource, TelephonyEvent};
use engine::shell::api::{CallStatus, Calls, EventTaken, Server, Start};
use engine::shell::config::{Scope, TokenOptions, WorkerOptions};
use engine::shell::payload::Payload;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const CONTACT: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const CALLS: &str = "calls-token-0123456789";
pub(crate) const EVENTS: &str = "events-token-0123456789";
pub(crate) const READ: &str = "read-token-0123456789";
pub(crate) const ORIGIN: &str = "https://acme.lightning.force.com";

/// Answers as it is told, and notes what it was asked.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) next_start: Mutex<Option<Start>>,
    pub(crate) next_event: Mutex<Option<EventTaken>>,
    pub(crate) started: Mutex<Vec<Payload>>,
    pub(crate) events: Mutex<Vec<(String, TelephonyEvent)>>,
    pub(crate) drained: Mutex<Vec<String>>,
    pub(crate) unready: AtomicBool,
}

impl Calls for Fake {
    fn start(&self, payload: Payload) -> Pin<Box<dyn Future<Output = Start> + Send + '_>> {
        self.started.lock().unwrap().push(payload);
        let answer = self.next_start.lock().unwrap().clone().unwrap_or(Start::Started);
        Box::pin(async move { answer })
    }
    fn list(&self) -> Vec<CallStatus> {
        self.get(CONTACT).into_iter().collect()
    }
    fn get(&self, contact: &str) -> Option<CallStatus> {
        (contact == CONTACT).then(|| CallStatus::new(CONTACT, "first", 1_571_360_125_131))
    }
    fn event<'a>(
        &'a self,
        contact: &'a str,
        _: GateSource,
        event: TelephonyEvent,
    ) -> Pin<Box<dyn Future<Output = EventTaken> + Send + 'a>> {
        self.events.lock().unwrap().push((contact.to_owned(), event));
        let unknown = if contact == CONTACT { EventTaken::Taken } else { EventTaken::Kept };
        let answer = self.next_event.lock().unwrap().unwrap_or(unknown);
        Box::pin(async move { answer })
    }
    fn drain(&self, contact: &str) -> bool {
        self.drained.lock().unwrap().push(contact.to_owned());
        contact == CONTACT
    }
    fn ready(&self) -> bool {
        !self.unready.load(Ordering::Relaxed)
    }
}

/// A worker that answers until it is dropped.
pub(crate) struct Worker {
    pub(crate) address: SocketAddr,
    pub(crate) fake: Arc<Fake>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) served: tokio::task::JoinHandle<()>,
}

pub(crate) fn token(token: &str, scopes: &[Scope]) -> TokenOptions {
    TokenOptions { token: Some(token.to_owned()), scopes: scopes.to_vec(), ..TokenOptions::default() }
}

/// A token for each scope, one allowed origin, any port.
pub(crate) fn guarded() -> WorkerOptions {
    let mut options = open();
    options.tokens =
        vec![token(CALLS, &[Scope::Calls]), token(EVENTS, &[Scope::Events]), token(READ, &[Scope::Read])];
    options.allowed_origins = vec![ORIGIN.to_owned()];
    options
}

/// Loopback without tokens, any port.
pub(crate) fn open() -> WorkerOptions {
    WorkerOptions { bind: "127.0.0.1:0".parse().unwrap(), ..WorkerOptions::default() }
}

impl Worker {
    pub(crate) async fn start(options: &WorkerOptions) -> Self {
        let fake = Arc::new(Fake::default());
        let server = Server::bind(options, fake.clone(), || "kvscribe_calls 0\n".to_owned()).await.unwrap();
        let address = server.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(server.serve(async move {
            let _ = stopped.await;
        }));
        Self { address, fake, stop: Some(stop), served }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        within(TcpStream::connect(self.address)).await.unwrap()
    }

    /// Sends these bytes on a connection of their own and reads to its end.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        // A server that has heard enough closes while more is being said.
        let _ = within(stream.write_all(bytes)).await;
        Answer::read(stream).await
    }

    /// One request; `token` goes into the header, a body is sent as JSON.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&str>,
    ) -> Answer {
        self.ask_with(method, path, token, "", body).await
    }

    pub(crate) async fn ask_with(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &str,
        body: Option<&str>,
    ) -> Answer {
        let token = token.map(|t| format!("Authorization: Bearer {t}\r\n")).unwrap_or_default();
        let kind = if headers.contains("Content-Type") { "" } else { "Content-Type: application/json\r\n" };
        let body = body
            .map(|b| format!("{kind}Content-Length: {}\r\n\r\n{b}", b.len()))
            .unwrap_or_else(|| "\r\n".to_owned());
        let head = format!("{method} {path} HTTP/1.1\r\nHost: w\r\nConnection: close\r\n{token}{headers}");
        self.raw(format!("{head}{body}").as_bytes()).await
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn read(mut stream: TcpStream) -> Self {
        let mut all = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(n @ 1..) = within(stream.read(&mut piece)).await {
            all.extend_from_slice(&piece[..n]);
        }
        let text = String::from_utf8(all).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The text of `{"error": "…"}`.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

pub(crate) fn payload() -> String {
    serde_json::json!({
        "streamARN": "arn:aws:kinesisvideo:us-west-2:123456789012:stream/scv/1571360000000",
        "startFragmentNum": "91343852333181432392682062607187437001234567890",
        "audioStartTimestamp": "1571360125131", "voiceCallId": CONTACT,
        "customerPhoneNumber": "+15555550100",
    })
    .to_string()
}

pub(crate) const HOLD: &str = r#"{"type":"hold","at":1571360130000,"detail":{"participant":"+14155550100"}}"#;
