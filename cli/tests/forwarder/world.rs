//! A Lambda function under test, workers that do as they are told, and payloads.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use serde_json::Value;
use tests::emulators::runtime::{Answer, RuntimeServer};
use tests::emulators::{Dropped, Outgoing, Reply, Server, ServerOptions, Service, read_body};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long Lambda gives an invocation.
const INVOCATION: Duration = Duration::from_secs(20);

pub(crate) const CONTACT: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const TOKEN: &str = "forwarder-token-0123456789";

/// The payload of kvsConsumerTrigger as it comes, in an order, with spaces and with a key of nobody's.
pub(crate) fn payload(contact: &str, fragment: &str) -> String {
    format!(
        r#"{{"streamARN":"arn:aws:kinesisvideo:us-west-2:123456789012:stream/scv-acme/1571360000000",
 "startFragmentNum": "{fragment}", "audioStartTimestamp":"1571360125131",
 "customerPhoneNumber":"+15555550100","voiceCallId":"{contact}","languageCode":"en-US",
 "streamAudioFromCustomer":true,"streamAudioToCustomer":true,"engine":"standard","new":"\u00fcber é",
 "instanceARN":"arn:aws:connect:us-west-2:123456789012:instance/99999999-8888-4777-8666-555555555555"}}"#
    )
}

/// The function in a process of its own, and the runtime interface it is served by.
pub(crate) struct Function {
    pub(crate) runtime: RuntimeServer,
    process: Child,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Function {
    /// Starts it with this environment and no other.
    pub(crate) async fn start(environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_transcribe"));
        let runtime = RuntimeServer::start(INVOCATION).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let process = command
            .arg("lambda")
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", runtime.address())
            .env("AWS_LAMBDA_FUNCTION_NAME", "kvsTranscriber")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { runtime, process, log, _folder: folder }
    }

    /// Invokes it and reads its answer.
    pub(crate) async fn good(&self, payload: &str) -> Value {
        match self.invoke(payload).await {
            Answer::Response(body) => body,
            error @ Answer::Error { .. } => panic!("{error:?}\n{}", self.log()),
        }
    }

    /// Invokes it and reads its failure: `errorType` and `errorMessage`.
    pub(crate) async fn bad(&self, payload: &str) -> (String, String) {
        match self.invoke(payload).await {
            Answer::Error { kind, message } => (kind, message),
            Answer::Response(body) => panic!("it should have failed: {body}"),
        }
    }

    async fn invoke(&self, payload: &str) -> Answer {
        match tokio::time::timeout(PATIENCE, self.runtime.invoke(payload.to_owned())).await {
            Ok(answered) => answered.answer,
            Err(_) => panic!("no answer\n{}", self.log()),
        }
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a worker does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    Say(u16),
    /// It takes the request and says nothing.
    Keep,
    /// 202 to who has this token, 401 to others.
    Guard(&'static str),
}

#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) line: String,
    pub(crate) token: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) body: Bytes,
}

/// A worker that does as it is told and notes what it hears.
pub(crate) struct Worker {
    pub(crate) server: Server,
    pub(crate) desk: Arc<Desk>,
}

pub(crate) struct Desk {
    pub(crate) manner: Mutex<Manner>,
    pub(crate) heard: Mutex<Vec<Heard>>,
}

struct Shared(Arc<Desk>);

impl Worker {
    pub(crate) async fn start(manner: Manner) -> Self {
        let desk = Arc::new(Desk { manner: Mutex::new(manner), heard: Mutex::default() });
        let server = Server::start(ServerOptions::default(), Shared(Arc::clone(&desk))).await.unwrap();
        Self { server, desk }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn becomes(&self, manner: Manner) {
        *self.desk.manner.lock().unwrap() = manner;
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.desk.heard.lock().unwrap().clone()
    }
}

impl Service for Shared {
    async fn call(&self, request: Request<Incoming>) -> Result<Reply, Dropped> {
        let (parts, body) = request.into_parts();
        let header = |name| parts.headers.get(name).map(|v| v.to_str().unwrap().to_owned());
        let heard = Heard {
            line: format!("{} {}", parts.method, parts.uri.path()),
            token: header(http::header::AUTHORIZATION),
            kind: header(http::header::CONTENT_TYPE),
            body: read_body(body, 1 << 20).await?,
        };
        let given = heard.token.clone().unwrap_or_default();
        self.0.heard.lock().unwrap().push(heard);
        let manner = *self.0.manner.lock().unwrap();
        let status = match manner {
            Manner::Say(status) => status,
            Manner::Keep => std::future::pending().await,
            Manner::Guard(token) if given == format!("Bearer {token}") => 202,
            Manner::Guard(_) => 401,
        };
        let body = Outgoing::whole(r#"{"error":"because\nof it"}"#);
        Ok(Response::builder().status(status).body(body).unwrap())
    }
}
