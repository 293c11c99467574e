//! Requests of browsers: only configured origins may send gate events, all others nothing at all.
//!
//! Source: Fetch Standard, CORS protocol.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::answers::Failure;
use super::routes::Shared;

/// How long a browser may remember the answer to a preflight, s.
const MAX_AGE_S: &str = "600";

/// A request without `Origin` comes from no page. One of a page must be an event of an allowed origin, even
/// on loopback without tokens, where any page could otherwise reach the worker through the agent's browser.
pub(super) async fn check(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        return next.run(request).await;
    };
    let path = request.uri().path();
    let events = path.starts_with("/v1/calls/") && path.ends_with("/events");
    let allowed = shared.allowed_origins.iter().any(|o| o.as_bytes() == origin.as_bytes());
    if !events || !allowed {
        let text = "pages of this origin may not use this route; name the origin in [worker] allowed_origins if it sends events";
        return Failure::new(StatusCode::FORBIDDEN, text).into_response();
    }
    let preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response =
        if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    allow(response.headers_mut(), origin, preflight);
    response
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue, preflight: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    if preflight {
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
            (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_S),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}
