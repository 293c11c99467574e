//! Looks whether a live call could succeed, before one has to: configuration, credentials, key, services,
//! clock.
//!
//! Every check asks for nothing that changes anything (but the folder of the store is made, and a probe file written
//! there and removed), is bounded in time, and ends as a [`Finding`]: what was looked at, how it is, what to do. It posts no message, reads no media and opens no billed session; so it
//! cannot know whether Salesforce takes the token, nor whether GetMedia and Transcribe are allowed.

mod aws;
mod clock;
mod findings;
mod probe;
mod salesforce;
mod store;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use reqwest::Client;

use super::aws::{Aws, AwsOptions, ConfigError, sdk_config};
use super::config::{CallOptions, Config, LiveOptions};
use super::http::{ClientOptions, client, read_authorities};
use super::kinesis::{Kinesis, KinesisOptions};
use super::salesforce::SalesforceOptions;
use super::services::SetupError;
use super::store::StoreOptions;
use super::transcribe::{RawSessionOptions, SessionOptions, TranscribeOptions};

pub use findings::{Finding, Health};

/// A check that has not ended after this is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// What may be named to be looked at closer.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// A stream of Kinesis Video Streams, ARN or name: its data endpoint is asked for.
    pub stream: Option<String>,
    /// An instance of Connect, ARN or id: its permissions and its streams' retention are looked at.
    pub instance: Option<String>,
}

/// All sections that a live call reads, each valid on its own.
#[derive(Debug)]
struct Sections {
    aws: AwsOptions,
    kinesis: KinesisOptions,
    live: LiveOptions,
    transcribe: TranscribeOptions,
    salesforce: SalesforceOptions,
    store: StoreOptions,
    ca: Option<Vec<u8>>,
}

impl Sections {
    fn read(config: &Config) -> Result<Self, SetupError> {
        let aws: AwsOptions = config.section("aws")?;
        let ca = aws.ca_file.as_deref().map(read_authorities).transpose()?;
        let call: CallOptions = config.section("call")?;
        call.check()?;
        let live: LiveOptions = config.section("live")?;
        live.check()?;
        live.check_beside(&call)?;
        let session: RawSessionOptions = config.section("session")?;
        SessionOptions::new(&session).map_err(|e| format!("[session] {e}"))?;
        let mut salesforce: SalesforceOptions = config.section("salesforce")?;
        salesforce.ca_file = salesforce.ca_file.or_else(|| aws.ca_file.clone());
        let store: StoreOptions = config.section("store")?;
        store.check()?;
        let (kinesis, transcribe) = (config.section("kinesis")?, config.section("transcribe")?);
        Ok(Self { aws, kinesis, live, transcribe, salesforce, store, ca })
    }
}

/// What the checks share.
struct Clinic<'a> {
    sections: Sections,
    asked: &'a Asked,
    region: String,
    sdk: SdkConfig,
    /// Without signature and secrets: for what only has to answer.
    http: Client,
    aws: Arc<Aws>,
    kinesis: Kinesis,
}

/// Runs all checks at once, with region and credentials as the AWS SDK finds them; findings come in a fixed
/// order.
///
/// # Errors
/// The configuration itself is wrong: then there is nothing to be checked.
pub async fn examine(config: &Config, asked: &Asked) -> Result<Vec<Finding>, SetupError> {
    let sections = Sections::read(config)?;
    match Box::pin(sdk_config(&sections.aws)).await {
        Ok(sdk) => Box::pin(look(sections, asked, sdk)).await,
        Err(error @ ConfigError::NoRegion) => {
            let mut findings = vec![Finding::ok("configuration", "every section makes sense")];
            findings.push(Finding::of_text("region", Health::Failed, &error.to_string()));
            findings.extend(bounded("salesforce", salesforce::check(&sections.salesforce, None)).await);
            Ok(findings)
        }
        Err(error) => Err(error.into()),
    }
}

/// The same with the region and credentials of `sdk`.
///
/// # Errors
/// As [`examine`].
pub async fn examine_with(
    config: &Config,
    asked: &Asked,
    sdk: SdkConfig,
) -> Result<Vec<Finding>, SetupError> {
    Box::pin(look(Sections::read(config)?, asked, sdk)).await
}

async fn look(sections: Sections, asked: &Asked, sdk: SdkConfig) -> Result<Vec<Finding>, SetupError> {
    let clinic = Clinic::new(sections, asked, sdk)?;
    let options = &clinic.sections.salesforce;
    let (credentials, time, kinesis, transcribe, connect, retention, sales, store) = tokio::join!(
        bounded("credentials", clinic.credentials()),
        bounded("clock", clinic.clock()),
        bounded("kinesis", clinic.kinesis()),
        bounded("transcribe", clinic.transcribe()),
        bounded("connect", clinic.connect()),
        bounded("retention", clinic.retention()),
        bounded("salesforce", salesforce::check(options, Some(&clinic.aws))),
        bounded("store", clinic.store()),
    );
    let first = vec![
        Finding::ok("configuration", "every section makes sense"),
        Finding::ok("region", clinic.region.clone()),
    ];
    Ok([first, credentials, time, kinesis, transcribe, connect, retention, sales, store].concat())
}

impl<'a> Clinic<'a> {
    fn new(sections: Sections, asked: &'a Asked, sdk: SdkConfig) -> Result<Self, SetupError> {
        let region = sdk.region().ok_or(ConfigError::NoRegion)?.to_string();
        let provider = sdk.credentials_provider().ok_or(ConfigError::NoCredentials)?;
        // One try says how things are.
        let options = AwsOptions { region: Some(region.clone()), max_attempts: 1, ..sections.aws.clone() };
        let http = client(&ClientOptions {
            ca_file: sections.aws.ca_file.as_deref(),
            connect_timeout: Duration::from_millis(sections.aws.connect_timeout_ms),
            request_timeout: Duration::from_millis(sections.aws.request_timeout_ms),
        })?;
        let kinesis = Kinesis::new(&sdk, sections.ca.as_deref(), &sections.kinesis)?;
        Ok(Self { aws: Arc::new(Aws::new(options, provider)?), sections, asked, region, sdk, http, kinesis })
    }
}

/// A check, given up after a while.
async fn bounded(what: &'static str, check: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
    let done = Box::pin(tokio::time::timeout(PATIENCE, check)).await;
    done.unwrap_or_else(|_| {
        let detail = format!("no answer within {} s", PATIENCE.as_secs());
        vec![Finding::failed(what, detail, "check the network's route and its firewalls")]
    })
}
