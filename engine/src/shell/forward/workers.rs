//! Handing a payload to a worker: the contact's own first, then the others.
//!
//! A worker that was asked and did not answer may have started the call. Another one is asked only where it is
//! certain that the first has not: it could not be connected, or it said 429 or 503. In doubt the invocation
//! fails, and Lambda's retry comes back to the same worker, which then answers that the call runs.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use http::StatusCode;
use reqwest::Url;
use tokio::time::Instant;

use crate::shell::aws::AwsOptions;
use crate::shell::http::{ClientOptions, builder, chain, one_line, read_body};
use crate::shell::payload::Payload;
use crate::shell::secrets::SecretText;

use super::Forwarded;
use super::error::{ForwardError, ForwardSetupError};
use super::options::ForwardOptions;
use super::token::TokenSource;

/// What a worker says about a refusal is read and repeated no further than this, bytes.
const MAX_ANSWER: usize = 4096;

/// The workers.
#[derive(Debug)]
pub(super) struct Workers {
    http: reqwest::Client,
    addresses: Vec<Address>,
    token: TokenSource,
}

#[derive(Debug)]
struct Address {
    /// Scheme, host and port: for logs.
    name: String,
    /// Where calls are started.
    calls: Url,
}

/// What came of asking one worker.
enum Tried {
    /// It has the call; true: it had it before.
    Taken(bool),
    /// It certainly has not taken the call: another may.
    Elsewhere(String),
    /// The token is not taken.
    Unauthorised,
    /// It refused for good, or may have taken it.
    Failed(String),
}

impl Workers {
    pub(super) fn new(options: &ForwardOptions, aws: AwsOptions) -> Result<Self, ForwardSetupError> {
        let addresses = options.worker_urls.iter().map(|url| address(url)).collect::<Result<Vec<_>, _>>()?;
        let budget = Duration::from_millis(options.timeout_ms);
        // However many cannot be connected, time remains for one that can.
        let shares = u32::try_from(addresses.len()).unwrap_or(u32::MAX).saturating_add(1);
        let client = builder(&ClientOptions {
            ca_file: aws.ca_file.as_deref(),
            connect_timeout: budget / shares,
            request_timeout: budget,
        })?;
        // Lambda freezes the process between invocations, and what was connected before may be dead by then.
        let client = client.pool_max_idle_per_host(0).build();
        let http = client.map_err(|error| crate::shell::http::ClientError::Tls(chain(&error)))?;
        Ok(Self { http, addresses, token: TokenSource::new(options, aws)? })
    }

    /// Asks one after the other; `tried` takes what each one said.
    pub(super) async fn hand_on(
        &self,
        order: &Payload,
        payload: &str,
        budget: Duration,
        tried: &mut Vec<String>,
    ) -> Result<Forwarded, ForwardError> {
        let until = Instant::now() + budget;
        for address in self.preferred(&order.contact_id) {
            let mut token = self.token.get().await?;
            // If time runs out, this is what is known.
            tried.push(format!("{}: no answer", address.name));
            let mut answer = self.ask(address, payload, token.as_ref(), until).await;
            if matches!(answer, Tried::Unauthorised) && self.token.refused(token.as_ref()).await {
                // It was replaced meanwhile.
                token = self.token.get().await?;
                answer = self.ask(address, payload, token.as_ref(), until).await;
            }
            tried.pop();
            let why = match answer {
                Tried::Taken(already_running) => {
                    let (contact_id, by) = (order.contact_id.clone(), Some(address.name.clone()));
                    return Ok(Forwarded { contact_id, already_running, by });
                }
                Tried::Elsewhere(why) => {
                    tracing::warn!(worker = address.name, why, "a worker cannot take the call");
                    tried.push(format!("{}: {why}", address.name));
                    continue;
                }
                Tried::Unauthorised => "the token is not taken: check that [forward] token is one of the \
                                        worker's, with the scope calls"
                    .to_owned(),
                Tried::Failed(why) => why,
            };
            tried.push(format!("{}: {why}", address.name));
            break;
        }
        Err(ForwardError::Workers { tried: tried.join("; ") })
    }

    /// The addresses in this contact's own order: the same for every payload of it, and spread over contacts
    /// (rendezvous hashing).
    fn preferred(&self, contact: &str) -> Vec<&Address> {
        let score = |address: &Address| {
            let text = format!("{contact}\0{}", address.name);
            digest(&SHA256, text.as_bytes()).as_ref().to_vec()
        };
        let mut addresses: Vec<_> = self.addresses.iter().collect();
        addresses.sort_by_cached_key(|address| score(address));
        addresses
    }

    async fn ask(
        &self,
        address: &Address,
        payload: &str,
        token: Option<&SecretText>,
        until: Instant,
    ) -> Tried {
        let mut request = self
            .http
            .post(address.calls.clone())
            .timeout(until.saturating_duration_since(Instant::now()))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(payload.to_owned());
        if let Some(token) = token {
            request = request.bearer_auth(token.reveal());
        }
        match request.send().await {
            Ok(answer) => judge(answer).await,
            Err(error) if error.is_connect() => Tried::Elsewhere(chain(&error)),
            Err(error) => Tried::Failed(chain(&error)),
        }
    }
}

async fn judge(answer: reqwest::Response) -> Tried {
    let status = answer.status();
    match status {
        StatusCode::ACCEPTED => return Tried::Taken(false),
        StatusCode::OK => return Tried::Taken(true),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Tried::Unauthorised,
        _ => {}
    }
    // The reason is a help and no more: without it the status must do.
    let body = read_body(answer, MAX_ANSWER).await.unwrap_or_default();
    let said = serde_json::from_slice::<serde_json::Value>(&body).unwrap_or_default();
    let said = said.get("error").and_then(serde_json::Value::as_str).unwrap_or_default();
    let why = one_line(&format!("status {} {said}", status.as_u16()), 300);
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Tried::Elsewhere(why),
        _ => Tried::Failed(why),
    }
}

fn address(text: &str) -> Result<Address, ForwardSetupError> {
    let wrong = || ForwardSetupError::Option {
        key: "worker_urls",
        what: "each should be an address of the form http://host:8080 or https://host".to_owned(),
    };
    let base = Url::parse(text.trim()).map_err(|_| wrong())?;
    let plain = base.username().is_empty() && base.password().is_none() && base.query().is_none();
    if !matches!(base.scheme(), "http" | "https") || !base.has_host() || !plain {
        return Err(wrong());
    }
    let name = base.origin().ascii_serialization();
    let path = base.path().trim_end_matches('/');
    let calls = Url::parse(&format!("{name}{path}/v1/calls")).map_err(|_| wrong())?;
    Ok(Address { name, calls })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workers(urls: &[&str]) -> Workers {
        let worker_urls = urls.iter().map(|u| (*u).to_owned()).collect();
        let options = ForwardOptions { worker_urls, ..ForwardOptions::default() };
        Workers::new(&options, AwsOptions::default()).unwrap()
    }

    #[test]
    fn a_contact_keeps_its_worker_and_contacts_are_spread() {
        let two = workers(&["http://a:8080", "http://b:8080"]);
        let three = workers(&["http://c:8080", "http://b:8080", "http://a:8080"]);
        let mut first = [0; 3];
        for n in 0..300 {
            let contact = format!("contact-{n}");
            let with = three.preferred(&contact)[0].name.clone();
            first[usize::from(with.as_bytes()[7] - b'a')] += 1;
            if with != "http://c:8080" {
                assert_eq!(two.preferred(&contact)[0].name, with, "a further worker moves nobody else's");
            }
        }
        assert!(first.iter().all(|n| *n > 60), "{first:?}");
    }

    #[test]
    fn an_address_is_one_of_http_and_may_have_a_path() {
        assert_eq!(address("http://w:8080/").unwrap().calls.as_str(), "http://w:8080/v1/calls");
        assert_eq!(address("https://h/kvscribe").unwrap().calls.as_str(), "https://h/kvscribe/v1/calls");
        for bad in ["", "w:8080", "ftp://w", "http://user:pass@w", "http://w?x=1", "http:///"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
