//! Amazon Transcribe behind real HTTP/2: framing, signatures, and one task a session.

use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use engine::time::Time;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::mpsc;

use super::frame::{Decoder, Message, Value, encode_headers};
use super::script::Exception;
use super::session::Event;
use super::state::{Options, SessionId, Transcribe};
use crate::emulators::emulated::{Emulated, lock};
use crate::emulators::sigv4::{self, Chain, Credentials};
use crate::emulators::{Clock, Dropped, Outgoing, Reply, Server, ServerOptions, Service};

/// Events that may wait for the socket.
const EVENTS: usize = 64;

/// Amazon Transcribe on a port.
pub type TranscribeServer = Emulated<Transcribe>;

#[derive(Debug)]
struct Desk {
    state: Arc<Mutex<Transcribe>>,
    clock: Clock,
    credentials: Option<Credentials>,
}

impl Emulated<Transcribe> {
    /// Starts it. With credentials every request and every event must be signed with them, at a time within
    /// five minutes of the clock's; without, signatures are not looked at.
    ///
    /// # Errors
    /// When no port or certificate can be had.
    pub async fn start(
        options: Options,
        credentials: Option<Credentials>,
        server: ServerOptions,
        clock: Clock,
    ) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(Transcribe::new(options)));
        let desk = Desk { state: Arc::clone(&state), clock, credentials };
        let server = Server::start(server, desk).await?;
        Ok(Self { server, state, clock })
    }
}

impl Service for Desk {
    async fn call(&self, request: http::Request<Incoming>) -> Result<Reply, Dropped> {
        let (parts, body) = request.into_parts();
        let now = self.clock.now();
        let opened = self.check(now, &parts).and_then(|chain| {
            let id = lock(&self.state).open(now, parts.uri.path(), &parts.headers)?;
            Ok((id, chain))
        });
        let (id, chain) = match opened {
            Ok(opened) => opened,
            Err(exception) => return Ok(refusal(&exception)),
        };
        let (pieces, events) = mpsc::channel(EVENTS);
        let open = Open { state: Arc::clone(&self.state), clock: self.clock, id, chain };
        tokio::spawn(open.run(body, pieces));
        Ok(accepted(&parts.headers, Outgoing::Pieces(events)))
    }
}

impl Desk {
    /// Looks at the request's signature and its age.
    fn check(&self, now: Time, parts: &http::request::Parts) -> Result<Option<Chain>, Exception> {
        let Some(credentials) = &self.credentials else { return Ok(None) };
        // Some clients announce that events are signed, others sign an empty body and say nothing.
        let empty = sigv4::payload_hash(b"");
        let announced = parts.headers.contains_key("x-amz-content-sha256");
        let hash = if announced { sigv4::STREAMING } else { &empty };
        let chain = sigv4::verify(parts, hash, credentials, now);
        Ok(Some(chain.map_err(|e| Exception::signature(&e))?))
    }
}

/// A session that is being served; it is closed when this is dropped.
struct Open {
    state: Arc<Mutex<Transcribe>>,
    clock: Clock,
    id: SessionId,
    chain: Option<Chain>,
}

impl Open {
    async fn run(mut self, mut body: Incoming, pieces: mpsc::Sender<Result<Bytes, Dropped>>) {
        let mut decoder = Decoder::default();
        let mut input = true;
        loop {
            let next = lock(&self.state).poll(self.clock.now(), self.id);
            let until = match next {
                Ok(Event::End) => return,
                Ok(Event::Reset) => {
                    let _ = pieces.send(Err(Dropped)).await;
                    return;
                }
                Ok(event) => {
                    let last = matches!(event, Event::Exception(_));
                    if pieces.send(Ok(encode(&event))).await.is_err() || last {
                        return;
                    }
                    continue;
                }
                Err(until) => until,
            };
            tokio::select! {
                frame = body.frame(), if input => match frame {
                    Some(Ok(frame)) => {
                        decoder.feed(&frame.into_data().unwrap_or_default());
                        self.take(&mut decoder);
                    }
                    // The client has gone.
                    Some(Err(_)) => return,
                    None => {
                        input = false;
                        lock(&self.state).audio(self.clock.now(), self.id, &[]);
                    }
                },
                () = pieces.closed() => return,
                () = self.clock.wait(until) => {}
            }
        }
    }

    /// Takes the whole messages that have arrived.
    fn take(&mut self, decoder: &mut Decoder) {
        loop {
            let audio = match decoder.poll() {
                Ok(Some(message)) => self.audio(&message),
                Ok(None) => return,
                Err(error) => Err(error.to_owned()),
            };
            let now = self.clock.now();
            match audio {
                Ok(audio) => lock(&self.state).audio(now, self.id, &audio),
                Err(error) => {
                    let exception = Exception::bad_request(&error);
                    lock(&self.state).throw(now, self.id, exception);
                    return;
                }
            }
        }
    }

    /// The audio in a message: in the event inside the signed envelope. An empty envelope is the end.
    fn audio(&mut self, message: &Message) -> Result<Bytes, String> {
        let Some(Value::Bytes(signature)) = message.header(":chunk-signature") else {
            return match self.chain {
                Some(_) => Err("an event is not signed".to_owned()),
                None => audio_of(message),
            };
        };
        if let Some(chain) = &mut self.chain {
            let Some(Value::Timestamp(ms)) = message.header(":date") else {
                return Err("an event has no date".to_owned());
            };
            let headers: Vec<_> =
                message.headers.iter().filter(|(n, _)| n != ":chunk-signature").cloned().collect();
            let date = sigv4::amz_date(Time::from_ms(*ms));
            if !chain.accepts(&date, &encode_headers(&headers), &message.payload, signature) {
                return Err("the signature of an event does not match".to_owned());
            }
        }
        if message.payload.is_empty() {
            return Ok(Bytes::new());
        }
        let mut inner = Decoder::default();
        inner.feed(&message.payload);
        match inner.poll() {
            Ok(Some(event)) if inner.is_empty() => audio_of(&event),
            _ => Err("an envelope does not hold one event".to_owned()),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.state).close(self.id);
    }
}

fn audio_of(event: &Message) -> Result<Bytes, String> {
    match event.text(":event-type") {
        Some("AudioEvent") => Ok(event.payload.clone()),
        other => Err(format!("event {other:?}")),
    }
}

/// An event as a message.
fn encode(event: &Event) -> Bytes {
    let json = "application/json";
    let message = match event {
        Event::Transcript(transcript) => Message::new(
            &[(":event-type", "TranscriptEvent"), (":content-type", json), (":message-type", "event")],
            transcript.to_string(),
        ),
        Event::Exception(exception) => Message::new(
            &[(":exception-type", exception.name), (":content-type", json), (":message-type", "exception")],
            json!({"Message": exception.message}).to_string(),
        ),
        _ => Message::new(
            &[(":event-type", "NoveltyEvent"), (":content-type", json), (":message-type", "event")],
            json!({"Novelty": true}).to_string(),
        ),
    };
    message.encode()
}

fn refusal(exception: &Exception) -> Reply {
    let body = json!({"Message": exception.message}).to_string();
    let mut response = http::Response::new(Outgoing::whole(body));
    *response.status_mut() =
        http::StatusCode::from_u16(exception.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    headers.insert("x-amzn-errortype", http::HeaderValue::from_static(exception.name));
    response
}

/// The head of a good answer: the request's settings come back.
fn accepted(asked: &http::HeaderMap, body: Outgoing) -> Reply {
    let mut response = http::Response::new(body);
    let headers = response.headers_mut();
    let id = http::HeaderValue::from_static("00000000-0000-4000-8000-000000000000");
    headers.insert("x-amzn-transcribe-session-id", id.clone());
    for (name, value) in asked.iter().filter(|(n, _)| n.as_str().starts_with("x-amzn-transcribe-")) {
        headers.insert(name, value.clone());
    }
    headers.insert("x-amzn-request-id", id);
    let stream = http::HeaderValue::from_static("application/vnd.amazon.eventstream");
    headers.insert(http::header::CONTENT_TYPE, stream);
    response
}
