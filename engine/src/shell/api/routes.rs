//! The routes: method, path, and the scope a token needs. One list, from which the router is built.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};

use crate::shell::config::Scope;

use super::answers::Failure;
use super::calls::Calls;
use super::tokens::{Permit, Tokens};
use super::{handlers, origin};

/// What all handlers share.
pub(super) struct Shared {
    pub(super) calls: Arc<dyn Calls>,
    pub(super) metrics: Box<dyn Fn() -> String + Send + Sync>,
    pub(super) tokens: Tokens,
    pub(super) allowed_origins: Vec<String>,
    pub(super) max_body_bytes: usize,
    pub(super) request_timeout: std::time::Duration,
}

/// A route of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `POST /v1/calls`
    StartCall,
    /// `GET /v1/calls`
    ListCalls,
    /// `GET /v1/calls/{contactId}`
    GetCall,
    /// `DELETE /v1/calls/{contactId}`
    DrainCall,
    /// `POST /v1/calls/{contactId}/events`
    SendEvent,
    /// `GET /healthz`
    Health,
    /// `GET /readyz`
    Ready,
    /// `GET /metrics`
    Metrics,
    /// `GET /openapi.json`
    OpenApi,
}

impl Route {
    /// Every route there is.
    pub const ALL: [Self; 9] = [
        Self::StartCall,
        Self::ListCalls,
        Self::GetCall,
        Self::DrainCall,
        Self::SendEvent,
        Self::Health,
        Self::Ready,
        Self::Metrics,
        Self::OpenApi,
    ];

    /// Its method.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::StartCall | Self::SendEvent => "POST",
            Self::DrainCall => "DELETE",
            _ => "GET",
        }
    }

    /// Its path, with parameters in braces.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::StartCall | Self::ListCalls => "/v1/calls",
            Self::GetCall | Self::DrainCall => "/v1/calls/{contactId}",
            Self::SendEvent => "/v1/calls/{contactId}/events",
            Self::Health => "/healthz",
            Self::Ready => "/readyz",
            Self::Metrics => "/metrics",
            Self::OpenApi => "/openapi.json",
        }
    }

    /// The scope its token needs; `None`: anybody may ask.
    #[must_use]
    pub const fn scope(self) -> Option<Scope> {
        match self {
            Self::StartCall | Self::DrainCall => Some(Scope::Calls),
            Self::SendEvent => Some(Scope::Events),
            Self::ListCalls | Self::GetCall | Self::Metrics | Self::OpenApi => Some(Scope::Read),
            Self::Health | Self::Ready => None,
        }
    }

    fn handler(self) -> MethodRouter<Arc<Shared>> {
        match self {
            Self::StartCall => post(handlers::start),
            Self::ListCalls => get(handlers::list),
            Self::GetCall => get(handlers::show),
            Self::DrainCall => delete(handlers::drain),
            Self::SendEvent => post(handlers::event),
            Self::Health => get(handlers::health),
            Self::Ready => get(handlers::ready),
            Self::Metrics => get(handlers::metrics),
            Self::OpenApi => get(handlers::openapi),
        }
    }
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let mut router = Router::new();
    for route in Route::ALL {
        let mut handler = route.handler();
        if let Some(scope) = route.scope() {
            handler = handler.route_layer(from_fn_with_state((shared.clone(), scope), guard));
        }
        router = router.route(route.path(), handler);
    }
    router
        .fallback(async || Failure::new(StatusCode::NOT_FOUND, "no such route; GET /openapi.json lists them"))
        .method_not_allowed_fallback(async || {
            let text = "this route does not know the method; GET /openapi.json lists what it knows";
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, text)
        })
        .layer(DefaultBodyLimit::max(shared.max_body_bytes))
        .layer(from_fn_with_state(shared.clone(), in_time))
        .layer(from_fn_with_state(shared.clone(), origin::check))
        .with_state(shared)
}

/// Lets a request pass whose token has the scope; before its body is read.
async fn guard(
    State((shared, scope)): State<(Arc<Shared>, Scope)>,
    request: Request,
    next: Next,
) -> Response {
    let header = request.headers().get(header::AUTHORIZATION).map(header::HeaderValue::as_bytes);
    match shared.tokens.judge(header, scope) {
        Permit::Granted => next.run(request).await,
        Permit::Unknown => Failure::new(
            StatusCode::UNAUTHORIZED,
            "send a token that the worker knows, as `Authorization: Bearer …`",
        )
        .into_response(),
        Permit::WrongScope => {
            let text = format!("this token lacks the scope `{}`; use one that has it", scope.name());
            Failure::new(StatusCode::FORBIDDEN, text).into_response()
        }
    }
}

/// Answers what takes too long, so that a trickling body holds no connection for ever.
async fn in_time(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(shared.request_timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let text = "the request took too long; send it again at once and whole";
            Failure::new(StatusCode::REQUEST_TIMEOUT, text).into_response()
        }
    }
}
