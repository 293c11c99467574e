//! Payloads handed to ECS tasks of their own.

use serde_json::json;
use tests::emulators::aws::{AwsServer, Exception, Fault, Options};
use tests::emulators::sigv4::Credentials;
use tests::emulators::{Clock, ServerOptions};

use crate::world::{CONTACT, Function, payload};

async fn ecs() -> (AwsServer, Function, tempfile::TempDir) {
    let options = Options { credentials: Some(Credentials::example()) };
    let tls = ServerOptions::tls(&["h2", "http/1.1"]);
    let aws = AwsServer::start(options, tls, Clock::real()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, aws.ca_pem().unwrap()).unwrap();
    let keys = Credentials::example();
    let function = Function::start(&[
        ("KVSCRIBE_FORWARD_MODE", "ecs"),
        ("KVSCRIBE_FORWARD_ECS_CLUSTER", "calls"),
        ("KVSCRIBE_FORWARD_ECS_TASK_DEFINITION", "kvscribe-call:7"),
        ("KVSCRIBE_FORWARD_ECS_SUBNETS", "subnet-1,subnet-2"),
        ("KVSCRIBE_FORWARD_ECS_SECURITY_GROUPS", "sg-1"),
        ("KVSCRIBE_FORWARD_TIMEOUT_MS", "10000"),
        ("KVSCRIBE_AWS_CA_FILE", ca.to_str().unwrap()),
        ("KVSCRIBE_AWS_ECS_ENDPOINT_URL", &aws.url()),
        ("AWS_REGION", "eu-west-2"),
        ("AWS_ACCESS_KEY_ID", &keys.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &keys.secret_access_key),
    ])
    .await;
    (aws, function, folder)
}

#[tokio::test]
async fn a_call_gets_one_task_with_its_unchanged_payload_however_often_it_is_triggered() {
    let (aws, function, _folder) = ecs().await;
    let sent = payload(CONTACT, "913438");
    // The first answer is lost on the way.
    aws.state().script("RunTask", Fault::Cut);
    let answer = function.good(&sent).await;
    assert_eq!(function.good(&sent).await["by"], answer["by"]);
    {
        let state = aws.state();
        let [task] = state.tasks() else { panic!("{:?}", state.tasks()) };
        assert_eq!(answer["by"], task.arn);
        assert_eq!(task.client_token.len(), 64);
        let request = &task.request;
        assert_eq!((&request["cluster"], &request["count"]), (&json!("calls"), &json!(1)));
        assert_eq!(request["taskDefinition"], "kvscribe-call:7");
        assert_eq!(request["launchType"], "FARGATE");
        assert_eq!(request["startedBy"], format!("kvscribe/{CONTACT}"));
        let network = &request["networkConfiguration"]["awsvpcConfiguration"];
        assert_eq!(network["subnets"], json!(["subnet-1", "subnet-2"]));
        assert_eq!(network["securityGroups"], json!(["sg-1"]));
        assert_eq!(network["assignPublicIp"], "DISABLED");
        let container = &request["overrides"]["containerOverrides"][0];
        assert_eq!(container["name"], "kvscribe");
        assert_eq!(container["command"], json!(["call", "env:KVSCRIBE_EVENT"]));
        assert_eq!(container["environment"], json!([{"name": "KVSCRIBE_EVENT", "value": sent}]));
    }
    function.good(&payload(CONTACT, "913439")).await;
    function.good(&payload("another", "913438")).await;
    let tokens: std::collections::BTreeSet<_> =
        aws.state().tasks().iter().map(|task| task.client_token.clone()).collect();
    assert_eq!(tokens.len(), 3, "another start fragment or contact is another task");
    assert!(!function.log().contains("5555550100"), "{}", function.log());
}

#[tokio::test]
async fn a_task_that_cannot_be_started_fails_the_invocation() {
    let (aws, function, _folder) = ecs().await;
    let (kind, message) = function.bad(&payload(CONTACT, "x".repeat(9000).as_str())).await;
    assert_eq!(kind, "Kvscribe.BadPayload", "{message}");
    let wide = payload(CONTACT, "1").replace("\"new\":\"", &format!("\"new\":\"{}", "x".repeat(9000)));
    let (kind, message) = function.bad(&wide).await;
    assert_eq!(kind, "Kvscribe.NoTask");
    assert!(message.contains("8192"), "{message}");
    assert_eq!(aws.state().count("RunTask"), 0);

    aws.state().script("RunTask", Fault::Refuse(Exception::ACCESS_DENIED));
    let (_, message) = function.bad(&payload(CONTACT, "1")).await;
    assert!(message.contains("ECS RunTask") && message.contains("policy"), "{message}");
    aws.state().fail_tasks(Some("RESOURCE:MEMORY"));
    let (kind, message) = function.bad(&payload(CONTACT, "1")).await;
    assert_eq!(kind, "Kvscribe.NoTask");
    assert!(message.contains("RESOURCE:MEMORY"), "{message}");
    assert!(aws.state().tasks().is_empty());
}

#[tokio::test]
async fn a_call_that_has_a_task_from_another_payload_gets_no_second_one() {
    let (aws, function, _folder) = ecs().await;
    let conflict = Exception { name: "ConflictException", status: 400 };
    aws.state().script("RunTask", Fault::Refuse(conflict));
    let answer = function.good(&payload(CONTACT, "1")).await;
    assert_eq!((&answer["alreadyRunning"], answer.get("by")), (&json!(true), None));
}
