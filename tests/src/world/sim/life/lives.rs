//! The lives of a call: what is stored, how workers die, and how others take the call on.

use engine::call::{Absence, Call, Checkpoint, Input, Output};
use engine::time::{Span, Time};

use super::super::plan::Death;
use super::{Later, Life};
use crate::world::at;

impl Life<'_> {
    /// The store takes a while, and fails at times; then it is tried again.
    pub(super) fn store(&mut self, checkpoint: Box<Checkpoint>) {
        let (longest, failing) = self.plan.store;
        let mut after = self.dice.i64(1..=longest);
        while self.faulty && self.dice.u32(0..100) < failing {
            self.tally.strike("store: error");
            after += self.dice.i64(200..3_000);
        }
        self.soon(self.now + Span::from_ms(after), Later::Stored(checkpoint, self.oracle.left()));
    }

    /// A later checkpoint is never replaced by an earlier one.
    pub(super) fn keep(&mut self, checkpoint: Box<Checkpoint>, left: Time) {
        if self.checkpoint.as_ref().is_none_or(|kept| kept.sequence < checkpoint.sequence) {
            (self.checkpoint, self.stored_left) = (Some(checkpoint), left);
            self.kept_in_life = true;
        }
    }

    /// The worker is gone, and all its connections with it. What it had posted is on its way all the same.
    pub(super) fn die(&mut self, death: Death) {
        if death.lease {
            self.tally.strike("worker: lost the call to another");
            let now = self.clock();
            self.call.handle(now, Input::LeaseLost);
            loop {
                match self.call.poll() {
                    Output::Wait(_) | Output::Done(_) => break,
                    Output::Post(_) => self.oracle.broken("P5", "posted after the call was lost".to_owned()),
                    _ => {}
                }
            }
        } else {
            self.tally.strike("worker: died");
            if death.outputs < 4 && self.tally.lives > 1 {
                self.tally.strike("worker: died while it came back");
            }
        }
        self.tell(|| format!("the worker is gone: {death:?}"));
        self.alive = false;
        self.read = Time::MIN;
        self.connection = None;
        self.ears.sessions.clear();
        let now = self.clock();
        self.sign = self.sign.max(now - Span::from_ms(self.dice.i64(0..5_000)));
        let died = self.sign.min(now);
        let mut gone: Vec<u64> =
            self.waiting.iter().filter(|(_, w)| w.is_the_workers()).map(|(number, _)| *number).collect();
        gone.sort_unstable();
        for number in gone {
            match self.waiting.remove(&number) {
                Some(Later::Answer(id, _)) => self.oracle.answer_lost(&id),
                Some(Later::Stored(checkpoint, left)) if death.stored => self.keep(checkpoint, left),
                _ => {}
            }
        }
        // Of a life that stored nothing the next one hears nothing, not even that it was absent before.
        if std::mem::take(&mut self.kept_in_life) || self.tally.lives < 2 {
            self.died = died;
        }
        self.soon(self.now + Span::from_ms(death.absent_ms), Later::Return);
    }

    pub(super) fn come_back(&mut self) {
        self.tally.lives += 1;
        let checkpoint = self.checkpoint.as_ref().map(|kept| match Checkpoint::from_json(&kept.to_json()) {
            Ok(checkpoint) => checkpoint,
            Err(error) => panic!("a checkpoint cannot be read: {error}"),
        });
        let now = self.clock();
        let listening = if self.plan.listens { self.died } else { now };
        let absence = Absence { died: self.died, listening };
        let seed = self.plan.seed ^ self.tally.lives;
        self.tell(|| format!("another worker takes the call on: {absence:?}"));
        self.call = Call::resume(self.plan.config.clone(), seed, checkpoint, absence);
        self.alive = true;
        self.oracle.returned(
            now,
            absence,
            self.stored_left,
            &self.log,
            self.ahead,
            self.plan.config.on_doubt,
        );
        for (arrival, source, event) in self.log.clone() {
            self.call.handle(now, Input::PastGate(arrival, source, event));
        }
        self.handle(Input::Tick);
        // That the call goes on in a further stream is kept with the events, and told to each life of it.
        for (ms, segment) in &self.plan.segments {
            if at(*ms).max(at(self.plan.begin_ms)) <= self.now {
                self.handle(Input::Segment(segment.clone()));
            }
        }
        for input in std::mem::take(&mut self.missed) {
            if self.alive {
                self.handle(input);
            } else {
                self.missed.push(input);
            }
        }
    }
}
