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
use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::options::TranscribeOptions;
use super::rate::Converter;
use super::speech::SpeechMeter;
use crate::audio::resample::ResampleError;
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
    /// The last chunk found no room.
    full: bool,
    /// No more audio will come, but some may wait.
    ending: bool,
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

    /// The service has accepted the stream. It has not heard what was sent meanwhile.
    pub(super) fn opened(&self) {
        self.lock().meter.opened(Instant::now());
    }

    /// See [`SpeechMeter::is_stalled`].
    pub(super) fn is_stalled(&self) -> bool {
        self.lock().meter.is_stalled(Instant::now())
    }

    /// The socket takes audio more slowly than it comes, and the queue is full.
    pub(super) fn is_full(&self) -> bool {
        self.lock().full
    }

    /// No more audio will come; what waits for the socket may never leave.
    pub(super) fn is_ending(&self) -> bool {
        self.lock().ending
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
    /// Where the engine takes another rate.
    converter: Option<Converter>,
    over: bool,
}

/// While it lives, audio is sent.
pub(super) type Stop = oneshot::Sender<Infallible>;

/// A queue for at most `queue_ms` of the session's audio.
pub(super) fn queue(spec: &SessionSpec, options: &TranscribeOptions) -> (AudioQueue, AudioInput, Flow, Stop) {
    let queue_ms = options.queue_ms;
    let places = usize::try_from(queue_ms / SHORTEST_CHUNK_MS).unwrap_or(usize::MAX).clamp(1, 100_000);
    let (near, far) = mpsc::channel(places);
    let (stop, stopped) = oneshot::channel();
    let ms = Duration::from_millis;
    let stall = (ms(options.stall_speech_ms), ms(options.stall_timeout_ms));
    let meter = SpeechMeter::new(spec.rate_hz, spec.channels.parties().len(), stall);
    let state = State { meter, waiting: Span::ZERO, full: false, ending: false, ended: false };
    let flow = Flow(Arc::new(Mutex::new(state)));
    let most = Span::from_ms(i64::try_from(queue_ms).unwrap_or(i64::MAX));
    let input = AudioInput { chunks: far, stop: stopped, flow: flow.clone(), converter: None, over: false };
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
        // The far end is gone with the session, whose loss is told with its cause.
        let Some(chunks) = chunks.as_ref().filter(|chunks| !chunks.is_closed()) else { return Ok(()) };
        let length = length(&chunk);
        let mut state = self.flow.lock();
        // A single chunk is always taken, or one that is longer than the queue never would be.
        if state.waiting > Span::ZERO && state.waiting + length > self.most {
            state.full = true;
            return Err(Full);
        }
        let sent = chunks.try_send(chunk);
        state.full = matches!(sent, Err(mpsc::error::TrySendError::Full(_)));
        if sent.is_ok() {
            state.waiting = state.waiting + length;
        }
        if state.full { Err(Full) } else { Ok(()) }
    }

    /// No more audio will come.
    pub(super) fn end(&self) {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.flow.lock().ending = true;
    }
}

impl AudioInput {
    /// The same audio at `rate_hz`; it must not have been read from yet.
    ///
    /// # Errors
    /// The rate cannot be had.
    pub(super) fn at_rate(self, spec: &SessionSpec, rate_hz: u32) -> Result<Self, ResampleError> {
        if rate_hz == spec.rate_hz {
            return Ok(self);
        }
        let converter = Converter::new(spec.channels, spec.rate_hz, rate_hz)?;
        Ok(Self { converter: Some(converter), ..self })
    }

    /// The next chunk from the queue, counted.
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(chunk) = ready!(self.chunks.poll_recv(context)) else { return Poll::Ready(None) };
        let mut state = self.flow.lock();
        state.waiting = state.waiting - length(&chunk);
        state.meter.sent(&chunk.pcm, Instant::now());
        Poll::Ready(Some(chunk.pcm))
    }

    /// The next chunk at the engine's rate.
    fn poll_pcm(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, ResampleError>> {
        loop {
            if let Some(chunk) = self.converter.as_mut().and_then(Converter::give) {
                return Poll::Ready(Ok(Some(chunk.into())));
            }
            let chunk = ready!(self.poll_chunk(context));
            let Some(converter) = &mut self.converter else { return Poll::Ready(Ok(chunk)) };
            match chunk {
                Some(pcm) => converter.take(&pcm)?,
                None => {
                    converter.finish()?;
                    return Poll::Ready(Ok(converter.give().map(Bytes::from)));
                }
            }
        }
    }

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
        match ready!(this.poll_pcm(context)) {
            Ok(Some(pcm)) => {
                let event = AudioEvent::builder().audio_chunk(Blob::new(pcm)).build();
                Poll::Ready(Some(Ok(AudioStream::AudioEvent(event))))
            }
            Ok(None) => {
                this.close(true);
                Poll::Ready(None)
            }
            // The SDK resets the stream, and the session is lost with this reason.
            Err(error) => {
                this.close(false);
                Poll::Ready(Some(Err(AudioStreamError::unhandled(error))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recogniser::Channels;
    use crate::time::Time;

    #[test]
    fn a_full_queue_whose_session_was_lost_says_nothing_of_being_full() {
        let spec = SessionSpec::new(1, 8000, Channels::Both);
        let options = TranscribeOptions { queue_ms: 200, ..TranscribeOptions::default() };
        let (queue, input, flow, _stop) = queue(&spec, &options);
        let chunk = || {
            let pcm = Bytes::from(vec![0; 3200]);
            AudioChunk::new(1, 0, Time::from_ms(0), 8000, Channels::Both, pcm)
        };
        assert_eq!(
            [queue.push(chunk()), queue.push(chunk()), queue.push(chunk())],
            [Ok(()), Ok(()), Err(Full)]
        );
        assert!(flow.is_full());
        drop(input);
        assert_eq!(queue.push(chunk()), Ok(()), "its loss is told as such");
    }
}
