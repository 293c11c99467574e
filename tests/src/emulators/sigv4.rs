//! Signature Version 4: what a signed request and a signed chain of events must carry.
//!
//! Written from the public description ("AWS Signature Version 4 for API requests", "Amazon Transcribe
//! Developer Guide: event stream encoding"), not from a client: both sides must not share a mistake.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use engine::time::{Span, Time};

/// Payload hash that announces signed events instead of a signed body.
pub const STREAMING: &str = "STREAMING-AWS4-HMAC-SHA256-EVENTS";

/// A request may be so old or so far ahead.
const MAX_SKEW: Span = Span::from_s(300);

/// A key that requests are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The public name of the key.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: String,
}

impl Credentials {
    /// The key pair of the documents' own examples.
    #[must_use]
    pub fn example() -> Self {
        Self {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        }
    }
}

/// The hash of a body as it is signed.
#[must_use]
pub fn payload_hash(body: &[u8]) -> String {
    sha256_hex(body)
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// A time as requests carry it, such as `20150830T123600Z`.
#[must_use]
pub fn amz_date(at: Time) -> String {
    let seconds = at.ms().div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant's civil_from_days: years that begin in March, in eras of 400.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Day, region, service, `aws4_request`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    region: String,
    service: String,
}

impl Scope {
    fn text(&self, day: &str) -> String {
        format!("{day}/{}/{}/aws4_request", self.region, self.service)
    }

    fn key(&self, secret: &str, day: &str) -> Vec<u8> {
        let of_day = hmac_sha256(format!("AWS4{secret}").as_bytes(), day);
        let of_region = hmac_sha256(&of_day, &self.region);
        hmac_sha256(&hmac_sha256(&of_region, &self.service), "aws4_request")
    }
}

/// The chain of event signatures that begins with a request's own.
#[derive(Debug, Clone)]
pub struct Chain {
    secret: String,
    scope: Scope,
    /// Hexadecimal.
    prior: String,
    /// Signing key of the day it was last used on.
    key: (String, Vec<u8>),
}

impl Chain {
    /// The signature of the next event. `date` is like `20150830T123600Z`, `headers` are the event's encoded
    /// headers without the signature. Whether or not it is the right one, the chain goes on with `given`.
    #[must_use]
    pub fn accepts(&mut self, date: &str, headers: &[u8], payload: &[u8], given: &[u8]) -> bool {
        let expected = self.next(date, headers, payload);
        self.prior = hex(given);
        expected == given
    }

    /// The signature of the next event, which the chain goes on with.
    #[must_use]
    pub fn sign(&mut self, date: &str, headers: &[u8], payload: &[u8]) -> Vec<u8> {
        let signature = self.next(date, headers, payload);
        self.prior = hex(&signature);
        signature
    }

    fn next(&mut self, date: &str, headers: &[u8], payload: &[u8]) -> Vec<u8> {
        let day = date.get(..8).unwrap_or_default();
        if self.key.0 != day {
            self.key = (day.to_owned(), self.scope.key(&self.secret, day));
        }
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{}\n{}\n{}\n{}",
            self.scope.text(day),
            self.prior,
            sha256_hex(headers),
            sha256_hex(payload),
        );
        hmac_sha256(&self.key.1, &text)
    }
}

/// Checks the signature in a request's headers. `payload_hash` is [`payload_hash`] of the body, or
/// [`STREAMING`] where events are signed one by one. Its time must be within five minutes of `now`. The error
/// says what is wrong.
///
/// # Errors
/// When the request is not signed, not with this key, or not now.
pub fn verify(
    request: &http::request::Parts,
    payload_hash: &str,
    credentials: &Credentials,
    now: Time,
) -> Result<Chain, String> {
    let header = |name: &str| request.headers.get(name).and_then(|v| v.to_str().ok());
    let authorization = header("authorization").ok_or("no authorization")?;
    let rest = authorization.strip_prefix("AWS4-HMAC-SHA256").ok_or("another algorithm")?;
    let part = |name: &str| rest.split(',').find_map(|p| p.trim().strip_prefix(name)).unwrap_or_default();
    let mut credential = part("Credential=").split('/');
    let mut next = || credential.next().unwrap_or_default().to_owned();
    let (access_key_id, day, region, service) = (next(), next(), next(), next());
    if access_key_id != credentials.access_key_id {
        return Err(format!("unknown key {access_key_id}"));
    }
    let date = header("x-amz-date").ok_or("no x-amz-date")?;
    let signed = part("SignedHeaders=");
    // The format sorts by time.
    if date < amz_date(now - MAX_SKEW).as_str() || date > amz_date(now + MAX_SKEW).as_str() {
        return Err(format!("Signature expired: {date} is not near {}", amz_date(now)));
    }
    if header("x-amz-content-sha256").is_some_and(|announced| announced != payload_hash) {
        return Err("the body is not the one announced".to_owned());
    }
    let canonical = canonical(request, signed, payload_hash)?;
    let scope = Scope { region, service };
    let text =
        format!("AWS4-HMAC-SHA256\n{date}\n{}\n{}", scope.text(&day), sha256_hex(canonical.as_bytes()));
    let key = scope.key(&credentials.secret_access_key, &day);
    let expected = hex(&hmac_sha256(&key, &text));
    if expected != part("Signature=") {
        return Err("the signature does not match".to_owned());
    }
    Ok(Chain { secret: credentials.secret_access_key.clone(), scope, prior: expected, key: (day, key) })
}

/// The canonical request.
fn canonical(request: &http::request::Parts, signed: &str, payload_hash: &str) -> Result<String, String> {
    let mut headers = String::new();
    for name in signed.split(';') {
        let value = match name {
            // In HTTP/2 the authority stands for the Host header; clients sign either name.
            "host" | ":authority" => {
                let authority = request.uri.authority().map(http::uri::Authority::as_str);
                let host = request.headers.get("host").and_then(|v| v.to_str().ok());
                let value = if name == "host" { host.or(authority) } else { authority.or(host) };
                value.ok_or("no host")?.to_owned()
            }
            _ => {
                let values: Vec<&str> =
                    request.headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).collect();
                if values.is_empty() {
                    return Err(format!("{name} is signed and missing"));
                }
                let trimmed = values.iter().map(|v| v.split_whitespace().collect::<Vec<_>>().join(" "));
                trimmed.collect::<Vec<_>>().join(",")
            }
        };
        // Writing to a string cannot fail.
        let _ = writeln!(headers, "{name}:{value}");
    }
    let mut query: Vec<&str> = request.uri.query().unwrap_or_default().split('&').collect();
    query.sort_unstable();
    let (method, path, query) = (&request.method, request.uri.path(), query.join("&"));
    Ok(format!("{method}\n{path}\n{query}\n{headers}\n{signed}\n{payload_hash}"))
}

/// Signs a request as a client would, for tests: at the time in its `x-amz-date`; the signed headers are those
/// present, and the host. Returns the value of `Authorization` and the chain for events.
///
/// # Errors
/// When a signed header cannot be read.
pub fn sign(
    request: &http::request::Parts,
    payload_hash: &str,
    credentials: &Credentials,
    region: &str,
    service: &str,
) -> Result<(String, Chain), String> {
    let date = request.headers.get("x-amz-date").and_then(|v| v.to_str().ok()).ok_or("no x-amz-date")?;
    let mut names: Vec<&str> = request.headers.keys().map(http::HeaderName::as_str).collect();
    names.push("host");
    names.sort_unstable();
    names.dedup();
    let signed = names.join(";");
    let canonical = canonical(request, &signed, payload_hash)?;
    let day = date.get(..8).unwrap_or_default();
    let scope = Scope { region: region.to_owned(), service: service.to_owned() };
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{}\n{}", scope.text(day), sha256_hex(canonical.as_bytes()));
    let key = scope.key(&credentials.secret_access_key, day);
    let signature = hex(&hmac_sha256(&key, &text));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={signed}, Signature={signature}",
        credentials.access_key_id,
        scope.text(day),
    );
    let chain = Chain {
        secret: credentials.secret_access_key.clone(),
        scope,
        prior: signature,
        key: (day.to_owned(), key),
    };
    Ok((authorization, chain))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_requests_carry_them() {
        for (seconds, date) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (1_798_761_599, "20261231T235959Z"),
        ] {
            assert_eq!(amz_date(Time::from_ms(seconds * 1000)), date);
        }
    }

    /// "get-vanilla" of the published Signature Version 4 test suite.
    #[test]
    fn the_published_example_has_its_signature() {
        let request = http::Request::get("https://example.amazonaws.com/")
            .header("x-amz-date", "20150830T123600Z")
            .body(())
            .unwrap();
        let (parts, ()) = request.into_parts();
        let empty = sha256_hex(b"");
        let canonical = canonical(&parts, "host;x-amz-date", &empty).unwrap();
        assert_eq!(
            sha256_hex(canonical.as_bytes()),
            "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63"
        );
        let scope = Scope { region: "us-east-1".into(), service: "service".into() };
        let key = scope.key(&Credentials::example().secret_access_key, "20150830");
        let text = format!(
            "AWS4-HMAC-SHA256\n20150830T123600Z\n{}\n{}",
            scope.text("20150830"),
            sha256_hex(canonical.as_bytes())
        );
        assert_eq!(
            hex(&hmac_sha256(&key, &text)),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }
}
