//! Questions to AWS: signed, sent, bounded, tried again where that helps.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::{Method, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::shell::clock;
use crate::shell::http::{BodyError, ClientOptions, chain, client, read_body};
use crate::time::Time;

use super::config::{ConfigError, sdk_config};
use super::error::{AwsAction, AwsError, AwsErrorKind, AwsService};
use super::keyring::Keyring;
use super::options::AwsOptions;

/// The wait after the first failed try is drawn from 0 to this; it doubles with each further try.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// No wait is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The small client. Cheap to share behind an `Arc`; its connections are reused.
#[derive(Debug)]
pub struct Aws {
    http: reqwest::Client,
    keys: Keyring,
    region: String,
    options: AwsOptions,
}

/// A request before it is signed.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) service: AwsService,
    pub(super) operation: &'static str,
    pub(super) method: Method,
    /// Path and query, from the slash on.
    pub(super) path: String,
    /// `X-Amz-Target` of a service that speaks JSON 1.0 or 1.1.
    pub(super) target: Option<&'static str>,
    /// JSON; empty for GET.
    pub(super) body: Bytes,
    /// Region, where it is not the client's.
    pub(super) region: Option<String>,
}

impl Question {
    /// A question of a service that speaks JSON 1.1, or 1.0 as DynamoDB does.
    pub(super) fn json(
        service: AwsService,
        operation: &'static str,
        target: &'static str,
        body: &Value,
    ) -> Self {
        let body = Bytes::from(body.to_string());
        let (method, path) = (Method::POST, "/".to_owned());
        Self { service, operation, method, path, target: Some(target), body, region: None }
    }

    pub(super) fn error(&self, kind: AwsErrorKind, message: impl AsRef<str>) -> AwsError {
        AwsError::new(self.service, self.operation, kind, message)
    }
}

impl Aws {
    /// Finds region and credentials by the SDK's default chain. Asks no service yet.
    ///
    /// # Errors
    /// When the settings are wrong, no region is known or there is no provider of credentials.
    pub async fn connect(options: AwsOptions) -> Result<Self, ConfigError> {
        let config = Box::pin(sdk_config(&options)).await?;
        let region = config.region().ok_or(ConfigError::NoRegion)?.to_string();
        let provider = config.credentials_provider().ok_or(ConfigError::NoCredentials)?;
        Self::new(AwsOptions { region: Some(region), ..options }, provider)
    }

    /// With credentials from this provider; the options must name the region.
    ///
    /// # Errors
    /// When the settings are wrong.
    pub fn new(options: AwsOptions, provider: SharedCredentialsProvider) -> Result<Self, ConfigError> {
        let region = options.region.clone().ok_or(ConfigError::NoRegion)?;
        for (name, url) in [
            ("connect_endpoint_url", &options.connect_endpoint_url),
            ("secrets_manager_endpoint_url", &options.secrets_manager_endpoint_url),
            ("ssm_endpoint_url", &options.ssm_endpoint_url),
            ("ecs_endpoint_url", &options.ecs_endpoint_url),
            ("dynamodb_endpoint_url", &options.dynamodb_endpoint_url),
        ] {
            let Some(url) = url else { continue };
            let good = reqwest::Url::parse(url).is_ok_and(|u| matches!(u.scheme(), "http" | "https"));
            if !good {
                return Err(ConfigError::Endpoint { name, value: url.clone() });
            }
        }
        let http = client(&ClientOptions {
            ca_file: options.ca_file.as_deref(),
            connect_timeout: Duration::from_millis(options.connect_timeout_ms),
            request_timeout: Duration::from_millis(options.request_timeout_ms),
        })?;
        Ok(Self { http, keys: Keyring::new(provider), region, options })
    }

    /// The settings it was made with, the region filled in.
    #[must_use]
    pub fn options(&self) -> &AwsOptions {
        &self.options
    }

    /// Asks, and asks again where only time is needed. Every question this client knows may be repeated.
    pub(super) async fn ask<T: DeserializeOwned>(&self, question: &Question) -> Result<T, AwsError> {
        let mut tries = 1;
        loop {
            let error = match self.try_once(question).await {
                Ok(body) => return read(question, &body),
                Err(error) => error,
            };
            if error.action() == AwsAction::Fatal || tries >= self.options.max_attempts {
                return Err(error);
            }
            tokio::time::sleep(jittered(tries)).await;
            tries += 1;
        }
    }

    async fn try_once(&self, question: &Question) -> Result<Bytes, AwsError> {
        let now = clock::now();
        let none = |why: String| question.error(AwsErrorKind::NoCredentials, why);
        let credentials = self.keys.get(now).await.map_err(none)?;
        let request = self.signed(question, &credentials, now)?;
        let lost = |error: &reqwest::Error| question.error(AwsErrorKind::Network, chain(error));
        let response = self.http.execute(request).await.map_err(|error| lost(&error))?;
        let status = response.status();
        let header_type = response.headers().get("x-amzn-errortype");
        let header_type = header_type.and_then(|v| v.to_str().ok()).map(str::to_owned);
        let limit = match question.service {
            // A page of items is 1 MB before it is written in base64.
            AwsService::DynamoDb => self.options.max_response_bytes.max(4 << 20),
            _ => self.options.max_response_bytes,
        };
        let body = read_body(response, limit).await.map_err(|error| match error {
            BodyError::Broken(error) => lost(&error),
            BodyError::TooLong(_) => question.error(AwsErrorKind::Unreadable, error.to_string()),
        })?;
        if status.is_success() {
            return Ok(body);
        }
        let error = refusal(question, status.as_u16(), header_type, &body);
        if error.kind == AwsErrorKind::NotAuthenticated {
            self.keys.reject(&credentials).await;
        }
        Err(error)
    }

    /// The request as it goes out.
    fn signed(
        &self,
        question: &Question,
        credentials: &Credentials,
        now: Time,
    ) -> Result<reqwest::Request, AwsError> {
        let invalid = |why: String| question.error(AwsErrorKind::Invalid, why);
        let region = question.region.as_deref().unwrap_or(&self.region);
        let uri = format!("{}{}", self.endpoint(question.service, region), question.path);
        let mut request = http::Request::builder().method(question.method.clone()).uri(uri);
        if let Some(target) = question.target {
            let kind = match question.service {
                AwsService::DynamoDb => "application/x-amz-json-1.0",
                _ => "application/x-amz-json-1.1",
            };
            request = request.header(header::CONTENT_TYPE, kind).header("x-amz-target", target);
        } else if !question.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let mut request = request.body(question.body.clone()).map_err(|e| invalid(e.to_string()))?;

        let identity = Identity::from(credentials.clone());
        let at = UNIX_EPOCH + Duration::from_micros(u64::try_from(now.us()).unwrap_or_default());
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(question.service.signing_name())
            .time(at)
            .settings(SigningSettings::default())
            .build()
            .map_err(|e| invalid(e.to_string()))?
            .into();
        let headers = request.headers().iter().filter_map(|(k, v)| Some((k.as_str(), v.to_str().ok()?)));
        let (method, uri) = (request.method().as_str(), request.uri().to_string());
        let signable = SignableRequest::new(method, uri, headers, SignableBody::Bytes(&question.body))
            .map_err(|e| invalid(e.to_string()))?;
        let (instructions, _) = aws_sigv4::http_request::sign(signable, &params)
            .map_err(|e| invalid(e.to_string()))?
            .into_parts();
        instructions.apply_to_request_http1x(&mut request);
        reqwest::Request::try_from(request).map_err(|error| invalid(chain(&error)))
    }

    /// Where a service is, without a slash at the end.
    fn endpoint(&self, service: AwsService, region: &str) -> String {
        let set = match service {
            AwsService::Connect => &self.options.connect_endpoint_url,
            AwsService::SecretsManager => &self.options.secrets_manager_endpoint_url,
            AwsService::Ssm => &self.options.ssm_endpoint_url,
            AwsService::Ecs => &self.options.ecs_endpoint_url,
            AwsService::DynamoDb => &self.options.dynamodb_endpoint_url,
        };
        match set {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => {
                let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
                format!("https://{}.{region}.{domain}", service.signing_name())
            }
        }
    }
}

/// Full jitter: two processes that failed together do not come back together.
fn jittered(tries: u32) -> Duration {
    let most = FIRST_WAIT.saturating_mul(1 << tries.saturating_sub(1).min(10)).min(LONGEST_WAIT);
    let mut seed = [0; 8];
    // Without randomness the wait is still right, only not different.
    let _ = aws_lc_rs::rand::fill(&mut seed);
    most.mul_f64(fastrand::Rng::with_seed(u64::from_le_bytes(seed)).f64())
}

/// Reads a good answer; an empty one counts as `{}`.
fn read<T: DeserializeOwned>(question: &Question, body: &[u8]) -> Result<T, AwsError> {
    let body = if body.is_empty() { b"{}" } else { body };
    // The parser's message names line and column and shows none of the answer, which may be a secret.
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let what = format!("the answer is not as described (line {line}, column {column})");
        question.error(AwsErrorKind::Unreadable, what)
    })
}

/// Reads a bad answer. The type stands in a header or in the body, with a name space before it or an address
/// behind it (AWS JSON 1.1 and REST-JSON protocols, "operation error serialization").
fn refusal(question: &Question, status: u16, header_type: Option<String>, body: &[u8]) -> AwsError {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let code = header_type.or_else(|| text("__type")).or_else(|| text("code"));
    let code = code.map(|code| {
        let code = code.split(':').next().unwrap_or_default();
        code.rsplit('#').next().unwrap_or_default().to_owned()
    });
    let message = text("message").or_else(|| text("Message")).unwrap_or_default();
    AwsError::answered(question.service, question.operation, status, code, &message)
}
