//! Nothing is wrong, and nothing is touched.

use engine::shell::doctor::Health;

use crate::clinic::{World, complaints};

#[tokio::test]
async fn where_all_is_well_every_line_says_so_in_the_order_of_the_manual() {
    let world = World::well().await;
    let findings = world.examine().await;
    assert_eq!(complaints(&findings), [""; 0]);
    let looked_at: Vec<_> = findings.iter().map(|f| f.what).collect();
    let order = [
        "configuration",
        "region",
        "credentials",
        "clock",
        "kinesis",
        "transcribe",
        "connect",
        "retention",
        "private key",
        "organisation",
        "salesforce",
        "store",
    ];
    assert_eq!(looked_at, order);
    assert!(findings[2].to_string().starts_with("ok       credentials   from EnvironmentVariable"));
}

#[tokio::test]
async fn nothing_is_touched() {
    let world = World::well().await;
    world.examine().await;
    assert_eq!(world.kinesis.state().open_connections(), 0);
    assert!(world.salesforce.state().arrivals().is_empty());
    let asked: Vec<_> = world.aws.state().asked().iter().map(|a| a.operation.name()).collect();
    assert!(
        asked.iter().all(|name| ["DescribeContact", "ListInstanceStorageConfigs"].contains(name)),
        "{asked:?}"
    );
}

#[tokio::test]
async fn without_stream_and_instance_what_can_be_looked_at_is() {
    let mut world = World::well().await;
    world.asked = Default::default();
    let findings = world.examine().await;
    assert!(findings.iter().all(|f| f.health == Health::Ok && f.what != "retention"), "{findings:#?}");
    assert!(findings.iter().any(|f| f.what == "connect" && f.detail.contains("--instance")));
}

#[tokio::test]
async fn a_key_in_secrets_manager_is_fetched_and_brings_the_organisation() {
    let mut world = World::well().await;
    let key = std::fs::read_to_string(world.path("key.pem")).unwrap();
    let secret = serde_json::json!({
        "SCRT_ENDPOINT_BASE": world.salesforce.base(), "SALESFORCE_ORG_ID": "00D000000000002",
        "CALL_CENTER_API_NAME": "HVCC", "HVCC-scrt-jwt-auth-private-key": key,
    });
    world.aws.state().add_secret("acme", &secret.to_string());
    for option in ["private_key_file", "org_id", "call_center"] {
        world.unset(&format!("salesforce.{option}"));
    }
    world.set("salesforce.secret_name", "acme");
    let findings = world.examine().await;
    assert_eq!(complaints(&findings), [""; 0]);
    let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.iter().any(|l| l.contains("secret        Secrets Manager has acme")), "{lines:#?}");
    assert!(lines.iter().any(|l| l.contains("organisation  00D000000000002")), "{lines:#?}");
    assert!(!lines.concat().contains("PRIVATE KEY"), "no secret is shown");
}
