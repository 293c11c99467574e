//! The Telephony API: tokens, pauses, the end of a conversation, duplicates, and each fault.

use std::time::Duration;

use bytes::Bytes;
use engine::time::{Span, Time};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tests::emulators::salesforce::{
    Answer, Fate, Fault, Keys, Options, Paused, Rule, Salesforce, SalesforceServer, TokenRules, When,
};
use tests::emulators::{Clock, ServerOptions};

use crate::client::Client;

const KEY: &str = "11111111-2222-4333-8444-555555555555";
const T0: Time = Time::from_ms(1_573_503_300_000);

fn s(seconds: i64) -> Time {
    T0 + Span::from_s(seconds)
}

fn message(id: &str, start_ms: i64) -> Value {
    json!({"participantId": format!("{KEY}END_USER"), "messageId": id, "senderType": "END_USER",
        "startTime": T0.ms() + start_ms, "endTime": T0.ms() + start_ms + 500, "content": "hello"})
}

fn post(path: &str, body: &Value, token: Option<&str>) -> http::Request<Bytes> {
    let mut request = http::Request::post(format!("/telephony/v1/voiceCalls/{path}"))
        .header("content-type", "application/json")
        .header("telephony-provider-name", "amazon-connect")
        .header("host", "localhost");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Bytes::from(body.to_string())).unwrap()
}

fn single(id: &str, start_ms: i64) -> http::Request<Bytes> {
    post(&format!("{KEY}/messages"), &message(id, start_ms), None)
}

fn open(options: Options) -> Salesforce {
    let mut salesforce = Salesforce::new(options);
    salesforce.open(KEY, T0);
    salesforce
}

fn fates(salesforce: &Salesforce) -> Vec<Fate> {
    salesforce.arrivals().iter().map(|a| a.fate.clone()).collect()
}

fn body(answer: &Answer) -> Value {
    let Answer::Reply { response, .. } = answer else { panic!("no answer: {answer:?}") };
    serde_json::from_slice(response.body()).unwrap()
}

#[test]
fn a_message_is_accepted_and_stored() {
    let mut salesforce = open(Options::default());
    let answer = salesforce.handle(s(2), &single("m-1", 0));
    assert_eq!((answer.status(), body(&answer)), (Some(202), json!({"result": "Accepted"})));
    let stored = salesforce.transcript(KEY);
    assert_eq!(stored.len(), 1);
    assert_eq!((stored[0].message_id.as_str(), stored[0].start_ms), ("m-1", T0.ms()));
}

#[test]
fn while_paused_messages_are_acknowledged_and_lost_or_refused() {
    let mut salesforce = open(Options::default());
    salesforce.pause(KEY, true);
    assert_eq!(salesforce.handle(s(1), &single("m-1", 0)).status(), Some(202));
    assert!(salesforce.transcript(KEY).is_empty());
    salesforce.pause(KEY, false);
    assert_eq!(salesforce.handle(s(2), &single("m-1", 0)).status(), Some(202));
    assert_eq!(fates(&salesforce), [Fate::Discarded, Fate::Stored]);

    let mut salesforce = open(Options { paused_single: Paused::Conflict, ..Options::default() });
    salesforce.pause(KEY, true);
    assert_eq!(salesforce.handle(s(1), &single("m-1", 0)).status(), Some(409));
}

#[test]
fn before_and_after_its_time_a_conversation_does_not_exist() {
    let mut salesforce = Salesforce::new(Options::default());
    let early = salesforce.handle(s(1), &single("m-1", 0));
    assert_eq!(early.status(), Some(400));
    assert!(body(&early)["message"].as_str().unwrap().contains("Conversation does not exist"));
    salesforce.open(KEY, T0);
    assert_eq!(salesforce.handle(s(2), &single("m-1", 0)).status(), Some(202));
    assert_eq!(salesforce.handle(s(3), &single("m-2", -6000)).status(), Some(400));
    salesforce.end(KEY);
    assert_eq!(salesforce.handle(s(4), &single("m-3", 0)).status(), Some(400));
}

#[test]
fn a_conversation_whose_record_appears_late_does_not_exist_before() {
    let mut salesforce = Salesforce::new(Options::default());
    salesforce.open_late(KEY, T0, s(30));
    let early = salesforce.handle(s(29), &single("m-1", 0));
    assert!(body(&early)["message"].as_str().unwrap().contains("Conversation does not exist"));
    assert_eq!(salesforce.handle(s(30), &single("m-1", 0)).status(), Some(202));
    assert_eq!(fates(&salesforce), [Fate::Refused(400), Fate::Stored]);
}

#[tokio::test]
async fn whoever_subscribes_sees_every_message_arrive() {
    let clock = Clock::starting_at(s(1), 1.0);
    let server = SalesforceServer::start(Options::default(), ServerOptions::default(), clock).await.unwrap();
    server.state().open(KEY, T0);
    let mut early = server.subscribe();
    let waiting = tokio::spawn(async move { (early.next().await, early.next().await, early.next().await) });
    let mut client = Client::connect(&server.base(), None, false).await.unwrap();
    for id in ["m-1", "m-2"] {
        assert_eq!(client.ask(single(id, 0)).await.unwrap().0, 202);
    }
    let mut late = server.subscribe();
    let ids = [late.next().await.unwrap().message_id, late.next().await.unwrap().message_id];
    assert_eq!(ids, ["m-1", "m-2"], "those before the subscription too");
    drop((client, server));
    let all = tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("it ends").unwrap();
    assert_eq!((all.0.unwrap().message_id, all.1.unwrap().message_id), ("m-1".into(), "m-2".into()));
    assert!(all.2.is_none(), "no server, no more");
}

#[test]
fn duplicates_are_stored_twice_or_once() {
    for (deduplicates, second) in [(false, Fate::StoredAgain), (true, Fate::Duplicate)] {
        let mut salesforce = open(Options { deduplicates, ..Options::default() });
        for n in 1..3 {
            assert_eq!(salesforce.handle(s(n), &single("m-1", 0)).status(), Some(202));
        }
        assert_eq!(fates(&salesforce), [Fate::Stored, second]);
    }
}

#[test]
fn order_and_overlap_are_noted() {
    let mut salesforce = open(Options { latency: Span::from_s(2), ..Options::default() });
    for (at, id, start_ms) in [(1, "m-1", 5000), (2, "m-2", 1000), (9, "m-3", 6000)] {
        salesforce.handle(s(at), &single(id, start_ms));
    }
    let noted: Vec<_> = salesforce.arrivals().iter().map(|a| (a.overlapping, a.out_of_order)).collect();
    assert_eq!(noted, [(false, false), (true, true), (false, false)]);
}

#[test]
fn odd_messages_are_refused() {
    let mut salesforce = open(Options::default());
    for (field, value) in [
        ("participantId", json!("someone")),
        ("senderType", json!("CUSTOMER")),
        ("startTime", json!("1573503300000")),
        ("endTime", json!(T0.ms() - 1)),
        ("content", json!("")),
        ("messageId", json!("")),
    ] {
        let mut odd = message("m-1", 0);
        odd[field] = value;
        let answer = salesforce.handle(s(1), &post(&format!("{KEY}/messages"), &odd, None));
        assert_eq!(answer.status(), Some(400), "{field}");
    }
    let mut agent = message("m-2", 0);
    agent["senderType"] = json!("HUMAN_AGENT");
    agent["participantId"] = json!("005xx000001SvABAA0");
    let answer = salesforce.handle(s(1), &post(&format!("{KEY}/messages"), &agent, None));
    assert_eq!(answer.status(), Some(202));
}

#[test]
fn bulk_tells_each_messages_outcome() {
    let mut salesforce = open(Options::default());
    let mut entries = json!([
        {"vendorCallKey": "unknown", "messages": [message("m-1", 0)]},
        {"vendorCallKey": KEY, "messages": [message("m-2", 0)]}]);
    entries[0]["messages"][0]["participantId"] = json!("unknownEND_USER");
    let bulk = post("messages", &json!({ "entries": entries }), None);
    let answer = salesforce.handle(s(1), &bulk);
    assert_eq!(answer.status(), Some(207));
    let told = &body(&answer)["errorResponse"]["errorResponseEntries"];
    assert_eq!((&told[0]["status"], &told[1]["status"]), (&json!(400), &json!(202)));
    assert!(told[0]["message"].as_str().unwrap().contains("[m-1]. Error: io.grpc.StatusRuntimeException"));

    salesforce.pause(KEY, true);
    let told = body(&salesforce.handle(s(2), &bulk));
    let paused = &told["errorResponse"]["errorResponseEntries"][1];
    assert_eq!(
        (&paused["status"], &paused["message"]),
        (&json!(409), &json!("Transcription paused for participant"))
    );
}

#[test]
fn scripted_faults_strike_when_they_should() {
    let mut salesforce = open(Options::default());
    salesforce.script(Rule::new(Fault::too_many(), When::FromFirst(Span::from_s(40))));
    let statuses: Vec<_> =
        [1, 20, 40, 41].map(|at| salesforce.handle(s(at), &single("m-1", 0)).status()).into();
    assert_eq!(statuses, [Some(429), Some(429), Some(429), Some(202)]);

    salesforce.script(Rule::new(Fault::Status(500), When::Next(2)));
    let statuses: Vec<_> = (50..53).map(|at| salesforce.handle(s(at), &single("m-2", 0)).status()).collect();
    assert_eq!(statuses, [Some(500), Some(500), Some(202)]);

    salesforce.script(Rule::new(Fault::Refused, When::Between(s(60), s(90))));
    assert!(matches!(salesforce.handle(s(60), &single("m-3", 0)), Answer::Refused));
    assert_eq!(salesforce.handle(s(90), &single("m-3", 0)).status(), Some(202));

    salesforce.script(Rule::new(Fault::Multi(vec![Fault::exhausted()]), When::Next(1)));
    let answer = salesforce.handle(s(91), &single("m-4", 0));
    assert_eq!(answer.status(), Some(207));
    let entry = &body(&answer)["errorResponse"]["errorResponseEntries"][0];
    assert_eq!(entry["status"], 400);
    assert!(entry["message"].as_str().unwrap().contains("RESOURCE_EXHAUSTED"));

    salesforce.script(Rule { key: Some("other".into()), ..Rule::new(Fault::Status(403), When::Next(1)) });
    assert_eq!(salesforce.handle(s(92), &single("m-5", 0)).status(), Some(202));
}

#[test]
fn a_message_may_be_stored_without_an_answer() {
    let mut salesforce = open(Options::default());
    salesforce.script(Rule::new(Fault::AcceptThenSilence, When::Next(1)));
    assert!(matches!(salesforce.handle(s(1), &single("m-1", 0)), Answer::Silence));
    let arrival = &salesforce.arrivals()[0];
    assert!(arrival.fate.stored() && !arrival.acknowledged);
}

fn token(keys: &Keys, claims: &Value) -> String {
    let key = EncodingKey::from_rsa_pem(keys.private_pem.as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key).unwrap()
}

fn claims(now: Time, jti: &str) -> Value {
    let now_s = now.ms() / 1000;
    json!({"iss": "00DRM00000GuTE", "sub": "HVCC", "aud": "https://scrt.salesforce.com",
        "iat": now_s, "exp": now_s + 170, "jti": jti})
}

#[test]
fn tokens_are_held_to_every_rule() {
    let (keys, strange) = (Keys::new().unwrap(), Keys::new().unwrap());
    let mut salesforce =
        open(Options { tokens: Some(TokenRules::new(&keys.public_pem)), ..Options::default() });
    let mut ask = |token: Option<&str>| {
        let request = post(&format!("{KEY}/messages"), &message("m-1", 0), token);
        salesforce.handle(s(10), &request).status()
    };
    let good = token(&keys, &claims(s(10), "once"));
    assert_eq!(ask(Some(&good)), Some(202));
    assert_eq!(ask(Some(&good)), Some(401), "a jti is good for one request");
    assert_eq!(ask(None), Some(401));
    assert_eq!(ask(Some(&token(&strange, &claims(s(10), "a")))), Some(401), "another key");
    assert_eq!(ask(Some(&token(&keys, &claims(s(-200), "b")))), Some(401), "expired");
    for (claim, value) in
        [("iss", json!("x")), ("sub", json!("x")), ("aud", json!("x")), ("exp", json!(T0.ms() / 1000 + 400))]
    {
        let mut odd = claims(s(10), claim);
        odd[claim] = value;
        assert_eq!(ask(Some(&token(&keys, &odd))), Some(401), "{claim}");
    }
    let mut without = claims(s(10), "");
    without.as_object_mut().unwrap().remove("jti");
    let without = token(&keys, &without);
    assert_eq!(
        (ask(Some(&without)), ask(Some(&without))),
        (Some(202), Some(202)),
        "no jti: may be used again"
    );
    assert_eq!(salesforce.denials().len(), 8);
}

#[tokio::test]
async fn over_tls_and_both_versions_of_http() {
    let keys = Keys::new().unwrap();
    let options = Options { tokens: Some(TokenRules::new(&keys.public_pem)), ..Options::default() };
    for (tls, two) in [(false, false), (false, true), (true, false), (true, true)] {
        let wire = if tls { ServerOptions::tls(&["h2", "http/1.1"]) } else { ServerOptions::default() };
        let clock = Clock::starting_at(s(1), 1.0);
        let server = SalesforceServer::start(options.clone(), wire, clock).await.unwrap();
        server.state().open(KEY, T0);
        let mut client = Client::connect(&server.base(), server.ca_pem(), two).await.unwrap();
        let scheme = if tls { "https" } else { "http" };
        for n in 0..2 {
            let token = token(&keys, &claims(s(1), &format!("j-{n}")));
            let mut request = post(&format!("{KEY}/messages"), &message(&format!("m-{n}"), n), Some(&token));
            if two {
                request.headers_mut().remove("host");
                let path = request.uri().path();
                *request.uri_mut() = format!("{scheme}://localhost{path}").parse().unwrap();
            }
            assert_eq!(client.ask(request).await.unwrap().0, 202);
        }
        assert_eq!(server.state().transcript(KEY).len(), 2);
    }
}

#[tokio::test]
async fn a_port_can_be_closed_and_opened_again() {
    let clock = Clock::starting_at(s(1), 1.0);
    let mut server =
        SalesforceServer::start(Options::default(), ServerOptions::default(), clock).await.unwrap();
    server.state().open(KEY, T0);
    let base = server.base();
    server.server().refuse().await;
    let refused = Client::connect(&base, None, false).await.err().unwrap();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    server.server().serve().await;
    let mut client = Client::connect(&base, None, false).await.unwrap();
    assert_eq!(client.ask(single("m-1", 0)).await.unwrap().0, 202);
}

#[tokio::test]
async fn answers_break_off_or_never_come() {
    let clock = Clock::starting_at(s(1), 1.0);
    let server = SalesforceServer::start(Options::default(), ServerOptions::default(), clock).await.unwrap();
    server.state().open(KEY, T0);
    server.state().script(Rule::new(Fault::AcceptThenCut, When::Next(1)));
    server.state().script(Rule::new(Fault::AcceptThenSilence, When::Next(1)));
    let mut client = Client::connect(&server.base(), None, false).await.unwrap();
    assert!(client.ask(single("m-1", 0)).await.is_err());
    let mut client = Client::connect(&server.base(), None, false).await.unwrap();
    let asked = tokio::time::timeout(Duration::from_millis(200), client.ask(single("m-1", 0)));
    assert!(asked.await.is_err(), "no answer may come");
    assert_eq!(fates(&server.state()), [Fate::Stored, Fate::StoredAgain]);
}

#[tokio::test]
async fn a_frozen_server_says_nothing_and_a_stopped_one_is_gone() {
    let clock = Clock::starting_at(s(1), 1.0);
    let mut server =
        SalesforceServer::start(Options::default(), ServerOptions::default(), clock).await.unwrap();
    let base = server.base();
    let mut client = Client::connect(&base, None, false).await.unwrap();
    server.server().freeze().await;
    let asked = tokio::time::timeout(Duration::from_millis(200), client.ask(single("m-1", 0)));
    assert!(asked.await.is_err());
    assert!(server.state().arrivals().is_empty());
    drop(server);
    // The port closes within the grace; the connection ends with it.
    tokio::time::timeout(Duration::from_secs(5), async {
        while Client::connect(&base, None, false).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the server is gone");
}
