//! One session: audio in, events out, time as an argument.

use std::collections::VecDeque;

use engine::time::{Span, Time};
use serde_json::{Value, json};

use super::ear::{Ear, Manner};
use super::request::Request;
use super::script::{Exception, Fault};
use super::state::Options;

/// Length of an AudioEvent at most.
const MAX_EVENT: Span = Span::from_s(1);

/// What a session says.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A TranscriptEvent: the JSON of its payload.
    Transcript(Value),
    /// An event of an unknown type.
    Unknown,
    /// An exception; it is the last.
    Exception(Exception),
    /// The answer is over.
    End,
    /// The stream is reset.
    Reset,
}

/// What is remembered of a session, for tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When it was opened.
    pub opened: Time,
    /// What it was asked to be.
    pub request: Request,
    /// Every AudioEvent: when, and bytes of audio.
    pub audio: Vec<(Time, usize)>,
    /// Samples of each channel received.
    pub frames: i64,
    /// All audio, interleaved samples; empty where [`Options::keep_audio`] says so.
    pub samples: Vec<i16>,
    /// The client ended its audio.
    pub ended: bool,
}

impl Record {
    /// Audio received.
    #[must_use]
    pub fn duration(&self) -> Span {
        Span::from_samples(self.frames, self.request.rate_hz)
    }
}

/// A session.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) record: Record,
    ears: Vec<(Ear, Manner)>,
    faults: Vec<Fault>,
    last_audio: Time,
    /// Events with when they are due, in order.
    due: VecDeque<(Time, Event)>,
    stalled: bool,
    over: bool,
}

impl Session {
    pub(super) fn new(
        now: Time,
        request: Request,
        faults: Vec<Fault>,
        number: u64,
        options: &Options,
    ) -> Self {
        let ear = |channel: usize| {
            let names = ["ch_0", "ch_1"];
            let manner = Manner {
                channel: names.get(channel).copied().filter(|_| request.channels > 1),
                language: request.language.clone(),
                punctuation: options.punctuation,
                stabilised: request.stabilised,
                session: number,
            };
            (Ear::new(request.rate_hz), manner)
        };
        let ears = (0..request.channels).map(ear).collect();
        let (audio, samples) = (Vec::new(), Vec::new());
        let record = Record { opened: now, request, audio, frames: 0, samples, ended: false };
        let due = VecDeque::new();
        Self { record, ears, faults, last_audio: now, due, stalled: false, over: false }
    }

    /// Takes an AudioEvent. An empty one ends the audio.
    pub(super) fn audio(&mut self, now: Time, bytes: &[u8], options: &Options) {
        if self.over || self.record.ended {
            return;
        }
        if bytes.is_empty() {
            self.end(now, options);
            return;
        }
        let channels = self.record.request.channels;
        if !bytes.len().is_multiple_of(2 * channels) {
            self.throw(now, Exception::bad_request("the chunk is not a whole number of samples"));
            return;
        }
        let samples: Vec<i16> = bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
        let frames = i64::try_from(samples.len() / channels).unwrap_or(i64::MAX);
        if Span::from_samples(frames, self.record.request.rate_hz) > MAX_EVENT {
            self.throw(now, Exception::bad_request("an audio event is at most one second"));
            return;
        }
        self.last_audio = now;
        self.record.audio.push((now, bytes.len()));
        self.record.frames += frames;
        if options.keep_audio {
            self.record.samples.extend_from_slice(&samples);
        }
        let ahead = self.record.duration() - (now - self.record.opened);
        if options.max_ahead.is_some_and(|most| ahead > most) {
            self.throw(now, Exception::limit("Your audio comes too fast."));
            return;
        }
        let pause = u64::try_from(options.pause.samples(self.record.request.rate_hz)).unwrap_or(u64::MAX);
        let mut results = Vec::new();
        for (channel, (ear, manner)) in self.ears.iter_mut().enumerate() {
            let own: Vec<i16> = samples.iter().skip(channel).step_by(channels).copied().collect();
            results.extend(ear.hear(&own, pause, manner));
        }
        self.tell(now, &results, options);
        self.strike(now);
    }

    /// The client has ended its audio.
    pub(super) fn end(&mut self, now: Time, options: &Options) {
        if self.over || self.record.ended {
            return;
        }
        self.record.ended = true;
        let results: Vec<Value> = self.ears.iter_mut().filter_map(|(ear, manner)| ear.end(manner)).collect();
        self.tell(now, &results, options);
        self.say(now + options.latency, Event::End);
    }

    /// The next event that is due, or when to ask again.
    pub(super) fn poll(&mut self, now: Time, options: &Options) -> Result<Event, Time> {
        // Who has ended the audio may wait for the rest.
        let idle = if self.record.ended { Time::MAX } else { self.last_audio + options.idle };
        let oldest = self.record.opened + options.max_duration;
        if !self.over && !self.stalled {
            if now >= oldest {
                self.throw(now, Exception::limit("The stream has reached its longest duration."));
            } else if now >= idle {
                self.throw(now, Exception::no_audio());
            }
        }
        match self.due.front() {
            Some((at, _)) if *at <= now => {
                let event = self.due.pop_front().map_or(Event::End, |(_, event)| event);
                Ok(event)
            }
            Some((at, _)) => Err(if self.over { *at } else { (*at).min(idle).min(oldest) }),
            None if self.over || self.stalled => Err(Time::MAX),
            None => Err(idle.min(oldest)),
        }
    }

    /// Results become one event: several results, where they come together.
    fn tell(&mut self, now: Time, results: &[Value], options: &Options) {
        if !results.is_empty() {
            let event = Event::Transcript(json!({"Transcript": {"Results": results}}));
            self.say(now + options.latency, event);
        }
    }

    fn say(&mut self, at: Time, event: Event) {
        if self.stalled || self.over {
            return;
        }
        self.over = matches!(event, Event::End | Event::Reset | Event::Exception(_));
        // What was due before stays before.
        let at = self.due.back().map_or(at, |(last, _)| at.max(*last));
        self.due.push_back((at, event));
    }

    /// Breaks off: what was due is lost.
    pub(super) fn throw(&mut self, now: Time, exception: Exception) {
        if self.over {
            return;
        }
        self.due.clear();
        self.say(now, Event::Exception(exception));
    }

    /// Faults that have become due by the audio received.
    fn strike(&mut self, now: Time) {
        let received = self.record.duration();
        while !self.over
            && let Some(at) = self.faults.iter().position(|f| f.after().is_some_and(|a| a <= received))
        {
            match self.faults.remove(at) {
                Fault::Throw { exception, .. } => self.throw(now, exception),
                Fault::Stall { .. } => {
                    self.due.clear();
                    self.stalled = true;
                }
                Fault::EndEarly { .. } => {
                    self.due.clear();
                    self.say(now, Event::End);
                }
                Fault::Reset { .. } => {
                    self.due.clear();
                    self.say(now, Event::Reset);
                }
                Fault::Unknown { .. } => self.say(now, Event::Unknown),
                Fault::Refuse(_) => {}
            }
        }
    }
}
