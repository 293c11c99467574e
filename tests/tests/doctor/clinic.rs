//! All services a live call needs, a configuration that reaches them, and what the doctor says of it.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials as Keys;
use aws_credential_types::provider::{SharedCredentialsProvider, error::CredentialsError, future};
use engine::shell::config::{Config, Sources};
use engine::shell::doctor::{Asked, Finding, Health, examine_with};
use engine::time::Span;
use tests::emulators::aws::{self, AwsServer};
use tests::emulators::kinesis::{self, KinesisServer};
use tests::emulators::salesforce::{self, SalesforceServer, TokenRules};
use tests::emulators::sigv4::Credentials;
use tests::emulators::transcribe::{self, TranscribeServer};
use tests::emulators::{Clock, ServerOptions};

pub(crate) const STREAM: &str = "acme-contact-11111111";
pub(crate) const INSTANCE: &str =
    "arn:aws:connect:eu-west-2:123456789012:instance/99999999-8888-4777-8666-555555555555";

pub(crate) struct World {
    pub(crate) aws: AwsServer,
    pub(crate) kinesis: KinesisServer,
    pub(crate) transcribe: TranscribeServer,
    pub(crate) salesforce: SalesforceServer,
    pub(crate) asked: Asked,
    /// `--set` of each option.
    set: Vec<String>,
    secret: Option<String>,
    folder: tempfile::TempDir,
}

impl World {
    /// Everything is as it should be, and everything is asked about.
    pub(crate) async fn well() -> Self {
        Self::with_salesforce_ahead(Span::ZERO).await
    }

    /// Salesforce's clock is so much ahead.
    pub(crate) async fn with_salesforce_ahead(by: Span) -> Self {
        let now = Clock::real();
        let later = Clock::starting_at(now.now() + by, 1.0);
        let (both, one) = (ServerOptions::tls(&["h2", "http/1.1"]), ServerOptions::tls(&["http/1.1"]));
        let keys = salesforce::Keys::new().unwrap();
        let signed = Some(Credentials::example());

        let options = aws::Options { credentials: signed.clone() };
        let aws = AwsServer::start(options, both, now).await.unwrap();
        let options = kinesis::Options { credentials: signed.clone(), ..kinesis::Options::default() };
        let kinesis = KinesisServer::start(options, one, now).await.unwrap();
        let options = transcribe::Options::default();
        let only_h2 = ServerOptions::tls(&["h2"]);
        let transcribe = TranscribeServer::start(options, signed, only_h2, now).await.unwrap();
        let tokens = Some(TokenRules::new(&keys.public_pem));
        let options = salesforce::Options { tokens, ..salesforce::Options::default() };
        let salesforce = SalesforceServer::start(options, both, later).await.unwrap();

        kinesis.state().store(STREAM, now.now(), Vec::new());
        aws.state().stream_media(24);

        // One file trusts all four authorities.
        let folder = tempfile::tempdir().unwrap();
        let ca =
            [aws.ca_pem(), kinesis.ca_pem(), transcribe.ca_pem(), salesforce.ca_pem()].map(Option::unwrap);
        std::fs::write(folder.path().join("ca.pem"), ca.concat()).unwrap();
        std::fs::write(folder.path().join("key.pem"), &keys.private_pem).unwrap();
        let asked = Asked { stream: Some(STREAM.into()), instance: Some(INSTANCE.into()) };
        let secret = Some(Credentials::example().secret_access_key);
        let set = Vec::new();
        let mut world = Self { aws, kinesis, transcribe, salesforce, asked, set, secret, folder };
        world.configure();
        world
    }

    fn configure(&mut self) {
        for (key, value) in [
            ("aws.ca_file", self.path("ca.pem")),
            ("aws.connect_endpoint_url", self.aws.url()),
            ("aws.secrets_manager_endpoint_url", self.aws.url()),
            ("aws.ssm_endpoint_url", self.aws.url()),
            ("kinesis.endpoint_url", self.kinesis.url()),
            ("transcribe.endpoint_url", self.transcribe.url()),
            ("salesforce.endpoint_base", self.salesforce.base()),
            ("salesforce.org_id", "00D000000000001".into()),
            ("salesforce.call_center", "HVCC".into()),
            ("salesforce.private_key_file", self.path("key.pem")),
            ("store.directory", self.path("store")),
        ] {
            self.set(key, &value);
        }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.set.push(format!("{key}={value}"));
    }

    /// The option is as if nobody had set it.
    pub(crate) fn unset(&mut self, key: &str) {
        self.set.retain(|flag| !flag.starts_with(&format!("{key}=")));
    }

    /// Credentials with this secret key, or none at all.
    pub(crate) fn sign_with(&mut self, secret: Option<&str>) {
        self.secret = secret.map(str::to_owned);
    }

    fn sdk(&self) -> SdkConfig {
        let provider = match &self.secret {
            Some(secret) => {
                let id = Credentials::example().access_key_id;
                SharedCredentialsProvider::new(Keys::new(id, secret, None, None, "EnvironmentVariable"))
            }
            None => SharedCredentialsProvider::new(Nobody),
        };
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-2"))
            .credentials_provider(provider)
            .build()
    }

    pub(crate) async fn examine(&self) -> Vec<Finding> {
        let sources = Sources { set: self.set.clone(), ..Sources::default() };
        let config = Config::load(&sources).unwrap();
        examine_with(&config, &self.asked, self.sdk()).await.unwrap()
    }

    /// The one finding that is not ok, as it is printed.
    pub(crate) async fn complaint(&self) -> String {
        let bad = complaints(&self.examine().await);
        assert_eq!(bad.len(), 1, "{bad:#?}");
        bad[0].clone()
    }
}

/// All findings that are not ok, as they are printed.
pub(crate) fn complaints(findings: &[Finding]) -> Vec<String> {
    findings.iter().filter(|f| f.health != Health::Ok).map(ToString::to_string).collect()
}

pub(crate) fn assert_says(line: &str, words: &[&str]) {
    for word in words {
        assert!(line.contains(word), "`{word}` is not in: {line}");
    }
}

/// A process without role, profile and variables.
#[derive(Debug)]
struct Nobody;

impl aws_credential_types::provider::ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("no providers in chain")))
    }
}
