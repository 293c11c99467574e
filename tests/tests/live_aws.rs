//! The small signed client and the directory of contacts, over TLS against the emulated services.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use aws_credential_types::Credentials as Keys;
use aws_credential_types::provider::SharedCredentialsProvider;
use engine::call::ContactFacts;
use engine::shell::aws::{
    Aws, AwsAction, AwsErrorKind, AwsOptions, ContactDirectory, ContainerOverride, RunTask,
};
use engine::time::{Span, Time};
use tests::emulators::aws::{AwsServer, Contact, Exception, Fault, Options};
use tests::emulators::sigv4::Credentials;
use tests::emulators::{Clock, ServerOptions};

const INSTANCE: &str = "arn:aws:connect:eu-west-2:123456789012:instance/99999999-8888-4777-8666-555555555555";
const CONTACT: &str = "22222222-2222-4333-8444-555555555555";
const FIRST: &str = "11111111-2222-4333-8444-555555555555";

async fn emulated(clock: Clock) -> AwsServer {
    let options = Options { credentials: Some(Credentials::example()) };
    AwsServer::start(options, ServerOptions::tls(&["h2", "http/1.1"]), clock).await.unwrap()
}

/// A client of the emulated services, and the directory that holds the authority's file.
fn client(server: &AwsServer, change: impl FnOnce(&mut AwsOptions)) -> (Aws, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, server.ca_pem().unwrap()).unwrap();
    let url = Some(server.url());
    let mut options = AwsOptions {
        region: Some("eu-west-2".into()),
        ca_file: Some(ca),
        connect_endpoint_url: url.clone(),
        secrets_manager_endpoint_url: url.clone(),
        ssm_endpoint_url: url.clone(),
        ecs_endpoint_url: url,
        ..AwsOptions::default()
    };
    change(&mut options);
    let pair = Credentials::example();
    let keys = Keys::new(pair.access_key_id, pair.secret_access_key, None, None, "test");
    (Aws::new(options, SharedCredentialsProvider::new(keys)).unwrap(), folder)
}

fn second_leg() -> Contact {
    Contact {
        initial: Some(FIRST.into()),
        previous: Some(FIRST.into()),
        initiation_method: "TRANSFER".into(),
        agent: Some(("aaaaaaaa-0000".into(), Time::from_ms(1_571_360_130_250))),
        disconnected: Some(Time::from_ms(1_571_360_200_500)),
        ..Contact::default()
    }
}

#[tokio::test]
async fn every_service_takes_the_signature_and_answers() {
    let server = emulated(Clock::real()).await;
    let (aws, _folder) = client(&server, |_| {});
    {
        let mut state = server.state();
        state.add_contact(CONTACT, second_leg());
        state.add_secret("acme-scv", "{}");
        state.add_parameter("/acme/key", "a key");
        state.stream_media(24);
    }
    let contact = aws.describe_contact(INSTANCE, CONTACT).await.unwrap();
    assert_eq!(contact.initial_contact_id.as_deref(), Some(FIRST));
    assert_eq!(contact.agent_connected, Some(Time::from_ms(1_571_360_130_250)));
    assert_eq!(contact.disconnected, Some(Time::from_ms(1_571_360_200_500)));

    let limit = ("sf_realtime_transcription_status", "Exceeded Limits");
    aws.update_contact_attributes(INSTANCE, FIRST, &[limit]).await.unwrap();
    assert_eq!(server.state().attributes(FIRST).unwrap()[limit.0], limit.1);

    assert_eq!(aws.media_stream_storage(INSTANCE).await.unwrap().unwrap().retention_h, 24);
    assert_eq!(aws.secret_value("acme-scv").await.unwrap().reveal(), "{}");
    assert_eq!(aws.parameter_value("/acme/key").await.unwrap().reveal(), "a key");
    assert!(server.state().denials().is_empty(), "{:?}", server.state().denials());
}

#[tokio::test]
async fn a_task_is_run_once_however_often_the_question_is_repeated() {
    let server = emulated(Clock::real()).await;
    let (aws, _folder) = client(&server, |_| {});
    let mut task = RunTask::new("kvscribe-call", "token-1");
    task.container = Some(ContainerOverride {
        name: "kvscribe".into(),
        command: vec!["call".into(), "-".into()],
        environment: vec![("KVSCRIBE_EVENT".into(), "{}".into())],
    });
    // The first try is cut off.
    server.state().script("RunTask", Fault::Cut);
    let arn = aws.run_task(&task).await.unwrap();
    assert_eq!(aws.run_task(&task).await.unwrap(), arn);
    {
        let state = server.state();
        assert_eq!(state.tasks().len(), 1);
        let container = &state.tasks()[0].request["overrides"]["containerOverrides"][0];
        assert_eq!(container["command"][0], "call");
        assert_eq!(container["environment"][0]["name"], "KVSCRIBE_EVENT");
    }
    server.state().fail_tasks(Some("RESOURCE:MEMORY"));
    let error = aws.run_task(&task).await.unwrap_err();
    assert_eq!((error.kind, error.action()), (AwsErrorKind::Throttled, AwsAction::Retry));
    assert!(error.to_string().contains("RESOURCE:MEMORY"), "{error}");
}

#[tokio::test]
async fn what_passes_is_asked_again_and_what_does_not_is_said() {
    let server = emulated(Clock::real()).await;
    let (aws, _folder) = client(&server, |o| o.request_timeout_ms = 1_500);
    server.state().add_contact(CONTACT, second_leg());
    for passing in [Fault::Refuse(Exception::THROTTLING), Fault::Refuse(Exception::INTERNAL), Fault::Silence]
    {
        server.state().script("DescribeContact", passing);
        aws.describe_contact(INSTANCE, CONTACT).await.unwrap_or_else(|e| panic!("{passing:?}: {e}"));
    }
    for (fault, kind, advice) in [
        (Fault::Refuse(Exception::ACCESS_DENIED), AwsErrorKind::Denied, "policy"),
        (Fault::Refuse(Exception::NOT_FOUND), AwsErrorKind::NotFound, "region"),
        (Fault::Garbage, AwsErrorKind::Unreadable, "endpoint_url"),
    ] {
        let before = server.state().count("DescribeContact");
        server.state().script("DescribeContact", fault);
        let error = aws.describe_contact(INSTANCE, CONTACT).await.unwrap_err();
        assert_eq!((error.kind, error.action()), (kind, AwsAction::Fatal), "{error}");
        assert!(
            error.to_string().contains("Amazon Connect DescribeContact")
                && error.to_string().contains(advice)
        );
        assert_eq!(server.state().count("DescribeContact"), before + 1, "asked once: {error}");
    }
    for _ in 0..3 {
        server.state().script("GetParameter", Fault::Refuse(Exception::THROTTLING));
    }
    let error = aws.parameter_value("/acme/key").await.unwrap_err();
    assert_eq!((error.kind, error.action()), (AwsErrorKind::Throttled, AwsAction::Retry));
    assert_eq!(server.state().count("GetParameter"), 3, "three tries and no more");
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_named() {
    let clock = Clock::starting_at(Clock::real().now() + Span::from_s(3600), 1.0);
    let server = emulated(clock).await;
    let (aws, _folder) = client(&server, |_| {});
    let error = aws.secret_value("acme-scv").await.unwrap_err();
    assert_eq!(error.kind, AwsErrorKind::NotAuthenticated);
    assert!(
        error.to_string().contains("Signature expired") && error.to_string().contains("clock"),
        "{error}"
    );
}

#[tokio::test]
async fn an_id_from_a_hostile_stream_is_not_asked_about() {
    let server = emulated(Clock::real()).await;
    let (aws, _folder) = client(&server, |_| {});
    let error = aws.describe_contact(INSTANCE, "../../instance/x").await.unwrap_err();
    assert_eq!(error.kind, AwsErrorKind::Invalid);
    assert!(server.state().asked().is_empty());
}

#[tokio::test]
async fn a_contact_is_asked_about_once_however_many_want_to_know() {
    let server = emulated(Clock::real()).await;
    let (aws, _folder) = client(&server, |_| {});
    server.state().add_contact(CONTACT, second_leg());
    let directory = Arc::new(ContactDirectory::new(Arc::new(aws)));
    let mut askers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let directory = Arc::clone(&directory);
        askers.spawn(async move { directory.facts(INSTANCE, CONTACT).await });
    }
    for facts in askers.join_all().await {
        assert_eq!(facts.initial_contact_id.as_deref(), Some(FIRST));
        assert_eq!(facts.initiation_method.as_deref(), Some("TRANSFER"));
    }
    assert_eq!(server.state().count("DescribeContact"), 1);
}

#[tokio::test]
async fn without_permission_contacts_are_unknown_and_not_asked_about_again() {
    let server = emulated(Clock::real()).await;
    let (aws, _folder) = client(&server, |_| {});
    server.state().add_contact(CONTACT, second_leg());
    server.state().script("DescribeContact", Fault::Refuse(Exception::ACCESS_DENIED));
    let directory = ContactDirectory::new(Arc::new(aws));
    for contact in [CONTACT, CONTACT, FIRST] {
        assert_eq!(directory.facts(INSTANCE, contact).await, ContactFacts::unknown());
    }
    assert_eq!(server.state().count("DescribeContact"), 1);
}

#[tokio::test]
async fn contacts_are_not_asked_about_faster_than_the_account_allows() {
    let server = emulated(Clock::real()).await;
    let (aws, _folder) = client(&server, |o| {
        o.describe_contact_per_s = 0.001;
        o.describe_contact_burst = 2;
        o.contact_cache_entries = 2;
    });
    for id in ["a", "b", "c"] {
        server.state().add_contact(id, second_leg());
    }
    let directory = ContactDirectory::new(Arc::new(aws));
    let mut known = Vec::new();
    for id in ["a", "b", "c", "b"] {
        known.push(directory.facts(INSTANCE, id).await != ContactFacts::unknown());
    }
    assert_eq!(known, [true, true, false, true], "the third had no turn; the second is remembered");
    assert_eq!(server.state().count("DescribeContact"), 2);
}
