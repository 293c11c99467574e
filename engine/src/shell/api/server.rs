//! The listening socket: bounded connections, bounded heads, an end in good order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{info, warn};

use crate::shell::config::WorkerOptions;

use super::calls::Calls;
use super::routes::{Shared, router};
use super::tokens::{TokenError, Tokens};

/// Headers of a request, and bytes of its head.
const MAX_HEADERS: usize = 64;
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// After a failed accept (no descriptor left, say) this long passes before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the interface does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The tokens are not fit for the address.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// An option makes no sense.
    #[error("[worker] {key} is {found}: it should be {expected}")]
    Option {
        /// The key.
        key: &'static str,
        /// What is there.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The address cannot be bound.
    #[error("[worker] bind {address} cannot be listened on: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// The interface, bound and not yet answering.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    connections: Arc<Semaphore>,
    header_timeout: Duration,
    request_timeout: Duration,
}

impl Server {
    /// Binds the address. `metrics` renders what `GET /metrics` answers.
    ///
    /// # Errors
    /// The address is not loopback and there are no tokens, a token or an option makes no sense, or the
    /// address cannot be bound.
    pub async fn bind(
        options: &WorkerOptions,
        calls: Arc<dyn Calls>,
        metrics: impl Fn() -> String + Send + Sync + 'static,
    ) -> Result<Self, ApiError> {
        check(options)?;
        let tokens = Tokens::read(&options.tokens, options.bind)?;
        let failed = |source| ApiError::Bind { address: options.bind, source };
        let listener = TcpListener::bind(options.bind).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let request_timeout = Duration::from_millis(options.request_timeout_ms);
        let shared = Arc::new(Shared {
            calls,
            metrics: Box::new(metrics),
            tokens,
            allowed_origins: options.allowed_origins.clone(),
            max_body_bytes: options.max_body_bytes,
            request_timeout,
        });
        Ok(Self {
            listener,
            address,
            router: router(shared),
            connections: Arc::new(Semaphore::new(options.max_connections)),
            header_timeout: Duration::from_millis(options.header_timeout_ms),
            request_timeout,
        })
    }

    /// The address it is bound to, with the port it was given.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` completes; then takes no further connections, answers what has been asked, and
    /// returns, after the request time-out at the latest.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let mut http = Builder::new(TokioExecutor::new()).http1_only();
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD_BYTES);
        let open = GracefulShutdown::new();
        info!(address = %self.address, "listening");
        tokio::pin!(stop);
        loop {
            let (stream, permit) = tokio::select! {
                () = &mut stop => break,
                next = self.next() => next,
            };
            let service = TowerToHyperService::new(self.router.clone());
            let connection = http.serve_connection(TokioIo::new(stream), service).into_owned();
            let connection = open.watch(connection);
            tokio::spawn(async move {
                // How a connection ends is its peer's business: malformed requests are answered by 400.
                let _ = connection.await;
                drop(permit);
            });
        }
        drop(self.listener);
        if tokio::time::timeout(self.request_timeout, open.shutdown()).await.is_err() {
            warn!("connections were still open after the request time-out");
        }
    }

    /// The next connection, as soon as there is room for one.
    async fn next(&self) -> (TcpStream, OwnedSemaphorePermit) {
        loop {
            let Ok(permit) = self.connections.clone().acquire_owned().await else {
                return std::future::pending().await;
            };
            match self.listener.accept().await {
                Ok((stream, _)) => return (stream, permit),
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn check(options: &WorkerOptions) -> Result<(), ApiError> {
    let bad = |key, found: String, expected| Err(ApiError::Option { key, found, expected });
    for (key, found) in [
        ("max_calls", options.max_calls as u64),
        ("max_body_bytes", options.max_body_bytes as u64),
        ("header_timeout_ms", options.header_timeout_ms),
        ("request_timeout_ms", options.request_timeout_ms),
        ("max_connections", options.max_connections as u64),
    ] {
        if found == 0 || found > u64::from(u32::MAX) {
            return bad(key, found.to_string(), "between 1 and 4294967295");
        }
    }
    for origin in &options.allowed_origins {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        if host.is_none_or(|h| h.is_empty() || h.contains(['/', '*', ' '])) {
            return bad(
                "allowed_origins",
                format!("`{origin}`"),
                "origins such as https://acme.my.salesforce.com, without a path",
            );
        }
    }
    Ok(())
}
