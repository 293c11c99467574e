//! Which connection a session goes over, how many sessions there are at once, and how fast they begin.
//!
//! It knows nothing of what a session says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_transcribestreaming::config::SharedHttpClient;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::options::TranscribeOptions;
use crate::shell::connector::Trust;

/// All connections of a process to the service.
#[derive(Debug)]
pub(super) struct Connections {
    trust: Trust,
    options: TranscribeOptions,
    places: Arc<Semaphore>,
    /// When the last session began. Whoever waits for his turn holds it, so that turns come in the order in
    /// which they were asked for and nobody who gives up takes one.
    last_start: tokio::sync::Mutex<Option<Instant>>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    connections: Vec<Connection>,
    /// Number of the next one; none is used twice.
    next: u64,
}

/// An HTTP client that keeps one connection, made anew when it was closed.
#[derive(Debug)]
struct Connection {
    client: SharedHttpClient,
    number: u64,
    streams: usize,
}

impl Connections {
    pub(super) fn new(trust: Trust, options: &TranscribeOptions) -> Arc<Self> {
        let most = options.max_sessions.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            trust,
            options: options.clone(),
            places: Arc::new(Semaphore::new(most)),
            last_start: tokio::sync::Mutex::new(None),
            open: Mutex::new(Open::default()),
        })
    }

    /// Waits until a session may begin; it ends when the place is dropped.
    pub(super) async fn place(self: &Arc<Self>) -> Place {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.places).acquire_owned().await.ok();
        if self.options.starts_per_second > 0 {
            let apart = Duration::from_secs(1) / self.options.starts_per_second;
            let mut last = self.last_start.lock().await;
            if let Some(last) = *last {
                tokio::time::sleep_until(last + apart).await;
            }
            *last = Some(Instant::now());
        }
        let (client, number) = self.lease();
        Place { connections: Arc::clone(self), client, number, _permit: permit }
    }

    /// Connections that sessions to come may use.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().connections.len()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first connection with room for a stream, or a new one.
    fn lease(&self) -> (SharedHttpClient, u64) {
        let mut open = self.lock();
        let most = self.options.streams_per_connection.max(1);
        if let Some(connection) = open.connections.iter_mut().find(|c| c.streams < most) {
            connection.streams += 1;
            return (connection.client.clone(), connection.number);
        }
        let ms = Duration::from_millis;
        let client = self.trust.http2(
            ms(self.options.connect_timeout_ms),
            ms(self.options.ping_interval_ms),
            ms(self.options.ping_timeout_ms),
        );
        let number = open.next;
        open.next += 1;
        open.connections.push(Connection { client: client.clone(), number, streams: 1 });
        (client, number)
    }
}

/// A session's place among those that are open, and on a connection.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    client: SharedHttpClient,
    number: u64,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// The client whose connection to use.
    pub(super) fn client(&self) -> SharedHttpClient {
        self.client.clone()
    }

    /// The connection is not to be trusted: sessions to come use another one.
    pub(super) fn distrust(&self) {
        self.connections.lock().connections.retain(|c| c.number != self.number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A distrusted connection is not there any more.
        let mut open = self.connections.lock();
        if let Some(connection) = open.connections.iter_mut().find(|c| c.number == self.number) {
            connection.streams = connection.streams.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(options: &TranscribeOptions) -> Arc<Connections> {
        Connections::new(Trust::new(None).expect("no extra certificate"), options)
    }

    #[tokio::test]
    async fn sessions_begin_no_faster_than_the_ramp_allows() {
        let options = TranscribeOptions { starts_per_second: 50, ..TranscribeOptions::default() };
        let connections = connections(&options);
        let start = Instant::now();
        for n in 0..5u32 {
            drop(connections.place().await);
            assert!(start.elapsed() >= n * Duration::from_millis(20), "session {n}");
        }
    }

    #[tokio::test]
    async fn who_gives_up_waiting_takes_no_turn_and_nobody_overtakes() {
        let options = TranscribeOptions { starts_per_second: 10, ..TranscribeOptions::default() };
        let connections = connections(&options);
        let start = Instant::now();
        drop(connections.place().await);
        for _ in 0..20 {
            let given_up = tokio::time::timeout(Duration::from_millis(1), connections.place()).await;
            drop(given_up);
        }
        let first = async { (drop(connections.place().await), Instant::now()).1 };
        let second = async { (drop(connections.place().await), Instant::now()).1 };
        let (first, second) = tokio::join!(first, second);
        assert!(first - start < Duration::from_millis(1500), "twenty who gave up cost two seconds");
        assert!(second > first);
    }

    #[tokio::test]
    async fn streams_fill_a_connection_before_the_next_and_leave_it_again() {
        let options = TranscribeOptions {
            streams_per_connection: 2,
            max_sessions: 3,
            starts_per_second: 0,
            ..TranscribeOptions::default()
        };
        let connections = connections(&options);
        let (a, b, c) = (connections.place().await, connections.place().await, connections.place().await);
        assert_eq!([a.number, b.number, c.number], [0, 0, 1]);
        let fourth = tokio::time::timeout(Duration::from_millis(50), connections.place()).await;
        assert!(fourth.is_err(), "three sessions at once");
        drop(a);
        let d = connections.place().await;
        assert_eq!(d.number, 0, "a place was free");
        d.distrust();
        drop(d);
        assert_eq!(connections.place().await.number, 1);
        drop((b, c));
        assert_eq!(connections.lock().connections.len(), 1, "the distrusted one is gone for good");
    }
}
