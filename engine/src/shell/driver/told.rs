//! What a driver is told from outside: by whoever holds its signals, and by letters that others took.

use std::time::Duration;

use crate::call::Input;
use crate::shell::custody::{Letter, Matter};
use crate::shell::payload::Payload;

use super::{Driver, Signal};

/// When a call is handed over, how long messages under way may still take.
const HANDOVER: Duration = Duration::from_secs(10);

impl Driver {
    /// What the call was told before this life of it: events first, all of them before anything else.
    pub(super) fn remember(&mut self, past: Vec<Letter>) {
        let mut segments = Vec::new();
        for letter in past {
            self.heard.insert(letter.id);
            match letter.matter {
                Matter::Gate(source, event) => self.handle(Input::PastGate(letter.at, source, event)),
                Matter::Segment(payload) => segments.push(payload),
                Matter::Absent(absence) => self.handle(Input::Absent(absence)),
                Matter::Failed | Matter::StartedAgain => {}
            }
        }
        for payload in segments {
            self.segment(*payload);
        }
    }

    pub(super) fn signal(&mut self, signal: Signal) -> Input {
        match signal {
            Signal::Input(input) => input,
            Signal::Letter(letter) => {
                if !self.heard.insert(letter.id) {
                    return Input::Tick;
                }
                match letter.matter {
                    Matter::Gate(source, event) => Input::Gate(source, event),
                    Matter::Segment(payload) => {
                        self.segment(*payload);
                        Input::Tick
                    }
                    Matter::Failed | Matter::StartedAgain | Matter::Absent(_) => Input::Tick,
                }
            }
            Signal::HandOver => {
                tracing::info!("the call is handed over: another process may go on with it");
                self.leaving = Some(tokio::time::Instant::now() + HANDOVER);
                self.media.close();
                self.sessions.clear();
                Input::Tick
            }
        }
    }

    /// Letters that others took.
    pub(super) fn letters(&mut self, letters: Vec<Letter>) -> Input {
        for letter in letters {
            if !self.heard.insert(letter.id) {
                continue;
            }
            match letter.matter {
                Matter::Gate(source, event) => {
                    self.ready.push_back(Input::PastGate(letter.at, source, event));
                }
                Matter::Segment(payload) => self.segment(*payload),
                Matter::Failed | Matter::StartedAgain | Matter::Absent(_) => {}
            }
        }
        Input::Tick
    }

    /// The call goes on in another stream, if it goes on at all.
    fn segment(&mut self, payload: Payload) {
        // Whoever heard of the call a second time told another worker, perhaps.
        if self.streams.contains(&payload.segment) {
            return;
        }
        self.streams.push(payload.segment.clone());
        if self.call.is_running() {
            self.status.segment();
            self.ready.push_back(Input::Segment(payload.segment));
        } else {
            self.untaken.push(payload);
        }
    }
}
