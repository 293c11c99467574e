//! A call that fails by a fault of the program.

use std::future::pending;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

use super::table::Running;
use super::*;
use crate::shell::api::Calls;
use crate::shell::config::{Config, Sources};

/// Services that reach nobody: messages go to a file.
async fn supervisor(folder: &tempfile::TempDir) -> Arc<Supervisor> {
    let store = format!("store.directory={}", folder.path().join("store").display());
    let config = Config::load(&Sources { set: vec![store], ..Sources::default() }).unwrap();
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-west-2"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("a", "b", None, None, "test")))
        .build();
    let shadow = folder.path().join("shadow");
    let services = Box::pin(Services::with_sdk(&config, Some(&shadow), &sdk)).await.unwrap();
    Supervisor::new(Arc::new(services), 2)
}

/// Runs this in place of a driver.
fn run(
    supervisor: &Arc<Supervisor>,
    contact: &str,
    driving: impl Future<Output = Result<Ended, String>> + Send + 'static,
) {
    let (shown, status) = watch::channel(CallStatus::new(contact, contact, 0));
    let (inputs, _) = mpsc::channel(1);
    supervisor.table().running.insert(contact.to_owned(), Running::new(inputs, status));
    tokio::spawn(Arc::clone(supervisor).watch(contact.to_owned(), driving, shown));
}

#[tokio::test]
async fn a_panic_inside_one_call_ends_that_call_only_with_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let supervisor = supervisor(&folder).await;
    let desk = Desk(Arc::clone(&supervisor));
    run(&supervisor, "sound", pending());
    assert!(desk.ready());
    let mut end = Box::pin(supervisor.ended.notified());
    end.as_mut().enable();
    run(&supervisor, "faulty", async { panic!("by the test") });
    tokio::time::timeout(Duration::from_secs(20), end).await.expect("the faulty call ends");
    let faulty = desk.get("faulty").unwrap();
    assert_eq!(faulty.state, "ended");
    assert!(faulty.end.unwrap().contains("fault of this program"));
    assert_eq!((desk.get("sound").unwrap().end, desk.list().len()), (None, 2));
    assert!(desk.ready(), "its place is free again");
}
