//! How a call ends: audio out, last words in, outbox empty, summary.

use std::collections::BTreeMap;

use crate::time::Time;

use super::intervals::Interval;
use super::summary::{
    AudioSummary, DropReason, GateInterval, GateSummary, MediaSummary, MessageSummary, RecogniserSummary,
};
use super::{Call, EndReason, MediaEnd, Output, Phase, Summary};

impl Call {
    pub(super) fn media_ended(&mut self, end: MediaEnd) {
        if self.phase != Phase::Running || self.media_done {
            return;
        }
        if self.config.live.is_some() {
            self.connection_ended(end);
            return;
        }
        self.media_done = true;
        self.assembler.finish();
        match end {
            MediaEnd::Complete => {}
            MediaEnd::Truncated(where_) => self.summary.media.truncated = Some(where_),
            MediaEnd::Failed(why) => self.summary.end = EndReason::MediaFailed(why),
            MediaEnd::Lost(error) => self.summary.end = EndReason::MediaFailed(error.to_string()),
        }
    }

    /// Ends the call in good order at once: what was heard is handed on, what still waits is let go.
    pub(super) fn stop(&mut self) {
        if self.phase == Phase::Running {
            self.summary.end = EndReason::Stopped;
            self.let_waiting_go();
            if self.config.live.is_some() {
                self.outputs.push_back(Output::CloseMedia);
            }
            self.drain();
        }
    }

    /// Nobody will judge the fragments that wait for a contact.
    pub(super) fn let_waiting_go(&mut self) {
        let waiting = self.filter.abandon();
        self.let_go(DropReason::Stopped, waiting, "waiting".to_owned());
    }

    /// No more audio comes: hands on what there is, then waits for its words.
    pub(super) fn drain(&mut self) {
        // A fragment that waited for a second one to confirm its jump waits no longer.
        if let Some(suspect) = self.suspect.take() {
            self.let_go(DropReason::TimeJump, suspect.payload_bytes(), "the last fragment".to_owned());
        }
        self.phase = Phase::Draining(self.now + self.config.drain_timeout);
        self.outbox.release_paused(self.now);
    }

    /// Salesforce took a message: a backlog that goes out, however slowly, is not given up.
    pub(super) fn drain_goes_on(&mut self) {
        if self.is_draining() {
            self.phase = Phase::Draining(self.now + self.config.drain_timeout);
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining(_))
    }

    /// All audio has been handed on: no more comes.
    pub(super) fn finish_audio(&mut self) -> bool {
        let open = self.sessions.last().is_some_and(|s| !s.audio_ended);
        self.end_audio();
        // No session follows that could hear again what this one leaves.
        self.cut_in_speech = false;
        open
    }

    /// Ends the call once nothing is left to wait for, or there is no more time. Audio that is not `sent` may
    /// wait for a session that is still to be opened.
    pub(super) fn drained(&mut self, sent: bool) -> bool {
        let Phase::Draining(deadline) = self.phase else { return false };
        let heard = sent && self.sessions.iter().all(|s| s.ended);
        let over = (heard && self.outbox.is_empty()) || self.now >= deadline;
        if over {
            let end = self.summary.end.clone();
            self.finish(end);
        }
        over
    }

    pub(super) fn finish(&mut self, end: EndReason) {
        if end != EndReason::LeaseLost && self.outbox.abandon() {
            if let Some((name, value)) = self.config.limit_attribute.clone() {
                self.outputs.push_back(Output::SetAttribute { name, value });
            }
        } else if end == EndReason::LeaseLost {
            // The other worker posts what is stored; here nothing more may leave.
            self.outputs.clear();
            self.outbox.abandon();
        }
        self.summary.end = end;
        self.phase = Phase::Done;
        let mut summary = self.summary_so_far();
        summary.gate.intervals = self.closed_intervals();
        self.outputs.push_back(Output::Done(Box::new(summary)));
    }

    /// All but the closed intervals, of which there may be hundreds: they follow from the events.
    pub(super) fn summary_so_far(&mut self) -> Summary {
        let mut summary = self.summary.clone();
        self.contact_id().clone_into(&mut summary.contact);
        self.key().clone_into(&mut summary.vendor_call_key);
        summary.key_unresolved = self.config.vendor_call_key.is_none() && self.keys.resolved.is_none();
        summary.contacts.clone_from(&self.filter.seen);
        summary.media.documents = self.assembler.documents;
        summary.media.frames += self.assembler.frames;
        if let Some(link) = &self.link {
            summary.media.reconnects.clone_from(&link.reconnects);
            summary.media.selectors = link.selectors.iter().map(|(k, n)| ((*k).to_owned(), *n)).collect();
        }
        summary.recogniser.replay_overrun_ms = u64::try_from(self.replay.overrun.ms()).unwrap_or(0);
        let utterances = summary.messages.utterances;
        summary.messages = MessageSummary { utterances, ..self.outbox.summary.clone() };
        if self.filter.unresolved > 0 {
            summary.drops.entry(DropReason::UnresolvedContact).or_default().count = self.filter.unresolved;
        }
        self.gate_summary(&mut summary.gate);
        summary
    }

    /// The closed intervals that touch the call's audio.
    fn closed_intervals(&mut self) -> Vec<GateInterval> {
        let Some((start, end)) = self.summary.start_time.zip(self.summary.end_time) else {
            return Vec::new();
        };
        let window = Interval::new(Time::from_ms(start), Time::from_ms(end));
        let closings = self.gate.closings().iter().filter(|c| c.interval.overlaps(window));
        closings
            .map(|c| GateInterval {
                from: c.interval.from.ms(),
                to: (c.interval.to != Time::MAX).then(|| c.interval.to.ms()),
                hold: c.hold,
                pause: c.pause,
            })
            .collect()
    }

    fn gate_summary(&mut self, summary: &mut GateSummary) {
        let audio = self.summary.start_time.and(self.summary.end_time);
        summary.closed_at_end = self.closed_at_end(audio.map(Time::from_ms));
        summary.closed_ms = self.gate.closed_emitted().ms();
        summary.exposed_ms = self.gate.exposed().total().ms();
        summary.doubtful_ms = self.gate.doubts().iter().map(|d| (d.to - d.from).ms()).sum();
        let counts = self.gate.counts.clone();
        summary.events = counts.events + self.early_events.len() as u64;
        summary.repeated_events = counts.repeated;
        summary.unmatched_opens = counts.unmatched_opens;
        summary.skewed_events = counts.skewed;
        summary.unknown_events = counts.unknown;
        summary.events_of_other_calls = counts.other_calls + self.early_events.len() as u64;
        summary.untimed_events = counts.untimed;
        summary.events_beyond_limit = counts.beyond_limit;
    }
}

pub(super) fn empty_summary() -> Summary {
    Summary {
        contact: String::new(),
        vendor_call_key: String::new(),
        key_unresolved: false,
        contacts: Vec::new(),
        start_time: None,
        end_time: None,
        end: EndReason::MediaEnded,
        resumed: 0,
        media: MediaSummary::default(),
        audio: AudioSummary::default(),
        gate: GateSummary::default(),
        recogniser: RecogniserSummary::default(),
        messages: MessageSummary::default(),
        drops: BTreeMap::new(),
    }
}
