//! Credentials, Kinesis Video Streams, Transcribe, Connect and the retention of its streams.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;

use crate::shell::aws::{AwsError, AwsErrorKind};
use crate::shell::clock;
use crate::shell::connector::explain;

use super::probe::{Answered, probe};
use super::{Clinic, Finding, Health};

/// The id of no contact and of no instance.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
/// Providers that ask a machine in the network need a while; the SDK gives up by itself after some seconds.
const CREDENTIALS_WITHIN: Duration = Duration::from_secs(15);
const ROUTE: &str = "check the route (VPC endpoint, proxy, firewall), the endpoint_url and ca_file";

impl Clinic<'_> {
    /// Whether there are any, and whose they are.
    pub(super) async fn credentials(&self) -> Vec<Finding> {
        const WHAT: &str = "credentials";
        const ADVICE: &str = "give the process a role, a profile or AWS_ACCESS_KEY_ID";
        let Some(provider) = self.sdk.credentials_provider() else {
            return vec![Finding::failed(WHAT, "nobody provides any", ADVICE)];
        };
        let found = tokio::time::timeout(CREDENTIALS_WITHIN, provider.provide_credentials()).await;
        vec![match found {
            Ok(Ok(credentials)) => Finding::ok(WHAT, provenance(&credentials)),
            Ok(Err(error)) => Finding::failed(WHAT, format!("none were found: {}", explain(&error)), ADVICE),
            Err(_) => {
                let detail = format!("their provider said nothing for {} s", CREDENTIALS_WITHIN.as_secs());
                Finding::failed(WHAT, detail, ADVICE)
            }
        }]
    }

    /// With a stream, its data endpoint by a signed question, and whether that answers; else only whether the
    /// service does. GetMedia itself is not asked: it would take one of the stream's three connections.
    pub(super) async fn kinesis(&self) -> Vec<Finding> {
        const WHAT: &str = "kinesis";
        let Some(stream) = &self.asked.stream else {
            let url = self.kinesis_url();
            let answered = Box::pin(probe(&self.http, &url)).await;
            return vec![reached(WHAT, &url, answered, "permissions are looked at with --stream")];
        };
        let endpoint = match Box::pin(self.kinesis.data_endpoint(stream)).await {
            Ok(endpoint) => endpoint,
            Err(error) => return vec![Finding::of_text(WHAT, Health::Failed, &error.message)],
        };
        let answered = Box::pin(probe(&self.http, &endpoint)).await;
        vec![reached(WHAT, &endpoint, answered, "it is the stream's data endpoint")]
    }

    /// Whether the endpoint answers over HTTP/2, without which there are no sessions.
    pub(super) async fn transcribe(&self) -> Vec<Finding> {
        const WHAT: &str = "transcribe";
        let options = &self.sections.transcribe;
        let region = options.region.as_deref().unwrap_or(&self.region);
        let url = options.endpoint_url.clone().unwrap_or_else(|| regional("transcribestreaming", region));
        let answered = Box::pin(probe(&self.http, &url)).await;
        if let Ok(Answered { http2: false, .. }) = answered
            && url.starts_with("https:")
        {
            let advice = "take away what opens TLS in between (a proxy), or let it speak HTTP/2";
            return vec![Finding::failed(WHAT, format!("{url} does not speak HTTP/2"), advice)];
        }
        vec![reached(WHAT, &url, answered, "only a session, which is billed, shows whether it is allowed")]
    }

    /// Asks, signed, about a contact that does not exist: who may ask is told that there is none.
    pub(super) async fn connect(&self) -> Vec<Finding> {
        const WHAT: &str = "connect";
        let instance = self.asked.instance.as_deref();
        let asked = Box::pin(self.aws.describe_contact(instance.unwrap_or(NOBODY), NOBODY)).await;
        let error = match asked {
            Ok(_) => return vec![Finding::ok(WHAT, "DescribeContact is allowed")],
            Err(error) => error,
        };
        vec![match (error.kind, instance) {
            (AwsErrorKind::NotFound, Some(_)) => Finding::ok(WHAT, "DescribeContact is allowed"),
            (AwsErrorKind::NotFound | AwsErrorKind::Denied | AwsErrorKind::Invalid, None) => Finding::ok(
                WHAT,
                "it answers and knows the credentials; permissions are looked at with --instance",
            ),
            (AwsErrorKind::Denied, Some(_)) if self.sections.live.resolve_key => {
                let advice = "allow connect:DescribeContact, or let the flow pass vendorCallKey: without \
                              either, what is said after a transfer goes to a call of its own";
                Finding::warning(WHAT, error.what(), advice)
            }
            (AwsErrorKind::Denied, Some(_)) => {
                Finding::ok(WHAT, "DescribeContact is not allowed, and live.resolve_key is off")
            }
            _ => bad(WHAT, &error),
        }]
    }

    /// How long the instance's streams keep their audio.
    pub(super) async fn retention(&self) -> Vec<Finding> {
        const WHAT: &str = "retention";
        let Some(instance) = &self.asked.instance else { return Vec::new() };
        vec![match Box::pin(self.aws.media_stream_storage(instance)).await {
            Ok(Some(streams)) if streams.retention_h == 0 => Finding::warning(
                WHAT,
                format!("streams {}… keep nothing (0 hours)", streams.prefix),
                "set it to an hour or more (Connect, Data storage, Live media streaming): a late start, a \
                 reconnect and a resume have nothing to read, and what was said meanwhile is lost",
            ),
            Ok(Some(streams)) => {
                let (prefix, hours) = (&streams.prefix, streams.retention_h);
                Finding::ok(WHAT, format!("streams {prefix}… keep their audio for {hours} h"))
            }
            Ok(None) => Finding::failed(
                WHAT,
                "live media streaming is off: there is no audio to read",
                "switch it on (Connect, Data storage, Live media streaming)",
            ),
            Err(error) if error.kind == AwsErrorKind::Denied => {
                let advice = "allow connect:ListInstanceStorageConfigs to have it looked at";
                Finding::warning(WHAT, error.what(), advice)
            }
            Err(error) => bad(WHAT, &error),
        }]
    }

    pub(super) fn kinesis_url(&self) -> String {
        let set = self.sections.kinesis.endpoint_url.clone();
        set.unwrap_or_else(|| regional("kinesisvideo", &self.region))
    }
}

fn regional(service: &str, region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{service}.{region}.{domain}")
}

/// Any answer will do, but a failure of the service is worth a word.
fn reached(what: &'static str, url: &str, answered: Result<Answered, String>, remark: &str) -> Finding {
    match answered {
        Ok(Answered { status: 500.., .. }) => {
            Finding::warning(what, format!("{url} fails"), "look at health.aws.amazon.com")
        }
        Ok(_) => Finding::ok(what, format!("{url} answers; {remark}")),
        Err(why) => Finding::failed(what, format!("{url} does not answer: {why}"), ROUTE),
    }
}

/// A question of the small client that failed.
fn bad(what: &'static str, error: &AwsError) -> Finding {
    let passing = matches!(error.kind, AwsErrorKind::Throttled | AwsErrorKind::Server);
    let detail = format!("{}: {}", error.operation, error.what());
    let warning = Finding::warning(what, detail, error.advice());
    Finding { health: if passing { Health::Warning } else { Health::Failed }, ..warning }
}

/// Whose credentials they are, and how long they are good; never the credentials.
fn provenance(credentials: &Credentials) -> String {
    // The SDK names the provider nowhere else, and shows no secret there.
    let shown = format!("{credentials:?}");
    let name = shown.split_once("provider_name: \"").and_then(|(_, rest)| rest.split('"').next());
    let mut text = format!("from {}", name.unwrap_or("a provider without a name"));
    if let Some(until) = credentials.expiry() {
        let until_us = until.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let left_us = i64::try_from(until_us).unwrap_or(i64::MAX).saturating_sub(clock::now().us());
        text.push_str(&format!(", good for another {} min", (left_us / 60_000_000).max(0)));
    }
    text
}
