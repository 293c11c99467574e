//! One function per route: reads the request, asks [`super::Calls`], words the answer.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tracing::{Instrument, info, warn};

use crate::call::{GateSource, TelephonyEvent};
use crate::shell::log::call_span;
use crate::shell::metrics;
use crate::shell::payload::Payload;

use super::answers::{Failure, json_body, result};
use super::calls::{EventTaken, Start};
use super::routes::Shared;

type Answer = Result<Response, Failure>;

pub(super) async fn start(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let body = json_bytes(&shared, &headers, body)?;
    let payload = Payload::parse(&body).map_err(|error| {
        metrics::start_answered("bad_payload");
        warn!(%error, "a payload was refused");
        Failure::new(StatusCode::BAD_REQUEST, error.to_string())
    })?;
    let contact = payload.contact_id.clone();
    let span = call_span(&contact);
    let ignored = payload.ignored.clone();
    let starting = async {
        if !ignored.is_empty() {
            info!(?ignored, "keys of the payload that are not known");
        }
        shared.calls.start(payload).await
    };
    let answer = starting.instrument(span).await;
    let (status, name) = match answer {
        Start::Started => (StatusCode::ACCEPTED, "started"),
        Start::AlreadyRunning => (StatusCode::OK, "alreadyRunning"),
        Start::Segment => (StatusCode::ACCEPTED, "segment"),
        Start::HeldElsewhere => (StatusCode::ACCEPTED, "heldElsewhere"),
        Start::Finished => (StatusCode::OK, "finished"),
        Start::AtCapacity => {
            metrics::start_answered("at_capacity");
            let text = "as many calls run as [worker] max_calls allows; start it on another worker";
            return Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, text));
        }
        Start::Draining => {
            metrics::start_answered("draining");
            let text = "this worker is about to end; start the call on another one";
            return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, text));
        }
        Start::Unavailable(why) => {
            metrics::start_answered("unavailable");
            return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, why));
        }
        Start::Refused(why) => {
            metrics::start_answered("refused");
            return Err(Failure::new(StatusCode::BAD_REQUEST, why));
        }
    };
    metrics::start_answered(name);
    Ok(json_body(status, json!({ "result": name, "contactId": contact })))
}

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Response {
    json_body(StatusCode::OK, json!({ "calls": shared.calls.list() }))
}

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    contact: Result<Path<String>, PathRejection>,
) -> Answer {
    let contact = contact_of(contact)?;
    shared.calls.get(&contact).map(|status| json_body(StatusCode::OK, status)).ok_or_else(unknown_call)
}

pub(super) async fn drain(
    State(shared): State<Arc<Shared>>,
    contact: Result<Path<String>, PathRejection>,
) -> Answer {
    let contact = contact_of(contact)?;
    if shared.calls.drain(&contact) {
        Ok(result(StatusCode::ACCEPTED, "draining"))
    } else {
        Err(unknown_call())
    }
}

pub(super) async fn event(
    State(shared): State<Arc<Shared>>,
    contact: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let contact = contact_of(contact)?;
    let body = json_bytes(&shared, &headers, body)?;
    let bad = |text: String| {
        metrics::gate_event("bad_event");
        Failure::new(StatusCode::BAD_REQUEST, text)
    };
    let text = str::from_utf8(&body).map_err(|_| bad("the event is not UTF-8".to_owned()))?;
    let mut event = TelephonyEvent::parse(text).map_err(|e| bad(e.to_string()))?;
    // The path names the call; an event that names none speaks of that one.
    event.call_id.get_or_insert_with(|| contact.clone());
    let taken = shared.calls.event(&contact, GateSource::Toolkit, event).await;
    let (name, answer) = match taken {
        EventTaken::Taken => ("taken", Ok(StatusCode::ACCEPTED)),
        EventTaken::Kept => ("kept", Ok(StatusCode::ACCEPTED)),
        EventTaken::NotStored => (
            "not_stored",
            Err(Failure::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the event could not be stored; send it again",
            )),
        ),
    };
    metrics::gate_event(name);
    answer.map(|status| result(status, name))
}

pub(super) async fn health() -> Response {
    json_body(StatusCode::OK, json!({ "status": "ok" }))
}

pub(super) async fn ready(State(shared): State<Arc<Shared>>) -> Answer {
    if shared.calls.ready() {
        Ok(json_body(StatusCode::OK, json!({ "status": "ready" })))
    } else {
        Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "not ready: the worker takes no further calls now"))
    }
}

pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (shared.metrics)()).into_response()
}

pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], super::OPENAPI).into_response()
}

fn unknown_call() -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        "no call of this contact is known here; GET /v1/calls lists those that are",
    )
}

fn contact_of(path: Result<Path<String>, PathRejection>) -> Result<String, Failure> {
    let good = |id: &String| {
        id.len() <= 256 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    path.ok().map(|Path(id)| id).filter(good).ok_or_else(|| {
        Failure::new(
            StatusCode::BAD_REQUEST,
            "the path needs a contact id: letters, digits, `-` and `_`, at most 256",
        )
    })
}

/// The body, if it was sent as JSON and is not too large. A page cannot send JSON without a preflight.
fn json_bytes(
    shared: &Shared,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Bytes, Failure> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let text = "send the body with `Content-Type: application/json`";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let text = format!("the body is larger than [worker] max_body_bytes, {}", shared.max_body_bytes);
            Failure::new(StatusCode::PAYLOAD_TOO_LARGE, text)
        }
        _ => Failure::new(StatusCode::BAD_REQUEST, "the body broke off; send it whole"),
    })
}
