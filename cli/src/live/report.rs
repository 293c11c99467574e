//! The closing summary of a call as one readable block.

use std::fmt::Write;

use engine::call::{EndReason, Summary, Unposted};
use serde::Serialize;

/// The block, without a line end behind it.
pub(crate) fn text(summary: &Summary) -> String {
    let mut out = format!("call {}\n", summary.contact);
    let mut line = |label: &str, text: String| {
        let _ = writeln!(out, "  {label:<11}{text}");
    };
    let key = if summary.key_unresolved { " (the first contact of the chain is not known)" } else { "" };
    if summary.vendor_call_key != summary.contact || summary.key_unresolved {
        line("key", format!("{}{key}", summary.vendor_call_key));
    }
    line("ended", end(&summary.end));
    if summary.resumed > 0 {
        let s = if summary.resumed == 1 { "" } else { "s" };
        line("resumed", format!("{} time{s}, behind workers that are gone", summary.resumed));
    }
    line("audio", audio(summary));
    line("stream", stream(summary));
    line("sessions", sessions(summary));
    line("gate", gate(summary));
    line("messages", messages(summary));
    for (id, message) in &summary.messages.refused {
        line("refused", unposted(id, message, summary.start_time));
    }
    for (id, message) in &summary.messages.undelivered {
        line("undelivered", unposted(id, message, summary.start_time));
    }
    for (reason, dropped) in &summary.drops {
        line("let go", format!("{}: {} times, {} bytes", reason.name(), dropped.count, dropped.bytes));
    }
    out.trim_end().to_owned()
}

fn end(reason: &EndReason) -> String {
    match reason {
        EndReason::MediaEnded => "the media was complete".to_owned(),
        EndReason::StopStreaming => "streaming was stopped".to_owned(),
        EndReason::ContactsEnded => "every contact was over".to_owned(),
        EndReason::Idle => "no audio came any more".to_owned(),
        EndReason::Stopped => "it was told to stop".to_owned(),
        EndReason::LeaseLost => "another process has it".to_owned(),
        EndReason::MediaFailed(why) => format!("media failed: {why}"),
        EndReason::RecogniserFailed(why) => format!("the recogniser failed: {why}"),
        other => format!("{other:?}"),
    }
}

fn seconds(ms: i64) -> String {
    format!("{}.{:01} s", ms / 1000, ms % 1000 / 100)
}

fn audio(summary: &Summary) -> String {
    let audio = &summary.audio;
    let mut text = seconds(audio.duration_ms);
    let gaps = audio.gaps.customer + audio.gaps.agent;
    if gaps > 0 {
        let _ = write!(text, ", {gaps} gaps filled with silence");
    }
    if audio.jumps > 0 {
        let _ = write!(text, ", {} jumps of its clock", audio.jumps);
    }
    text
}

fn stream(summary: &Summary) -> String {
    let media = &summary.media;
    let mut text = format!("{} fragments", media.fragments);
    if media.foreign_fragments > 0 {
        let _ = write!(text, ", {} of other contacts", media.foreign_fragments);
    }
    let connections: u64 = media.selectors.values().sum();
    let _ = write!(text, ", {connections} connections");
    text + &list(&media.reconnects)
}

fn sessions(summary: &Summary) -> String {
    let said = &summary.recogniser;
    let text = format!("{}, {} words", said.sessions, said.words);
    text + &list(&said.failures)
}

/// ` (name n, name n)`, with the names as the summary spells them.
fn list<K: Serialize>(counts: &std::collections::BTreeMap<K, u64>) -> String {
    if counts.is_empty() {
        return String::new();
    }
    let name = |key: &K| serde_json::to_value(key).ok().and_then(|v| v.as_str().map(str::to_owned));
    let parts: Vec<_> =
        counts.iter().map(|(key, n)| format!("{} {n}", name(key).unwrap_or_default())).collect();
    format!(" ({})", parts.join(", "))
}

/// Which message is not there, where in the audio to listen for it, and why it is not.
fn unposted(id: &str, message: &Unposted, start: Option<i64>) -> String {
    let from = message.start_time - start.unwrap_or(message.start_time);
    let until = from + (message.end_time - message.start_time);
    format!("{id}, {} from {} to {}: {}", message.party, seconds(from), seconds(until), message.why)
}

fn gate(summary: &Summary) -> String {
    let gate = &summary.gate;
    if gate.events == 0 {
        return "no events".to_owned();
    }
    let mut text = format!("{} events, closed for {}", gate.events, seconds(gate.closed_ms));
    if gate.exposed_ms > 0 {
        let words = gate.exposed_words;
        let _ =
            write!(text, ", EXPOSED {} ({words} words posted before it was known)", seconds(gate.exposed_ms));
    }
    if gate.doubtful_ms > 0 {
        let _ = write!(text, ", nobody there to hear events for {}", seconds(gate.doubtful_ms));
    }
    if gate.cut_words > 0 {
        let _ = write!(text, ", {} words cut", gate.cut_words);
    }
    if gate.closed_at_end {
        text.push_str(", still closed at the end");
    }
    text
}

fn messages(summary: &Summary) -> String {
    let messages = &summary.messages;
    let mut text = format!("{} delivered", messages.delivered);
    for (count, what) in [
        (messages.retries, "retries"),
        (messages.resent, "sent again after a pause"),
        (messages.ambiguous, "sent again and perhaps there twice"),
        (messages.refused.len() as u64, "refused"),
        (messages.undelivered.len() as u64, "not delivered"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text + &list(&messages.not_taken)
}
