//! One thing is broken: its line says what and what to do, and no other line complains.

use engine::time::Span;
use tests::emulators::aws::{Exception, Fault};

use crate::clinic::{World, assert_says, complaints};

#[tokio::test]
async fn a_key_that_is_missing_or_none_is_named() {
    let mut world = World::well().await;
    std::fs::write(world.path("garbage.pem"), "hello").unwrap();
    for (file, words) in [
        ("gone.pem", &["failed   private key", "gone.pem", "No such file", "— check the path"][..]),
        ("garbage.pem", &["failed   private key", "not PEM", "— store the RSA key"]),
    ] {
        world.unset("salesforce.private_key_file");
        world.set("salesforce.private_key_file", &world.path(file));
        assert_says(&world.complaint().await, words);
    }
    world.unset("salesforce.private_key_file");
    let words = ["warning  private key", "none is configured", "secretName"];
    assert_says(&world.complaint().await, &words);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_named() {
    let mut world = World::well().await;
    world.unset("salesforce.private_key_file");
    world.set("salesforce.secret_name", "acme");
    assert_says(&world.complaint().await, &["failed   secret", "GetSecretValue", "— check the name"]);
    world.aws.state().add_secret("acme", "{}");
    world.aws.state().script("GetSecretValue", Fault::Refuse(Exception::ACCESS_DENIED));
    assert_says(&world.complaint().await, &["failed   secret", "AccessDenied", "— allow the operation"]);
}

#[tokio::test]
async fn wrong_settings_of_the_organisation_are_named() {
    let mut world = World::well().await;
    world.set("salesforce.org_id", "HVCC");
    assert_says(&world.complaint().await, &["failed   organisation", "org_id HVCC", "— take it from Setup"]);
    world.unset("salesforce.org_id");
    assert_says(&world.complaint().await, &["failed   organisation", "org_id is not set", "00D…"]);
    world.set("salesforce.org_id", "00D000000000001");
    let base = world.salesforce.base();
    world.set("salesforce.endpoint_base", base.trim_end_matches("/telephony/v1"));
    let words = ["warning  salesforce", "does not end in /telephony/v1", "— endpoint_base is https://"];
    assert_says(&world.complaint().await, &words);
}

#[tokio::test]
async fn missing_credentials_are_named_wherever_they_are_missed() {
    let mut world = World::well().await;
    world.sign_with(None);
    let bad = complaints(&world.examine().await);
    assert_says(&bad[0], &["failed   credentials", "no providers in chain", "— give the process a role"]);
    let missed = ["kinesis", "connect", "retention"];
    for (line, what) in bad[1..].iter().zip(missed) {
        assert_says(line, &["failed", what]);
    }
    assert_eq!(bad.len(), 4, "{bad:#?}");
}

#[tokio::test]
async fn credentials_that_aws_does_not_take_are_named() {
    let mut world = World::well().await;
    world.sign_with(Some("another secret"));
    world.asked.stream = None;
    world.asked.instance = None;
    let words = ["failed   connect", "InvalidSignature", "— check the credentials and this machine's clock"];
    assert_says(&world.complaint().await, &words);
}

#[tokio::test]
async fn a_service_that_refuses_connections_is_named_with_its_address() {
    let mut world = World::well().await;
    world.transcribe.server().refuse().await;
    let line = world.complaint().await;
    assert_says(&line, &["failed   transcribe", &world.transcribe.url(), "— check the route"]);

    let mut world = World::well().await;
    world.kinesis.server().refuse().await;
    let line = world.complaint().await;
    assert_says(
        &line,
        &["failed   kinesis", "GetDataEndpoint", "— check network, endpoint and certificates"],
    );

    let mut world = World::well().await;
    world.salesforce.server().refuse().await;
    let line = world.complaint().await;
    assert_says(&line, &["failed   salesforce", &world.salesforce.base(), "— check endpoint_base"]);

    let mut world = World::well().await;
    world.aws.server().refuse().await;
    let bad = complaints(&world.examine().await);
    assert_eq!(bad.len(), 2, "{bad:#?}");
    assert_says(&bad[0], &["failed   connect", "— check the route"]);
}

#[tokio::test]
async fn a_peer_that_is_no_http_2_is_no_transcribe() {
    let mut world = World::well().await;
    let kinesis = world.kinesis.url();
    world.set("transcribe.endpoint_url", &kinesis);
    assert_says(&world.complaint().await, &["failed   transcribe", "does not speak HTTP/2", "proxy"]);
}

#[tokio::test]
async fn a_stream_that_does_not_exist_is_named() {
    let mut world = World::well().await;
    world.asked.stream = Some("acme-contact-2".into());
    assert_says(
        &world.complaint().await,
        &["failed   kinesis", "acme-contact-2", "the stream does not exist — check its ARN"],
    );
}

#[tokio::test]
async fn what_a_retention_of_zero_costs_is_said() {
    let world = World::well().await;
    world.aws.state().stream_media(0);
    let words =
        ["warning  retention", "keep nothing (0 hours)", "a late start, a reconnect and a resume", "lost"];
    assert_says(&world.complaint().await, &words);
}

#[tokio::test]
async fn a_permission_that_is_missing_says_what_it_costs() {
    let world = World::well().await;
    world.aws.state().script("DescribeContact", Fault::Refuse(Exception::ACCESS_DENIED));
    let words = ["warning  connect", "AccessDenied", "— allow connect:DescribeContact", "transfer"];
    assert_says(&world.complaint().await, &words);
    world.aws.state().script("ListInstanceStorageConfigs", Fault::Refuse(Exception::ACCESS_DENIED));
    let words = ["warning  retention", "— allow connect:ListInstanceStorageConfigs"];
    assert_says(&world.complaint().await, &words);
}

#[tokio::test]
async fn a_clock_that_is_off_is_named_with_how_much_and_which_way() {
    let world = World::with_salesforce_ahead(Span::from_s(90)).await;
    let line = world.complaint().await;
    assert_says(&line, &["warning  clock", " s behind Salesforce's", "— set the clock"]);
    let world = World::with_salesforce_ahead(Span::from_s(-3600)).await;
    assert_says(&world.complaint().await, &["failed   clock", " s ahead of Salesforce's"]);
}

#[tokio::test]
async fn a_store_that_cannot_be_used_or_is_none_is_named() {
    let mut world = World::well().await;
    let file = world.path("key.pem");
    world.unset("store.directory");
    world.set("store.directory", &file);
    assert_says(&world.complaint().await, &["failed   store", "key.pem", "[store] directory"]);
    world.set("store.kind", "dynamodb");
    world.set("aws.dynamodb_endpoint_url", "http://127.0.0.1:9");
    assert_says(&world.complaint().await, &["failed   store", "no connection"]);
    world.unset("store.kind");
    world.set("store.kind", "none");
    assert_says(&world.complaint().await, &["warning  store", "ends with its process"]);
}
