//! `--shadow`: nothing is posted, and a file holds what would have been.

use std::os::unix::fs::PermissionsExt;

use engine::call::Post;
use tests::live::{Lab, TOLERANCE_MS};

use crate::call::{is_discreet, talk};
use crate::{FAST, settings, transcribe};

#[tokio::test]
async fn nothing_is_posted_and_the_file_holds_what_would_have_been() {
    let lab = Lab::new().await;
    let call = lab.past(&talk());
    let file = lab.path("shadow.jsonl");
    // Without a key: shadow mode needs nothing of Salesforce.
    let mut set = lab.settings_without_key();
    set.extend(FAST.map(str::to_owned));
    let arguments = ["call", "-", "--shadow", file.to_str().unwrap()];
    for run in 1..=2 {
        let ended = transcribe(&arguments, &set, &call.trigger().to_string()).await.ended().await.with(0);
        is_discreet(&ended, &call);
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), run * call.truth.len(), "appended, not overwritten");
    }
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds what was said");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut posts: Vec<Post> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    posts.truncate(call.truth.len());
    posts.sort_by_key(|p| p.message.start_time);
    for (post, said) in posts.iter().zip(&call.truth) {
        assert_eq!(post.vendor_call_key, call.key);
        assert_eq!(post.message.content.0, format!("{}.", said.text));
        assert!((post.message.start_time - said.start_ms).abs() <= TOLERANCE_MS);
        assert!((post.message.end_time - said.end_ms).abs() <= TOLERANCE_MS);
    }
    assert!(lab.salesforce.state().arrivals().is_empty());
    let nowhere = ["call", "-", "--shadow", "/nowhere/shadow.jsonl"];
    let ended = transcribe(&nowhere, &settings(&lab, &[]), &call.trigger().to_string()).await.ended().await;
    assert!(ended.with(2).stderr.contains("/nowhere/shadow.jsonl"));
}
