//! A server with one stream, and a reader of it.

use std::time::Duration;

use engine::call::{MediaError, MediaFrom, MediaRequest};
use engine::shell::kinesis::{Kinesis, KinesisOptions, MediaBody};
use engine::time::Span;
use fixtures::kinesis::{FRAGMENT_MS, Shape, Written};
use fixtures::tone::Script;
use fixtures::{Party, Pcm};
use tests::emulators::kinesis::{KinesisServer, Options, cut};
use tests::emulators::sigv4::Credentials;
use tests::emulators::{Clock, ServerOptions};
use tests::live::sdk;

/// An ARN as Connect's own example has it: no region where it belongs, and a field too many.
pub(crate) const ARN: &str =
    "arn:aws:kinesisvideo::eu-west-2:111111111111:stream/alias-contact-11111111/9999999999999";

/// Six fragments of tone words.
pub(crate) fn call() -> Written {
    let script = Script::new().say(Party::Customer, 300, "hello").say(Party::Agent, 3000, "please hold");
    Shape::default().write(&script.render(6 * FRAGMENT_MS as usize).unwrap())
}

/// A recording of some minutes, so that it comes in large pieces.
pub(crate) fn long_call() -> Written {
    Shape { blocks_per_fragment: 170, ..Shape::default() }.write(&Pcm::silence(120_000))
}

/// A server that checks signatures and ends its answers behind the last fragment.
pub(crate) async fn server() -> KinesisServer {
    server_with(Options { end_after: Some(Span::ZERO), ..Options::default() }).await
}

pub(crate) async fn server_with(options: Options) -> KinesisServer {
    let credentials = Some(Credentials::example());
    let options = Options { credentials, max_calls_per_s: 1000, ..options };
    let wire = ServerOptions::tls(&["http/1.1"]);
    let server = KinesisServer::start(options, wire, Clock::real()).await.unwrap();
    let stored = server.clock().now() - Span::from_s(60);
    server.state().store(ARN, stored, cut(call().bytes).unwrap());
    server
}

pub(crate) fn options(server: &KinesisServer) -> KinesisOptions {
    let mut options = KinesisOptions::default();
    options.endpoint_url = Some(server.url());
    options
}

pub(crate) fn reader(server: &KinesisServer) -> Kinesis {
    reader_with(server, &options(server))
}

pub(crate) fn reader_with(server: &KinesisServer, options: &KinesisOptions) -> Kinesis {
    let ca = server.ca_pem().map(str::as_bytes);
    Kinesis::new(&sdk(&Credentials::example().secret_access_key), ca, options).unwrap()
}

/// A request for a stream.
pub(crate) fn request(stream: &str, from: MediaFrom) -> MediaRequest {
    MediaRequest::new(1, stream, from)
}

pub(crate) async fn open(kinesis: &Kinesis, from: MediaFrom) -> Result<MediaBody, MediaError> {
    in_time(kinesis.open(&request(ARN, from))).await
}

/// All that can be read: bytes, the size of the largest piece, and how it ended.
pub(crate) async fn drain(body: &mut MediaBody) -> (Vec<u8>, usize, Result<(), MediaError>) {
    let (mut bytes, mut largest) = (Vec::new(), 0);
    loop {
        match in_time(body.next()).await {
            Ok(Some(piece)) => {
                largest = largest.max(piece.len());
                bytes.extend_from_slice(&piece);
            }
            Ok(None) => return (bytes, largest, Ok(())),
            Err(error) => return (bytes, largest, Err(error)),
        }
    }
}

pub(crate) async fn in_time<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it takes too long")
}

/// Waits until this many connections are open.
pub(crate) async fn open_connections(server: &KinesisServer, wanted: usize) {
    in_time(async {
        while server.state().open_connections() != wanted {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
