//! Transcribe streaming over sockets: framing, signatures, and faults on the wire.

use bytes::Bytes;
use engine::time::Span;
use http_body_util::BodyExt;
use serde_json::Value;
use tests::emulators::sigv4::{self, Chain, Credentials};
use tests::emulators::transcribe::frame::{self, Message, encode_headers};
use tests::emulators::transcribe::{Exception, Fault, Options, TranscribeServer};
use tests::emulators::{Clock, Dropped, Outgoing, ServerOptions};
use tokio::sync::mpsc;

use crate::client::Client;
use crate::transcribe::{CHUNK, PATH, T0, assert_finals, conversation, finals, headers};

/// A client's side of a session on a connection.
struct Talk {
    send: mpsc::Sender<Result<Bytes, Dropped>>,
    chain: Chain,
    body: hyper::body::Incoming,
    decoder: frame::Decoder,
}

impl Talk {
    /// Opens a session with signatures; `Err` is the status and type of a refusal.
    async fn open(server: &TranscribeServer, credentials: &Credentials) -> Result<Self, (u16, String)> {
        Self::open_as(server, credentials, sigv4::STREAMING).await
    }

    /// As `open`, announcing this for the body; nothing: signing an empty body, as some clients do.
    async fn open_as(
        server: &TranscribeServer,
        credentials: &Credentials,
        announced: &str,
    ) -> Result<Self, (u16, String)> {
        let mut client = Client::connect(&server.url(), server.ca_pem(), true).await.unwrap();
        let date = sigv4::amz_date(server.clock().now());
        let mut request = http::Request::post(format!("{}{PATH}", server.url()));
        *request.headers_mut().unwrap() =
            headers(&[("x-amz-content-sha256", announced), ("x-amz-date", &date)]);
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let empty = sigv4::payload_hash(b"");
        let hash = if announced.is_empty() { &empty } else { announced };
        let (authorization, chain) =
            sigv4::sign(&parts, hash, credentials, "eu-west-2", "transcribe").unwrap();
        parts.headers.insert("authorization", authorization.parse().unwrap());
        let (send, pieces) = mpsc::channel(4);
        let request = http::Request::from_parts(parts, Outgoing::Pieces(pieces));
        let response = client.send(request).await.unwrap();
        if response.status() != 200 {
            let kind = response.headers()["x-amzn-errortype"].to_str().unwrap().to_owned();
            return Err((response.status().as_u16(), kind));
        }
        assert_eq!(response.headers()["x-amzn-transcribe-sample-rate"], "8000");
        Ok(Self { send, chain, body: response.into_body(), decoder: frame::Decoder::default() })
    }

    /// Sends audio in its two envelopes; empty audio ends it.
    async fn audio(&mut self, audio: &Bytes) {
        let inner = match audio.is_empty() {
            true => Bytes::new(),
            false => {
                let names = [
                    (":message-type", "event"),
                    (":event-type", "AudioEvent"),
                    (":content-type", "application/octet-stream"),
                ];
                Message::new(&names, audio.clone()).encode()
            }
        };
        let date = frame::Value::Timestamp(T0.ms());
        let mut outer = Message { headers: vec![(":date".to_owned(), date)], payload: inner };
        let headers = encode_headers(&outer.headers);
        let signature = self.chain.sign(&sigv4::amz_date(T0), &headers, &outer.payload);
        outer.headers.push((":chunk-signature".to_owned(), frame::Value::Bytes(signature.into())));
        // A server that has ended the session takes no more.
        let _ = self.send.send(Ok(outer.encode())).await;
    }

    /// The next message; `None` at the end, `Err` at a reset.
    async fn next(&mut self) -> Result<Option<Message>, hyper::Error> {
        loop {
            if let Some(message) = self.decoder.poll().unwrap() {
                return Ok(Some(message));
            }
            match self.body.frame().await {
                Some(frame) => self.decoder.feed(&frame?.into_data().unwrap_or_default()),
                None => return Ok(None),
            }
        }
    }

    /// Plays the conversation and reads to the end.
    async fn play(&mut self) -> Result<Vec<Message>, hyper::Error> {
        for chunk in conversation() {
            self.audio(&chunk).await;
        }
        self.audio(&Bytes::new()).await;
        let mut messages = Vec::new();
        while let Some(message) = self.next().await? {
            messages.push(message);
        }
        Ok(messages)
    }
}

async fn server(tls: bool) -> TranscribeServer {
    server_at(1.0, tls).await
}

async fn server_at(speed: f64, tls: bool) -> TranscribeServer {
    let wire = if tls { ServerOptions::tls(&["h2"]) } else { ServerOptions::default() };
    let clock = Clock::starting_at(T0, speed);
    TranscribeServer::start(Options::default(), Some(Credentials::example()), wire, clock).await.unwrap()
}

#[tokio::test]
async fn a_signed_conversation_over_http2_plain_and_tls() {
    for tls in [false, true] {
        let server = server(tls).await;
        let mut talk = Talk::open(&server, &Credentials::example()).await.unwrap();
        let messages = talk.play().await.unwrap();
        let payloads = messages.iter().map(|m| serde_json::from_slice::<Value>(&m.payload).unwrap());
        let results = payloads.flat_map(|p| p["Transcript"]["Results"].as_array().unwrap().clone());
        assert_finals(&finals(results));
        assert!(messages.iter().all(|m| m.text(":event-type") == Some("TranscriptEvent")));
        assert_eq!(server.state().records()[0].duration(), Span::from_s(4));
    }
}

#[tokio::test]
async fn wrong_signatures_are_refused_before_and_during_the_stream() {
    let server = server(false).await;
    let wrong = Credentials { secret_access_key: "another".to_owned(), ..Credentials::example() };
    let refused = Talk::open(&server, &wrong).await.err().unwrap();
    assert_eq!(refused, (403, "InvalidSignatureException".to_owned()));

    let mut talk = Talk::open(&server, &Credentials::example()).await.unwrap();
    talk.audio(&Bytes::from(vec![0; CHUNK])).await;
    // One signature is left out of the chain, so that the next one cannot match.
    let _ = talk.chain.sign(&sigv4::amz_date(T0), b"", b"");
    talk.audio(&Bytes::from(vec![0; CHUNK])).await;
    let message = talk.next().await.unwrap().unwrap();
    assert_eq!(message.text(":message-type"), Some("exception"));
    assert_eq!(message.text(":exception-type"), Some("BadRequestException"));
    assert_eq!(server.state().records()[0].audio.len(), 1, "the first event was good");
}

#[tokio::test]
async fn a_client_may_sign_an_empty_body_and_nothing_else() {
    let server = server(false).await;
    let credentials = Credentials::example();
    let mut talk = Talk::open_as(&server, &credentials, "").await.unwrap();
    assert!(!talk.play().await.unwrap().is_empty());
    let other = sigv4::payload_hash(b"another");
    let refused = Talk::open_as(&server, &credentials, &other).await.err().unwrap();
    assert_eq!(refused.0, 403);
}

#[tokio::test]
async fn faults_and_the_idle_rule_reach_the_wire() {
    let server = server(false).await;
    let after = Span::from_ms(100);
    server.state().script(vec![Fault::Refuse(Exception::limit("by script"))]);
    server.state().script(vec![Fault::Reset { after }]);
    server.state().script(vec![Fault::Unknown { after }, Fault::EndEarly { after: Span::from_ms(200) }]);
    let refused = Talk::open(&server, &Credentials::example()).await.err().unwrap();
    assert_eq!(refused, (429, "LimitExceededException".to_owned()));
    let mut talk = Talk::open(&server, &Credentials::example()).await.unwrap();
    assert!(talk.play().await.is_err(), "a reset is no end");
    let mut talk = Talk::open(&server, &Credentials::example()).await.unwrap();
    let messages = talk.play().await.unwrap();
    assert_eq!(messages[0].text(":event-type"), Some("NoveltyEvent"));
    assert_eq!(messages.len(), 1);
    // Fifteen seconds, a hundred times as fast.
    let server = server_at(100.0, false).await;
    let mut talk = Talk::open(&server, &Credentials::example()).await.unwrap();
    let message = talk.next().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&message.payload).contains("no new audio was received for 15 seconds"));
    assert_eq!(talk.next().await.unwrap(), None);
}
