//! Malformed, slow, large and too many: the worker answers, closes, and stays healthy.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{Answer, CONTACT, HOLD, Worker, open, payload, within};

#[tokio::test]
async fn a_thousand_malformed_requests_leave_it_healthy() {
    let worker = Worker::start(&open()).await;
    let mut dice = fastrand_like(7);
    for i in 0..1000_u32 {
        let junk: Vec<u8> = (0..dice() % 200).map(|_| (dice() % 256) as u8).collect();
        let request: Vec<u8> = match i % 8 {
            0 => junk,
            1 => [b"GET / HTTP/9.9\r\n", junk.as_slice(), b"\r\n\r\n"].concat(),
            2 => b"POST /v1/calls HTTP/1.1\r\nHost: w\r\nContent-Length: -1\r\n\r\n".to_vec(),
            3 => format!("POST /v1/calls HTTP/1.1\r\nHost: w\r\n{}\r\n", "X: y\r\n".repeat(500)).into_bytes(),
            4 => format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000)).into_bytes(),
            5 => b"POST /v1/calls HTTP/1.1\r\nHost: w\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec(),
            6 => {
                let head = format!("POST /v1/calls HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", junk.len());
                [head.as_bytes(), junk.as_slice()].concat()
            }
            _ => format!("POST /v1/calls/{CONTACT}/events HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n").into_bytes(),
        };
        let mut stream = worker.connect().await;
        let _ = within(stream.write_all(&request)).await;
        let _ = stream.shutdown().await;
        let answer = Answer::read(stream).await;
        assert!(answer.status == 0 || (400..500).contains(&answer.status), "{i}: {answer:?}");
    }
    assert_eq!(worker.ask("GET", "/healthz", None, None).await.status, 200);
    assert_eq!(worker.ask("POST", "/v1/calls", None, Some(&payload())).await.status, 202);
    assert_eq!(worker.fake.started.lock().unwrap().len(), 1);
}

/// A small generator: the same requests in every run.
fn fastrand_like(mut seed: u64) -> impl FnMut() -> u64 {
    move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    }
}

#[tokio::test]
async fn unknown_routes_methods_and_bodies_are_told_what_to_do() {
    let worker = Worker::start(&open()).await;
    let lost = worker.ask("GET", "/v2/calls", None, None).await;
    assert!(lost.status == 404 && lost.error().contains("openapi"), "{lost:?}");
    let method = worker.ask("PUT", "/v1/calls", None, Some("{}")).await;
    assert!(method.status == 405 && method.error().contains("method"), "{method:?}");
    let text = "Content-Type: text/plain\r\n";
    let kind = worker.ask_with("POST", "/v1/calls", None, text, Some(&payload())).await;
    assert!(kind.status == 415 && kind.error().contains("application/json"), "{kind:?}");
    let charset = "Content-Type: Application/JSON; charset=utf-8\r\n";
    assert_eq!(worker.ask_with("POST", "/v1/calls", None, charset, Some(&payload())).await.status, 202);
    let events = format!("/v1/calls/{CONTACT}/events");
    let odd = worker.ask("POST", &events, None, Some(r#"{"type":"hold","at":"noon"}"#)).await;
    assert!(odd.status == 400 && odd.error().contains("noon"), "{odd:?}");
}

#[tokio::test]
async fn too_big_a_body_is_refused_by_its_length_or_as_it_comes() {
    let mut options = open();
    options.max_body_bytes = 1000;
    let worker = Worker::start(&options).await;
    let big = "x".repeat(1001);
    let told = worker.ask("POST", "/v1/calls", None, Some(&big)).await;
    assert!(told.status == 413 && told.error().contains("1000"), "{told:?}");
    let chunked = format!(
        "POST /v1/calls HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n{big}\r\n0\r\n\r\n"
    );
    assert_eq!(worker.raw(chunked.as_bytes()).await.status, 413);
}

#[tokio::test]
async fn slow_heads_and_silent_connections_are_closed() {
    let mut options = open();
    options.header_timeout_ms = 200;
    let worker = Worker::start(&options).await;
    let mut stream = worker.connect().await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.unwrap();
    assert_ne!(Answer::read(stream).await.status, 200);
    let silent = worker.connect().await;
    assert_eq!(Answer::read(silent).await.status, 0);
    // One that was kept alive after its answer and says nothing more.
    let mut idle = worker.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: w\r\n\r\n").await.unwrap();
    assert_eq!(Answer::read(idle).await.status, 200);
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_room() {
    let mut options = open();
    options.max_connections = 2;
    let worker = Worker::start(&options).await;
    let mut first = worker.connect().await;
    let _second = worker.connect().await;
    let mut third = worker.connect().await;
    third.write_all(b"GET /healthz HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(200), third.read(&mut byte)).await;
    assert!(early.is_err(), "it was answered though two were open");
    first.shutdown().await.unwrap();
    drop(first);
    let mut third = Some(third);
    assert_eq!(Answer::read(third.take().unwrap()).await.status, 200);
}

#[tokio::test]
async fn when_it_is_stopped_what_was_asked_is_answered_and_nothing_more_taken() {
    let mut worker = Worker::start(&open()).await;
    let mut begun = worker.connect().await;
    let head = format!(
        "POST /v1/calls/{CONTACT}/events HTTP/1.1\r\nHost: w\r\nContent-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        HOLD.len()
    );
    begun.write_all(head.as_bytes()).await.unwrap();
    // The interim answer says that the request has been taken up.
    let mut interim = [0; 25];
    within(begun.read_exact(&mut interim)).await.unwrap();
    assert!(interim.starts_with(b"HTTP/1.1 100"), "{interim:?}");
    worker.stop.take().unwrap().send(()).unwrap();
    let refused = async {
        while tokio::net::TcpStream::connect(worker.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    within(refused).await;
    begun.write_all(HOLD.as_bytes()).await.unwrap();
    assert_eq!(Answer::read(begun).await.status, 202);
    within(worker.served).await.unwrap();
}
