//! Who may ask what: tokens, scopes, rotation, and addresses that others can reach.

use std::sync::Arc;

use engine::shell::api::Server;
use engine::shell::config::{Scope, TokenOptions, WorkerOptions};

use crate::world::{CALLS, CONTACT, EVENTS, Fake, HOLD, READ, Worker, guarded, open, token};

#[tokio::test]
async fn token_missing_or_wrong_on_the_gate_endpoint() {
    let worker = Worker::start(&guarded()).await;
    let path = format!("/v1/calls/{CONTACT}/events");
    let almost = format!("{EVENTS}x");
    for wrong in [None, Some(""), Some("nonsense"), Some(&EVENTS[..EVENTS.len() - 1]), Some(almost.as_str())]
    {
        let answer = worker.ask("POST", &path, wrong, Some(HOLD)).await;
        assert_eq!(answer.status, 401, "{wrong:?}");
        assert!(answer.head.contains("www-authenticate: bearer") && answer.error().contains("Bearer"));
    }
    let basic = format!("Authorization: Basic {EVENTS}\r\n");
    assert_eq!(worker.ask_with("POST", &path, None, &basic, Some(HOLD)).await.status, 401);
    for scope in [CALLS, READ] {
        let answer = worker.ask("POST", &path, Some(scope), Some(HOLD)).await;
        assert!(answer.status == 403 && answer.error().contains("`events`"), "{answer:?}");
    }
    assert!(worker.fake.events.lock().unwrap().is_empty(), "nothing of it reached the call");
    assert_eq!(worker.ask("POST", &path, Some(EVENTS), Some(HOLD)).await.status, 202);
}

#[tokio::test]
async fn a_stranger_is_turned_away_before_his_body_is_read() {
    let worker = Worker::start(&guarded()).await;
    let head = "POST /v1/calls HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n";
    assert_eq!(worker.raw(head.as_bytes()).await.status, 401);
}

#[tokio::test]
async fn while_tokens_are_rotated_both_are_good() {
    let mut options = guarded();
    options.tokens = vec![
        token("old-token-0123456789", &[Scope::Read]),
        token("new-token-0123456789", &[Scope::Read, Scope::Calls]),
    ];
    let worker = Worker::start(&options).await;
    for good in ["old-token-0123456789", "new-token-0123456789"] {
        assert_eq!(worker.ask("GET", "/v1/calls", Some(good), None).await.status, 200);
    }
    let path = format!("/v1/calls/{CONTACT}");
    assert_eq!(worker.ask("DELETE", &path, Some("old-token-0123456789"), None).await.status, 403);
    assert_eq!(worker.ask("DELETE", &path, Some("new-token-0123456789"), None).await.status, 202);
}

#[tokio::test]
async fn health_needs_no_token_and_loopback_needs_none_unless_configured() {
    let worker = Worker::start(&guarded()).await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(worker.ask("GET", path, None, None).await.status, 200);
    }
    assert_eq!(worker.ask("GET", "/metrics", None, None).await.status, 401);
    let worker = Worker::start(&open()).await;
    assert_eq!(worker.ask("GET", "/v1/calls", None, None).await.status, 200);
}

async fn refused(change: impl FnOnce(&mut WorkerOptions)) -> String {
    let mut options = open();
    change(&mut options);
    match Server::bind(&options, Arc::new(Fake::default()), String::new).await {
        Ok(_) => panic!("it was bound: {options:?}"),
        Err(error) => error.to_string(),
    }
}

fn from(env: Option<&str>, file: Option<&str>) -> TokenOptions {
    TokenOptions {
        token_env: env.map(str::to_owned),
        token_file: file.map(Into::into),
        scopes: vec![Scope::Read],
        ..TokenOptions::default()
    }
}

#[tokio::test]
async fn it_does_not_start_where_anybody_could_ask_or_a_token_is_none() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let said = refused(|o| o.bind = address.parse().unwrap()).await;
        assert!(said.contains("which others can reach") && said.contains("tokens"), "{said}");
    }
    for (tokens, words) in [
        (vec![token("short", &[Scope::Read])], "16"),
        (vec![token("", &[Scope::Read])], "16"),
        (vec![token(READ, &[])], "scopes is empty"),
        (vec![token(READ, &[Scope::Read]), from(None, None)], "number 2: give exactly one"),
        (vec![from(Some("KVSCRIBE_TEST_NOT_SET"), None)], "KVSCRIBE_TEST_NOT_SET is not set"),
        (vec![from(None, Some("/nowhere/token"))], "/nowhere/token cannot be read"),
        (vec![from(Some("A"), Some("/b"))], "exactly one"),
    ] {
        let said = refused(|o| o.tokens = tokens).await;
        assert!(said.contains(words) && !said.contains("short"), "{words}: {said}");
    }
    assert!(refused(|o| o.allowed_origins = vec!["*".into()]).await.contains("allowed_origins"));
    assert!(refused(|o| o.max_connections = 0).await.contains("max_connections"));
}

#[tokio::test]
async fn a_token_in_a_file_may_end_with_a_new_line() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{READ}\n")).unwrap();
    let mut options = open();
    options.tokens = vec![from(None, file.path().to_str())];
    let worker = Worker::start(&options).await;
    assert_eq!(worker.ask("GET", "/v1/calls", None, None).await.status, 401);
    assert_eq!(worker.ask("GET", "/v1/calls", Some(READ), None).await.status, 200);
}
