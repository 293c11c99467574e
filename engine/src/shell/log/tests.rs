//! The shape of the lines, and that what must not be printed is not.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing::{debug, info, warn};

use super::*;
use crate::call::Spoken;
use crate::shell::payload::PhoneNumber;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is written while `work` runs on this thread.
fn written(options: &LogOptions, json: bool, work: impl FnOnce()) -> String {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = subscriber(options, json, false, move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, work);
    String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
}

fn lines(options: &LogOptions, work: impl FnOnce()) -> Vec<Value> {
    written(options, true, work).lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn a_line_of_a_call_is_found_by_context_contact_id() {
    let lines = lines(&LogOptions::default(), || {
        let _in_call = call_span("contact-1").entered();
        let inner = tracing::info_span!("connection", number = 2);
        inner.in_scope(|| warn!(target: "engine::shell::kinesis", gap_ms = 20, cause = ?"stalled", "a gap\nof two lines"));
    });
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(line["context"]["contactId"], "contact-1");
    assert_eq!((&line["level"], &line["message"]), (&"WARN".into(), &"a gap\nof two lines".into()));
    assert_eq!(line["fields"]["gap_ms"], 20);
    assert_eq!(line["target"], "engine::shell::kinesis");
    let stamp = line["timestamp"].as_str().unwrap();
    assert!(stamp.len() == 24 && stamp.ends_with('Z'), "{stamp}");
}

#[test]
fn the_contact_goes_along_across_tasks_and_does_not_leak_into_others() {
    let lines = lines(&LogOptions::default(), || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let call = |id: &'static str| {
                of_call(
                    id,
                    async move { spawn(async move { info!(target: "engine", id, "in a task") }).await },
                )
            };
            let (one, two) = tokio::join!(call("one"), call("two"));
            one.and(two).unwrap();
            info!(target: "engine", "outside");
        });
    });
    assert_eq!(lines.len(), 3);
    for line in &lines[..2] {
        assert_eq!(line["context"]["contactId"], line["fields"]["id"]);
    }
    assert_eq!(lines[2].get("context"), None);
}

#[test]
fn a_strict_filter_does_not_cost_the_contact() {
    let options = LogOptions { level: "error".into(), ..LogOptions::default() };
    let lines = lines(&options, || {
        let _in_call = call_span("contact-1").entered();
        warn!(target: "engine", "not written");
        tracing::error!(target: "engine", "written");
    });
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&line["message"], &line["context"]["contactId"]), (&"written".into(), &"contact-1".into()));
}

#[test]
fn libraries_never_print_what_they_carry() {
    let options = LogOptions { filter: Some("trace".into()), ..LogOptions::default() };
    let text = written(&options, true, || {
        debug!(target: "aws_smithy_runtime::body", "my card number is");
        debug!(target: "engine::shell", "ours");
    });
    assert!(text.contains("ours") && !text.contains("card"), "{text}");
    let quiet = written(&LogOptions::default(), true, || info!(target: "hyper", "connected"));
    assert_eq!(quiet, "");
}

#[test]
fn what_was_said_and_who_called_is_never_written() {
    for json in [true, false] {
        let text = written(&LogOptions::default(), json, || {
            let spoken = Spoken("my card number".into());
            let phone = PhoneNumber::new("+15555550100");
            let _in_call = call_span("contact-1").entered();
            info!(target: "engine", ?spoken, ?phone, %phone, "an utterance {spoken:?} of {phone}");
        });
        assert!(text.contains('…') && text.contains("contact-1"), "{text}");
        assert!(!text.contains("card") && !text.contains("5555"), "{text}");
    }
}

#[test]
fn a_long_field_is_cut() {
    let text = written(&LogOptions::default(), true, || info!(target: "engine", "{}", "ä".repeat(100_000)));
    assert!(text.len() < 9000, "{}", text.len());
}

#[test]
fn what_is_wrong_with_the_options_is_said() {
    let bad = |options: LogOptions| match subscriber(&options, true, false, stderr) {
        Ok(_) => panic!("{options:?}"),
        Err(error) => error.to_string(),
    };
    assert!(
        bad(LogOptions { level: "loud".into(), ..LogOptions::default() }).contains("[log] level: `loud`")
    );
    let filter = LogOptions { filter: Some("engine=loud".into()), ..LogOptions::default() };
    assert!(bad(filter).contains("[log] filter"));
}
