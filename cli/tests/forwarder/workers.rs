//! Payloads handed to workers.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use engine::call::{GateSource, MediaSegment, TelephonyEvent};
use engine::shell::api::{CallStatus, Calls, EventTaken, Server, Start};
use engine::shell::config::{Scope, TokenOptions, WorkerOptions};
use engine::shell::payload::Payload;
use serde_json::{Value, json};
use tests::emulators::aws::{AwsServer, Options};
use tests::emulators::sigv4::Credentials;
use tests::emulators::{Clock, ServerOptions};

use crate::world::{CONTACT, Function, Manner, TOKEN, Worker, payload};

#[tokio::test]
async fn the_unchanged_payload_reaches_the_worker_byte_for_byte() {
    let worker = Worker::start(Manner::Say(202)).await;
    let function = Function::start(&[
        ("KVSCRIBE_FORWARD_WORKER_URLS", &worker.url()),
        ("KVSCRIBE_FORWARD_TOKEN_ENV", "THE_TOKEN"),
        ("THE_TOKEN", TOKEN),
    ])
    .await;
    let sent = payload(CONTACT, "913438");
    let answer = function.good(&sent).await;
    assert_eq!(answer["contactId"], CONTACT);
    assert_eq!((&answer["alreadyRunning"], &answer["by"]), (&json!(false), &json!(worker.url())));
    let heard = worker.heard();
    let [heard] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!(heard.line, "POST /v1/calls");
    assert_eq!(heard.body, sent.as_bytes(), "{:?}", heard.body);
    assert_eq!(heard.token.as_deref(), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(heard.kind.as_deref(), Some("application/json"));

    let log = function.log();
    let line = log.lines().find(|line| line.contains("was handed on")).unwrap_or_else(|| panic!("{log}"));
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["context"]["contactId"], CONTACT, "the guide's query finds it");
    assert!(!log.contains("5555550100") && !log.contains(TOKEN), "{log}");
}

#[tokio::test]
async fn a_payload_that_starts_no_call_fails_the_invocation_and_names_the_key() {
    let worker = Worker::start(Manner::Say(202)).await;
    let function = Function::start(&[("KVSCRIBE_FORWARD_WORKER_URLS", &worker.url())]).await;
    let good = payload(CONTACT, "913438");
    for (bad, word) in [
        (good.replace("streamARN", "streamArn"), "`streamARN`"),
        (good.replace("\"1571360125131\"", "\"noon\""), "`audioStartTimestamp`"),
        ("[1]".to_owned(), "not a JSON object"),
        ("{}".to_owned(), "kvsConsumerTrigger"),
    ] {
        let (kind, message) = function.bad(&bad).await;
        assert_eq!(kind, "Kvscribe.BadPayload");
        assert!(message.contains(word), "{word}: {message}");
    }
    assert!(worker.heard().is_empty(), "it is not forwarded");
    let log = function.log();
    assert!(
        log.contains("streamARN") && log.contains(CONTACT),
        "even a bad one is found by its contact: {log}"
    );
    function.good(&good).await;
}

/// Takes calls as the supervisor does: the same start again is the same call.
#[derive(Default)]
struct Table(Mutex<Vec<(String, MediaSegment)>>);

impl Calls for Table {
    fn start(&self, payload: Payload) -> Pin<Box<dyn Future<Output = Start> + Send + '_>> {
        let start = (payload.contact_id, payload.segment);
        let mut known = self.0.lock().unwrap();
        if known.contains(&start) {
            return Box::pin(std::future::ready(Start::AlreadyRunning));
        }
        known.push(start);
        Box::pin(std::future::ready(Start::Started))
    }
    fn list(&self) -> Vec<CallStatus> {
        Vec::new()
    }
    fn get(&self, _: &str) -> Option<CallStatus> {
        None
    }
    fn event<'a>(
        &'a self,
        _: &'a str,
        _: GateSource,
        _: TelephonyEvent,
    ) -> Pin<Box<dyn Future<Output = EventTaken> + Send + 'a>> {
        Box::pin(std::future::ready(EventTaken::Kept))
    }
    fn drain(&self, _: &str) -> bool {
        false
    }
    fn ready(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn the_worker_itself_takes_it_and_a_repeated_trigger_starts_nothing_twice() {
    let mut options = WorkerOptions::default();
    options.bind = "127.0.0.1:0".parse().unwrap();
    let mut token = TokenOptions::default();
    token.token = Some(TOKEN.to_owned());
    token.scopes = vec![Scope::Calls];
    options.tokens = vec![token];
    let table = Arc::new(Table::default());
    let server = Server::bind(&options, table.clone(), String::new).await.unwrap();
    let url = format!("http://{}", server.address());
    let serving = tokio::spawn(server.serve(std::future::pending()));

    let function =
        Function::start(&[("KVSCRIBE_FORWARD_WORKER_URLS", &url), ("KVSCRIBE_FORWARD_TOKEN", TOKEN)]).await;
    let sent = payload(CONTACT, "913438");
    assert_eq!(function.good(&sent).await["alreadyRunning"], false);
    assert_eq!(function.good(&sent).await["alreadyRunning"], true);
    assert_eq!(table.0.lock().unwrap().len(), 1);

    let wrong = "another-token-0123456789";
    let function =
        Function::start(&[("KVSCRIBE_FORWARD_WORKER_URLS", &url), ("KVSCRIBE_FORWARD_TOKEN", wrong)]).await;
    let (kind, message) = function.bad(&sent).await;
    assert_eq!(kind, "Kvscribe.NoWorker");
    assert!(message.contains("[forward] token") && !message.contains(wrong), "{message}");
    serving.abort();
}

#[tokio::test]
async fn a_worker_that_is_full_or_down_leaves_the_call_to_the_next() {
    let (mut one, two) = (Worker::start(Manner::Say(429)).await, Worker::start(Manner::Say(202)).await);
    let urls = format!("{},{}", one.url(), two.url());
    let function = Function::start(&[
        ("KVSCRIBE_FORWARD_WORKER_URLS", &urls),
        // Nothing here waits for time to run out.
        ("KVSCRIBE_FORWARD_TIMEOUT_MS", "10000"),
    ])
    .await;
    // Contacts prefer either, by their names and the addresses, whose ports differ in every run; all end up with
    // the one that takes them.
    let contacts: Vec<String> = (0..64).map(|n| format!("contact-{n}")).collect();
    for (n, contact) in contacts.iter().enumerate() {
        one.becomes(Manner::Say(if n % 2 == 0 { 429 } else { 503 }));
        assert_eq!(function.good(&payload(contact, "1")).await["by"], two.url());
    }
    let asked = one.heard().len();
    assert!((1..64).contains(&asked), "some contacts prefer the one, some the other: {asked}");

    one.server.refuse().await;
    for contact in &contacts {
        assert_eq!(function.good(&payload(contact, "2")).await["by"], two.url());
    }
    assert!(function.log().contains("no connection"), "{}", function.log());

    two.becomes(Manner::Say(503));
    let (kind, message) = function.bad(&payload(CONTACT, "3")).await;
    assert_eq!(kind, "Kvscribe.NoWorker");
    for word in [one.url(), two.url(), "no connection".into(), "status 503 because of it".into()] {
        assert!(message.contains(&word), "{word}: {message}");
    }
}

#[tokio::test]
async fn a_worker_that_does_not_answer_costs_the_budget_and_no_call_runs_twice() {
    let (one, two) = (Worker::start(Manner::Keep).await, Worker::start(Manner::Keep).await);
    let urls = format!("{},{}", one.url(), two.url());
    let environment =
        [("KVSCRIBE_FORWARD_WORKER_URLS", urls.as_str()), ("KVSCRIBE_FORWARD_TIMEOUT_MS", "250")];
    let function = Function::start(&environment).await;
    let (kind, message) = function.bad(&payload(CONTACT, "1")).await;
    assert!(["Kvscribe.NoWorker", "Kvscribe.Late"].contains(&kind.as_str()), "{kind}: {message}");
    assert!(message.contains("http://localhost:") && message.contains("no answer"), "{message}");
    assert_eq!(one.heard().len() + two.heard().len(), 1, "it may have taken it: no other is asked");

    // Lambda tries again later, and the same worker knows the call.
    one.becomes(Manner::Say(200));
    two.becomes(Manner::Say(200));
    let before = one.heard().len();
    assert_eq!(function.good(&payload(CONTACT, "1")).await["alreadyRunning"], true);
    assert_eq!(one.heard().len(), 2 * before);

    // What a worker refuses for good is refused by all.
    one.becomes(Manner::Say(400));
    two.becomes(Manner::Say(400));
    let (_, message) = function.bad(&payload(CONTACT, "1")).await;
    assert!(message.contains("status 400 because of it"), "{message}");
    assert_eq!(one.heard().len() + two.heard().len(), 3);
}

#[tokio::test]
async fn a_token_that_was_replaced_in_secrets_manager_is_read_again() {
    let options = Options { credentials: Some(Credentials::example()) };
    let tls = ServerOptions::tls(&["h2", "http/1.1"]);
    let aws = AwsServer::start(options, tls, Clock::real()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, aws.ca_pem().unwrap()).unwrap();
    let worker = Worker::start(Manner::Guard("old-token-0123456789")).await;
    aws.state().add_secret("kvscribe/calls", "old-token-0123456789\n");
    let keys = Credentials::example();
    let function = Function::start(&[
        ("KVSCRIBE_FORWARD_WORKER_URLS", &worker.url()),
        ("KVSCRIBE_FORWARD_TOKEN_SECRET", "kvscribe/calls"),
        ("KVSCRIBE_FORWARD_TIMEOUT_MS", "10000"),
        ("KVSCRIBE_AWS_CA_FILE", ca.to_str().unwrap()),
        ("KVSCRIBE_AWS_SECRETS_MANAGER_ENDPOINT_URL", &aws.url()),
        ("AWS_REGION", "eu-west-2"),
        ("AWS_ACCESS_KEY_ID", &keys.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &keys.secret_access_key),
    ])
    .await;
    for fragment in ["1", "2"] {
        function.good(&payload(CONTACT, fragment)).await;
    }
    assert_eq!(aws.state().count("GetSecretValue"), 1, "it is kept");

    worker.becomes(Manner::Guard("new-token-0123456789"));
    let (_, message) = function.bad(&payload(CONTACT, "3")).await;
    assert!(message.contains("[forward] token"), "{message}");
    aws.state().add_secret("kvscribe/calls", "new-token-0123456789");
    function.good(&payload(CONTACT, "3")).await;
    assert!(aws.state().denials().is_empty(), "{:?}", aws.state().denials());
}
