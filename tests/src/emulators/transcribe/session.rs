//! One session: audio in, events out, time as an argument. Who makes words of the audio is not its affair.

use std::collections::VecDeque;

use engine::time::{Span, Time};
use serde_json::{Value, json};

use super::hearing::{Hearing, Listener};
use super::request::Request;
use super::results::Writer;
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
    /// Every final result: when it was handed to the connection, and its text; empty unless
    /// [`Options::keep_finals`] says so.
    pub finals: Vec<(Time, String)>,
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
#[derive(Debug)]
pub(super) struct Session {
    pub(super) record: Record,
    hearing: Box<dyn Hearing>,
    writer: Writer,
    faults: Vec<Fault>,
    last_audio: Time,
    /// Events with when they are due, in order.
    due: VecDeque<(Time, Event)>,
    stalled: bool,
    over: bool,
    /// The end has been said, or will be when it is due.
    done: bool,
}

impl Session {
    pub(super) fn new(
        now: Time,
        request: Request,
        faults: Vec<Fault>,
        number: u64,
        options: &Options,
        listener: &dyn Listener,
    ) -> Self {
        let hearing = listener.open(&request, options.pause);
        let writer = Writer::new(number, &request, options.punctuation);
        let (audio, samples, finals) = (Vec::new(), Vec::new(), Vec::new());
        let record = Record { opened: now, request, audio, frames: 0, samples, finals, ended: false };
        let due = VecDeque::new();
        Self {
            record,
            hearing,
            writer,
            faults,
            last_audio: now,
            due,
            stalled: false,
            over: false,
            done: false,
        }
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
        if let Err(why) = self.hearing.hear(&samples) {
            self.throw(now, Exception::failure(&why));
        }
        self.tell(now, options);
        self.strike(now);
    }

    /// The client has ended its audio.
    pub(super) fn end(&mut self, now: Time, options: &Options) {
        if self.over || self.record.ended {
            return;
        }
        self.record.ended = true;
        self.hearing.end();
        self.tell(now, options);
    }

    /// The next event that is due, or when to ask again.
    pub(super) fn poll(&mut self, now: Time, options: &Options) -> Result<Event, Time> {
        let look = self.hearing.look().filter(|_| !self.over && !self.stalled);
        if look.is_some() {
            self.tell(now, options);
        }
        self.due(now, options).map_err(|until| look.map_or(until, |look| until.min(now + look)))
    }

    /// The next event of those that are due, or when the next one will be.
    fn due(&mut self, now: Time, options: &Options) -> Result<Event, Time> {
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
                if options.keep_finals {
                    self.record.finals.extend(final_texts(&event).map(|text| (now, text)));
                }
                Ok(event)
            }
            Some((at, _)) => Err(if self.over { *at } else { (*at).min(idle).min(oldest) }),
            None if self.over || self.stalled => Err(Time::MAX),
            None => Err(idle.min(oldest)),
        }
    }

    /// What was heard becomes one event: several results, where they come together. When the audio is over
    /// and everything told, so is the answer.
    fn tell(&mut self, now: Time, options: &Options) {
        match self.hearing.poll() {
            Ok(heard) if heard.is_empty() => {}
            Ok(heard) => {
                let results: Vec<Value> = heard.iter().map(|speech| self.writer.result(speech)).collect();
                let event = Event::Transcript(json!({"Transcript": {"Results": results}}));
                self.say(now + options.latency, event);
            }
            Err(why) => self.throw(now, Exception::failure(&why)),
        }
        if self.record.ended && !self.done && self.hearing.is_done() {
            self.done = true;
            self.say(now + options.latency, Event::End);
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

/// Texts of the final results in an event.
fn final_texts(event: &Event) -> impl Iterator<Item = String> {
    let results = match event {
        Event::Transcript(transcript) => transcript["Transcript"]["Results"].as_array(),
        _ => None,
    };
    let finals = results.into_iter().flatten().filter(|result| result["IsPartial"] == json!(false));
    finals.filter_map(|result| result["Alternatives"][0]["Transcript"].as_str().map(str::to_owned))
}
