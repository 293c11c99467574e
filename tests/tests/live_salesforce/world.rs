//! What every test needs: a Salesforce with one open conversation, and a sink that posts to it.

use engine::call::{Message, Outcome, Post, RetryCause, SenderType, Spoken};
use engine::shell::salesforce::{Salesforce, SalesforceOptions};
use engine::shell::secrets::{NoSecrets, SecretText};
use engine::time::{Span, Time};
use tests::emulators::salesforce::{Fault, Keys, Options, Rule, SalesforceServer, TokenRules, When};
use tests::emulators::{Clock, ServerOptions};

pub(crate) const KEY: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const TEXT: &str = "Gallimaufry quince";

pub(crate) struct World {
    pub(crate) server: SalesforceServer,
    pub(crate) keys: Keys,
    /// The settings that reach the server.
    pub(crate) options: SalesforceOptions,
    /// When the conversation began.
    pub(crate) began: Time,
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::at(Clock::real(), |_| {}).await
    }

    /// With this clock, and behaviour changed from the default.
    pub(crate) async fn at(clock: Clock, change: impl FnOnce(&mut Options)) -> Self {
        let keys = Keys::new().unwrap();
        let mut behaviour = Options { tokens: Some(TokenRules::new(&keys.public_pem)), ..Options::default() };
        change(&mut behaviour);
        let tls = ServerOptions::tls(&["h2", "http/1.1"]);
        let server = SalesforceServer::start(behaviour, tls, clock).await.unwrap();
        let began = clock.now();
        server.state().open(KEY, began);
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, server.ca_pem().unwrap()).unwrap();
        let options = SalesforceOptions {
            endpoint_base: Some(server.base()),
            org_id: Some("00DRM00000GuTE".into()),
            call_center: Some("HVCC".into()),
            private_key: Some(SecretText::new(&keys.private_pem)),
            ca_file: Some(ca),
            request_timeout_ms: 5_000,
            ..SalesforceOptions::default()
        };
        Self { server, keys, options, began, folder }
    }

    pub(crate) async fn sink(&self) -> Salesforce {
        Salesforce::connect(&self.options, &NoSecrets).await.unwrap()
    }

    /// The next requests meet these faults, one each.
    pub(crate) fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        for fault in faults {
            self.server.state().script(Rule::new(fault, When::Next(1)));
        }
    }

    pub(crate) fn post(&self, id: &str) -> Post {
        let start_ms = (self.began + Span::from_s(1)).ms();
        let message = Message {
            participant_id: format!("{KEY}END_USER"),
            message_id: id.into(),
            start_time: start_ms,
            end_time: start_ms + 500,
            content: Spoken(TEXT.into()),
            sender_type: SenderType::EndUser,
        };
        Post::new(KEY, message)
    }

    /// Ids of the transcript.
    pub(crate) fn stored(&self) -> Vec<String> {
        self.server.state().transcript(KEY).iter().map(|a| a.message_id.clone()).collect()
    }
}

pub(crate) const fn retry(cause: RetryCause) -> Outcome {
    Outcome::Retry { cause }
}

/// Why a message was refused.
pub(crate) fn refused(outcome: Outcome) -> String {
    match outcome {
        Outcome::Refused(why) => {
            for word in TEXT.split(' ') {
                assert!(!why.contains(word), "the reason says what was said: {why}");
            }
            why
        }
        other => panic!("not refused: {other:?}"),
    }
}
