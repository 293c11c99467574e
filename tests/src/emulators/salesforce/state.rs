//! The state machine: conversations and what arrives for them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use engine::time::{Span, Time};
use serde_json::Value;

use super::arrivals::{Arrival, Fate};
use super::script::{Fault, Rule, Script};
use super::token::{Gatekeeper, TokenRules};
use super::wire::{self, Message, Target};

/// What a conversation that is unknown or over says.
const NO_CONVERSATION: &str =
    "io.grpc.StatusRuntimeException: PERMISSION_DENIED: Conversation does not exist";
/// What the bulk API says of a paused conversation.
const PAUSED: &str = "Transcription paused for participant";

/// What a message meets while its conversation is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paused {
    /// It is acknowledged and thrown away.
    Discard,
    /// 409.
    Conflict,
}

/// How Salesforce behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What tokens must say; absent: tokens are not looked at.
    pub tokens: Option<TokenRules>,
    /// Messages with an id that is stored already are acknowledged and not stored again.
    pub deduplicates: bool,
    /// While paused, the single API.
    pub paused_single: Paused,
    /// While paused, the bulk API.
    pub paused_bulk: Paused,
    /// An utterance must lie in its conversation, give or take so much; absent: not looked at.
    pub time_tolerance: Option<Span>,
    /// From a request to its answer.
    pub latency: Span,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tokens: None,
            deduplicates: false,
            paused_single: Paused::Discard,
            paused_bulk: Paused::Conflict,
            time_tolerance: Some(Span::from_s(5)),
            latency: Span::ZERO,
        }
    }
}

/// What a request meets.
#[derive(Debug, Clone)]
pub enum Answer {
    /// This answer, so much later.
    Reply {
        /// Status and JSON body.
        response: http::Response<Bytes>,
        /// From the request to the answer.
        after: Span,
    },
    /// Nothing, ever: the client's time-out must end it.
    Silence,
    /// The connection breaks.
    Cut,
    /// The connection was not accepted.
    Refused,
}

impl Answer {
    /// Status of the answer, if there is one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Reply { response, .. } => Some(response.status().as_u16()),
            Self::Silence | Self::Cut | Self::Refused => None,
        }
    }
}

/// A conversation that takes messages.
#[derive(Debug, Clone)]
struct Conversation {
    started: Time,
    /// Before this nobody knows of it.
    known: Time,
    paused: bool,
    ids: BTreeSet<String>,
    /// Latest stored start of each participant, epoch milliseconds.
    latest_ms: BTreeMap<String, i64>,
    /// When the last answer to each participant's messages goes out.
    busy: BTreeMap<String, Time>,
}

/// Salesforce.
#[derive(Debug, Clone)]
pub struct Salesforce {
    options: Options,
    gatekeeper: Option<Gatekeeper>,
    conversations: BTreeMap<String, Conversation>,
    script: Script,
    arrivals: Vec<Arrival>,
    denials: Vec<(Time, String)>,
}

impl Salesforce {
    /// Without a single conversation.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            gatekeeper: options.tokens.clone().map(Gatekeeper::new),
            options,
            conversations: BTreeMap::new(),
            script: Script::default(),
            arrivals: Vec::new(),
            denials: Vec::new(),
        }
    }

    /// The conversation of a call exists from now on; it began at `started`.
    pub fn open(&mut self, key: &str, started: Time) {
        self.open_late(key, started, Time::MIN);
    }

    /// The same for a conversation whose record appears only at `known`: until then it does not exist.
    pub fn open_late(&mut self, key: &str, started: Time, known: Time) {
        let conversation = Conversation {
            started,
            known,
            paused: false,
            ids: BTreeSet::new(),
            latest_ms: BTreeMap::new(),
            busy: BTreeMap::new(),
        };
        self.conversations.insert(key.to_owned(), conversation);
    }

    /// Hold or a paused recording begins or ends in a conversation.
    pub fn pause(&mut self, key: &str, paused: bool) {
        if let Some(conversation) = self.conversations.get_mut(key) {
            conversation.paused = paused;
        }
    }

    /// A conversation is over: from now on it does not exist.
    pub fn end(&mut self, key: &str) {
        self.conversations.remove(key);
    }

    /// Adds a fault; earlier ones strike first.
    pub fn script(&mut self, rule: Rule) {
        self.script.add(rule);
    }

    /// Every message that arrived, in order, whatever became of it.
    #[must_use]
    pub fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    /// Requests without a good token: when, and what was wrong.
    #[must_use]
    pub fn denials(&self) -> &[(Time, String)] {
        &self.denials
    }

    /// The transcript of a call as Salesforce shows it: by start.
    #[must_use]
    pub fn transcript(&self, key: &str) -> Vec<&Arrival> {
        let mut stored: Vec<&Arrival> =
            self.arrivals.iter().filter(|a| a.key == key && a.fate.stored()).collect();
        stored.sort_by_key(|a| a.start_ms);
        stored
    }

    /// Takes a request with its whole body.
    pub fn handle(&mut self, now: Time, request: &http::Request<Bytes>) -> Answer {
        let Some(target) = wire::target(request.uri().path()) else {
            return self.reply(404, &wire::refused("no such resource"));
        };
        if request.method() != http::Method::POST {
            return self.reply(405, &wire::refused("only POST"));
        }
        // Faults come before everything else: an overloaded service looks at no token.
        let messages = wire::messages(&target, request.body());
        let keys: Vec<String> = messages.iter().flatten().map(|(key, _)| key.clone()).collect();
        let fault = self.script.strike(now, &keys);
        if let Some(fault) = &fault
            && let Some(answer) = self.struck(now, fault, messages.as_deref().unwrap_or_default())
        {
            return answer;
        }
        if let Err((status, reason)) = self.admit(now, request) {
            for (key, message) in messages.iter().flatten() {
                self.keep(now, key, message, Fate::Refused(status), Span::ZERO);
            }
            return self.reply(status, &wire::refused(&reason));
        }
        match messages {
            Ok(messages) => self.take(now, &target, &messages, fault.as_ref()),
            Err(reason) => self.reply(400, &wire::refused(&reason)),
        }
    }

    /// Looks at the headers.
    fn admit(&mut self, now: Time, request: &http::Request<Bytes>) -> Result<(), (u16, String)> {
        let header = |name| request.headers().get(name).and_then(|v: &http::HeaderValue| v.to_str().ok());
        if let Some(gatekeeper) = &mut self.gatekeeper
            && let Err(reason) = gatekeeper.check(now, header("authorization"))
        {
            self.denials.push((now, reason.clone()));
            return Err((401, reason));
        }
        if header("telephony-provider-name").is_none_or(str::is_empty) {
            return Err((400, "Telephony-Provider-Name is missing".to_owned()));
        }
        if !header("content-type").is_some_and(|t| t.starts_with("application/json")) {
            return Err((415, "Content-Type is not application/json".to_owned()));
        }
        Ok(())
    }

    /// What a fault does instead of good treatment; `None` where the request is treated well first.
    fn struck(&mut self, now: Time, fault: &Fault, messages: &[(String, Message)]) -> Option<Answer> {
        let (fate, answer) = match fault {
            Fault::Status(status) => {
                (Fate::Refused(*status), self.reply(*status, &wire::refused("by script")))
            }
            Fault::Body(status, body) => (Fate::Refused(*status), self.reply_text(*status, body.clone())),
            Fault::Silence => (Fate::Unanswered, Answer::Silence),
            Fault::Refused => (Fate::Unanswered, Answer::Refused),
            Fault::Multi(_) | Fault::AcceptThenSilence | Fault::AcceptThenCut | Fault::Late(_) => {
                return None;
            }
        };
        if !matches!(fault, Fault::Refused) {
            for (key, message) in messages {
                self.keep(now, key, message, fate.clone(), Span::ZERO);
            }
        }
        Some(answer)
    }

    /// Takes well-formed messages and answers.
    fn take(
        &mut self,
        now: Time,
        target: &Target,
        messages: &[(String, Message)],
        fault: Option<&Fault>,
    ) -> Answer {
        let after = match fault {
            Some(Fault::Late(span)) => *span,
            _ => self.options.latency,
        };
        let silent = matches!(fault, Some(Fault::AcceptThenSilence | Fault::AcceptThenCut));
        let mut outcomes = Vec::new();
        for (n, (key, message)) in messages.iter().enumerate() {
            let scripted = match fault {
                Some(Fault::Multi(entries)) => entries.get(n).or(entries.last()).cloned(),
                _ => None,
            };
            let judged = match scripted {
                Some((status, text)) if !(200..300).contains(&status) => Err((status, text)),
                _ => self.judge(now, target, key, message),
            };
            let (fate, status, text) = match judged {
                Ok(fate) => (fate, 202, String::new()),
                Err((status, text)) => (Fate::Refused(status), status, text),
            };
            self.keep(now, key, message, fate, after);
            if silent && let Some(last) = self.arrivals.last_mut() {
                last.acknowledged = false;
            }
            outcomes.push((key.as_str(), message.message_id.as_str(), status, text));
        }
        match fault {
            Some(Fault::AcceptThenSilence) => return Answer::Silence,
            Some(Fault::AcceptThenCut) => return Answer::Cut,
            _ => {}
        }
        let all_good = outcomes.iter().all(|o| o.2 == 202);
        let mixed = *target == Target::Bulk || matches!(fault, Some(Fault::Multi(_)));
        let (status, body) = match outcomes.first() {
            _ if all_good => (202, wire::accepted()),
            Some((_, _, status, text)) if !mixed => (*status, wire::refused(text)),
            _ => (207, wire::multi(outcomes.iter().map(|(k, id, s, t)| (*k, *id, *s, t.as_str())))),
        };
        self.reply_after(status, &body, after)
    }

    /// What becomes of a message.
    fn judge(&self, now: Time, target: &Target, key: &str, message: &Message) -> Result<Fate, (u16, String)> {
        if let Some(fault) = wire::fault_of(key, message) {
            return Err((400, fault));
        }
        let Some(conversation) = self.conversations.get(key).filter(|c| c.known <= now) else {
            return Err((400, NO_CONVERSATION.to_owned()));
        };
        if let Some(tolerance) = self.options.time_tolerance
            && Time::from_ms(message.start_time) + tolerance < conversation.started
        {
            return Err((400, "startTime before the conversation".to_owned()));
        }
        let paused = match target {
            Target::Single(_) => self.options.paused_single,
            Target::Bulk => self.options.paused_bulk,
        };
        match (conversation.paused, paused) {
            (true, Paused::Discard) => return Ok(Fate::Discarded),
            (true, Paused::Conflict) => return Err((409, PAUSED.to_owned())),
            (false, _) => {}
        }
        Ok(match conversation.ids.contains(&message.message_id) {
            true if self.options.deduplicates => Fate::Duplicate,
            true => Fate::StoredAgain,
            false => Fate::Stored,
        })
    }

    /// Notes an arrival and, where it is stored, what follows from it.
    fn keep(&mut self, now: Time, key: &str, message: &Message, fate: Fate, after: Span) {
        let (mut overlapping, mut out_of_order) = (false, false);
        if let Some(conversation) = self.conversations.get_mut(key) {
            let participant = &message.participant_id;
            overlapping = conversation.busy.get(participant).is_some_and(|busy| now < *busy);
            conversation.busy.insert(participant.clone(), now + after);
            if fate.stored() {
                conversation.ids.insert(message.message_id.clone());
                let latest = conversation.latest_ms.entry(participant.clone()).or_insert(i64::MIN);
                out_of_order = message.start_time < *latest;
                *latest = message.start_time.max(*latest);
            }
        }
        let acknowledged = matches!(fate, Fate::Discarded | Fate::Duplicate) || fate.stored();
        self.arrivals.push(Arrival {
            at: now,
            key: key.to_owned(),
            participant_id: message.participant_id.clone(),
            message_id: message.message_id.clone(),
            sender_type: message.sender_type.clone(),
            content: message.content.clone(),
            start_ms: message.start_time,
            end_ms: message.end_time,
            fate,
            acknowledged,
            overlapping,
            out_of_order,
        });
    }

    fn reply(&self, status: u16, body: &Value) -> Answer {
        self.reply_after(status, body, self.options.latency)
    }

    fn reply_text(&self, status: u16, body: String) -> Answer {
        Answer::Reply { response: response(status, body), after: self.options.latency }
    }

    fn reply_after(&self, status: u16, body: &Value, after: Span) -> Answer {
        Answer::Reply { response: response(status, body.to_string()), after }
    }
}

/// An answer with a JSON body.
fn response(status: u16, body: String) -> http::Response<Bytes> {
    let mut response = http::Response::new(Bytes::from(body));
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}
