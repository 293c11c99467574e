//! A call that outlives its process: what is stored, when, and how another life of it begins.
//!
//! What a checkpoint says and what its messages say is one moment. Between it and the death of the worker more
//! was read and more may have been posted: the one is read again, the other posted again under the same ids.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Time};

use super::checkpoint::{Checkpoint, VERSION};
use super::config::OnDoubt;
use super::intervals::Interval;
use super::known::Known;
use super::{Arrival, Call, Config, Input, Output, Phase, Report, quiet};

/// Words sent longer ago than this are not likely to turn out to have been closed: by default an event reaches back
/// 10 s.
const SENT_WORDS_AGE: Span = Span::from_s(60);
/// Stamps of events are exact to this.
const AHEAD_STEP: Span = Span::from_ms(100);
/// Ids of speech that began so long before the marks will not be given again.
const IDS_AGE: Span = Span::from_s(60);

/// When nobody held the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// Last sign of life of the worker that held it before.
    pub died: Time,
    /// Since when whoever holds it now was there to take gate events. Not later than `died`: somebody always was.
    pub listening: Time,
}

/// What a resumed call has to do before it goes on.
#[derive(Debug)]
pub(super) struct Return {
    absence: Absence,
    /// Absences before other lives, which may have stored nothing since.
    earlier: Vec<Absence>,
    /// Where the audio that is known to have left ends.
    emitted: Option<Time>,
}

impl Call {
    /// Goes on with a call that another process held. All randomness in it follows from `seed`. Without a
    /// checkpoint the process before had stored nothing yet.
    ///
    /// First every gate event stored for the call comes as [`super::Input::PastGate`], in order of arrival, and what
    /// other lives found as [`super::Input::Absent`]; then anything else.
    #[must_use]
    pub fn resume(config: Config, seed: u64, checkpoint: Option<Checkpoint>, absence: Absence) -> Self {
        let mut call = Self::new(config, seed);
        let mut emitted = None;
        if let Some(checkpoint) = checkpoint {
            emitted = checkpoint.emitted.end();
            call.restore(checkpoint, absence.died);
        }
        call.summary.resumed += 1;
        call.returning = Some(Return { absence, earlier: Vec::new(), emitted });
        call
    }

    fn restore(&mut self, saved: Checkpoint, died: Time) {
        self.checkpoint = saved.sequence;
        self.marks = saved.marks;
        self.filter.restore(saved.contacts);
        self.ended_contacts = saved.ended_contacts;
        self.keys.resolved = saved.key;
        self.keys.restore(saved.turns);
        self.gate.restore(saved.emitted, saved.zeroed, saved.doubts);
        self.sent_words = saved.sent_words.into();
        self.ids.restore(saved.used_ids);
        let summary = saved.summary;
        let after_fragment = saved.link.as_ref().and_then(|link| link.after_fragment.clone());
        let waiting = saved.outbox.len();
        let there = self.outbox.restore(saved.outbox, summary.messages.clone());
        // If their time turns out to have been closed, they count as exposed: nobody knows that they are not there.
        self.remember_sent(&there);
        if let (Some(link), Some(saved)) = (&mut self.link, saved.link) {
            link.restore(saved, &summary.media);
        }
        self.assembler.documents = summary.media.documents;
        self.replay.overrun =
            Span::from_ms(i64::try_from(summary.recogniser.replay_overrun_ms).unwrap_or(i64::MAX));
        self.reported_exposure_ms = summary.gate.exposed_ms;
        self.summary = summary;
        self.ahead = saved.ahead;
        self.pauses = saved.pauses;
        self.known = Known::new(self.marks, self.word_error_ms(), self.pauses.clone());
        self.report(Report::Resumed { died, after_fragment, waiting, exposed_ms: self.reported_exposure_ms });
    }

    /// Events from before this life are looked at together, once all have come.
    pub(super) fn keeps_for_return(&mut self, input: &Input) -> bool {
        let Some(returning) = &mut self.returning else { return false };
        if let Input::Absent(absence) = input {
            returning.earlier.push(*absence);
            return true;
        }
        let Input::PastGate(arrival, source, event) = input else { return false };
        // The gate counts what is beyond its limit, and closes for it.
        if self.past_events.len() <= self.config.max_gate_events {
            let (source, event) = (*source, event.clone());
            self.past_events.push(Arrival { at: *arrival, late: self.late(), source, event });
        }
        true
    }

    /// The first input that is no event of the past: all of those are known now.
    pub(super) fn return_to_life(&mut self) {
        let Some(Return { absence, earlier, emitted }) = self.returning.take() else { return };
        let past = std::mem::take(&mut self.past_events);
        let (taken, missed): (Vec<_>, Vec<_>) = past.into_iter().partition(|event| event.at <= absence.died);
        self.note_past(taken);
        let in_use = self.gate.in_use() || !missed.is_empty();
        let doubtful = |a: &Absence| in_use && a.listening > a.died;
        earlier.iter().filter(|a| doubtful(a)).for_each(|a| self.doubt(a));
        if let Some(emitted) = emitted {
            // What left after the last checkpoint left as the events of the time said, and as sound until they came.
            let window = Interval::new(emitted, absence.died.max(emitted));
            let silent = self.gate.silent_within(window);
            self.gate.emitted(window, &silent);
        }
        if doubtful(&absence) {
            self.doubt(&absence);
        }
        self.note_past(missed);
        self.judge_contacts();
        // A doubt must outlive this process too.
        self.store();
    }

    fn doubt(&mut self, absence: &Absence) {
        let doubt = Interval::new(absence.died, absence.listening);
        if self.gate.doubts().contains(&doubt) {
            return;
        }
        self.gate.doubt(doubt);
        let closed = self.config.on_doubt == OnDoubt::Closed;
        self.report(Report::Doubt { from: doubt.from, to: doubt.to, closed });
    }

    fn note_past(&mut self, events: Vec<Arrival>) {
        let mut ours = Vec::new();
        for event in events {
            ours.extend(self.sort_event(event));
        }
        self.apply_events(ours);
    }

    // --- what is stored ----------------------------------------------------------------------------

    /// Asks for a checkpoint of this moment. One that was not asked for yet is of no use any more.
    pub(super) fn store(&mut self) {
        if !self.config.store || self.phase == Phase::Done {
            return;
        }
        self.checkpoint += 1;
        self.stored_at = self.now;
        self.outbox.held_in(self.checkpoint);
        self.outputs.retain(|o| !matches!(o, Output::Store(_)));
        let checkpoint = Box::new(self.take_checkpoint());
        self.outputs.push_back(Output::Store(checkpoint));
    }

    /// Stores how far the audio has come, if nothing else was stored for a while.
    pub(super) fn store_if_due(&mut self) {
        let due = self.config.live.is_some() && self.now >= self.stored_at + self.config.checkpoint_every;
        if due && self.timeline.is_some() && self.stored_sequence >= self.checkpoint {
            self.store();
        }
    }

    /// How much later than its stamp an event of the past may have come, by the clock of the media.
    pub(super) fn late(&self) -> Span {
        if self.ahead > Span::ZERO { self.ahead + AHEAD_STEP } else { Span::ZERO }
    }

    /// How far the media's clock is ahead of this machine's. Another life must know it, to read the stamps of events.
    pub(super) fn note_ahead(&mut self) {
        let ahead = self.present() - self.now;
        if self.config.live.is_some() && ahead > self.ahead + AHEAD_STEP {
            self.ahead = ahead;
            self.store();
        }
    }

    pub(super) fn stored(&mut self, sequence: u64) {
        self.stored_sequence = self.stored_sequence.max(sequence);
        self.outbox.stored(self.now, sequence);
    }

    fn take_checkpoint(&mut self) -> Checkpoint {
        let mark = self.first_mark();
        let floor = mark.map(|mark| mark - quiet::needed(self.word_error_ms()));
        // By the clock of the media: this machine's may be far ahead.
        let recent = self.timeline.as_ref().map_or(Time::MIN, |t| t.time(t.emitted()) - SENT_WORDS_AGE);
        let sent_words = self.sent_words.iter().filter(|(_, word, _)| word.to >= recent);
        let sent_words = sent_words.copied().collect();
        let summary = self.summary_so_far();
        let (emitted, zeroed) = self.gate.left();
        Checkpoint {
            version: VERSION,
            sequence: self.checkpoint,
            marks: self.marks,
            pauses: self.pauses.clone(),
            ahead: self.ahead,
            contacts: self.filter.save(),
            ended_contacts: self.ended_contacts.clone(),
            key: self.keys.resolved.clone(),
            turns: self.keys.turns().to_vec(),
            emitted: emitted.clone(),
            zeroed: zeroed.clone(),
            doubts: self.gate.doubts().to_vec(),
            sent_words,
            used_ids: self.ids.since(mark.map_or(Time::MIN, |mark| mark - IDS_AGE)),
            outbox: self.outbox.save(),
            link: self.link.as_mut().map(|link| link.save(floor)),
            summary,
        }
    }
}
