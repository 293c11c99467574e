//! Many calls in one worker, asked over HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use engine::time::{Span, Time};
use fixtures::Party;
use fixtures::kinesis::Shape;
use serde_json::{Value, json};
use tests::live::{Answer, Begun, Lab, Program, Talk, request, until};

use crate::call::{is_discreet, talk};
use crate::{FAST, settings, transcribe};

const TOKEN: &str = "a-token-that-is-long-enough";

/// A worker and where it listens.
pub(crate) struct Worker {
    pub(crate) program: Program,
    address: SocketAddr,
}

impl Worker {
    pub(crate) async fn start(lab: &Lab, more: &[&str]) -> Self {
        let mut set = settings(lab, &["worker.bind=127.0.0.1:0", "live.resolve_key=true"]);
        set.extend(more.iter().map(|s| (*s).to_owned()));
        let config =
            format!("[[worker.tokens]]\ntoken = \"{TOKEN}\"\nscopes = [\"calls\", \"events\", \"read\"]\n");
        let config = lab.write("worker.toml", &config);
        let arguments = ["worker", "--config", config.to_str().unwrap()];
        let mut program = transcribe(&arguments, &set, "").await;
        let line: Value = serde_json::from_str(&program.says("listening").await).unwrap();
        let address = line["fields"]["address"].as_str().unwrap().parse().unwrap();
        Self { program, address }
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        request(self.address, method, path, Some(TOKEN), body).await
    }

    pub(crate) async fn begin(&self, call: &Begun) -> Answer {
        self.ask("POST", "/v1/calls", Some(&call.trigger())).await
    }

    pub(crate) async fn status(&self, call: &Begun) -> Value {
        self.ask("GET", &format!("/v1/calls/{}", call.contact), None).await.body
    }

    pub(crate) async fn event(&self, call: &Begun, event: &Value) -> u16 {
        self.ask("POST", &format!("/v1/calls/{}/events", call.contact), Some(event)).await.status
    }

    /// Waits until the worker tells this of the call.
    pub(crate) async fn shows(&self, call: &Begun, what: &str, so: impl Fn(&Value) -> bool) -> Value {
        let looking = async {
            loop {
                let status = self.status(call).await;
                if so(&status) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        match tokio::time::timeout(tests::live::PATIENCE, looking).await {
            Ok(status) => status,
            Err(_) => panic!("never shown: {what}; now {}", self.status(call).await),
        }
    }

    pub(crate) async fn ended(&self, call: &Begun) -> Value {
        self.shows(call, "its end", |s| s["state"] == "ended").await
    }
}

#[tokio::test]
async fn a_call_is_started_once_shown_and_transcribed_and_a_second_start_changes_nothing() {
    let lab = Lab::new().await;
    let worker = Worker::start(&lab, &[]).await;
    let call = lab.begin(&talk());
    assert_eq!(request(worker.address, "POST", "/v1/calls", None, Some(&call.trigger())).await.status, 401);
    let first = worker.begin(&call).await;
    assert_eq!((first.status, &first.body["result"]), (202, &json!("started")));
    worker.shows(&call, "audio", |s| s["state"] == "running").await;
    let second = worker.begin(&call).await;
    assert_eq!((second.status, &second.body["result"]), (200, &json!("alreadyRunning")));
    let ended = worker.ended(&call).await;
    assert_eq!(
        (&ended["delivered"], &ended["waiting"], &ended["segments"]),
        (&json!(4), &json!(0), &json!(1))
    );
    lab.judge(&call.key, &call.truth);
    assert_eq!(lab.transcribe.state().records().len(), 1, "one call, one session");
    let list = worker.ask("GET", "/v1/calls", None).await.body;
    assert_eq!(list["calls"].as_array().unwrap().len(), 1);
    let metrics = worker.ask("GET", "/metrics", None).await.text;
    for line in [
        "kvscribe_messages_total{outcome=\"delivered\"} 4",
        "kvscribe_calls_ended_total{",
        "kvscribe_speech_to_post_seconds_count 4",
        "kvscribe_start_requests_total{",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    worker.program.terminate().await;
    let ended = worker.program.ended().await.with(0);
    is_discreet(&ended, &call);
    let of_call = |line: &Value| line["context"]["contactId"] == call.contact.as_str();
    let lines = ended.json_lines();
    assert!(lines.iter().filter(|l| of_call(l)).count() >= 4, "{}", ended.stderr);
}

#[tokio::test]
async fn hold_and_pause_over_http_are_silent_and_events_may_come_before_their_call() {
    let lab = Lab::new().await;
    let worker = Worker::start(&lab, &[]).await;
    let talk = Talk::new()
        .say(Party::Customer, 300, "four one two")
        .say(Party::Customer, 2_500, "hello")
        .say(Party::Agent, 4_500, "five six seven eight")
        .say(Party::Agent, 7_000, "goodbye");
    let call = lab.begin(&talk);
    let resumed = {
        // The recording was paused before anybody knew of the call.
        let mut event = call.event("PAUSE_RECORDING");
        event["at"] = json!(call.start.ms());
        assert_eq!(worker.event(&call, &event).await, 202);
        worker.begin(&call).await;
        lab.wait(call.at(1_500)).await;
        worker.event(&call, &call.event("RESUME_RECORDING")).await
    };
    assert_eq!(resumed, 202);
    worker.shows(&call, "an open gate", |s| s["gateClosed"] == false).await;
    lab.wait(call.at(3_500)).await;
    assert_eq!(worker.event(&call, &call.event("hold")).await, 202);
    // The same event again is no second hold.
    assert_eq!(worker.event(&call, &call.event("HOLD")).await, 202);
    worker.shows(&call, "a closed gate", |s| s["gateClosed"] == true).await;
    lab.wait(call.at(5_700)).await;
    assert_eq!(worker.event(&call, &call.event("resume")).await, 202);
    worker.ended(&call).await;
    let open: Vec<_> =
        call.truth.iter().filter(|u| matches!(u.text.as_str(), "hello" | "goodbye")).cloned().collect();
    lab.judge(&call.key, &open);
    let state = lab.transcribe.state();
    for record in state.records() {
        for channel in 0..2 {
            let samples: Vec<i16> = record.samples.iter().skip(channel).step_by(2).copied().collect();
            let heard = fixtures::tone::Decoder::new(8000).feed(&samples);
            for word in heard {
                assert!(["hello", "goodbye"].contains(&word.word), "P2: {word:?} left the process");
            }
        }
    }
}

#[tokio::test]
async fn a_worker_at_capacity_says_so_and_takes_the_call_when_there_is_room() {
    let lab = Lab::new().await;
    let worker = Worker::start(&lab, &["worker.max_calls=1"]).await;
    let [first, second] = [lab.begin(&talk().open_ended()), lab.begin(&talk())];
    assert_eq!(worker.begin(&first).await.status, 202);
    assert_eq!(worker.begin(&second).await.status, 429);
    assert_eq!(request(worker.address, "GET", "/readyz", None, None).await.status, 503);
    lab.wait(first.at(4_800)).await;
    // The words of the drained call arrive, and its place is free.
    let path = format!("/v1/calls/{}", first.contact);
    assert_eq!(worker.ask("DELETE", &path, None).await.status, 202);
    worker.ended(&first).await;
    lab.judge(&first.key, &first.truth);
    assert_eq!(worker.begin(&second).await.status, 202);
    worker.ended(&second).await;
    lab.judge(&second.key, &second.truth);
}

/// The call goes on later, in a stream of its own.
fn goes_on(lab: &Lab, call: &Begun, talk: &Talk, start: Time, stream: &str) -> Begun {
    let talk = Talk {
        contact: call.contact.clone(),
        shape: Shape { first_serial: 5_000, ..Shape::default() },
        ..talk.clone()
    };
    // The conversation stays the one that was opened.
    let later = lab.announce_leg(&talk, &call.key, start, stream);
    lab.kinesis.state().play(&later.stream, start, talk.stored(start));
    later
}

#[tokio::test]
async fn a_second_segment_goes_on_under_the_same_key_while_the_call_runs_and_after_it() {
    let lab = Lab::new().await;
    let worker = Worker::start(&lab, &["live.end_grace_ms=1500"]).await;
    let call = lab.begin(&Talk::new().say(Party::Customer, 300, "hello"));
    worker.begin(&call).await;
    // Streaming has stopped; before the grace is over the call goes on elsewhere.
    let more = Talk::new().say(Party::Agent, 500, "morning");
    let later = goes_on(&lab, &call, &more, Time::from_ms((call.end + Span::from_ms(600)).ms()), "later");
    lab.wait(later.start).await;
    let answer = worker.begin(&later).await;
    assert_eq!((answer.status, &answer.body["result"]), (202, &json!("segment")));
    let ended = worker.ended(&call).await;
    assert_eq!(ended["segments"], 2);
    let said: Vec<_> = call.truth.iter().chain(&later.truth).cloned().collect();
    lab.judge(&call.key, &said);
    // A trigger that comes when all was over begins the call anew.
    let last = Talk::new().say(Party::Customer, 500, "again");
    let last = goes_on(&lab, &call, &last, Time::from_ms(lab.now().ms()), "last");
    assert_eq!(worker.begin(&last).await.body["result"], "started");
    let all: Vec<_> = said.iter().chain(&last.truth).cloned().collect();
    until("the last word", || lab.salesforce.state().transcript(&call.key).len() == all.len()).await;
    worker.ended(&call).await;
    lab.judge(&call.key, &all);
}

#[tokio::test]
async fn without_a_store_sigterm_in_mid_call_hands_on_what_was_heard_and_says_what_remained() {
    let mut lab = Lab::new().await;
    let worker = Worker::start(&lab, &["store.kind=none", "worker.drain_deadline_s=3"]).await;
    let talk =
        || talk().say(Party::Customer, 5_600, "money").say(Party::Agent, 30_000, "number").open_ended();
    let calls = [lab.begin(&talk()), lab.begin(&talk())];
    for call in &calls {
        assert_eq!(worker.begin(call).await.status, 202);
    }
    for call in &calls {
        worker.shows(call, "four messages", |s| s["delivered"] == 4).await;
    }
    // What is said next cannot be delivered any more.
    lab.salesforce.server().refuse().await;
    lab.wait(calls[1].at(7_200)).await;
    worker.program.terminate().await;
    let refused = async {
        // It answers until its calls are over.
        while worker.begin(&calls[0]).await.status != 503 {}
    };
    tokio::time::timeout(Duration::from_secs(3), refused).await.expect("it takes no more calls");
    let ended = worker.program.ended().await.with(1);
    for call in &calls {
        lab.judge(&call.key, &call.truth[..4]);
        let remained = format!("call {}: 1 messages were not delivered", call.contact);
        assert!(ended.stderr.contains(&remained), "{}", ended.stderr);
    }
    is_discreet(&ended, &calls[0]);
}

#[tokio::test]
async fn a_worker_in_shadow_posts_nothing() {
    let lab = Lab::new().await;
    let file = lab.path("worker.jsonl");
    let mut set = lab.settings_without_key();
    set.extend(FAST.map(str::to_owned));
    set.push("worker.bind=127.0.0.1:0".to_owned());
    let arguments = ["worker", "--shadow", file.to_str().unwrap()];
    let mut program = transcribe(&arguments, &set, "").await;
    let line: Value = serde_json::from_str(&program.says("listening").await).unwrap();
    let address = line["fields"]["address"].as_str().unwrap().parse().unwrap();
    let calls = [lab.past(&talk()), lab.past(&talk())];
    for call in &calls {
        assert_eq!(request(address, "POST", "/v1/calls", None, Some(&call.trigger())).await.status, 202);
    }
    until("both calls in the file", || {
        std::fs::read_to_string(&file).is_ok_and(|text| text.lines().count() == 8)
    })
    .await;
    program.terminate().await;
    let _ = program.ended().await.with(0);
    assert!(lab.salesforce.state().arrivals().is_empty());
}

#[tokio::test]
async fn a_worker_that_cannot_start_says_why() {
    let lab = Lab::new().await;
    for (option, said) in [
        ("worker.bind=0.0.0.0:0", "token"),
        ("worker.max_calls=many", "max_calls"),
        ("salesforce.secret_name=acme-scv", "private_key_file"),
    ] {
        let ended = transcribe(&["worker"], &settings(&lab, &[option]), "").await.ended().await.with(2);
        assert!(ended.stderr.contains(said), "{option}: {}", ended.stderr);
    }
}
