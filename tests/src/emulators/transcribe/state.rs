//! The state machine: who may open a session, and the sessions that are open.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use engine::time::{Span, Time};

use super::hearing::Listener;
use super::request::Request;
use super::script::{Exception, Fault};
use super::session::{Event, Record, Session};
use super::tone_words::ToneWords;

/// How the service behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Sessions at once.
    pub max_sessions: usize,
    /// A session lasts so long.
    pub max_duration: Span,
    /// It is ended after so long without audio.
    pub idle: Span,
    /// Audio may run ahead of real time by so much; absent: by any amount.
    pub max_ahead: Option<Span>,
    /// Silence that ends a segment.
    pub pause: Span,
    /// From audio to what it brings about.
    pub latency: Span,
    /// Final results end with a full stop.
    pub punctuation: bool,
    /// Medical takes no lower rate, hertz. Source: StartMedicalStreamTranscription, `MediaSampleRateHertz`.
    pub medical_min_rate_hz: u32,
    /// Remember all audio, for tests to look at.
    pub keep_audio: bool,
    /// Remember when each final result was handed out, for measurements.
    pub keep_finals: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_sessions: 25,
            max_duration: Span::from_s(4 * 3600),
            idle: Span::from_s(15),
            max_ahead: None,
            pause: Span::from_ms(600),
            latency: Span::from_ms(300),
            punctuation: true,
            medical_min_rate_hz: 16_000,
            keep_audio: true,
            keep_finals: false,
        }
    }
}

/// Names a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

/// Amazon Transcribe.
#[derive(Debug)]
pub struct Transcribe {
    options: Options,
    listener: Arc<dyn Listener>,
    sessions: BTreeMap<SessionId, Session>,
    closed: BTreeMap<SessionId, Record>,
    plans: VecDeque<Vec<Fault>>,
    refused: Vec<(Time, Exception)>,
    next_id: u64,
}

impl Transcribe {
    /// Without a session.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            listener: Arc::new(ToneWords),
            sessions: BTreeMap::new(),
            closed: BTreeMap::new(),
            plans: VecDeque::new(),
            refused: Vec::new(),
            next_id: 0,
        }
    }

    /// Sessions opened from now on are heard by this listener; until then, by [`ToneWords`].
    pub fn listen_with(&mut self, listener: impl Listener + 'static) {
        self.listener = Arc::new(listener);
    }

    /// The faults of a session to come: the first script for the next session, and so on.
    pub fn script(&mut self, faults: Vec<Fault>) {
        self.plans.push_back(faults);
    }

    /// Opens a session.
    ///
    /// # Errors
    /// The exception that the service answers instead.
    pub fn open(&mut self, now: Time, path: &str, headers: &http::HeaderMap) -> Result<SessionId, Exception> {
        let opened = self.try_open(now, path, headers);
        if let Err(exception) = &opened {
            self.refused.push((now, exception.clone()));
        }
        opened
    }

    fn try_open(&mut self, now: Time, path: &str, headers: &http::HeaderMap) -> Result<SessionId, Exception> {
        let mut plan = self.plans.pop_front().unwrap_or_default();
        if let Some(at) = plan.iter().position(|f| matches!(f, Fault::Refuse(_)))
            && let Fault::Refuse(exception) = plan.swap_remove(at)
        {
            return Err(exception);
        }
        let request = Request::read(path, headers)?;
        if request.medical && request.rate_hz < self.options.medical_min_rate_hz {
            let least = self.options.medical_min_rate_hz;
            return Err(Exception::bad_request(&format!("sample-rate of Medical is {least} at least")));
        }
        let same = |s: &Session| request.session.is_some() && s.record.request.session == request.session;
        if self.sessions.values().any(same) {
            return Err(Exception::conflict());
        }
        if self.sessions.len() >= self.options.max_sessions {
            return Err(Exception::limit("You have reached your limit of concurrent streams."));
        }
        let id = SessionId(self.next_id);
        self.next_id += 1;
        let session = Session::new(now, request, plan, id.0, &self.options, &*self.listener);
        self.sessions.insert(id, session);
        Ok(id)
    }

    /// A session takes an AudioEvent; an empty one ends its audio.
    pub fn audio(&mut self, now: Time, id: SessionId, bytes: &[u8]) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.audio(now, bytes, &self.options);
        }
    }

    /// A session ends with an exception: what came for it cannot be trusted.
    pub fn throw(&mut self, now: Time, id: SessionId, exception: Exception) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.throw(now, exception);
        }
    }

    /// What a session says next.
    ///
    /// # Errors
    /// When to ask again, if there is nothing to say before. Audio may bring it forward.
    pub fn poll(&mut self, now: Time, id: SessionId) -> Result<Event, Time> {
        match self.sessions.get_mut(&id) {
            Some(session) => session.poll(now, &self.options),
            None => Ok(Event::End),
        }
    }

    /// The client has gone, or the session is over.
    pub fn close(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.remove(&id) {
            self.closed.insert(id, session.record);
        }
    }

    /// Sessions that are open.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Every session there was, in the order in which they were opened.
    #[must_use]
    pub fn records(&self) -> Vec<&Record> {
        let open = self.sessions.iter().map(|(id, s)| (id, &s.record));
        let mut all: Vec<(&SessionId, &Record)> = self.closed.iter().chain(open).collect();
        all.sort_by_key(|(id, _)| **id);
        all.into_iter().map(|(_, record)| record).collect()
    }

    /// Sessions that were refused: when and why.
    #[must_use]
    pub fn refused(&self) -> &[(Time, Exception)] {
        &self.refused
    }
}
