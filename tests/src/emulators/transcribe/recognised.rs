//! Any recogniser of the engine behind the seam, on a thread of its own for each session.
//!
//! Audio waits in a bounded queue and is never waited for: a recogniser that falls behind by the whole queue
//! loses its session, as a service that fails does.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use engine::recogniser::{
    AudioChunk, Channels, Party, Recogniser, RecogniserError, RecogniserEvent, Segment, SessionSpec, Word,
};
use engine::time::{Span, Time};

use super::hearing::{Hearing, Listener, Said, Speech};
use super::request::Request;

/// Chunks that may wait for the recogniser: five minutes at 100 ms, 10 MB at 8 kHz and two channels.
const CHUNKS: usize = 3000;
/// Results that may wait to be polled.
const RESULTS: usize = 256;
/// How long the thread waits for audio before it looks for results.
const WAIT: Duration = Duration::from_millis(20);
/// How soon a session looks for results.
const LOOK: Span = Span::from_ms(50);
/// The engine's number of a recogniser's one session.
const SESSION: u32 = 1;

type Make = dyn Fn() -> Result<Box<dyn Recogniser>, RecogniserError> + Send + Sync;

/// Opens a recogniser for each session.
#[derive(Clone)]
pub struct Recognisers {
    make: Arc<Make>,
}

impl Recognisers {
    /// Sessions are heard by what `make` gives. It is called on the session's thread, once for each session.
    pub fn new<R: Recogniser + 'static>(
        make: impl Fn() -> Result<R, RecogniserError> + Send + Sync + 'static,
    ) -> Self {
        Self { make: Arc::new(move || make().map(|r| Box::new(r) as Box<dyn Recogniser>)) }
    }

    /// Speech, with the embedded recogniser: its default model, fetched on first use, loaded once and shared.
    /// `language` is a code such as `en`. May take minutes; do not call it where others wait.
    ///
    /// # Errors
    /// When the model cannot be had or loaded.
    #[cfg(feature = "speech")]
    pub fn embedded(language: &str) -> Result<Self, RecogniserError> {
        use engine::asr::model::ModelStore;
        use engine::asr::{Embedded, EmbeddedOptions, Model};

        let store = ModelStore::from_env().map_err(|e| RecogniserError::fatal(e.to_string()))?;
        let files = store.ensure(&mut ()).map_err(|e| RecogniserError::fatal(e.to_string()))?;
        let model = Model::load(&files, language)?;
        Ok(Self::new(move || Embedded::new(EmbeddedOptions::new(model.clone()))))
    }
}

impl fmt::Debug for Recognisers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recognisers")
    }
}

impl Listener for Recognisers {
    fn open(&self, request: &Request, _pause: Span) -> Box<dyn Hearing> {
        let (audio, chunks) = sync_channel(CHUNKS);
        let (told, results) = sync_channel(RESULTS);
        let gone = Arc::new(AtomicBool::new(false));
        let channels = if request.channels > 1 { Channels::Both } else { Channels::Only(Party::Customer) };
        let spec = SessionSpec::new(SESSION, request.rate_hz, channels);
        let work = Work { spec, chunks, told, gone: Arc::clone(&gone), position: 0 };
        let make = Arc::clone(&self.make);
        let thread = std::thread::Builder::new().name("recogniser".to_owned());
        let started = thread.spawn(move || work.run(&*make));
        let failed = started.err().map(|e| format!("cannot start a thread: {e}"));
        Box::new(Session { audio: Some(audio), results, gone, failed, done: false })
    }
}

/// What the thread says.
enum Told {
    Speech(Speech),
    Done,
    Failed(String),
}

/// The session's side.
struct Session {
    /// Dropped when the audio is over.
    audio: Option<SyncSender<Bytes>>,
    results: Receiver<Told>,
    gone: Arc<AtomicBool>,
    failed: Option<String>,
    done: bool,
}

impl Hearing for Session {
    fn hear(&mut self, samples: &[i16]) -> Result<(), String> {
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        match self.audio.as_ref().map(|audio| audio.try_send(Bytes::from(bytes))) {
            Some(Err(TrySendError::Full(_))) => Err(format!("the recogniser is {CHUNKS} chunks behind")),
            // Why the thread has gone stands in the results.
            Some(Ok(()) | Err(TrySendError::Disconnected(_))) | None => Ok(()),
        }
    }

    fn end(&mut self) {
        self.audio = None;
    }

    fn poll(&mut self) -> Result<Vec<Speech>, String> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let mut all = Vec::new();
        while !self.done {
            match self.results.try_recv() {
                Ok(Told::Speech(speech)) => all.push(speech),
                Ok(Told::Done) => self.done = true,
                Ok(Told::Failed(why)) => return Err(why),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err("the recogniser's thread has gone".to_owned()),
            }
        }
        Ok(all)
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn look(&self) -> Option<Span> {
        (!self.done).then_some(LOOK)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session {{ done: {}, failed: {:?} }}", self.done, self.failed)
    }
}

/// The thread's side.
struct Work {
    spec: SessionSpec,
    chunks: Receiver<Bytes>,
    told: SyncSender<Told>,
    gone: Arc<AtomicBool>,
    /// Samples of each channel handed on.
    position: u64,
}

impl Work {
    fn run(mut self, make: &Make) {
        let last = match self.recognise(make) {
            Ok(()) => Told::Done,
            Err(error) => Told::Failed(error.to_string()),
        };
        // Nobody may be listening any more.
        let _ = self.told.send(last);
    }

    /// Recognises until the audio and its results are over, or the session has gone.
    fn recognise(&mut self, make: &Make) -> Result<(), RecogniserError> {
        let mut recogniser = make()?;
        recogniser.open(&self.spec)?;
        let mut ended = false;
        while !self.gone.load(Ordering::Relaxed) {
            if !ended {
                match self.chunks.recv_timeout(WAIT) {
                    Ok(pcm) => recogniser.audio(self.chunk(pcm))?,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => {
                        recogniser.end(SESSION)?;
                        ended = true;
                    }
                }
            }
            loop {
                match recogniser.poll(ended)? {
                    Some(RecogniserEvent::Segment(segment)) => {
                        let speech = speech(segment);
                        if !speech.words.is_empty() && self.told.send(Told::Speech(speech)).is_err() {
                            return Ok(());
                        }
                    }
                    Some(RecogniserEvent::Ended { .. }) => return Ok(()),
                    None if ended => return Ok(()),
                    None => break,
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    fn chunk(&mut self, pcm: Bytes) -> AudioChunk {
        let SessionSpec { rate_hz, channels, .. } = self.spec;
        let at = Span::from_samples(i64::try_from(self.position).unwrap_or(i64::MAX), rate_hz);
        let chunk = AudioChunk::new(SESSION, self.position, Time::from_ms(0) + at, rate_hz, channels, pcm);
        self.position += chunk.samples() as u64;
        chunk
    }
}

fn speech(segment: Segment) -> Speech {
    let said = |word: Word| Said {
        text: word.text,
        start: word.start,
        end: word.end,
        confidence: word.confidence,
        space_before: word.space_before,
    };
    Speech {
        channel: segment.party.channel(),
        partial: !segment.is_final,
        start: segment.start,
        end: segment.end,
        words: segment.words.into_iter().map(said).collect(),
    }
}
