//! One session from waiting for its place to its end: the task behind a [`SessionHandle`](super::SessionHandle).
//!
//! Three watchdogs, because the SDK has none here: the head of the answer, speech without an answer, and the
//! last results. A broken connection is found by its pings.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_transcribestreaming::{Client, config};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::audio::{AudioInput, Flow, Stop};
use super::connections::{Connections, Place};
use super::options::TranscribeOptions;
use super::request::{Opened, Request};
use super::session_options::{Engine, SessionOptions};
use super::{SessionEvent, error};
use crate::recogniser::{
    Capabilities, RecogniserCause, RecogniserError, RecogniserEvent, SessionSpec, WordTimes,
};

/// What is known of the error of the service's word times. Its documents state none; forced alignment of
/// telephone speech is commonly good to a tenth of a second, and this is twice that.
const WORD_ERROR_MS: u32 = 200;

/// A session and what it needs.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) connections: Arc<Connections>,
    pub(super) limits: Arc<TranscribeOptions>,
    pub(super) spec: SessionSpec,
    pub(super) options: Arc<SessionOptions>,
    pub(super) events: mpsc::Sender<SessionEvent>,
    pub(super) flow: Flow,
    /// Its drop stops the audio.
    pub(super) stop: Stop,
}

/// Nobody listens any more.
struct Unheard;

/// How a session ends before its time.
enum Failure {
    Lost(RecogniserError),
    Unheard,
}

impl From<RecogniserError> for Failure {
    fn from(error: RecogniserError) -> Self {
        Self::Lost(error)
    }
}

impl From<Unheard> for Failure {
    fn from(_: Unheard) -> Self {
        Self::Unheard
    }
}

impl Session {
    /// Runs to the end, and says how it was.
    pub(super) async fn run(self, input: AudioInput) {
        let session = self.spec.id;
        let last = match self.serve(input).await {
            Ok(()) => SessionEvent::Recognised(RecogniserEvent::Ended { session }),
            Err(Failure::Lost(error)) => SessionEvent::Lost { session, error },
            Err(Failure::Unheard) => return,
        };
        let Self { events, stop, .. } = self;
        // Audio stops before the news can be late.
        drop(stop);
        // Nobody listens: nobody needs to know.
        let _ = events.send(last).await;
    }

    async fn serve(&self, input: AudioInput) -> Result<(), Failure> {
        if !(8_000..=48_000).contains(&self.spec.rate_hz) {
            return Err(error::rate(self.spec.rate_hz).into());
        }
        let rate_hz = self.options.sent_rate_hz(self.spec.rate_hz);
        let input = input.at_rate(&self.spec, rate_hz).map_err(|e| error::resampling(&e))?;
        let place = tokio::select! {
            place = self.connections.place() => place,
            () = self.events.closed() => return Err(Failure::Unheard),
        };
        let place = Tenancy { place, flow: &self.flow };
        let ready = SessionEvent::Ready { session: self.spec.id, capabilities: self.capabilities() };
        self.say(ready).await?;
        let served = self.talk(&place.place, input).await;
        if let Err(Failure::Lost(error)) = &served
            && is_the_peers_fault(error.cause)
        {
            place.place.distrust();
        }
        served
    }

    async fn talk(&self, place: &Place, input: AudioInput) -> Result<(), Failure> {
        let request = Request {
            client: &self.client,
            config: config::Builder::default().http_client(place.client()),
            spec: &self.spec,
            options: &self.options,
            session_id: session_id(),
        };
        let within = Duration::from_millis(self.limits.open_timeout_ms);
        let opened = timeout(within, Box::pin(request.open(input))).await;
        let mut opened = opened.map_err(|_| error::not_opened(&self.limits))??;
        self.flow.opened();
        self.listen(&mut opened).await
    }

    /// Reads events to the end of the stream.
    async fn listen(&self, opened: &mut Opened) -> Result<(), Failure> {
        let mut ended = None;
        loop {
            // Looking often enough that no time-out is late by more than an eighth.
            let next = timeout(self.look(), opened.next(&self.spec, &self.options)).await;
            let events = match next {
                Ok(Ok(Some(events))) => events,
                Ok(Ok(None)) if self.flow.has_ended() => return Ok(()),
                Ok(Ok(None)) => return Err(error::ended_early().into()),
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {
                    self.watch(&mut ended)?;
                    continue;
                }
            };
            for event in events {
                self.say(SessionEvent::Recognised(event)).await?;
            }
            // After the events have been taken: a slow listener is not a stalled service.
            self.flow.answered();
            ended = ended.map(|_| Instant::now());
        }
    }

    fn look(&self) -> Duration {
        let shortest = match self.limits.stall_timeout_ms {
            0 => self.limits.drain_timeout_ms,
            stall => stall.min(self.limits.drain_timeout_ms),
        };
        Duration::from_millis(shortest / 8).clamp(Duration::from_millis(5), Duration::from_secs(1))
    }

    /// Nothing came for a moment: is that too long? `ended` is when the audio was last known to have no more
    /// behind it and nothing had come; a socket that does not take the last of it is waited for no longer.
    fn watch(&self, ended: &mut Option<Instant>) -> Result<(), RecogniserError> {
        let limits = &self.limits;
        if self.flow.is_ending() {
            let since = ended.get_or_insert_with(Instant::now);
            let drained = since.elapsed() < Duration::from_millis(limits.drain_timeout_ms);
            return if drained { Ok(()) } else { Err(error::not_drained(limits)) };
        }
        if self.flow.is_stalled() {
            return Err(error::stalled(limits));
        }
        Ok(())
    }

    async fn say(&self, event: SessionEvent) -> Result<(), Unheard> {
        self.events.send(event).await.map_err(|_| Unheard)
    }

    fn capabilities(&self) -> Capabilities {
        let name = match self.options.engine {
            Engine::Standard(_) => "Amazon Transcribe",
            Engine::Medical(_) => "Amazon Transcribe Medical",
        };
        Capabilities::new(name, true, WordTimes::Measured { error_ms: WORD_ERROR_MS }, true)
    }
}

/// The session's place. Where the session is given up because its socket takes no more audio, nobody else shall
/// have the connection.
struct Tenancy<'a> {
    place: Place,
    flow: &'a Flow,
}

impl Drop for Tenancy<'_> {
    fn drop(&mut self) {
        if self.flow.is_full() {
            self.place.distrust();
        }
    }
}

/// Another connection may lead to a healthier host.
fn is_the_peers_fault(cause: RecogniserCause) -> bool {
    use RecogniserCause as Cause;
    matches!(
        cause,
        Cause::Connection | Cause::Stalled | Cause::EndedEarly | Cause::Internal | Cause::Unavailable
    )
}

/// A random UUID: two sessions with one id end each other with a conflict.
fn session_id() -> String {
    let mut bytes = [0; 16];
    // Without random numbers there would be no TLS connection either; then the service finds a conflict.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::super::audio;
    use super::*;
    use crate::recogniser::{AudioChunk, Channels};
    use crate::shell::connector::Trust;
    use crate::time::Time;

    #[tokio::test]
    async fn a_connection_that_takes_no_audio_is_not_used_again_and_another_is() {
        let options =
            TranscribeOptions { queue_ms: 100, starts_per_second: 0, ..TranscribeOptions::default() };
        let connections = Connections::new(Trust::new(None).expect("no extra certificate"), &options);
        for (chunks, left) in [(1, 1), (2, 0)] {
            let (queue, _input, flow, _stop) =
                audio::queue(&SessionSpec::new(1, 8000, Channels::Both), &options);
            let tenancy = Tenancy { place: connections.place().await, flow: &flow };
            for n in 0..chunks {
                let pcm = vec![0; 3200].into();
                let chunk = AudioChunk::new(1, 0, Time::from_ms(0), 8000, Channels::Both, pcm);
                assert_eq!(queue.push(chunk).is_ok(), n == 0);
            }
            drop(tenancy);
            assert_eq!(connections.count(), left, "{chunks} chunks of 100 ms");
        }
    }
}
