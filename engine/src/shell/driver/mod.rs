//! One call, driven: the only room that holds a [`Call`] and knows the outside.
//!
//! One task a call. It hands the call what happens and does what the call asks for; it decides nothing. Media,
//! sessions, posts and questions run in tasks of their own and come back as inputs.

mod media;
mod news;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::call::{Call, ContactFacts, Input, Outcome, Output, Post, Summary};
use crate::recogniser::{Action, AudioChunk, RecogniserCause, RecogniserError, RecogniserEvent};
use crate::time::Time;

use super::api::CallStatus;
use super::clock;
use super::metrics;
use super::services::{Order, Services};
use super::sink::Sink;
use super::transcribe::{SessionEvent, SessionHandle};

use media::Media;
use news::News;
use status::Status;

/// Inputs from outside that wait for the driver: gate events, segments, stops.
pub const INPUT_QUEUE: usize = 1024;
/// Results of sessions that wait for the driver.
const SESSION_QUEUE: usize = 256;
/// The longest sleep; the clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// At the end of a call, how long what nobody waits for any more may still take.
const LAST_ERRANDS: Duration = Duration::from_secs(10);

/// What a task of the driver brings back.
enum Errand {
    Posted { post: Box<Post>, outcome: Outcome },
    Resolved { id: String, facts: ContactFacts },
    Nothing,
}

/// Drives one call from its first byte to its closing summary.
pub struct Driver {
    call: Call,
    services: Arc<Services>,
    order: Order,
    sink: Sink,
    inputs: mpsc::Receiver<Input>,
    media: Media,
    sessions: BTreeMap<u32, SessionHandle>,
    session_events: (mpsc::Sender<SessionEvent>, mpsc::Receiver<SessionEvent>),
    errands: JoinSet<Errand>,
    status: Status,
    news: News,
}

impl Driver {
    /// A driver for this order, its messages to go to `sink`. `inputs` brings gate events, segments and stops;
    /// `status` is kept up to date. `seed` decides all the call's randomness.
    #[must_use]
    pub fn new(
        services: Arc<Services>,
        order: Order,
        sink: Sink,
        inputs: mpsc::Receiver<Input>,
        status: watch::Sender<CallStatus>,
        seed: u64,
    ) -> Self {
        let call = Call::new(order.call.clone(), seed);
        Self {
            media: Media::new(services.kinesis.clone()),
            status: Status::new(status),
            news: News::default(),
            call,
            services,
            order,
            sink,
            inputs,
            sessions: BTreeMap::new(),
            session_events: mpsc::channel(SESSION_QUEUE),
            errands: JoinSet::new(),
        }
    }

    /// Runs to the end of the call. When the senders of `inputs` are gone the call goes on without them.
    pub async fn run(mut self) -> Summary {
        self.handle(Input::Tick);
        loop {
            let deadline = match self.perform_all() {
                Ok(deadline) => deadline,
                Err(summary) => return self.conclude(summary).await,
            };
            self.status.update(&self.call);
            let input = self.next(deadline).await;
            self.handle(input);
        }
    }

    fn handle(&mut self, input: Input) {
        self.call.handle(clock::now(), input);
    }

    /// Does all the call asks for; when to come back at the latest, or the summary once it is over.
    fn perform_all(&mut self) -> Result<Time, Box<Summary>> {
        loop {
            match self.call.poll() {
                Output::Wait(deadline) => return Ok(deadline),
                Output::Done(summary) => return Err(summary),
                output => self.perform(output),
            }
        }
    }

    /// Waits for the next thing that happens.
    async fn next(&mut self, deadline: Time) -> Input {
        let left = (deadline - clock::now()).us();
        let sleep = Duration::from_micros(u64::try_from(left).unwrap_or(0)).min(LONGEST_SLEEP);
        let wants_media = self.call.wants_media();
        // Whatever was sent is handed in before more media: gate events above all.
        tokio::select! {
            biased;
            Some(input) = self.inputs.recv() => self.taken_in(input),
            Some(event) = self.session_events.1.recv() => self.session_event(event),
            Some(done) = self.errands.join_next() => self.errand(done),
            input = self.media.next(), if wants_media => input,
            () = tokio::time::sleep(sleep) => Input::Tick,
        }
    }

    /// An input as it was sent. Segments are counted while the call takes them; whoever sent one looks there.
    fn taken_in(&mut self, input: Input) -> Input {
        if matches!(input, Input::Segment(_)) && self.call.is_running() {
            self.status.segment();
        }
        input
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::OpenMedia(request) => self.media.open(request),
            Output::CloseMedia => self.media.close(),
            Output::Resolve(id) => self.resolve(id),
            Output::OpenRecogniser(spec) => {
                let events = self.session_events.0.clone();
                let handle = self.services.transcriber.open(&spec, Arc::clone(&self.order.session), events);
                self.sessions.insert(spec.id, handle);
            }
            Output::Audio(chunk) => self.audio(chunk),
            Output::EndAudio { session } => {
                if let Some(session) = self.sessions.get(&session) {
                    session.end();
                }
            }
            Output::CloseRecogniser { session } => {
                self.sessions.remove(&session);
            }
            Output::Post(posts) => posts.into_iter().for_each(|post| self.post(post)),
            Output::SetAttribute { name, value } => self.set_attribute(name, value),
            Output::Report(report) => self.news.tell(&report),
            // There is no store: what is asked for is there as soon as it is asked for.
            Output::Store(checkpoint) => self.handle(Input::Stored(checkpoint.sequence)),
            Output::Wait(_) | Output::Done(_) => {}
        }
    }

    fn audio(&mut self, chunk: AudioChunk) {
        let id = chunk.session;
        self.status.audio(&chunk);
        self.media.audio_left();
        let full = self.sessions.get(&id).is_some_and(|session| session.audio(chunk).is_err());
        if full {
            self.sessions.remove(&id);
            let error = RecogniserError::new(
                RecogniserCause::Stalled,
                Action::Retry,
                "the session takes no more audio",
            );
            self.handle(Input::RecogniserLost { session: id, error });
        }
    }

    fn session_event(&mut self, event: SessionEvent) -> Input {
        match event {
            SessionEvent::Ready { session, capabilities } => Input::RecogniserReady { session, capabilities },
            SessionEvent::Recognised(event) => {
                if let RecogniserEvent::Ended { session } = &event {
                    self.sessions.remove(session);
                }
                Input::Recognised(event)
            }
            SessionEvent::Lost { session, error } => {
                self.sessions.remove(&session);
                Input::RecogniserLost { session, error }
            }
        }
    }

    fn post(&mut self, post: Post) {
        let sink = self.sink.clone();
        let posting = async move {
            let outcome = sink.post(&post).await;
            Errand::Posted { post: Box::new(post), outcome }
        };
        self.errands.spawn(posting.in_current_span());
    }

    fn resolve(&mut self, id: String) {
        let services = Arc::clone(&self.services);
        let instance = self.order.instance.clone();
        let asking = async move {
            let facts = match instance {
                Some(instance) => services.directory.facts(&instance, &id).await,
                None => ContactFacts::unknown(),
            };
            Errand::Resolved { id, facts }
        };
        self.errands.spawn(asking.in_current_span());
    }

    fn set_attribute(&mut self, name: String, value: String) {
        let services = Arc::clone(&self.services);
        let contact = self.order.contact.clone();
        let Some(instance) = self.order.instance.clone() else {
            tracing::warn!("the contact attribute {name} cannot be set: the payload names no instance");
            return;
        };
        let setting = async move {
            let attributes = [(name.as_str(), value.as_str())];
            let set =
                Box::pin(services.aws.update_contact_attributes(&instance, &contact, &attributes)).await;
            if let Err(error) = set {
                tracing::warn!(%error, "the contact attribute could not be set");
            }
            Errand::Nothing
        };
        self.errands.spawn(setting.in_current_span());
    }

    fn errand(&mut self, done: Result<Errand, tokio::task::JoinError>) -> Input {
        match done {
            Ok(Errand::Posted { post, outcome }) => {
                self.news.posted(&post, &outcome, self.sink.is_shadow());
                Input::Posted { id: post.message.message_id, outcome }
            }
            Ok(Errand::Resolved { id, facts }) => Input::Contact { id, facts },
            Ok(Errand::Nothing) => Input::Tick,
            Err(error) => {
                // The message of a lost task counts as in flight until the call ends, and is listed then.
                tracing::error!(%error, "a task of the call failed");
                Input::Tick
            }
        }
    }

    /// Waits for what was asked for last, and says how the call was.
    async fn conclude(mut self, summary: Box<Summary>) -> Summary {
        self.media.close();
        self.sessions.clear();
        let errands = async { while self.errands.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_ERRANDS, errands).await.is_err() {
            tracing::warn!("the last requests of the call were given up");
        }
        self.status.ended(&summary);
        news::closing(&summary);
        metrics::call_ended(news::how(&summary));
        *summary
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("contact", &self.order.contact).finish_non_exhaustive()
    }
}
