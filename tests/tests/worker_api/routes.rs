//! Every route and every status, and that the OpenAPI document names exactly those.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use engine::call::EventKind;
use engine::shell::api::{EventTaken, OPENAPI, Route, Start};
use serde_json::Value;

use crate::world::{CALLS, CONTACT, EVENTS, HOLD, ORIGIN, READ, Worker, guarded, payload};

/// (method, path with parameters in braces, status).
type Seen = BTreeSet<(String, String, u16)>;

fn documented() -> Seen {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut seen = Seen::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(responses) = operation.get("responses") else { continue };
            for status in responses.as_object().unwrap().keys() {
                seen.insert((method.to_uppercase(), path.clone(), status.parse().unwrap()));
            }
        }
    }
    seen
}

#[test]
fn the_document_names_every_route_and_no_other() {
    let routes: BTreeSet<_> =
        Route::ALL.iter().map(|r| (r.method().to_owned(), r.path().to_owned())).collect();
    let named: BTreeSet<_> = documented().into_iter().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(routes, named);
}

#[tokio::test]
async fn every_documented_status_is_answered_and_no_other() {
    let mut options = guarded();
    options.max_body_bytes = 2000;
    options.request_timeout_ms = 300;
    let worker = Worker::start(&options).await;
    let mut seen = Seen::new();

    for route in Route::ALL {
        let path = route.path().replace("{contactId}", CONTACT);
        let token = route.scope().map(|scope| match scope.name() {
            "calls" => CALLS,
            "events" => EVENTS,
            _ => READ,
        });
        let good = match route {
            Route::StartCall => Some(payload()),
            Route::SendEvent => Some(HOLD.to_owned()),
            _ => None,
        };
        let wrong = if token == Some(READ) { CALLS } else { READ };
        let mut note = |status: u16| {
            seen.insert((route.method().to_owned(), route.path().to_owned(), status));
        };
        let ask = async |path: &str, token: Option<&str>, body: Option<&str>| {
            worker.ask(route.method(), path, token, body).await.status
        };

        note(ask(&path, token, good.as_deref()).await);
        if token.is_some() {
            note(ask(&path, None, good.as_deref()).await);
            note(ask(&path, Some(wrong), good.as_deref()).await);
        }
        if path.contains(CONTACT) {
            note(ask(&path.replace(CONTACT, "unknown"), token, good.as_deref()).await);
            note(ask(&path.replace(CONTACT, "%ff"), token, good.as_deref()).await);
        }
        if good.is_some() {
            note(ask(&path, token, Some("{}")).await);
            note(ask(&path, token, Some(&"x".repeat(3000))).await);
            let plain = "Content-Type: text/plain\r\n";
            note(worker.ask_with("POST", &path, token, plain, good.as_deref()).await.status);
            let slow = "Content-Type: application/json\r\nContent-Length: 9\r\n";
            note(worker.ask_with("POST", &path, token, slow, None).await.status);
        }
        match route {
            Route::StartCall => {
                for answer in [
                    Start::AlreadyRunning,
                    Start::Segment,
                    Start::AtCapacity,
                    Start::Draining,
                    Start::HeldElsewhere,
                    Start::Finished,
                    Start::Unavailable("no store".into()),
                    Start::Refused("no".into()),
                ] {
                    *worker.fake.next_start.lock().unwrap() = Some(answer);
                    note(ask(&path, token, good.as_deref()).await);
                }
            }
            Route::SendEvent => {
                for answer in [EventTaken::Kept, EventTaken::NotStored] {
                    *worker.fake.next_event.lock().unwrap() = Some(answer);
                    note(ask(&path, token, good.as_deref()).await);
                }
            }
            Route::Ready => {
                worker.fake.unready.store(true, Ordering::Relaxed);
                note(ask(&path, token, None).await);
            }
            _ => {}
        }
    }
    assert_eq!(seen, documented());
}

#[tokio::test]
async fn a_call_is_started_once_and_each_answer_says_what_to_do() {
    let worker = Worker::start(&guarded()).await;
    let start = async |answer: Start| {
        *worker.fake.next_start.lock().unwrap() = Some(answer);
        worker.ask("POST", "/v1/calls", Some(CALLS), Some(&payload())).await
    };
    let started = start(Start::Started).await;
    assert_eq!((started.status, started.json()["result"].as_str()), (202, Some("started")));
    assert_eq!(started.json()["contactId"], CONTACT);
    let again = start(Start::AlreadyRunning).await;
    assert_eq!((again.status, again.json()["result"].as_str()), (200, Some("alreadyRunning")));
    let segment = start(Start::Segment).await;
    assert_eq!((segment.status, segment.json()["result"].as_str()), (202, Some("segment")));
    let elsewhere = start(Start::HeldElsewhere).await;
    assert_eq!((elsewhere.status, elsewhere.json()["result"].as_str()), (202, Some("heldElsewhere")));
    let finished = start(Start::Finished).await;
    assert_eq!((finished.status, finished.json()["result"].as_str()), (200, Some("finished")));
    let no_store = start(Start::Unavailable("no room".into())).await;
    assert!(no_store.status == 503 && no_store.head.contains("retry-after") && no_store.error() == "no room");
    let full = start(Start::AtCapacity).await;
    assert!(
        full.status == 429 && full.head.contains("retry-after") && full.error().contains("another worker")
    );
    let refused = start(Start::Refused("no such instance".into())).await;
    assert_eq!((refused.status, refused.error().as_str()), (400, "no such instance"));
    assert_eq!(worker.fake.started.lock().unwrap()[0].contact_id, CONTACT);

    let odd = payload().replace("streamARN", "streamArn");
    let said = worker.ask("POST", "/v1/calls", Some(CALLS), Some(&odd)).await;
    assert!(said.status == 400 && said.error().contains("`streamARN` is missing"), "{said:?}");
    assert!(!said.body.contains("5555550100"), "{said:?}");
}

#[tokio::test]
async fn both_spellings_of_an_event_reach_the_call() {
    let worker = Worker::start(&guarded()).await;
    let path = format!("/v1/calls/{CONTACT}/events");
    let aura = r#"{"type":"PAUSE_RECORDING","detail":{"callId":"second-leg"}}"#;
    for event in [HOLD, aura] {
        let answer = worker.ask("POST", &path, Some(EVENTS), Some(event)).await;
        assert_eq!((answer.status, answer.json()["result"].as_str()), (202, Some("taken")), "{answer:?}");
    }
    let events = worker.fake.events.lock().unwrap();
    let [(contact, hold), (_, pause)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((contact.as_str(), &hold.kind), (CONTACT, &EventKind::Hold));
    assert_eq!(hold.call_id.as_deref(), Some(CONTACT), "the path names the call where the event does not");
    assert_eq!(hold.at.unwrap().ms(), 1_571_360_130_000);
    assert_eq!((&pause.kind, pause.call_id.as_deref()), (&EventKind::PauseRecording, Some("second-leg")));
}

#[tokio::test]
async fn calls_are_shown_and_ended() {
    let worker = Worker::start(&guarded()).await;
    let list = worker.ask("GET", "/v1/calls", Some(READ), None).await.json();
    let one = worker.ask("GET", &format!("/v1/calls/{CONTACT}"), Some(READ), None).await.json();
    assert_eq!((&list["calls"][0], one["vendorCallKey"].as_str()), (&one, Some("first")));
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let schema = document["components"]["schemas"]["Call"]["properties"].as_object().unwrap();
    let keys = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(one.as_object().unwrap()), keys(schema));
    assert_eq!(worker.ask("DELETE", &format!("/v1/calls/{CONTACT}"), Some(CALLS), None).await.status, 202);
    assert_eq!(worker.fake.drained.lock().unwrap().as_slice(), [CONTACT]);
    let metrics = worker.ask("GET", "/metrics", Some(READ), None).await;
    assert!(metrics.head.contains("text/plain; version=0.0.4") && metrics.body.contains("kvscribe_calls 0"));
    assert_eq!(worker.ask("GET", "/openapi.json", Some(READ), None).await.json(), document);
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_send_events_and_nothing_else() {
    let worker = Worker::start(&guarded()).await;
    let events = format!("/v1/calls/{CONTACT}/events");
    let preflight = |origin: &str| {
        format!(
            "Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n"
        )
    };
    let asked = worker.ask_with("OPTIONS", &events, None, &preflight(ORIGIN), None).await;
    assert_eq!(asked.status, 204);
    for header in [
        format!("access-control-allow-origin: {ORIGIN}"),
        "access-control-allow-methods: post".into(),
        "access-control-allow-headers: authorization, content-type".into(),
    ] {
        assert!(asked.head.contains(&header), "{header}: {asked:?}");
    }
    let origin = format!("Origin: {ORIGIN}\r\n");
    let sent = worker.ask_with("POST", &events, Some(EVENTS), &origin, Some(HOLD)).await;
    assert!(sent.status == 202 && sent.head.contains("access-control-allow-origin"), "{sent:?}");
    let unknown = worker.ask_with("POST", &events, None, &origin, Some(HOLD)).await;
    assert!(unknown.status == 401 && unknown.head.contains("access-control-allow-origin"), "{unknown:?}");

    let evil = "https://evil.example";
    let refused = worker.ask_with("OPTIONS", &events, None, &preflight(evil), None).await;
    assert!(refused.status == 403 && !refused.head.contains("access-control"), "{refused:?}");
    let calls = worker.ask_with("GET", "/v1/calls", Some(READ), &origin, None).await;
    assert_eq!(calls.status, 403);

    let open = Worker::start(&crate::world::open()).await;
    let forged = open.ask_with("POST", &events, None, &format!("Origin: {evil}\r\n"), Some(HOLD)).await;
    assert_eq!((forged.status, open.fake.events.lock().unwrap().len()), (403, 0));
}
