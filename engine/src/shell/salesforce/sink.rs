//! The way to Salesforce: one HTTP client, tokens, and a bound on what is under way.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use tokio::sync::Semaphore;

use crate::call::{Outcome, Post, RetryCause};
use crate::shell::clock;
use crate::shell::http::{ClientOptions, chain, client, path_segment, read_body};
use crate::shell::secrets::SecretSource;

use super::error::{CheckError, SetupError};
use super::key::Identity;
use super::options::SalesforceOptions;
use super::outcome::{Verdict, judge};
use super::token::Tokens;

/// Longest life of a token that Salesforce takes, seconds.
const MAX_LIFETIME_S: u32 = 86_400;
/// Shortest life that leaves time for a post, seconds.
const MIN_LIFETIME_S: u32 = 30;

/// Salesforce as messages are posted to it. One for the process; share it behind an `Arc`.
pub struct Salesforce {
    http: reqwest::Client,
    endpoint_base: String,
    provider: (HeaderName, HeaderValue),
    tokens: Tokens,
    under_way: Semaphore,
    max_response_bytes: usize,
}

impl std::fmt::Debug for Salesforce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Salesforce").field("endpoint_base", &self.endpoint_base).finish_non_exhaustive()
    }
}

/// What [`Salesforce::check`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reached {
    /// Where.
    pub endpoint: String,
    /// What it answered to a request that asks for nothing; any status will do.
    pub status: u16,
}

/// One try of a post.
enum Try {
    Answered { status: u16, body: Vec<u8> },
    Lost(String),
}

impl Salesforce {
    /// Fetches the key, signs a token to see whether it can, and makes the client. Sends nothing to
    /// Salesforce.
    ///
    /// # Errors
    /// When a setting is missing or wrong, or the key cannot be had or cannot sign.
    pub async fn connect(
        options: &SalesforceOptions,
        secrets: &impl SecretSource,
    ) -> Result<Self, SetupError> {
        if !(MIN_LIFETIME_S..=MAX_LIFETIME_S).contains(&options.token_lifetime_s) {
            let what =
                format!("{} is not from {MIN_LIFETIME_S} to {MAX_LIFETIME_S}", options.token_lifetime_s);
            return Err(SetupError::Invalid { name: "token_lifetime_s", what });
        }
        let provider = provider_header(options)?;
        let Identity { endpoint_base, org_id, call_center, key, setting } =
            Identity::fetch(options, secrets).await?;
        let (life, token_use) = (options.token_lifetime_s, options.token);
        let tokens = Tokens::new((org_id, call_center), &options.audience, life, token_use, key);
        tokens.get(clock::now()).map_err(|what| SetupError::Key { setting, what })?;
        let http = client(&ClientOptions {
            ca_file: options.ca_file.as_deref(),
            connect_timeout: Duration::from_millis(options.connect_timeout_ms),
            request_timeout: Duration::from_millis(options.request_timeout_ms),
        })?;
        let under_way = Semaphore::new(options.max_concurrent.clamp(1, Semaphore::MAX_PERMITS));
        let max_response_bytes = options.max_response_bytes;
        Ok(Self { http, endpoint_base, provider, tokens, under_way, max_response_bytes })
    }

    /// Id of the organisation in whose name tokens are signed.
    #[must_use]
    pub fn org_id(&self) -> &str {
        self.tokens.issuer()
    }

    /// Posts one message and says what became of it. Waits for its turn where too many posts are under way. A
    /// token that is not taken is replaced once; nothing else is tried again. Where no answer came the message
    /// may have been taken all the same: post it again under the same id. Source: Service Cloud Voice, "Create
    /// a Transcript".
    pub async fn post(&self, post: &Post) -> Outcome {
        let key = path_segment(&post.vendor_call_key);
        let url = format!("{}/voiceCalls/{key}/messages", self.endpoint_base);
        let body = match serde_json::to_vec(&post.message) {
            Ok(body) => bytes::Bytes::from(body),
            Err(_) => return Outcome::Refused("the message cannot be written as JSON".to_owned()),
        };
        let _turn = self.under_way.acquire().await;
        let mut fresh = false;
        loop {
            let token = match self.tokens.get(clock::now()) {
                Ok(token) => token,
                Err(why) => return Outcome::Refused(format!("no token can be signed: {why}")),
            };
            let (status, answer) = match self.send(&url, &token, body.clone()).await {
                Try::Answered { status, body } => (status, body),
                Try::Lost(why) => {
                    tracing::debug!(message_id = post.message.message_id, why, "no answer to a post");
                    return Outcome::Retry { cause: RetryCause::Network };
                }
            };
            tracing::debug!(message_id = post.message.message_id, status, "a post was answered");
            match judge(status, &answer, post) {
                Verdict::Done(outcome) => return outcome,
                Verdict::Token(why) => {
                    self.tokens.reject(&token);
                    if std::mem::replace(&mut fresh, true) {
                        return Outcome::Refused(why);
                    }
                }
            }
        }
    }

    /// Looks whether a post could succeed, without sending one: a token is signed, and the endpoint answers a
    /// GET without one, which touches nothing.
    ///
    /// # Errors
    /// When no token can be signed or nobody answers.
    pub async fn check(&self) -> Result<Reached, CheckError> {
        self.tokens.get(clock::now()).map_err(CheckError::Token)?;
        let answer = self.http.get(&self.endpoint_base).send().await;
        let endpoint = self.endpoint_base.clone();
        match answer {
            Ok(answer) => Ok(Reached { endpoint, status: answer.status().as_u16() }),
            Err(error) => Err(CheckError::Unreachable { endpoint, why: chain(&error) }),
        }
    }

    async fn send(&self, url: &str, token: &str, body: bytes::Bytes) -> Try {
        let (name, value) = self.provider.clone();
        let request = self
            .http
            .post(url)
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json")
            .header(name, value)
            .body(body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Try::Lost(chain(&error)),
        };
        let status = response.status().as_u16();
        match read_body(response, self.max_response_bytes).await {
            Ok(body) => Try::Answered { status, body: body.to_vec() },
            // The status alone says it of a good answer and of a bad one; in a 207 the body decides.
            Err(_) if status != 207 => Try::Answered { status, body: Vec::new() },
            Err(error) => Try::Lost(error.to_string()),
        }
    }
}

/// The header that names the telephony provider.
fn provider_header(options: &SalesforceOptions) -> Result<(HeaderName, HeaderValue), SetupError> {
    let name = HeaderName::try_from(&options.provider_header)
        .map_err(|error| SetupError::Invalid { name: "provider_header", what: error.to_string() })?;
    let value = HeaderValue::try_from(&options.provider_name)
        .map_err(|error| SetupError::Invalid { name: "provider_name", what: error.to_string() })?;
    Ok((name, value))
}
