//! All the outside on loopback, over TLS with authorities of its own, and the configuration that leads there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::shell::config::{Config, Sources};
use engine::shell::payload::Payload;
use engine::shell::services::Services;
use engine::time::{Span, Time};

use super::driven::Driven;
use super::sdk::{REGION, sdk};
use super::talk::{Begun, Talk};
use crate::emulators::aws::{AwsServer, Contact, Options as AwsOptions};
use crate::emulators::kinesis::{self, KinesisServer};
use crate::emulators::salesforce::{self, Keys, SalesforceServer, TokenRules};
use crate::emulators::sigv4::Credentials;
use crate::emulators::transcribe::{self, TranscribeServer};
use crate::emulators::{Clock, ServerOptions};

/// Secret with the reference's keys.
pub const SECRET: &str = "acme-scv";

/// How the emulators behave, and what their clock says.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// Kinesis Video Streams.
    pub kinesis: kinesis::Options,
    /// Amazon Transcribe.
    pub transcribe: transcribe::Options,
    /// Salesforce; tokens are always checked.
    pub salesforce: salesforce::Options,
    /// How far the services' clock is ahead of this machine's.
    pub skew: Span,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            kinesis: kinesis::Options::default(),
            transcribe: transcribe::Options::default(),
            salesforce: salesforce::Options { deduplicates: true, ..salesforce::Options::default() },
            skew: Span::ZERO,
        }
    }
}

/// The outside.
#[derive(Debug)]
pub struct Lab {
    /// Kinesis Video Streams.
    pub kinesis: KinesisServer,
    /// Amazon Transcribe.
    pub transcribe: TranscribeServer,
    /// Salesforce.
    pub salesforce: SalesforceServer,
    /// Connect, Secrets Manager, SSM and ECS.
    pub aws: AwsServer,
    clock: Clock,
    folder: tempfile::TempDir,
}

impl Lab {
    /// Everything as it should be.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With behaviour changed.
    ///
    /// # Panics
    /// When a port, certificate or file cannot be had.
    pub async fn with(change: impl FnOnce(&mut Behaviour)) -> Self {
        let mut behaviour = Behaviour::default();
        change(&mut behaviour);
        let clock = match behaviour.skew {
            Span::ZERO => Clock::real(),
            skew => Clock::starting_at(Clock::real().now() + skew, 1.0),
        };
        let signed = Some(Credentials::example());
        behaviour.kinesis.credentials.clone_from(&signed);
        let keys = Keys::new().expect("keys");
        behaviour.salesforce.tokens = Some(TokenRules::new(&keys.public_pem));
        let old = ServerOptions::tls(&["http/1.1"]);
        let new = ServerOptions::tls(&["h2", "http/1.1"]);
        let kinesis = KinesisServer::start(behaviour.kinesis, old, clock).await.expect("Kinesis");
        let transcribe = TranscribeServer::start(behaviour.transcribe, signed.clone(), new, clock);
        let transcribe = transcribe.await.expect("Transcribe");
        let salesforce = SalesforceServer::start(behaviour.salesforce, new, clock).await.expect("Salesforce");
        let aws = AwsServer::start(AwsOptions { credentials: signed }, new, clock).await.expect("AWS");
        let folder = tempfile::tempdir().expect("a folder");
        let authorities = [kinesis.ca_pem(), transcribe.ca_pem(), salesforce.ca_pem(), aws.ca_pem()];
        let authorities: String = authorities.into_iter().flatten().collect();
        std::fs::write(folder.path().join("ca.pem"), authorities).expect("a file");
        std::fs::write(folder.path().join("key.pem"), &keys.private_pem).expect("a file");
        let secret = serde_json::json!({
            "SCRT_ENDPOINT_BASE": salesforce.base(),
            "SALESFORCE_ORG_ID": "00DRM00000GuTE",
            "CALL_CENTER_API_NAME": "HVCC",
            "HVCC-scrt-jwt-auth-private-key": keys.private_pem,
        });
        aws.state().add_secret(SECRET, &secret.to_string());
        Self { kinesis, transcribe, salesforce, aws, clock, folder }
    }

    /// The time there.
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Waits until it is that time.
    pub async fn wait(&self, until: Time) {
        self.clock.wait(until).await;
    }

    /// A file of this lab.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of this lab.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// Options, as `section.key=value`, that lead here with a key in a file. They make a call end soon after
    /// its stream has stopped, and are otherwise the defaults.
    #[must_use]
    pub fn settings(&self) -> Vec<String> {
        let mut settings = self.settings_without_key();
        settings.push(format!("salesforce.endpoint_base={}", self.salesforce.base()));
        settings.push("salesforce.org_id=00DRM00000GuTE".to_owned());
        settings.push("salesforce.call_center=HVCC".to_owned());
        settings.push(format!("salesforce.private_key_file={}", self.path("key.pem").display()));
        settings
    }

    /// The same, for payloads that name their secret.
    #[must_use]
    pub fn settings_without_key(&self) -> Vec<String> {
        let aws = self.aws.url();
        vec![
            format!("aws.region={REGION}"),
            format!("aws.ca_file={}", self.path("ca.pem").display()),
            format!("aws.connect_endpoint_url={aws}"),
            format!("aws.secrets_manager_endpoint_url={aws}"),
            format!("aws.ssm_endpoint_url={aws}"),
            format!("kinesis.endpoint_url={}", self.kinesis.url()),
            format!("transcribe.endpoint_url={}", self.transcribe.url()),
            format!("store.directory={}", self.path("store").display()),
            "live.end_grace_ms=400".to_owned(),
        ]
    }

    /// The environment that credentials are found in.
    #[must_use]
    pub fn environment() -> [(&'static str, String); 3] {
        let pair = Credentials::example();
        [
            ("AWS_ACCESS_KEY_ID", pair.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", pair.secret_access_key),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// The product's clients for this lab; `more` options win.
    ///
    /// # Panics
    /// When they cannot be made.
    pub async fn services(&self, more: &[&str], shadow: Option<&Path>) -> Arc<Services> {
        let mut set = self.settings();
        set.extend(more.iter().map(|s| (*s).to_owned()));
        let config = Config::load(&Sources { set, ..Sources::default() }).expect("a configuration");
        let sdk = sdk(&Credentials::example().secret_access_key);
        let services = Box::pin(Services::with_sdk(&config, shadow, &sdk)).await;
        Arc::new(services.unwrap_or_else(|error| panic!("no services: {error}")))
    }

    /// The call happens from now on, on a stream of its own.
    pub fn begin(&self, talk: &Talk) -> Begun {
        let now = self.now();
        self.begin_at(talk, Time::from_ms(now.ms()), &format!("call-{}", talk.contact))
    }

    /// The call happens from `start` on, whole milliseconds, on the stream of this name.
    pub fn begin_at(&self, talk: &Talk, start: Time, stream: &str) -> Begun {
        let begun = self.announce(talk, start, stream);
        self.kinesis.state().play(&begun.stream, start, talk.stored(start));
        begun
    }

    /// The call has happened, and all of it can be read: nobody read it while it lasted.
    pub fn past(&self, talk: &Talk) -> Begun {
        let start = Time::from_ms((self.now() - Span::from_ms(talk.duration_ms() + 1_000)).ms());
        let begun = self.announce(talk, start, &format!("call-{}", talk.contact));
        self.kinesis.state().store(&begun.stream, start, talk.stored(start));
        begun
    }

    /// Connect and Salesforce know of the call; its stream is empty.
    pub fn announce(&self, talk: &Talk, start: Time, stream: &str) -> Begun {
        // A call that is open already goes on.
        if talk.first == talk.contact {
            self.salesforce.state().open(&talk.first, start);
        }
        self.announce_leg(talk, &talk.first, start, stream)
    }

    /// The same for a further leg, or a further stream, of a call that Salesforce knows already.
    pub fn announce_leg(&self, talk: &Talk, first: &str, start: Time, stream: &str) -> Begun {
        let stream = format!("arn:aws:kinesisvideo:{REGION}:123456789012:stream/{stream}/1571360000000");
        self.kinesis.state().add_stream(&stream);
        let known = Contact { initial: Some(first.to_owned()), ..Contact::default() };
        self.aws.state().add_contact(&talk.contact, known);
        Begun {
            contact: talk.contact.clone(),
            key: first.to_owned(),
            stream,
            start,
            end: start + Span::from_ms(talk.duration_ms()),
            truth: talk.script.truth(start.ms()),
            first_fragment: talk.shape.fragment_number(0),
        }
    }

    /// Drives the call in this process, as the payload of the trigger starts it.
    pub async fn drive(&self, begun: &Begun, more: &[&str]) -> Driven {
        let services = self.services(more, None).await;
        self.drive_with(&services, begun).await
    }

    /// The same with services that are there.
    ///
    /// # Panics
    /// When the payload is not taken.
    pub async fn drive_with(&self, services: &Arc<Services>, begun: &Begun) -> Driven {
        let payload = Payload::parse(begun.trigger().to_string().as_bytes()).expect("a payload");
        Driven::start(services, &payload).await
    }
}
