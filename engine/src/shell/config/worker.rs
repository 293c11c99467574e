//! `[worker]`: where the worker listens, who may speak to it, and how much it takes on.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// `[worker]`: the HTTP interface and its bounds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerOptions {
    /// Address and port. Default `127.0.0.1:8080`. Any address but loopback needs `tokens`.
    pub bind: SocketAddr,
    /// Calls at once; a further one is answered 429. Default 100.
    pub max_calls: usize,
    /// Bearer tokens and what each is good for. Default none: only loopback may be bound then.
    pub tokens: Vec<TokenOptions>,
    /// Origins whose pages may send gate events from a browser, as `https://host`. Default none.
    pub allowed_origins: Vec<String>,
    /// Largest body taken, bytes. Default 262,144.
    pub max_body_bytes: usize,
    /// How long the head of a request may take, ms. Default 5,000.
    pub header_timeout_ms: u64,
    /// How long a whole request may take, its body included, ms. Default 15,000.
    pub request_timeout_ms: u64,
    /// Connections open at once; further ones wait unaccepted. Default 256.
    pub max_connections: usize,
    /// After SIGTERM, how long calls may take to be handed over, or without a store to hand on what they heard, s.
    /// Default 120.
    pub drain_deadline_s: u64,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 8080)),
            max_calls: 100,
            tokens: Vec::new(),
            allowed_origins: Vec::new(),
            max_body_bytes: 256 * 1024,
            header_timeout_ms: 5_000,
            request_timeout_ms: 15_000,
            max_connections: 256,
            drain_deadline_s: 120,
        }
    }
}

/// One `[[worker.tokens]]`: a token from exactly one place, and what it is good for.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenOptions {
    /// The token itself. Better one of the other two.
    pub token: Option<String>,
    /// Environment variable that holds it.
    pub token_env: Option<String>,
    /// File that holds it; white space around it does not count.
    pub token_file: Option<PathBuf>,
    /// What it is good for.
    pub scopes: Vec<Scope>,
}

impl fmt::Debug for TokenOptions {
    /// A token never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenOptions")
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("token_env", &self.token_env)
            .field("token_file", &self.token_file)
            .field("scopes", &self.scopes)
            .finish()
    }
}

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Start and stop calls.
    Calls,
    /// Send gate and participant events.
    Events,
    /// Read the state of calls, and metrics.
    Read,
}

impl Scope {
    /// As it is spelt in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Events => "events",
            Self::Read => "read",
        }
    }
}
