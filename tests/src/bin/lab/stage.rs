//! The emulated services, and the files that tell `transcribe call` of them.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use fixtures::events::CUSTOMER_PHONE;
use fixtures::kinesis::{CONTACT_ID, INSTANCE_ID};
use serde_json::json;
use tempfile::TempDir;
use tests::emulators::aws::{self, AwsServer, Contact};
use tests::emulators::kinesis::{self, KinesisServer};
use tests::emulators::salesforce::{self, Keys, SalesforceServer, TokenRules};
use tests::emulators::sigv4::Credentials;
use tests::emulators::transcribe::{self, Recognisers, TranscribeServer};
use tests::emulators::{Clock, LiveCall, ServerOptions};

const STREAM: &str = "arn:aws:kinesisvideo:eu-west-2:123456789012:stream/lab-contact/1571360000000";

/// Everything a call needs outside.
pub(crate) struct Stage {
    pub(crate) kinesis: KinesisServer,
    pub(crate) transcribe: TranscribeServer,
    pub(crate) salesforce: SalesforceServer,
    pub(crate) credentials: Credentials,
    aws: AwsServer,
    keys: Keys,
    folder: TempDir,
}

/// What `transcribe call` is given.
pub(crate) struct Files {
    pub(crate) event: PathBuf,
    pub(crate) config: PathBuf,
    /// Where it is to take gate events.
    pub(crate) gate: SocketAddr,
}

impl Stage {
    pub(crate) async fn set() -> io::Result<Self> {
        let ears = tokio::task::spawn_blocking(|| Recognisers::embedded("en"));
        let clock = Clock::real();
        let credentials = Credentials::example();
        let keys = Keys::new()?;
        let signed = Some(credentials.clone());
        let of_aws = aws::Options { credentials: signed.clone() };
        let media = kinesis::Options { credentials: signed.clone(), ..Default::default() };
        let speech = transcribe::Options { keep_audio: false, ..Default::default() };
        let tokens = Some(TokenRules::new(&keys.public_pem));
        // Messages sent again after a pause keep their ids: one copy of each is enough to look at.
        let org = salesforce::Options { tokens, deduplicates: true, ..Default::default() };
        let plain = ServerOptions::tls(&["http/1.1"]);
        let stage = Self {
            kinesis: KinesisServer::start(media, plain, clock).await?,
            transcribe: TranscribeServer::start(speech, signed, ServerOptions::tls(&["h2"]), clock).await?,
            salesforce: SalesforceServer::start(org, plain, clock).await?,
            aws: AwsServer::start(of_aws, plain, clock).await?,
            folder: tempfile::tempdir()?,
            keys,
            credentials,
        };
        let ears = ears.await.map_err(io::Error::other)?;
        stage.transcribe.state().listen_with(ears.map_err(io::Error::other)?);
        Ok(stage)
    }

    /// The call begins at its time, and all know of it.
    pub(crate) fn play(&mut self, call: &LiveCall) {
        let contact = Contact { initial: Some(CONTACT_ID.to_owned()), ..Contact::default() };
        self.aws.state().add_contact(CONTACT_ID, contact);
        self.salesforce.state().open(CONTACT_ID, call.start);
        self.kinesis.state().play(STREAM, call.start, call.fragments.clone());
    }

    pub(crate) fn write_files(&self, call: &LiveCall) -> io::Result<Files> {
        let folder = self.folder.path();
        // A port that was free a moment ago.
        let gate = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let trusted =
            [self.kinesis.ca_pem(), self.transcribe.ca_pem(), self.salesforce.ca_pem(), self.aws.ca_pem()];
        let (ca, key) = (folder.join("ca.pem"), folder.join("key.pem"));
        fs::write(&ca, trusted.into_iter().flatten().collect::<String>())?;
        fs::write(&key, &self.keys.private_pem)?;
        let files = Files { event: folder.join("event.json"), config: folder.join("kvscribe.toml"), gate };
        let event = json!({
            "streamARN": STREAM,
            "startFragmentNum": "0",
            "audioStartTimestamp": call.start.ms().to_string(),
            "customerPhoneNumber": CUSTOMER_PHONE,
            "voiceCallId": CONTACT_ID,
            "languageCode": "en-US",
            "streamAudioFromCustomer": true,
            "streamAudioToCustomer": true,
            "instanceARN": format!("arn:aws:connect:eu-west-2:123456789012:instance/{INSTANCE_ID}"),
        });
        fs::write(&files.event, event.to_string())?;
        fs::write(&files.config, self.config(&ca.display().to_string(), &key.display().to_string()))?;
        Ok(files)
    }

    fn config(&self, ca: &str, key: &str) -> String {
        let (kinesis, transcribe, aws) = (self.kinesis.url(), self.transcribe.url(), self.aws.url());
        let salesforce = self.salesforce.base();
        let rules = TokenRules::new("");
        let (issuer, subject) = (rules.issuer, rules.subject);
        format!(
            "[aws]\nregion = 'eu-west-2'\nca_file = '{ca}'\nconnect_endpoint_url = '{aws}'\n\
             [kinesis]\nendpoint_url = '{kinesis}'\n\
             [transcribe]\nendpoint_url = '{transcribe}'\n\
             [salesforce]\nendpoint_base = '{salesforce}'\norg_id = '{issuer}'\ncall_center = '{subject}'\n\
             private_key_file = '{key}'\n\
             [store]\ndirectory = '{store}'\n\
             [live]\nend_grace_ms = 4000\n\
             [log]\nlevel = 'warn'\nformat = 'text'\n",
            store = self.folder.path().join("store").display(),
        )
    }
}
