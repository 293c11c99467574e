//! Kinesis Video Streams behind real HTTP.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use tokio::sync::mpsc;

use super::connection::Step;
use super::state::{Answer, ConnectionId, Kinesis, Options};
use crate::emulators::emulated::{Emulated, lock};
use crate::emulators::{Clock, Dropped, Outgoing, Reply, Server, ServerOptions, Service, read_body};

/// A request beyond this is not read.
const MAX_BODY: usize = 64 << 10;
/// A waiting connection looks this often for fragments added meanwhile, in real time.
const LOOK: Duration = Duration::from_millis(50);

/// Kinesis Video Streams on a port; its own data endpoint.
pub type KinesisServer = Emulated<Kinesis>;

#[derive(Debug)]
struct Desk {
    state: Arc<Mutex<Kinesis>>,
    clock: Clock,
}

impl Emulated<Kinesis> {
    /// Starts it. The real service speaks HTTP/1.1: for TLS offer that alone.
    ///
    /// # Errors
    /// When no port or certificate can be had.
    pub async fn start(options: Options, server: ServerOptions, clock: Clock) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(Kinesis::new(options, "")));
        let server = Server::start(server, Desk { state: Arc::clone(&state), clock }).await?;
        lock(&state).set_endpoint(&server.url());
        Ok(Self { server, state, clock })
    }
}

impl Service for Desk {
    async fn call(&self, request: http::Request<Incoming>) -> Result<Reply, Dropped> {
        let (parts, body) = request.into_parts();
        let body = read_body(body, MAX_BODY).await?;
        let request = http::Request::from_parts(parts, body);
        let answer = lock(&self.state).handle(self.clock.now(), &request);
        let id = match answer {
            Answer::Reply(response) => return Ok(response.map(Outgoing::whole)),
            Answer::Media(id) => id,
        };
        // One fragment may wait for the socket; back-pressure does the rest.
        let (pieces, body) = mpsc::channel(1);
        let connection = Open { state: Arc::clone(&self.state), clock: self.clock, id };
        tokio::spawn(connection.run(pieces));
        let mut response = http::Response::new(Outgoing::Pieces(body));
        let media = http::HeaderValue::from_static("video/webm");
        response.headers_mut().insert(http::header::CONTENT_TYPE, media);
        Ok(response)
    }
}

/// A connection that is being served; its place in the stream's three is free when this is dropped.
struct Open {
    state: Arc<Mutex<Kinesis>>,
    clock: Clock,
    id: ConnectionId,
}

impl Open {
    async fn run(self, pieces: mpsc::Sender<Result<Bytes, Dropped>>) {
        loop {
            let step = lock(&self.state).poll(self.clock.now(), self.id);
            match step {
                Step::Send(bytes) => {
                    if pieces.send(Ok(bytes)).await.is_err() {
                        return;
                    }
                }
                Step::Wait(until) => tokio::select! {
                    () = pieces.closed() => return,
                    () = self.clock.wait(until) => {}
                    () = tokio::time::sleep(LOOK) => {}
                },
                Step::End => return,
                Step::Reset => {
                    // Let what was sent reach the socket before the break.
                    let _ = pieces.send(Ok(Bytes::new())).await;
                    let _ = pieces.send(Err(Dropped)).await;
                    return;
                }
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.state).close(self.id);
    }
}
