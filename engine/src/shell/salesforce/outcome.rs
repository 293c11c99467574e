//! What an answer means. Pure: a status and a body in, an outcome out.
//!
//! Answers may repeat what was sent. What leaves this room as a reason holds no word of it.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::call::{Outcome, Post, RetryCause};
use crate::shell::http::one_line;

/// A reason holds so many characters of the service's message.
const MAX_MESSAGE: usize = 200;

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This became of the message.
    Done(Outcome),
    /// The token was not taken; the reason, should a fresh one meet the same.
    Token(String),
}

/// Judges the answer to a post.
pub(super) fn judge(status: u16, body: &[u8], post: &Post) -> Verdict {
    let text = String::from_utf8_lossy(body);
    match status {
        207 => Verdict::Done(of_entries(body, post)),
        200..300 => Verdict::Done(Outcome::Accepted),
        _ => judge_one(status, &text, post),
    }
}

/// The rules for one status and its text: of a whole answer, or of one entry in a 207.
fn judge_one(status: u16, text: &str, post: &Post) -> Verdict {
    let retry = |cause| Verdict::Done(Outcome::Retry { cause });
    let lower = text.to_lowercase();
    if status == 429 || text.contains("RESOURCE_EXHAUSTED") {
        return retry(RetryCause::RateLimited);
    }
    if (400..500).contains(&status) && lower.contains("conversation does not exist") {
        return retry(RetryCause::NoConversation);
    }
    let said = || masked(&message_of(text), post);
    match status {
        409 if lower.contains("paused") => Verdict::Done(Outcome::Paused),
        401 | 403 => Verdict::Token(format!(
            "status {status} with a fresh token too: {}; check the private key, org_id, call_center, audience \
             and this machine's clock",
            said()
        )),
        // A gateway gave up waiting for the request: nobody has judged the message.
        408 => retry(RetryCause::Network),
        500.. => retry(RetryCause::Server),
        300..=399 => {
            Verdict::Done(Outcome::Refused(format!("status {status}, a redirect: check endpoint_base")))
        }
        _ => Verdict::Done(Outcome::Refused(format!("status {status}: {}", said()))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mixed {
    error_response: Entries,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entries {
    error_response_entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    vendor_call_key: String,
    status: Value,
    #[serde(default)]
    message: String,
}

impl Entry {
    /// The status, which may be a number or a text.
    fn status(&self) -> Option<u16> {
        let number = self.status.as_u64().and_then(|n| u16::try_from(n).ok());
        number.or_else(|| self.status.as_str()?.trim().parse().ok())
    }
}

/// The outcome in a 207. The entries that name the message decide, else those of its call, else all; of
/// several, the first that is not good.
fn of_entries(body: &[u8], post: &Post) -> Outcome {
    let entries = match serde_json::from_slice::<Mixed>(body) {
        Ok(mixed) => mixed.error_response.error_response_entries,
        Err(_) => Vec::new(),
    };
    let named = |e: &&Entry| e.message.contains(&post.message.message_id);
    let of_call = |e: &&Entry| e.vendor_call_key == post.vendor_call_key;
    let mut ours: Vec<&Entry> = entries.iter().filter(named).collect();
    if ours.is_empty() {
        ours = entries.iter().filter(of_call).collect();
    }
    if ours.is_empty() {
        ours = entries.iter().collect();
    }
    // An answer that does not say what became of the message is as good as none.
    let lost = Outcome::Retry { cause: RetryCause::Server };
    let good = |e: &&Entry| e.status().is_some_and(|s| (200..300).contains(&s));
    match (ours.is_empty(), ours.iter().find(|e| !good(e))) {
        (true, _) => lost,
        (false, None) => Outcome::Accepted,
        (false, Some(entry)) => match entry.status().map(|s| judge_one(s, &entry.message, post)) {
            Some(Verdict::Done(outcome)) => outcome,
            // The request's token was taken: the entry concerns the message.
            Some(Verdict::Token(_)) => {
                let said = masked(&entry.message, post);
                Outcome::Refused(format!("status {} in a 207: {said}", entry.status().unwrap_or_default()))
            }
            None => lost,
        },
    }
}

/// What the service says: a field of its JSON, else the text itself.
fn message_of(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let first = value.as_array().and_then(|a| a.first()).unwrap_or(&value);
    let fields = ["message", "errorMessage", "error_description", "error", "detail", "title"];
    let found = fields.into_iter().find_map(|name| first.get(name).and_then(Value::as_str));
    found.unwrap_or(text).to_owned()
}

/// The text on one line, without any word of the message and without numbers of seven digits or more, which
/// may be telephone numbers.
fn masked(text: &str, post: &Post) -> String {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
    };
    let spoken: BTreeSet<String> = words(&post.message.content.0).into_iter().collect();
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        let number = word.len() >= 7 && word.bytes().all(|b| b.is_ascii_digit());
        if number || spoken.contains(&word.to_lowercase()) {
            out.push('…');
        } else {
            out.push_str(word);
        }
        word.clear();
    };
    for c in text.chars() {
        if c.is_alphanumeric() {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    one_line(&out, MAX_MESSAGE)
}

#[cfg(test)]
#[allow(clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::call::{Message, SenderType, Spoken};

    fn post(content: &str) -> Post {
        let message = Message {
            participant_id: "keyEND_USER".into(),
            message_id: "m-1".into(),
            start_time: 1,
            end_time: 2,
            content: Spoken(content.into()),
            sender_type: SenderType::EndUser,
        };
        Post::new("key", message)
    }

    fn outcome(status: u16, body: &str) -> Outcome {
        match judge(status, body.as_bytes(), &post("hello")) {
            Verdict::Done(outcome) => outcome,
            Verdict::Token(why) => panic!("a token's affair: {why}"),
        }
    }

    const fn retry(cause: RetryCause) -> Outcome {
        Outcome::Retry { cause }
    }

    #[test]
    fn each_answer_has_its_outcome() {
        let gone =
            r#"{"message":"io.grpc.StatusRuntimeException: PERMISSION_DENIED: Conversation does not exist"}"#;
        for (status, body, expected) in [
            (200, "", Outcome::Accepted),
            (202, r#"{"result":"Accepted"}"#, Outcome::Accepted),
            (429, "", retry(RetryCause::RateLimited)),
            (400, "RESOURCE_EXHAUSTED: Rate limit exceeded", retry(RetryCause::RateLimited)),
            (503, "RESOURCE_EXHAUSTED", retry(RetryCause::RateLimited)),
            (400, gone, retry(RetryCause::NoConversation)),
            (403, gone, retry(RetryCause::NoConversation)),
            (404, gone, retry(RetryCause::NoConversation)),
            (409, r#"{"message":"Transcription paused for participant"}"#, Outcome::Paused),
            (409, "conflict", Outcome::Refused("status 409: conflict".into())),
            (404, "", Outcome::Refused("status 404: ".into())),
            (400, r#"[{"message":"bad  field"}]"#, Outcome::Refused("status 400: bad field".into())),
            (500, "", retry(RetryCause::Server)),
            (503, "Conversation does not exist", retry(RetryCause::Server)),
        ] {
            assert_eq!(outcome(status, body), expected, "{status} {body}");
        }
        assert!(matches!(judge(401, b"", &post("x")), Verdict::Token(_)));
    }

    #[test]
    fn in_a_207_the_entry_of_the_message_decides() {
        let body = |entries: &str| format!(r#"{{"errorResponse":{{"errorResponseEntries":[{entries}]}}}}"#);
        let entry = |key: &str, status: &str, message: &str| {
            format!(r#"{{"vendorCallKey":"{key}","status":{status},"message":"{message}"}}"#)
        };
        let good = entry("key", "202", "Successfully Processed Transcripts with Id(s) [m-1]");
        let limited = "Error Processing Transcript with Id(s) [m-1]. Error: RESOURCE_EXHAUSTED";
        for (entries, expected) in [
            (good.clone(), Outcome::Accepted),
            (entry("key", "400", limited), retry(RetryCause::RateLimited)),
            (entry("key", r#""400""#, limited), retry(RetryCause::RateLimited)),
            (entry("key", "400", "Conversation does not exist"), retry(RetryCause::NoConversation)),
            (entry("key", "409", "Transcription paused for participant"), Outcome::Paused),
            (entry("key", "500", "oops"), retry(RetryCause::Server)),
            (entry("key", "403", "no"), Outcome::Refused("status 403 in a 207: no".into())),
            (format!("{},{good}", entry("other", "400", "bad")), Outcome::Accepted),
            (format!("{},{good}", entry("key", "400", "of [m-2]")), Outcome::Accepted),
            (String::new(), retry(RetryCause::Server)),
        ] {
            assert_eq!(outcome(207, &body(&entries)), expected, "{entries}");
        }
        assert_eq!(outcome(207, "<html>"), retry(RetryCause::Server), "an answer that says nothing");
    }

    #[test]
    fn no_word_of_the_message_and_no_number_reaches_a_reason() {
        let post = post("My card is 4111 one, Müller");
        let body = br#"{"message":"cannot read \"my card is 4111 ONE, M\u00fcll\" of +15555550100 in card"}"#;
        let Verdict::Done(Outcome::Refused(why)) = judge(400, body, &post) else { panic!("not refused") };
        for word in ["card", "4111", "ONE", "15555550100"] {
            assert!(!why.contains(word), "{why}");
        }
        assert!(why.starts_with("status 400: cannot read"), "{why}");
        let long = "x ".repeat(5000);
        let Verdict::Done(Outcome::Refused(why)) = judge(400, long.as_bytes(), &post) else { panic!() };
        assert!(why.chars().count() < 250);
    }
}
