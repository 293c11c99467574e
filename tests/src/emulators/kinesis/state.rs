//! The state machine: streams, requests and connections.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use engine::time::{Span, Time};
use serde_json::json;

use super::connection::{Connection, Step};
use super::fragment::Fragment;
use super::request::{self, Asked, Selector};
use super::script::{Exception, Fault};
use crate::emulators::sigv4::{self, Credentials};

/// How the service behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Every request must be signed with these; absent: signatures are not looked at.
    pub credentials: Option<Credentials>,
    /// Connections of one stream at once.
    pub max_connections: usize,
    /// GetMedia calls of one stream in a second.
    pub max_calls_per_s: usize,
    /// A connection is ended after so long.
    pub max_age: Span,
    /// Fragments are kept so long.
    pub retention: Span,
    /// From a fragment's end to when it can be read.
    pub ingestion: Span,
    /// The answer ends so long after the stream's last fragment; absent: it stays open and silent.
    pub end_after: Option<Span>,
    /// Remember when each fragment was handed out, for measurements.
    pub keep_deliveries: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            credentials: None,
            max_connections: 3,
            max_calls_per_s: 5,
            max_age: Span::from_s(45 * 60),
            retention: Span::from_s(24 * 3600),
            ingestion: Span::from_ms(150),
            end_after: None,
            keep_deliveries: false,
        }
    }
}

/// Names a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

/// What a request meets.
#[derive(Debug, Clone)]
pub enum Answer {
    /// This answer.
    Reply(http::Response<Bytes>),
    /// Media: [`Kinesis::poll`] the connection.
    Media(ConnectionId),
}

/// A fragment as it was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// When it was handed to the connection, before the first byte was written.
    pub at: Time,
    /// The stream.
    pub stream: String,
    /// Which of the stream's fragments, counted from 0.
    pub index: usize,
}

/// A fragment with when it can be read.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) fragment: Fragment,
    pub(super) readable: Time,
}

#[derive(Debug, Clone, Default)]
struct Stream {
    stored: Vec<Stored>,
    calls: VecDeque<Time>,
}

/// Kinesis Video Streams.
#[derive(Debug, Clone)]
pub struct Kinesis {
    options: Options,
    endpoint: String,
    streams: BTreeMap<String, Stream>,
    connections: BTreeMap<ConnectionId, Connection>,
    next_id: u64,
    plans: VecDeque<Vec<Fault>>,
    endpoint_plans: VecDeque<Exception>,
    selectors: Vec<(Time, String, Selector)>,
    deliveries: Vec<Delivery>,
}

impl Kinesis {
    /// Without a stream. `endpoint` is what GetDataEndpoint answers.
    #[must_use]
    pub fn new(options: Options, endpoint: &str) -> Self {
        Self {
            options,
            endpoint: endpoint.to_owned(),
            streams: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_id: 0,
            plans: VecDeque::new(),
            endpoint_plans: VecDeque::new(),
            selectors: Vec::new(),
            deliveries: Vec::new(),
        }
    }

    /// Changes what GetDataEndpoint answers.
    pub fn set_endpoint(&mut self, endpoint: &str) {
        endpoint.clone_into(&mut self.endpoint);
    }

    /// Adds a stream, by ARN or name, whichever the clients use, with nothing in it.
    pub fn add_stream(&mut self, stream: &str) {
        self.streams.entry(stream.to_owned()).or_default();
    }

    /// Adds fragments as they are recorded from `start` on: each can be read when it is whole, and gaps
    /// between their producer times are gaps again.
    pub fn play(&mut self, stream: &str, start: Time, fragments: impl IntoIterator<Item = Fragment>) {
        let ingestion = self.options.ingestion;
        let stored = &mut self.streams.entry(stream.to_owned()).or_default().stored;
        let mut first = None;
        for fragment in fragments {
            let first = *first.get_or_insert(fragment.producer);
            let mut readable = start + (fragment.producer - first) + fragment.length + ingestion;
            if let Some(last) = stored.last() {
                // Delivery is in order, whatever the times say.
                readable = readable.max(last.readable);
            }
            stored.push(Stored { fragment, readable });
        }
    }

    /// Fragments that would become readable from `from` on, and before `to`, become so all at once at `to`, as
    /// when the producer or the service stood still. Later ones are not touched.
    pub fn outage(&mut self, stream: &str, from: Time, to: Time) {
        let stored = self.streams.get_mut(stream).map(|s| s.stored.as_mut_slice()).unwrap_or_default();
        for fragment in stored.iter_mut().filter(|s| (from..to).contains(&s.readable)) {
            fragment.readable = to;
        }
    }

    /// Adds fragments that could all be read since `readable`.
    pub fn store(&mut self, stream: &str, readable: Time, fragments: impl IntoIterator<Item = Fragment>) {
        let stored = fragments.into_iter().map(|fragment| Stored { fragment, readable });
        self.streams.entry(stream.to_owned()).or_default().stored.extend(stored);
    }

    /// The faults of a GetMedia call to come: the first script for the next call, and so on.
    pub fn script(&mut self, faults: Vec<Fault>) {
        self.plans.push_back(faults);
    }

    /// The next GetDataEndpoint call is refused.
    pub fn script_endpoint(&mut self, exception: Exception) {
        self.endpoint_plans.push_back(exception);
    }

    /// Every accepted GetMedia call: when, of which stream, from where.
    #[must_use]
    pub fn selectors(&self) -> &[(Time, String, Selector)] {
        &self.selectors
    }

    /// Fragments that were handed out whole, where [`Options::keep_deliveries`] says so.
    #[must_use]
    pub fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    /// Connections that are open.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.connections.len()
    }

    /// Takes a request with its whole body.
    pub fn handle(&mut self, now: Time, request: &http::Request<Bytes>) -> Answer {
        let asked = match request.method() {
            _ if !self.signed(now, request) => Err(Exception::SIGNATURE),
            &http::Method::POST => request::read(request.uri().path(), request.body()),
            _ => Err(Exception::INVALID_ARGUMENT),
        };
        let answer = match asked {
            Ok(Asked::Endpoint(stream)) => self.data_endpoint(&stream).map(Answer::Reply),
            Ok(Asked::Media(stream, selector)) => self.media(now, stream, selector).map(Answer::Media),
            Err(exception) => Err(exception),
        };
        answer.unwrap_or_else(|exception| Answer::Reply(refusal(exception)))
    }

    /// The request's signature is good, or nobody looks at it.
    fn signed(&self, now: Time, request: &http::Request<Bytes>) -> bool {
        let Some(credentials) = &self.options.credentials else { return true };
        let hash = sigv4::payload_hash(request.body());
        let (parts, _) = request.clone().into_parts();
        sigv4::verify(&parts, &hash, credentials, now).is_ok()
    }

    fn data_endpoint(&mut self, stream: &str) -> Result<http::Response<Bytes>, Exception> {
        if let Some(exception) = self.endpoint_plans.pop_front() {
            return Err(exception);
        }
        if !self.streams.contains_key(stream) {
            return Err(Exception::NOT_FOUND);
        }
        Ok(json_response(200, &json!({"DataEndpoint": self.endpoint})))
    }

    fn media(&mut self, now: Time, stream: String, selector: Selector) -> Result<ConnectionId, Exception> {
        let mut plan = self.plans.pop_front().unwrap_or_default();
        if let Some(at) = plan.iter().position(|f| matches!(f, Fault::Refuse(_)))
            && let Fault::Refuse(exception) = plan.swap_remove(at)
        {
            return Err(exception);
        }
        let open = self.connections.values().filter(|c| c.stream == stream).count();
        let known = self.streams.get_mut(&stream).ok_or(Exception::NOT_FOUND)?;
        known.calls.retain(|at| now - *at < Span::from_s(1));
        if known.calls.len() >= self.options.max_calls_per_s {
            return Err(Exception::CLIENT_LIMIT);
        }
        known.calls.push_back(now);
        if open >= self.options.max_connections {
            return Err(Exception::CONNECTION_LIMIT);
        }
        let connection = match select(&known.stored, now, self.options.retention, &selector) {
            Some(next) => Connection::new(stream.clone(), next, now + self.options.max_age, plan),
            None => Connection::nothing(stream.clone()),
        };
        self.selectors.push((now, stream, selector));
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        self.connections.insert(id, connection);
        Ok(id)
    }

    /// What a connection does next. An unknown one is over.
    pub fn poll(&mut self, now: Time, id: ConnectionId) -> Step {
        let Some(connection) = self.connections.get_mut(&id) else { return Step::End };
        let stored = self.streams.get(&connection.stream).map(|s| s.stored.as_slice()).unwrap_or_default();
        let index = connection.next();
        let step = connection.poll(now, stored, self.options.end_after);
        if self.options.keep_deliveries && connection.next() > index {
            self.deliveries.push(Delivery { at: now, stream: connection.stream.clone(), index });
        }
        step
    }

    /// The client has gone, or the answer is over.
    pub fn close(&mut self, id: ConnectionId) {
        self.connections.remove(&id);
    }
}

/// Index of the fragment to begin with; `None` where the selector finds nothing.
fn select(stored: &[Stored], now: Time, retention: Span, selector: &Selector) -> Option<usize> {
    let readable = stored.partition_point(|s| s.readable <= now);
    let kept = stored.partition_point(|s| s.readable + retention <= now);
    let after = |number: &String| {
        let known = &stored[kept..readable];
        known.iter().position(|s| s.fragment.number.as_ref() == Some(number)).map(|at| kept + at + 1)
    };
    // The fragment that holds the time, or the first behind it. With nothing readable there is none.
    let at_time = |time: Time, start: &dyn Fn(&Fragment) -> Time| {
        let known = stored.get(kept..readable).filter(|known| !known.is_empty())?;
        let behind = |s: &Stored| start(&s.fragment) + s.fragment.length > time;
        Some(known.iter().position(behind).map_or(readable, |at| kept + at))
    };
    match selector {
        Selector::Now => Some(readable),
        Selector::Earliest => Some(kept),
        Selector::AfterFragment(number) | Selector::Token(number) => after(number),
        Selector::ServerTimestamp(time) => at_time(*time, &|f| f.server.unwrap_or(f.producer)),
        Selector::ProducerTimestamp(time) => at_time(*time, &|f| f.producer),
    }
}

fn refusal(exception: Exception) -> http::Response<Bytes> {
    let mut response = json_response(exception.status, &json!({"Message": "refused by the emulator"}));
    let name = http::HeaderValue::from_static(exception.name);
    response.headers_mut().insert("x-amzn-errortype", name);
    response
}

fn json_response(status: u16, body: &serde_json::Value) -> http::Response<Bytes> {
    let mut response = http::Response::new(Bytes::from(body.to_string()));
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    headers
        .insert("x-amzn-requestid", http::HeaderValue::from_static("00000000-0000-4000-8000-000000000000"));
    response
}
