//! The runtime interface behind real HTTP.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use engine::time::Span;
use http::{Method, StatusCode};
use hyper::body::Incoming;
use tokio::sync::{Notify, watch};

use super::state::{Answered, Refusal, Runtime};
use crate::emulators::{Clock, Dropped, Outgoing, Reply, Server, ServerOptions, Service, read_body};

/// Lambda takes answers up to 6 MB.
const MAX_BODY: usize = 6 << 20;
const PREFIX: &str = "/2018-06-01/runtime/invocation/";

/// The runtime interface on a port.
#[derive(Debug)]
pub struct RuntimeServer {
    server: Server,
    desk: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<Runtime>,
    /// An invocation came.
    invoked: Notify,
    /// How many were answered.
    answered: watch::Sender<usize>,
    clock: Clock,
    timeout: Span,
}

#[derive(Debug)]
struct Desk(Arc<Shared>);

impl RuntimeServer {
    /// Starts it; every invocation has this long.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(timeout: Duration) -> io::Result<Self> {
        let timeout = Span::from_us(i64::try_from(timeout.as_micros()).unwrap_or(i64::MAX));
        let desk = Arc::new(Shared {
            state: Mutex::default(),
            invoked: Notify::new(),
            answered: watch::channel(0).0,
            clock: Clock::real(),
            timeout,
        });
        let server = Server::start(ServerOptions::default(), Desk(Arc::clone(&desk))).await?;
        Ok(Self { server, desk })
    }

    /// The value of `AWS_LAMBDA_RUNTIME_API`.
    #[must_use]
    pub fn address(&self) -> String {
        self.server.address().to_string()
    }

    /// Invokes the function and waits for its answer.
    pub async fn invoke(&self, payload: impl Into<Bytes>) -> Answered {
        let id = self.state().invoke(payload);
        self.desk.invoked.notify_one();
        let mut answered = self.desk.answered.subscribe();
        loop {
            if let Some(found) = self.state().answered().iter().find(|a| a.id == id) {
                return found.clone();
            }
            // The sender lives as long as this does.
            let _ = answered.changed().await;
        }
    }

    /// The state machine. Do not hold it across an await.
    pub fn state(&self) -> MutexGuard<'_, Runtime> {
        self.desk.state()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Runtime> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn next(&self) -> Reply {
        self.state().polled();
        let (id, payload) = loop {
            let next = self.state().next();
            match next {
                Some(next) => break next,
                None => self.invoked.notified().await,
            }
        };
        let deadline = (self.clock.now() + self.timeout).ms().to_string();
        let mut reply = reply(StatusCode::OK, payload);
        for (name, value) in [
            ("lambda-runtime-aws-request-id", id.as_str()),
            ("lambda-runtime-deadline-ms", deadline.as_str()),
            (
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:eu-west-2:123456789012:function:kvsTranscriber",
            ),
            ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0"),
        ] {
            if let Ok(value) = http::HeaderValue::from_str(value) {
                reply.headers_mut().insert(name, value);
            }
        }
        reply
    }
}

impl Service for Desk {
    async fn call(&self, request: http::Request<Incoming>) -> Result<Reply, Dropped> {
        let (parts, body) = request.into_parts();
        let Some(path) = parts.uri.path().strip_prefix(PREFIX) else {
            return Ok(reply(StatusCode::NOT_FOUND, "{}"));
        };
        if parts.method == Method::GET && path == "next" {
            return Ok(self.0.next().await);
        }
        let body = read_body(body, MAX_BODY).await?;
        let taken = self.0.state().answer(path, &body);
        Ok(match taken {
            Ok(()) => {
                self.0.answered.send_modify(|n| *n += 1);
                reply(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
            }
            Err(Refusal::NoPath) => reply(StatusCode::NOT_FOUND, "{}"),
            Err(Refusal::NotRunning | Refusal::Malformed) => reply(StatusCode::BAD_REQUEST, "{}"),
        })
    }
}

fn reply(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut reply = http::Response::new(Outgoing::whole(body));
    *reply.status_mut() = status;
    reply
}
