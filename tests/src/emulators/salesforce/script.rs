//! Faults and when they strike.

use engine::time::{Span, Time};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answered with this status; nothing is stored.
    Status(u16),
    /// Answered with this status and body; nothing is stored.
    Body(u16, String),
    /// 207 with these statuses and messages, one for each message in turn, the last for all that follow. An
    /// entry of 2xx is stored.
    Multi(Vec<(u16, String)>),
    /// Treated well, but no answer ever comes.
    AcceptThenSilence,
    /// Treated well, but the connection breaks instead of an answer.
    AcceptThenCut,
    /// Nothing is stored and no answer ever comes.
    Silence,
    /// Treated well and answered so much later.
    Late(Span),
    /// The connection is not accepted. Inline only; on a socket the connection breaks, and
    /// [`crate::emulators::Server::refuse`] closes the port.
    Refused,
}

impl Fault {
    /// The rate limit as the single API reports it.
    #[must_use]
    pub fn too_many() -> Self {
        Self::Body(429, r#"{"message":"Rate limit exceeded"}"#.to_owned())
    }

    /// The rate limit as the bulk API reports it inside a 207: status 400.
    #[must_use]
    pub fn exhausted() -> (u16, String) {
        (400, "io.grpc.StatusRuntimeException: RESOURCE_EXHAUSTED: Rate limit exceeded".to_owned())
    }
}

/// When a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The next so many requests.
    Next(u32),
    /// Requests between two times, the second not included.
    Between(Time, Time),
    /// All requests for so long from the first one on.
    FromFirst(Span),
}

/// A fault with its time and call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What goes wrong.
    pub fault: Fault,
    /// When.
    pub when: When,
    /// Only requests of this call; absent: any.
    pub key: Option<String>,
}

impl Rule {
    /// A fault of any call.
    #[must_use]
    pub fn new(fault: Fault, when: When) -> Self {
        Self { fault, when, key: None }
    }
}

/// The rules still to come, in order: the first that fits strikes.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    rules: Vec<Rule>,
}

impl Script {
    pub(super) fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// The fault that strikes a request about these calls.
    pub(super) fn strike(&mut self, now: Time, keys: &[String]) -> Option<Fault> {
        self.rules.retain(|rule| match rule.when {
            When::Next(left) => left > 0,
            When::Between(_, to) => now < to,
            When::FromFirst(_) => true,
        });
        let fits = |rule: &&mut Rule| {
            let due = !matches!(rule.when, When::Between(from, _) if now < from);
            due && rule.key.as_ref().is_none_or(|key| keys.contains(key))
        };
        let rule = self.rules.iter_mut().find(fits)?;
        match rule.when {
            When::Next(left) => rule.when = When::Next(left - 1),
            When::FromFirst(span) => rule.when = When::Between(now, now + span),
            When::Between(..) => {}
        }
        Some(rule.fault.clone())
    }
}
