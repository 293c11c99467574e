//! Audio on its way into a session: a bounded queue whose far end is the stream that the SDK sends from.
//!
//! The SDK's connection takes chunks by itself, so that a consumer who is slow with results never holds audio
//! back. What has been taken is noted for the watchdog. It knows nothing of what comes back.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_sdk_transcribestreaming::primitives::Blob;
use aws_sdk_transcribestreaming::types::error::AudioStreamError;
use aws_sdk_transcribestreaming::types::{AudioEvent, AudioStream};
use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::speech::SpeechMeter;
use crate::recogniser::{AudioChunk, SessionSpec};
use crate::time::Span;

/// The shortest chunk that the length of the queue reckons with.
const SHORTEST_CHUNK_MS: u64 = 50;

/// The session takes no more audio: what it was given waits for the socket. It has stalled, or is not open
/// yet; close it and open another, or let it be and try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session's audio queue is full")]
pub struct Full;

/// What both ends and the session know of the audio.
#[derive(Debug, Clone)]
pub(super) struct Flow(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    meter: SpeechMeter,
    waiting: Span,
    ended: bool,
}

impl Flow {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The service said something.
    pub(super) fn answered(&self) {
        self.lock().meter.answered();
    }

    /// See [`SpeechMeter::is_stalled`].
    pub(super) fn is_stalled(&self, speech: Duration, wait: Duration) -> bool {
        self.lock().meter.is_stalled(speech, wait, Instant::now())
    }

    /// All audio has been taken, and its end.
    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended
    }
}

/// The near end.
#[derive(Debug)]
pub(super) struct AudioQueue {
    /// Gone when the audio has been ended.
    chunks: Mutex<Option<mpsc::Sender<AudioChunk>>>,
    flow: Flow,
    most: Span,
}

/// The far end: ends when the queue was ended and is empty, or at once when `stop`'s other end is dropped.
#[derive(Debug)]
pub(super) struct AudioInput {
    chunks: mpsc::Receiver<AudioChunk>,
    stop: oneshot::Receiver<Infallible>,
    flow: Flow,
    over: bool,
}

/// While it lives, audio is sent.
pub(super) type Stop = oneshot::Sender<Infallible>;

/// A queue for at most `queue_ms` of the session's audio.
pub(super) fn queue(spec: &SessionSpec, queue_ms: u64) -> (AudioQueue, AudioInput, Flow, Stop) {
    let places = usize::try_from(queue_ms / SHORTEST_CHUNK_MS).unwrap_or(usize::MAX).clamp(1, 100_000);
    let (near, far) = mpsc::channel(places);
    let (stop, stopped) = oneshot::channel();
    let meter = SpeechMeter::new(spec.rate_hz, spec.channels.parties().len());
    let flow = Flow(Arc::new(Mutex::new(State { meter, waiting: Span::ZERO, ended: false })));
    let most = Span::from_ms(i64::try_from(queue_ms).unwrap_or(i64::MAX));
    let input = AudioInput { chunks: far, stop: stopped, flow: flow.clone(), over: false };
    (AudioQueue { chunks: Mutex::new(Some(near)), flow: flow.clone(), most }, input, flow, stop)
}

/// The time a chunk takes.
fn length(chunk: &AudioChunk) -> Span {
    Span::from_samples(i64::try_from(chunk.samples()).unwrap_or(0), chunk.rate_hz.max(1))
}

impl AudioQueue {
    /// Takes a chunk. Behind the end, or when the session is lost, it is dropped: nobody will hear it.
    pub(super) fn push(&self, chunk: AudioChunk) -> Result<(), Full> {
        let chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(chunks) = chunks.as_ref() else { return Ok(()) };
        let length = length(&chunk);
        let mut state = self.flow.lock();
        // A single chunk is always taken, or one that is longer than the queue never would be.
        if state.waiting > Span::ZERO && state.waiting + length > self.most {
            return Err(Full);
        }
        match chunks.try_send(chunk) {
            Ok(()) => {
                state.waiting = state.waiting + length;
                Ok(())
            }
            Err(mpsc::error::TrySendError::Full(_)) => Err(Full),
            Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }

    /// No more audio will come.
    pub(super) fn end(&self) {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl AudioInput {
    /// Everything was taken, or must not be any more.
    fn close(&mut self, ended: bool) {
        self.over = true;
        self.chunks.close();
        // What waits is freed now, not when the connection lets go of the stream.
        while self.chunks.try_recv().is_ok() {}
        self.flow.lock().ended = ended;
    }
}

impl Stream for AudioInput {
    type Item = Result<AudioStream, AudioStreamError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.over {
            return Poll::Ready(None);
        }
        // First: what waits must not be sent once the session is closed.
        if Pin::new(&mut this.stop).poll(context).is_ready() {
            this.close(false);
            return Poll::Ready(None);
        }
        let Some(chunk) = ready!(this.chunks.poll_recv(context)) else {
            this.close(true);
            return Poll::Ready(None);
        };
        let mut state = this.flow.lock();
        state.waiting = state.waiting - length(&chunk);
        state.meter.sent(&chunk.pcm, Instant::now());
        drop(state);
        let event = AudioEvent::builder().audio_chunk(Blob::new(chunk.pcm)).build();
        Poll::Ready(Some(Ok(AudioStream::AudioEvent(event))))
    }
}
