//! One way to build an HTTP client and to read its answers: TLS by aws-lc, an extra authority, time-outs,
//! bounded bodies.
//!
//! This room knows HTTP. It knows no service, no signature and no retry.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

/// Sizes of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions<'a> {
    /// Certificates trusted besides the platform's own, PEM.
    pub ca_file: Option<&'a Path>,
    /// A connection, TLS included, must stand within this.
    pub connect_timeout: Duration,
    /// A whole exchange must be over within this.
    pub request_timeout: Duration,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The file of authorities cannot be read.
    #[error("cannot read the certificates in {}: {source}; check ca_file", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file of authorities holds none.
    #[error("{} holds no certificate in PEM ({why}); check ca_file", path.display())]
    NoCertificate {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// TLS cannot be set up: mostly a machine without certificates of its own.
    #[error("cannot set up TLS: {0}; install the system's CA certificates or set ca_file")]
    Tls(String),
}

/// Makes a client. It follows no redirect, so that tokens and signatures stay where they were meant to go.
///
/// # Errors
/// When the certificates cannot be read or TLS cannot be set up.
pub fn client(options: &ClientOptions<'_>) -> Result<reqwest::Client, ClientError> {
    builder(options)?.build().map_err(|error| ClientError::Tls(chain(&error)))
}

/// A client in the making, for those who need it a little different.
///
/// # Errors
/// When the certificates cannot be read.
pub fn builder(options: &ClientOptions<'_>) -> Result<reqwest::ClientBuilder, ClientError> {
    // An error means that somebody has chosen a provider before, and the tree holds only this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let extra = options.ca_file.map(authorities).transpose()?.unwrap_or_default();
    Ok(reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(options.connect_timeout)
        .timeout(options.request_timeout)
        .pool_idle_timeout(Duration::from_secs(50))
        .http2_keep_alive_interval(Duration::from_secs(10))
        .http2_keep_alive_timeout(Duration::from_secs(5))
        .tls_certs_merge(extra))
}

/// The certificates of a PEM file; at least one.
///
/// # Errors
/// When the file cannot be read or holds none.
pub fn authorities(path: &Path) -> Result<Vec<reqwest::Certificate>, ClientError> {
    let pem = read_authorities(path)?;
    let none = |why: String| ClientError::NoCertificate { path: path.to_owned(), why };
    match reqwest::Certificate::from_pem_bundle(&pem) {
        Ok(found) if found.is_empty() => Err(none("it is empty".to_owned())),
        Ok(found) => Ok(found),
        Err(error) => Err(none(chain(&error))),
    }
}

/// The text of a PEM file of authorities.
///
/// # Errors
/// When it cannot be read.
pub fn read_authorities(path: &Path) -> Result<Vec<u8>, ClientError> {
    std::fs::read(path).map_err(|source| ClientError::Unreadable { path: path.to_owned(), source })
}

/// Why an answer could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke or time ran out.
    #[error("{}", chain(.0))]
    Broken(#[from] reqwest::Error),
    /// It is longer than allowed.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// When it is longer, the connection breaks or time runs out.
pub async fn read_body(mut response: reqwest::Response, limit: usize) -> Result<Bytes, BodyError> {
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > limit {
            return Err(BodyError::TooLong(limit));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// An error with all its causes on one line, without the address it concerns.
#[must_use]
pub fn chain(error: &reqwest::Error) -> String {
    let mut text = kind(error).to_owned();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn kind(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_builder() {
        "no client"
    } else {
        "the exchange broke off"
    }
}

/// The first `limit` characters of a text from outside, on one line and without control characters.
#[must_use]
pub fn one_line(text: &str, limit: usize) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// A part of a path in which every byte but `A-Z a-z 0-9 - . _ ~` is escaped (RFC 3986, 2.3).
#[must_use]
pub fn path_segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                segment.push(char::from(byte));
            }
            _ => segment.push_str(&format!("%{byte:02X}")),
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_from_outside_cannot_leave_its_part_of_the_path() {
        assert_eq!(path_segment("11111111-2222"), "11111111-2222");
        assert_eq!(path_segment("a/../b?c#d é"), "a%2F..%2Fb%3Fc%23d%20%C3%A9");
    }

    #[test]
    fn text_from_outside_becomes_one_bounded_line() {
        assert_eq!(one_line(" a\r\n\tb\u{1b}[31m c ", 99), "a b [31m c");
        assert_eq!(one_line("äöü", 2), "äö…");
    }
}
