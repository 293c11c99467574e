//! Requests and answers as JSON.

use serde::Deserialize;
use serde_json::{Value, json};

/// Calls in a bulk request at most.
const MAX_CALLS: usize = 5;
/// Messages of a call in a bulk request at most.
const MAX_MESSAGES: usize = 5;

/// One message.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    pub(super) participant_id: String,
    pub(super) message_id: String,
    pub(super) start_time: i64,
    pub(super) end_time: i64,
    pub(super) content: String,
    pub(super) sender_type: String,
}

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// `voiceCalls/{key}/messages`.
    Single(String),
    /// `voiceCalls/messages`.
    Bulk,
}

#[derive(Debug, Deserialize)]
struct BulkBody {
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    vendor_call_key: String,
    messages: Vec<Message>,
}

/// Reads a path; `None` where nothing is served.
pub(super) fn target(path: &str) -> Option<Target> {
    match path.strip_prefix("/telephony/v1/voiceCalls/")? {
        "messages" => Some(Target::Bulk),
        rest => {
            let key = rest.strip_suffix("/messages")?;
            (!key.is_empty() && !key.contains('/')).then(|| Target::Single(key.to_owned()))
        }
    }
}

/// Reads a body into messages with their calls; the error is the reason.
pub(super) fn messages(target: &Target, body: &[u8]) -> Result<Vec<(String, Message)>, String> {
    match target {
        Target::Single(key) => {
            let message: Message = serde_json::from_slice(body).map_err(|e| e.to_string())?;
            Ok(vec![(key.clone(), message)])
        }
        Target::Bulk => {
            let body: BulkBody = serde_json::from_slice(body).map_err(|e| e.to_string())?;
            if body.entries.len() > MAX_CALLS || body.entries.iter().any(|e| e.messages.len() > MAX_MESSAGES)
            {
                return Err(format!("more than {MAX_CALLS} calls or {MAX_MESSAGES} messages of a call"));
            }
            let of_entry = |e: Entry| e.messages.into_iter().map(move |m| (e.vendor_call_key.clone(), m));
            Ok(body.entries.into_iter().flat_map(of_entry).collect())
        }
    }
}

/// What is wrong with a message by itself, by the guide's description of the fields.
pub(super) fn fault_of(key: &str, message: &Message) -> Option<String> {
    let own = |suffix: &str| message.participant_id == format!("{key}{suffix}");
    let participant = match message.sender_type.as_str() {
        "END_USER" | "VIRTUAL_AGENT" | "SUPERVISOR" => own(&message.sender_type),
        "HUMAN_AGENT" => {
            let id = &message.participant_id;
            id.starts_with("005") && matches!(id.len(), 15 | 18) && id.chars().all(char::is_alphanumeric)
        }
        "EXTERNAL_USER" => !message.participant_id.is_empty(),
        other => return Some(format!("senderType {other}")),
    };
    if !participant {
        return Some(format!("participantId {} of {}", message.participant_id, message.sender_type));
    }
    if message.message_id.is_empty() || message.content.is_empty() {
        return Some("messageId or content is empty".to_owned());
    }
    (message.end_time < message.start_time).then(|| "endTime before startTime".to_owned())
}

/// The body that says "accepted".
pub(super) fn accepted() -> Value {
    json!({"result": "Accepted"})
}

/// The body of a refusal.
pub(super) fn refused(message: &str) -> Value {
    json!({ "message": message })
}

/// The body of a 207 for messages with their outcomes.
pub(super) fn multi<'a>(entries: impl Iterator<Item = (&'a str, &'a str, u16, &'a str)>) -> Value {
    let entry = |(key, id, status, message): (&str, &str, u16, &str)| {
        let message = match status {
            200..300 => format!("Successfully Processed Transcripts with Id(s) [{id}]"),
            409 => message.to_owned(),
            _ => format!("Error Processing Transcript with Id(s) [{id}]. Error: {message}"),
        };
        json!({"vendorCallKey": key, "status": status, "message": message})
    };
    json!({
        "result": "Multi-Status: A few messages were not processed",
        "errorResponse": {"errorResponseEntries": entries.map(entry).collect::<Vec<_>>()}
    })
}
