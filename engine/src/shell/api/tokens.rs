//! Bearer tokens: read once, compared in constant time, each good for some scopes.

use std::fmt;
use std::net::SocketAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};

use crate::shell::config::{Scope, TokenOptions};

/// Shortest token taken, bytes.
const MIN_BYTES: usize = 16;

/// Why the worker does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not exactly one place for a token.
    #[error("[[worker.tokens]] number {0}: give exactly one of token, token_env and token_file")]
    Place(usize),
    /// The place is empty or cannot be read.
    #[error("[[worker.tokens]] number {number}: {what}")]
    Unreadable {
        /// Counts from 1.
        number: usize,
        /// What is wrong and what to do.
        what: String,
    },
    /// Too short to be a secret.
    #[error(
        "[[worker.tokens]] number {0}: a token needs at least {MIN_BYTES} visible ASCII characters; make one with `openssl rand -hex 32`"
    )]
    Weak(usize),
    /// Good for nothing.
    #[error("[[worker.tokens]] number {0}: scopes is empty; name some of calls, events, read")]
    NoScopes(usize),
    /// Anybody could reach the worker.
    #[error("[worker] bind is {0}, which others can reach: configure [[worker.tokens]], or bind 127.0.0.1")]
    Open(SocketAddr),
}

/// What a request's token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    Granted,
    /// No token, or none that is known.
    Unknown,
    /// A known token without this scope.
    WrongScope,
}

/// The tokens of a worker. Only their digests are kept.
#[derive(Clone, Default)]
pub(super) struct Tokens(Vec<(Vec<u8>, Vec<Scope>)>);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

impl Tokens {
    /// Reads the tokens; without any, only a loopback address may be bound.
    pub(super) fn read(options: &[TokenOptions], bind: SocketAddr) -> Result<Self, TokenError> {
        if options.is_empty() && !bind.ip().is_loopback() {
            return Err(TokenError::Open(bind));
        }
        let mut tokens = Vec::new();
        for (i, option) in options.iter().enumerate() {
            let text = text(option, i + 1)?;
            let visible = text.bytes().all(|b| b.is_ascii_graphic());
            if text.len() < MIN_BYTES || !visible {
                return Err(TokenError::Weak(i + 1));
            }
            if option.scopes.is_empty() {
                return Err(TokenError::NoScopes(i + 1));
            }
            tokens.push((digest(&SHA256, text.as_bytes()).as_ref().to_vec(), option.scopes.clone()));
        }
        Ok(Self(tokens))
    }

    /// Judges the value of an `Authorization` header. Every token is compared, whichever fits.
    pub(super) fn judge(&self, authorization: Option<&[u8]>, scope: Scope) -> Permit {
        if self.0.is_empty() {
            return Permit::Granted;
        }
        let Some(given) = authorization.and_then(bearer) else { return Permit::Unknown };
        // Digests have one length, so that not even the length of a token can be timed.
        let given = digest(&SHA256, given);
        let mut permit = Permit::Unknown;
        for (token, scopes) in &self.0 {
            let same = verify_slices_are_equal(token, given.as_ref()).is_ok();
            if same && scopes.contains(&scope) {
                permit = Permit::Granted;
            } else if same && permit == Permit::Unknown {
                permit = Permit::WrongScope;
            }
        }
        permit
    }
}

fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn text(option: &TokenOptions, number: usize) -> Result<String, TokenError> {
    let unreadable = |what| TokenError::Unreadable { number, what };
    match (&option.token, &option.token_env, &option.token_file) {
        (Some(token), None, None) => Ok(token.trim().to_owned()),
        (None, Some(name), None) => std::env::var(name).map(|token| token.trim().to_owned()).map_err(|_| {
            unreadable(format!("the environment variable {name} is not set; set it to the token"))
        }),
        (None, None, Some(path)) => std::fs::read_to_string(path)
            .map(|token| token.trim().to_owned())
            .map_err(|e| unreadable(format!("{} cannot be read: {e}", path.display()))),
        _ => Err(TokenError::Place(number)),
    }
}
