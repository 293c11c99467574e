//! Amazon Transcribe as the recogniser of a recording: the same sessions as a live call's, driven by a loop
//! without a runtime.
//!
//! Audio is held back to a multiple of real time (`[live] catch_up_percent`, `burst_ms`), since the service is
//! made for live audio. What has been sent is not kept: a session that is lost ends the recording, whatever it
//! was lost by, and the error says so. It knows no call.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Instant, sleep, sleep_until};

use crate::recogniser::{
    Action, AudioChunk, Capabilities, Recogniser, RecogniserCause, RecogniserError, RecogniserEvent,
    SessionSpec,
};
use crate::time::Span;

use super::aws::{AwsOptions, sdk_config};
use super::config::{Config, LiveOptions};
use super::http::read_authorities;
use super::services::SetupError;
use super::transcribe::{
    RawSessionOptions, SessionEvent, SessionHandle, SessionOptions, TranscribeOptions, Transcriber,
};

/// Results that may wait until the recording's loop looks for them.
const EVENTS: usize = 256;
/// A socket that takes no audio for so long is stalled: pings may still be answered.
const FULL_FOR: Duration = Duration::from_secs(30);
/// Until a full queue is tried again.
const FULL_PAUSE: Duration = Duration::from_millis(20);

/// A recogniser on Amazon Transcribe with a runtime of its own. Use it outside any other runtime.
#[derive(Debug)]
pub struct TranscribeFile {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    transcriber: Transcriber,
    options: Arc<SessionOptions>,
    pace: Pace,
    /// In the order of their audio; all but the last have ended.
    sessions: VecDeque<Open>,
    heard: VecDeque<RecogniserEvent>,
}

/// A session under way.
#[derive(Debug)]
struct Open {
    id: u32,
    handle: SessionHandle,
    events: mpsc::Receiver<SessionEvent>,
    audio_ended: bool,
}

/// The sections that count, valid; read before anybody is asked for region and credentials.
struct Settings {
    aws: AwsOptions,
    live: LiveOptions,
    transcribe: TranscribeOptions,
    session: SessionOptions,
}

impl Settings {
    fn read(config: &Config) -> Result<Self, SetupError> {
        let live: LiveOptions = config.section("live")?;
        live.check()?;
        let session: RawSessionOptions = config.section("session")?;
        let session = SessionOptions::new(&session).map_err(|error| format!("[session] {error}"))?;
        Ok(Self { aws: config.section("aws")?, live, transcribe: config.section("transcribe")?, session })
    }
}

impl TranscribeFile {
    /// With `[aws]`, `[transcribe]`, `[session]` and `[live]` of the configuration, and the credentials that
    /// the AWS SDK finds. Asks no service yet.
    ///
    /// # Errors
    /// An option is wrong, no region is known, or there is no runtime.
    pub fn connect(config: &Config) -> Result<Self, SetupError> {
        let settings = Settings::read(config)?;
        let runtime = runtime()?;
        let sdk = runtime.block_on(Box::pin(sdk_config(&settings.aws)))?;
        Self::new(runtime, settings, &sdk)
    }

    /// The same with the region and credentials of `sdk`.
    ///
    /// # Errors
    /// An option is wrong, or there is no runtime.
    pub fn connect_with(config: &Config, sdk: &SdkConfig) -> Result<Self, SetupError> {
        Self::new(runtime()?, Settings::read(config)?, sdk)
    }

    fn new(runtime: Runtime, settings: Settings, sdk: &SdkConfig) -> Result<Self, SetupError> {
        let Settings { aws, live, transcribe, session } = settings;
        let ca = aws.ca_file.as_deref().map(read_authorities).transpose()?;
        Ok(Self {
            transcriber: Transcriber::new(sdk, ca.as_deref(), &transcribe)?,
            runtime: Some(runtime),
            options: Arc::new(session),
            pace: Pace::new(live.catch_up_percent, Span::from_ms(i64::from(live.burst_ms))),
            sessions: VecDeque::new(),
            heard: VecDeque::new(),
        })
    }

    /// The session with this number.
    fn find(&mut self, id: u32) -> Result<&mut Open, RecogniserError> {
        let found = self.sessions.iter_mut().find(|session| session.id == id);
        found.ok_or_else(|| RecogniserError::fatal(format!("recogniser session {id} is not open")))
    }

    /// Takes what all sessions have said by now.
    fn collect(&mut self) -> Result<(), RecogniserError> {
        let mut at = 0;
        while let Some(session) = self.sessions.get_mut(at) {
            let event = match session.events.try_recv() {
                Ok(event) => Some(event),
                Err(TryRecvError::Disconnected) => None,
                Err(TryRecvError::Empty) => {
                    at += 1;
                    continue;
                }
            };
            let id = session.id;
            self.hear(id, event)?;
        }
        Ok(())
    }

    /// Takes one thing that a session said; `None`: it is gone without a word.
    fn hear(&mut self, id: u32, event: Option<SessionEvent>) -> Result<(), RecogniserError> {
        let over = !matches!(
            event,
            Some(SessionEvent::Ready { .. } | SessionEvent::Recognised(RecogniserEvent::Segment(_)))
                | Some(SessionEvent::Recognised(RecogniserEvent::Progress { .. }))
        );
        if over {
            self.sessions.retain(|session| session.id != id);
        }
        match event {
            Some(SessionEvent::Ready { .. }) => Ok(()),
            Some(SessionEvent::Recognised(event)) => {
                self.heard.push_back(event);
                Ok(())
            }
            Some(SessionEvent::Lost { error, .. }) => Err(of_recording(error)),
            None => Err(RecogniserError::fatal("the session with Transcribe ended without a word")),
        }
    }
}

fn runtime() -> std::io::Result<Runtime> {
    // Connections live on while the recording is read.
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

/// What another session might mend in a live call ends a recording: its audio is not kept to be sent again.
fn of_recording(error: RecogniserError) -> RecogniserError {
    if error.action != Action::Retry {
        return error;
    }
    let message = format!("{}; a recording's audio is not sent twice: run it again", error.message);
    RecogniserError::new(error.cause, Action::Fatal, message)
}

impl Recogniser for TranscribeFile {
    fn open(&mut self, spec: &SessionSpec) -> Result<Capabilities, RecogniserError> {
        let Some(runtime) = &self.runtime else { return Err(over()) };
        let (events, mut said) = mpsc::channel(EVENTS);
        let handle = {
            let _inside = runtime.enter();
            self.transcriber.open(spec, Arc::clone(&self.options), events)
        };
        // It waits for its place alone.
        match runtime.block_on(said.recv()) {
            Some(SessionEvent::Ready { capabilities, .. }) => {
                let session = Open { id: spec.id, handle, events: said, audio_ended: false };
                self.sessions.push_back(session);
                Ok(capabilities)
            }
            Some(SessionEvent::Lost { error, .. }) => Err(of_recording(error)),
            _ => Err(RecogniserError::fatal("the session with Transcribe did not begin")),
        }
    }

    fn audio(&mut self, chunk: AudioChunk) -> Result<(), RecogniserError> {
        let samples = i64::try_from(chunk.samples()).unwrap_or(i64::MAX);
        let length = Span::from_samples(samples, chunk.rate_hz.max(1));
        let runtime = self.runtime.take().ok_or_else(over)?;
        let sent = runtime.block_on(async {
            let due = self.pace.due(Instant::now(), length);
            self.listen_during(chunk.session, sleep_until(due)).await?;
            self.send(chunk).await
        });
        self.runtime = Some(runtime);
        sent
    }

    fn end(&mut self, session: u32) -> Result<(), RecogniserError> {
        let session = self.find(session)?;
        session.handle.end();
        session.audio_ended = true;
        Ok(())
    }

    /// With `wait`, blocks only for sessions whose audio has ended: the others may have nothing to say until
    /// they are given more.
    fn poll(&mut self, wait: bool) -> Result<Option<RecogniserEvent>, RecogniserError> {
        loop {
            self.collect()?;
            if let Some(event) = self.heard.pop_front() {
                return Ok(Some(event));
            }
            let ended = self.sessions.iter_mut().find(|session| session.audio_ended);
            let (true, Some(session), Some(runtime)) = (wait, ended, &self.runtime) else { return Ok(None) };
            let event = runtime.block_on(session.events.recv());
            let id = session.id;
            self.hear(id, event)?;
        }
    }
}

impl TranscribeFile {
    /// Waits, and hears what the session says meanwhile: most of all that it is lost.
    async fn listen_during(
        &mut self,
        id: u32,
        wait: impl Future<Output = ()>,
    ) -> Result<(), RecogniserError> {
        tokio::pin!(wait);
        loop {
            let session = self.find(id)?;
            let event = tokio::select! {
                event = session.events.recv() => event,
                () = &mut wait => return Ok(()),
            };
            self.hear(id, event)?;
        }
    }

    async fn send(&mut self, chunk: AudioChunk) -> Result<(), RecogniserError> {
        let id = chunk.session;
        let until = Instant::now() + FULL_FOR;
        while self.find(id)?.handle.audio(chunk.clone()).is_err() {
            if Instant::now() > until {
                let what = format!("Transcribe took no audio for {} s", FULL_FOR.as_secs());
                let stalled = RecogniserError::new(RecogniserCause::Stalled, Action::Retry, what);
                return Err(of_recording(stalled));
            }
            self.listen_during(id, sleep(FULL_PAUSE)).await?;
        }
        Ok(())
    }
}

fn over() -> RecogniserError {
    RecogniserError::fatal("the recogniser has been given up")
}

impl Drop for TranscribeFile {
    fn drop(&mut self) {
        self.sessions.clear();
        if let Some(runtime) = self.runtime.take() {
            // Whatever is left belongs to nobody.
            runtime.shutdown_background();
        }
    }
}

/// When the next piece of audio may be sent: at a percentage of real time in the long run, and a burst at once.
/// A source that stood still for a while is not made up for by more than that burst.
#[derive(Debug)]
struct Pace {
    percent: u32,
    /// How long the burst takes at this pace.
    burst: Duration,
    /// When what has been sent would be over, had it been sent at this pace.
    until: Option<Instant>,
}

impl Pace {
    fn new(percent: u32, burst: Span) -> Self {
        let mut pace = Self { percent: percent.max(1), burst: Duration::ZERO, until: None };
        pace.burst = pace.time(burst);
        pace
    }

    fn time(&self, audio: Span) -> Duration {
        Duration::from_micros(u64::try_from(audio.us()).unwrap_or(0)) * 100 / self.percent
    }

    /// When audio of this length may be sent.
    fn due(&mut self, now: Instant, length: Span) -> Instant {
        let until = self.until.map_or(now, |until| until.max(now));
        let next = until + self.time(length);
        self.until = Some(next);
        next.checked_sub(self.burst).map_or(now, |due| due.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_pace() {
        let mut pace = Pace::new(200, Span::from_s(1));
        let start = Instant::now();
        let ms = |due: Instant| (due - start).as_millis();
        let dues: Vec<_> = (0..4).map(|_| ms(pace.due(start, Span::from_ms(500)))).collect();
        assert_eq!(dues, [0, 0, 250, 500]);
        let later = start + Duration::from_secs(60);
        let dues: Vec<_> = (0..3).map(|_| ms(pace.due(later, Span::from_ms(500))) - 60_000).collect();
        assert_eq!(dues, [0, 0, 250], "a source that stood still has its burst, not a minute");
    }
}
