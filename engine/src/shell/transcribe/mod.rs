//! Amazon Transcribe streaming as a live call uses it: sessions that take audio and give words.
//!
//! A session is a task. It waits for its place among the process's sessions, opens a stream, hands audio to the
//! SDK as it comes, and tells every result, partial ones too, as the call's own [`RecogniserEvent`]. When it is
//! lost it says so once, with the cause and what to do; to replace it and to send audio again is the call's
//! business. Words reach nobody but the events' receiver, and no log.
//!
//! The audio goes `SessionHandle` → `audio` (queue) → `rate` (Medical) → SDK → `connections`; what comes back goes `request` →
//! `results` → events. `session` holds the watchdogs, `speech` tells a stalled service from a quiet call.

mod audio;
mod connections;
mod error;
mod options;
mod rate;
mod raw;
mod request;
mod results;
mod session;
mod session_options;
mod speech;

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_transcribestreaming::{Client, config};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tracing::Instrument;

use crate::recogniser::{AudioChunk, Capabilities, RecogniserError, RecogniserEvent, SessionSpec};
use crate::shell::connector::{Trust, TrustError};
use audio::{AudioInput, AudioQueue};
use connections::Connections;
use session::Session;

pub use audio::Full;
pub use options::TranscribeOptions;
pub use raw::RawSessionOptions;
pub use session_options::{OptionError, SessionOptions};

/// What a session says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// It has its place: audio may be handed in. The stream is being opened meanwhile.
    Ready {
        /// Number of the session, as in its [`SessionSpec`].
        session: u32,
        /// What it can do.
        capabilities: Capabilities,
    },
    /// Something was recognised, or the session has ended after its audio had, and all was said.
    Recognised(RecogniserEvent),
    /// The session is over before its time; nothing follows.
    Lost {
        /// Number of the session.
        session: u32,
        /// Why, and what to do.
        error: RecogniserError,
    },
}

/// Opens the sessions of all calls of a process; clones share its limits and connections.
#[derive(Debug, Clone)]
pub struct Transcriber {
    client: Client,
    connections: Arc<Connections>,
    options: Arc<TranscribeOptions>,
}

impl Transcriber {
    /// With the region and credentials of `sdk`, trusting the authorities in `ca` (PEM) as well as the
    /// system's.
    ///
    /// # Errors
    /// `ca` holds no certificate.
    pub fn new(sdk: &SdkConfig, ca: Option<&[u8]>, options: &TranscribeOptions) -> Result<Self, TrustError> {
        let trust = Trust::new(ca)?;
        // The audio cannot be sent twice, so that nothing here can try again; each session brings its own
        // HTTP client, and time-outs that know what the service is doing.
        let mut config = config::Builder::from(sdk)
            .behavior_version(sdk.behavior_version().unwrap_or_else(BehaviorVersion::latest))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(url) = &options.endpoint_url {
            config = config.endpoint_url(url);
        }
        if let Some(region) = &options.region {
            config = config.region(Region::new(region.clone()));
        }
        Ok(Self {
            client: Client::from_conf(config.build()),
            connections: Connections::new(trust, options),
            options: Arc::new(options.clone()),
        })
    }

    /// Begins a session; call it inside a tokio runtime. `events` hears [`SessionEvent::Ready`] when it has its
    /// place, then what is recognised, and last either [`RecogniserEvent::Ended`] or [`SessionEvent::Lost`].
    /// When `events` is full the session waits with its results, not with its audio.
    #[must_use = "the session is closed when its handle is dropped"]
    pub fn open(
        &self,
        spec: &SessionSpec,
        options: Arc<SessionOptions>,
        events: mpsc::Sender<SessionEvent>,
    ) -> SessionHandle {
        let (audio, input, flow, stop) = audio::queue(spec, &self.options);
        let session = Session {
            client: self.client.clone(),
            connections: Arc::clone(&self.connections),
            limits: Arc::clone(&self.options),
            spec: spec.clone(),
            options,
            events,
            flow,
            stop,
        };
        let task = tokio::spawn(guarded(session, input).in_current_span()).abort_handle();
        SessionHandle { audio, task }
    }
}

/// Runs a session; a panic in it, or in a part of the SDK, is a loss like any other and harms no one else.
async fn guarded(session: Session, input: AudioInput) {
    let (id, events) = (session.spec.id, session.events.clone());
    // Aborted with this task, since the set is dropped with it.
    let mut task = JoinSet::new();
    task.spawn(session.run(input).in_current_span());
    if let Some(Err(failed)) = task.join_next().await
        && failed.is_panic()
    {
        // The payload of the panic may hold anything, words too.
        tracing::error!(session = id, "a recogniser session panicked");
        let lost = SessionEvent::Lost { session: id, error: error::panicked() };
        // Nobody listens: nobody needs to know.
        let _ = events.send(lost).await;
    }
}

/// A session under way. Dropping it closes the session at once: audio that still waits is not sent, and no
/// event follows.
#[derive(Debug)]
pub struct SessionHandle {
    audio: AudioQueue,
    task: AbortHandle,
}

impl SessionHandle {
    /// Hands in the next chunk, 50 to 200 ms of audio, of uniform length. Never waits. Behind the end, or when
    /// the session is lost, it does nothing.
    ///
    /// # Errors
    /// [`Full`]: so much audio waits already that the session must be taken for stalled.
    pub fn audio(&self, chunk: AudioChunk) -> Result<(), Full> {
        self.audio.push(chunk)
    }

    /// The audio is complete: the last results follow, then [`RecogniserEvent::Ended`].
    pub fn end(&self) {
        self.audio.end();
    }
}

impl Drop for SessionHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}
