//! Whether somebody answers at an address, what they speak, and what time it is there.
//!
//! The question is a GET without signature, token or body: every service refuses it and does nothing.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use http::Version;
use reqwest::Client;

use crate::shell::clock;
use crate::shell::http::chain;
use crate::time::{Span, Time};

/// An answer, whatever it says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) http2: bool,
    /// The other clock less ours; a `Date` tells whole seconds.
    pub(super) skew: Option<Span>,
}

/// Asks; the error says why nobody answered.
pub(super) async fn probe(http: &Client, url: &str) -> Result<Answered, String> {
    let asked = clock::now();
    let answer = http.get(url).send().await.map_err(|error| chain(&error))?;
    let answered = clock::now();
    // The stamp was made at some time in between.
    let half = Span::from_us((answered - asked).us() / 2);
    let date = answer.headers().get(http::header::DATE).and_then(|v| v.to_str().ok());
    let skew = date.and_then(time).map(|date| date - (asked + half));
    let (status, http2) = (answer.status().as_u16(), answer.version() == Version::HTTP_2);
    Ok(Answered { status, http2, skew })
}

/// A `Date` as HTTP writes it (RFC 9110, 5.6.7).
fn time(text: &str) -> Option<Time> {
    let date = DateTime::from_str(text, Format::HttpDate).ok()?;
    Some(Time::from_us(date.secs().checked_mul(1_000_000)?))
}
