//! The emulated services with the limits of many calls, and the worker's configuration.
//!
//! They look at no signature and no token: the product makes them all the same, and the emulators have the same
//! processors.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use fixtures::events::CUSTOMER_PHONE;
use fixtures::kinesis::INSTANCE_ID;
use serde_json::json;
use tempfile::TempDir;
use tests::emulators::aws::{self, AwsServer, Contact};
use tests::emulators::kinesis::{self, KinesisServer};
use tests::emulators::salesforce::{self, Keys, SalesforceServer, TokenRules};
use tests::emulators::transcribe::{self, TranscribeServer};
use tests::emulators::{Clock, ServerOptions};

use crate::calls::Call;

/// Everything the calls need outside. One clock for all, so that their times can be compared.
pub(crate) struct Stage {
    pub(crate) clock: Clock,
    pub(crate) kinesis: KinesisServer,
    pub(crate) transcribe: TranscribeServer,
    pub(crate) salesforce: SalesforceServer,
    aws: AwsServer,
    keys: Keys,
    folder: TempDir,
}

impl Stage {
    pub(crate) async fn set(calls: usize) -> io::Result<Self> {
        let clock = Clock::real();
        let media = kinesis::Options { keep_deliveries: true, ..Default::default() };
        let speech = transcribe::Options {
            max_sessions: 2 * calls,
            keep_audio: false,
            keep_finals: true,
            // So that what is told is what was said, to the letter.
            punctuation: false,
            ..Default::default()
        };
        let plain = ServerOptions::tls(&["http/1.1"]);
        Ok(Self {
            clock,
            kinesis: KinesisServer::start(media, plain, clock).await?,
            transcribe: TranscribeServer::start(speech, None, ServerOptions::tls(&["h2"]), clock).await?,
            salesforce: SalesforceServer::start(salesforce::Options::default(), plain, clock).await?,
            aws: AwsServer::start(aws::Options::default(), plain, clock).await?,
            keys: Keys::new()?,
            folder: tempfile::tempdir()?,
        })
    }

    /// A call begins at its time, and all know of it.
    pub(crate) fn play(&self, call: &Call) {
        let contact = Contact { initial: Some(call.contact.clone()), ..Contact::default() };
        self.aws.state().add_contact(&call.contact, contact);
        self.salesforce.state().open(&call.contact, call.start);
        self.kinesis.state().play(&call.stream, call.start, call.fragments.iter().cloned());
    }

    /// Writes the configuration of a worker for so many calls; where it is and where the worker will listen.
    pub(crate) fn configure(&self, calls: usize) -> io::Result<(PathBuf, SocketAddr)> {
        let folder = self.folder.path();
        // A port that was free a moment ago.
        let bind = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let trusted =
            [self.kinesis.ca_pem(), self.transcribe.ca_pem(), self.salesforce.ca_pem(), self.aws.ca_pem()];
        let (ca, key, file) = (folder.join("ca.pem"), folder.join("key.pem"), folder.join("kvscribe.toml"));
        fs::write(&ca, trusted.into_iter().flatten().collect::<String>())?;
        fs::write(&key, &self.keys.private_pem)?;
        let (ca, key) = (ca.display(), key.display());
        let (kinesis, transcribe, aws) = (self.kinesis.url(), self.transcribe.url(), self.aws.url());
        let salesforce = self.salesforce.base();
        let rules = TokenRules::new("");
        let (issuer, subject) = (rules.issuer, rules.subject);
        let config = format!(
            "[aws]\nregion = 'eu-west-2'\nca_file = '{ca}'\nconnect_endpoint_url = '{aws}'\n\
             describe_contact_per_s = 1000.0\ndescribe_contact_burst = 1000\n\
             [kinesis]\nendpoint_url = '{kinesis}'\n\
             [transcribe]\nendpoint_url = '{transcribe}'\nmax_sessions = {sessions}\nstarts_per_second = 0\n\
             [salesforce]\nendpoint_base = '{salesforce}'\norg_id = '{issuer}'\ncall_center = '{subject}'\n\
             private_key_file = '{key}'\n\
             [store]\ndirectory = '{store}'\n\
             [worker]\nbind = '{bind}'\nmax_calls = {calls}\n\
             [log]\nlevel = 'warn'\nformat = 'text'\n",
            sessions = 2 * calls,
            store = folder.join("store").display(),
        );
        fs::write(&file, config)?;
        Ok((file, bind))
    }
}

/// What starts a call.
pub(crate) fn payload(call: &Call) -> String {
    json!({
        "streamARN": call.stream,
        "startFragmentNum": "0",
        "audioStartTimestamp": call.start.ms().to_string(),
        "customerPhoneNumber": CUSTOMER_PHONE,
        "voiceCallId": call.contact,
        "languageCode": "en-US",
        "streamAudioFromCustomer": true,
        "streamAudioToCustomer": true,
        "instanceARN": format!("arn:aws:connect:eu-west-2:123456789012:instance/{INSTANCE_ID}"),
    })
    .to_string()
}
