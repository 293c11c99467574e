//! The embedded recogniser behind the seam: sessions in, ordered events out.
//!
//! Voice activity runs where the audio arrives; the utterances it finds are decoded by the workers. What is
//! said leaves in the order of its time over both parties, whichever worker was faster, so that the result
//! does not depend on their number. It must never know contacts, gates or wall-clock time.

use std::collections::VecDeque;

use super::decode::Refusal;
use super::loaded::Model;
use super::session::{Session, Settled};
use super::vocabulary_filter::VocabularyFilter;
use super::words::{ERROR_MS, spread};
use super::worker::{Done, Job, Workers};
use crate::recogniser::{
    AudioChunk, Capabilities, Recogniser, RecogniserError, RecogniserEvent, SessionSpec, WordTimes,
};

/// More workers than this gain nothing on a two-party call.
const MAX_THREADS: usize = 8;

/// How an embedded recogniser is set up.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EmbeddedOptions {
    /// The model.
    pub model: Model,
    /// Worker threads; each decodes one utterance at a time and takes some 150 MB with the smallest model.
    /// Default: the available parallelism, at most 8.
    pub threads: usize,
    /// Applied to every segment.
    pub vocabulary_filter: Option<VocabularyFilter>,
}

impl EmbeddedOptions {
    /// The defaults for a model.
    #[must_use]
    pub fn new(model: Model) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        Self { model, threads, vocabulary_filter: None }
    }
}

/// What became of the sound, counted over all sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Utterances that gave words.
    pub recognised: u64,
    /// Stretches left out because they were tones or melodies.
    pub dropped_tone: u64,
    /// Stretches left out because they were steady noise.
    pub dropped_noise: u64,
    /// Stretches left out because they were shorter than a tenth of a second.
    pub dropped_click: u64,
    /// Utterances of which the model said they are no speech.
    pub dropped_no_speech: u64,
    /// Utterances whose words the model did not believe itself.
    pub dropped_unsure: u64,
    /// Utterances whose words repeated themselves.
    pub dropped_repetition: u64,
    /// Utterances in which the model found no word.
    pub dropped_empty: u64,
}

impl Stats {
    /// Utterances and stretches left out, for whatever reason.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped_tone
            + self.dropped_noise
            + self.dropped_click
            + self.dropped_no_speech
            + self.dropped_unsure
            + self.dropped_repetition
            + self.dropped_empty
    }

    fn refuse(&mut self, refusal: Refusal) {
        match refusal {
            Refusal::NoSpeech => self.dropped_no_speech += 1,
            Refusal::Unsure => self.dropped_unsure += 1,
            Refusal::Repetition => self.dropped_repetition += 1,
            Refusal::Empty => self.dropped_empty += 1,
            Refusal::Cancelled => {}
        }
    }
}

/// A recogniser that needs no service: Whisper on this machine's processor.
///
/// [`Recogniser::audio`] blocks while every worker is busy and one more utterance waits for each, so memory
/// stays bounded. Dropping it ends the threads at their next token.
pub struct Embedded {
    options: EmbeddedOptions,
    workers: Workers,
    sessions: VecDeque<Session>,
    events: VecDeque<RecogniserEvent>,
    next_job: u64,
    in_flight: u64,
    stats: Stats,
    failed: Option<RecogniserError>,
}

impl Embedded {
    /// Starts the worker threads.
    ///
    /// # Errors
    /// The threads cannot be started.
    pub fn new(mut options: EmbeddedOptions) -> Result<Self, RecogniserError> {
        options.threads = options.threads.clamp(1, 256);
        let workers =
            Workers::start(&options.model.decoder, options.threads).map_err(RecogniserError::fatal)?;
        Ok(Self {
            options,
            workers,
            sessions: VecDeque::new(),
            events: VecDeque::new(),
            next_job: 0,
            in_flight: 0,
            stats: Stats::default(),
            failed: None,
        })
    }

    /// What became of the sound so far.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Utterances that are being decoded or wait for it.
    #[must_use]
    pub const fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Remembers a failure: from now on every call returns it.
    fn guard<T>(&mut self, result: Result<T, String>) -> Result<T, RecogniserError> {
        result.map_err(|message| {
            let error = RecogniserError::fatal(message);
            self.failed = Some(error.clone());
            error
        })
    }

    fn check(&self) -> Result<(), RecogniserError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// The open session, which must be `id`.
    fn session(&mut self, id: u32) -> Result<&mut Session, RecogniserError> {
        self.sessions
            .back_mut()
            .filter(|session| session.id() == id && !session.has_ended())
            .ok_or_else(|| RecogniserError::fatal(format!("recogniser session {id} is not open")))
    }

    /// Hands the utterances found to the workers.
    fn dispatch(&mut self) -> Result<(), String> {
        while let Some((party, utterance)) = self.sessions.back_mut().and_then(Session::next_utterance) {
            let number = self.next_job;
            self.next_job += 1;
            if let Some(session) = self.sessions.back_mut() {
                session.expect(number, party, &utterance);
            }
            let mut done = Vec::new();
            self.workers.send(Job { number, utterance }, |result| done.push(result))?;
            self.in_flight += 1;
            for result in done {
                self.settle(result)?;
            }
        }
        self.collect(false)
    }

    /// Takes what the workers have finished and queues what is ready to leave.
    fn collect(&mut self, wait: bool) -> Result<(), String> {
        let mut wait = wait;
        while self.in_flight > 0 {
            let Some(done) = self.workers.receive(wait)? else { break };
            wait = false;
            self.settle(done)?;
        }
        self.release();
        Ok(())
    }

    fn settle(&mut self, done: Done) -> Result<(), String> {
        self.in_flight -= 1;
        let settled = match done.outcome? {
            Ok(written) => {
                self.stats.recognised += 1;
                let words = spread(written, &done.runs);
                let words = match &self.options.vocabulary_filter {
                    Some(filter) => filter.apply(words),
                    None => words,
                };
                Settled::Words(words)
            }
            Err(refusal) => {
                self.stats.refuse(refusal);
                Settled::Nothing
            }
        };
        for session in &mut self.sessions {
            if session.settle(done.number, &settled) {
                break;
            }
        }
        Ok(())
    }

    /// Moves ready events of the first session to the queue; the next session follows when it has ended.
    fn release(&mut self) {
        while let Some(session) = self.sessions.front_mut() {
            session.release(&mut self.events);
            if !session.is_over() {
                break;
            }
            self.events.push_back(RecogniserEvent::Ended { session: session.id() });
            self.sessions.pop_front();
        }
    }
}

impl Recogniser for Embedded {
    fn open(&mut self, spec: &SessionSpec) -> Result<Capabilities, RecogniserError> {
        self.check()?;
        if let Some(session) = self.sessions.back().filter(|session| !session.has_ended()) {
            let id = session.id();
            return Err(RecogniserError::fatal(format!("recogniser session {id} is still open")));
        }
        let session = Session::new(spec).map_err(RecogniserError::fatal)?;
        self.sessions.push_back(session);
        let model = &self.options.model;
        let mut capabilities =
            Capabilities::new(model.name.clone(), false, WordTimes::Spread { error_ms: ERROR_MS }, true);
        capabilities.languages.clone_from(&model.languages);
        Ok(capabilities)
    }

    fn audio(&mut self, chunk: AudioChunk) -> Result<(), RecogniserError> {
        self.check()?;
        let taken = self.session(chunk.session)?.take(&chunk);
        self.guard(taken)?;
        self.count_left_out();
        let dispatched = self.dispatch();
        self.guard(dispatched)
    }

    fn end(&mut self, session: u32) -> Result<(), RecogniserError> {
        self.check()?;
        let ended = self.session(session)?.end();
        self.guard(ended)?;
        self.count_left_out();
        let dispatched = self.dispatch();
        self.guard(dispatched)
    }

    fn poll(&mut self, wait: bool) -> Result<Option<RecogniserEvent>, RecogniserError> {
        self.check()?;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let before = self.in_flight;
            let collected = self.collect(wait);
            self.guard(collected)?;
            if self.events.is_empty() && (!wait || before == 0) {
                return Ok(None);
            }
        }
    }
}

impl Embedded {
    fn count_left_out(&mut self) {
        if let Some(session) = self.sessions.back_mut() {
            let left_out = session.take_left_out();
            self.stats.dropped_tone += left_out.tones;
            self.stats.dropped_noise += left_out.noises;
            self.stats.dropped_click += left_out.clicks;
        }
    }
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Embedded {{ {}, threads: {} }}", self.options.model.name, self.workers.threads())
    }
}
