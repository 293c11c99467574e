//! One call, driven: the only room that holds a [`Call`] and knows the outside.
//!
//! One task a call. It hands the call what happens and does what the call asks for; it decides nothing. Media,
//! sessions, posts, questions, the lease and the store run in tasks of their own and come back as inputs.

mod ending;
mod media;
mod news;
mod status;
mod told;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::call::{
    Ambiguous, Call, ContactFacts, EndReason, Input, MediaSegment, Outcome, Output, Post, Summary,
};
use crate::recogniser::{Action, AudioChunk, RecogniserCause, RecogniserError, RecogniserEvent};
use crate::time::Time;

use super::api::CallStatus;
use super::clock;
use super::custody::{Inbox, Keeper, Kept, Letter, Life};
use super::metrics;
use super::payload::Payload;
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

/// What a driver is told.
#[derive(Debug)]
#[non_exhaustive]
pub enum Signal {
    /// Something that happened.
    Input(Input),
    /// A letter to the call, which is stored or about to be.
    Letter(Letter),
    /// The process is about to end: leave the call so that another goes on with it, and nothing is said twice.
    HandOver,
}

/// How a driver ended.
#[derive(Debug)]
pub struct Ended {
    /// The closing summary; `None`: the call is not over, and free for others.
    pub summary: Option<Box<Summary>>,
    /// Triggers that came when the call took no more media: it begins anew with them.
    pub untaken: Vec<Payload>,
}

impl Ended {
    /// Another process has the call.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.summary.as_ref().is_some_and(|summary| summary.end == EndReason::LeaseLost)
    }
}

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
    inputs: mpsc::Receiver<Signal>,
    keeper: Keeper,
    inbox: Inbox,
    /// Letters that the call has been told.
    heard: HashSet<String>,
    /// What the call is told next.
    ready: VecDeque<Input>,
    /// The streams the call is known to be in.
    streams: Vec<MediaSegment>,
    untaken: Vec<Payload>,
    /// Posts without an answer yet.
    in_flight: usize,
    /// The call is handed over, and at the latest then.
    leaving: Option<tokio::time::Instant>,
    media: Media,
    sessions: BTreeMap<u32, SessionHandle>,
    session_events: (mpsc::Sender<SessionEvent>, mpsc::Receiver<SessionEvent>),
    errands: JoinSet<Errand>,
    status: Status,
    news: News,
}

impl Driver {
    /// A driver for this life of a call, its messages to go to `sink`. `inputs` brings letters and stops; `status`
    /// is kept up to date. `seed` decides all the call's randomness.
    #[must_use]
    pub fn new(
        services: Arc<Services>,
        order: Order,
        sink: Sink,
        mut life: Life,
        inputs: mpsc::Receiver<Signal>,
        status: watch::Sender<CallStatus>,
        seed: u64,
    ) -> Self {
        let (checkpoint, past) = (life.checkpoint.take(), std::mem::take(&mut life.past));
        let begun_in = life.payload.segment.clone();
        let call = match life.absence {
            Some(absence) => {
                metrics::resumed();
                Call::resume(order.call.clone(), seed, checkpoint, absence)
            }
            None => Call::new(order.call.clone(), seed),
        };
        let may_repeat = order.call.ambiguous == Ambiguous::Retry;
        let (keeper, inbox) = life.keep(&services.custody, may_repeat);
        let mut driver = Self {
            media: Media::new(services.kinesis.clone()),
            status: Status::new(status),
            news: News::default(),
            call,
            services,
            order,
            sink,
            inputs,
            keeper,
            inbox,
            heard: HashSet::new(),
            ready: VecDeque::new(),
            streams: vec![begun_in],
            untaken: Vec::new(),
            in_flight: 0,
            leaving: None,
            sessions: BTreeMap::new(),
            session_events: mpsc::channel(SESSION_QUEUE),
            errands: JoinSet::new(),
        };
        driver.remember(past);
        driver
    }

    /// Runs to the end of the call, or until it is handed over. When the senders of `inputs` are gone the call
    /// goes on without them.
    pub async fn run(mut self) -> Ended {
        self.handle(Input::Tick);
        loop {
            let deadline = match self.perform_all() {
                Ok(deadline) => deadline,
                Err(summary) => return self.conclude(summary).await,
            };
            self.status.update(&self.call);
            self.status.with_contacts(|contacts, key| self.inbox.look_for(contacts, key));
            if self.leaving.is_some() && self.in_flight == 0 && self.keeper.is_settled() {
                return self.hand_over().await;
            }
            let input = self.next(deadline).await;
            if self.leaving.is_some_and(|end| tokio::time::Instant::now() >= end) {
                return self.hand_over().await;
            }
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
        if let Some(input) = self.ready.pop_front() {
            return input;
        }
        let leaving = self.leaving.is_some();
        // Whatever was sent is handed in before more media: gate events above all.
        tokio::select! {
            biased;
            kept = self.keeper.next() => match kept {
                Kept::Stored(sequence) => Input::Stored(sequence),
                Kept::Lost => Input::LeaseLost,
            },
            Some(signal) = self.inputs.recv(), if !leaving => self.signal(signal),
            letters = self.inbox.next(), if !leaving => self.letters(letters),
            Some(event) = self.session_events.1.recv(), if !leaving => self.session_event(event),
            Some(done) = self.errands.join_next() => self.errand(done),
            input = self.media.next(), if wants_media && !leaving => input,
            () = tokio::time::sleep(sleep) => Input::Tick,
        }
    }

    fn perform(&mut self, output: Output) {
        // Whoever goes on reads and hears for himself.
        let ends_here = matches!(output, Output::Post(_) | Output::Store(_) | Output::Report(_));
        if self.leaving.is_some() && !ends_here {
            return;
        }
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
            // After a sleep the lease may be over before anybody has said so.
            Output::Post(_) if !self.keeper.holds() => self.handle(Input::LeaseLost),
            Output::Post(posts) => posts.into_iter().for_each(|post| self.post(post)),
            Output::SetAttribute { name, value } => self.set_attribute(name, value),
            Output::Report(report) => self.news.tell(&report),
            Output::Store(checkpoint) => self.keeper.save(*checkpoint),
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
        self.in_flight += 1;
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
                self.in_flight = self.in_flight.saturating_sub(1);
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
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("contact", &self.order.contact).finish_non_exhaustive()
    }
}
