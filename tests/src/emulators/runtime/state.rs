//! The state machine: what waits, what runs, what was answered.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::Value;

/// What a function said about an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// POST …/response: the body.
    Response(Value),
    /// POST …/error: `errorType` and `errorMessage`.
    Error {
        /// `errorType`.
        kind: String,
        /// `errorMessage`.
        message: String,
    },
}

/// An invocation that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// `Lambda-Runtime-Aws-Request-Id`.
    pub id: String,
    /// What the function said.
    pub answer: Answer,
}

/// Why a request of the function is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No such path.
    NoPath,
    /// No such invocation runs.
    NotRunning,
    /// An error without `errorType` and `errorMessage`, or a response that is no JSON.
    Malformed,
}

/// Invocations of one function in one execution environment.
#[derive(Debug, Clone, Default)]
pub struct Runtime {
    waiting: VecDeque<(String, Bytes)>,
    running: Option<String>,
    answered: Vec<Answered>,
    count: usize,
    polls: usize,
}

impl Runtime {
    /// Invokes the function asynchronously with these bytes; returns the request id.
    pub fn invoke(&mut self, payload: impl Into<Bytes>) -> String {
        self.count += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", self.count);
        self.waiting.push_back((id.clone(), payload.into()));
        id
    }

    /// The function asked for the next invocation. One that runs is given up, as after a crash.
    pub(super) fn polled(&mut self) {
        self.polls += 1;
        self.running = None;
    }

    /// The next invocation, which runs from now on.
    pub(super) fn next(&mut self) -> Option<(String, Bytes)> {
        let (id, payload) = self.waiting.pop_front()?;
        self.running = Some(id.clone());
        Some((id, payload))
    }

    /// The function answers: `path` is what follows `/2018-06-01/runtime/invocation/`.
    pub(super) fn answer(&mut self, path: &str, body: &[u8]) -> Result<(), Refusal> {
        let (id, what) = path.split_once('/').ok_or(Refusal::NoPath)?;
        if self.running.as_deref() != Some(id) {
            return Err(Refusal::NotRunning);
        }
        let body: Value = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
        let text =
            |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(Refusal::Malformed);
        let answer = match what {
            "response" => Answer::Response(body),
            "error" => Answer::Error { kind: text("errorType")?, message: text("errorMessage")? },
            _ => return Err(Refusal::NoPath),
        };
        self.answered.push(Answered { id: id.to_owned(), answer });
        self.running = None;
        Ok(())
    }

    /// Invocations that are over, in order.
    #[must_use]
    pub fn answered(&self) -> &[Answered] {
        &self.answered
    }

    /// How often the function asked for work; above 0 it has started.
    #[must_use]
    pub fn polls(&self) -> usize {
        self.polls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_runs_can_be_answered_and_only_once() {
        let mut runtime = Runtime::default();
        let id = runtime.invoke("{}");
        assert_eq!(runtime.answer(&format!("{id}/response"), b"{}"), Err(Refusal::NotRunning));
        assert_eq!(runtime.next().map(|(id, _)| id), Some(id.clone()));
        assert_eq!(runtime.answer(&format!("{id}/error"), b"{}"), Err(Refusal::Malformed));
        assert_eq!(runtime.answer(&format!("{id}/elsewhere"), b"{}"), Err(Refusal::NoPath));
        assert_eq!(runtime.answer(&format!("{id}/response"), b"{}"), Ok(()));
        assert_eq!(runtime.answer(&format!("{id}/response"), b"{}"), Err(Refusal::NotRunning));
        assert_eq!(runtime.answered().len(), 1);
    }
}
