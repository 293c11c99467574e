//! Calls that happen now: recordings moved to the present, with their events and their truth.

use std::fs;
use std::io;

use engine::time::{Span, Time};
use fixtures::Pcm;
use fixtures::events::Event;
use fixtures::kinesis::Shape;
use fixtures::manifest::{self, Truth, Utterance};

use super::kinesis::{Fragment, cut, restamp};

/// A call to be played from [`LiveCall::start`] on: hand its fragments to
/// [`Kinesis::play`](super::kinesis::Kinesis::play) with that time, and its events to whoever takes them, each
/// when its `at` has come.
#[derive(Debug, Clone)]
pub struct LiveCall {
    /// When it begins: the time of its first sample.
    pub start: Time,
    /// When its last sample is over.
    pub end: Time,
    /// Its fragments, with times from the start on.
    pub fragments: Vec<Fragment>,
    /// Its events in order, with times from the start on.
    pub events: Vec<Event>,
    /// What is said in it, with times from the start on, where that is known.
    pub truth: Option<Truth>,
}

/// A committed recording by its name in the manifest, such as `calls/returns.mkv`, as if it began at `start`,
/// with its events and its truth.
///
/// # Errors
/// When there is no such recording, or it cannot be moved in time.
pub fn live_call(recording: &str, start: Time) -> io::Result<LiveCall> {
    let manifest = manifest::load().map_err(io::Error::other)?;
    let entry = manifest.entry(recording).ok_or_else(|| io::Error::other(format!("no {recording}")))?;
    let events = match &entry.events {
        Some(file) => read_events(file)?,
        None => Vec::new(),
    };
    let bytes = fs::read(fixtures::path(recording))?;
    LiveCall::recorded(&bytes, &events, entry.truth.clone(), start)
}

fn read_events(file: &str) -> io::Result<Vec<Event>> {
    let text = fs::read_to_string(fixtures::path(file))?;
    text.lines().map(|line| serde_json::from_str(line).map_err(io::Error::other)).collect()
}

impl LiveCall {
    /// A recorded stream with its events and truth, as if it began at `start`, whole milliseconds.
    ///
    /// # Errors
    /// When the stream has no fragment or cannot be moved in time.
    pub fn recorded(bytes: &[u8], events: &[Event], truth: Option<Truth>, start: Time) -> io::Result<Self> {
        let recorded = cut(bytes.to_vec()).map_err(io::Error::other)?;
        let first = recorded.first().map_or(Time::from_ms(0), |f| f.producer);
        // The tags tell milliseconds.
        let shift = Span::from_ms(start.ms() - first.ms());
        let bytes = restamp(bytes, shift).map_err(io::Error::other)?;
        let moved = |e: &Event| Event { at: e.at + shift.ms(), ..e.clone() };
        let (events, truth) = (events.iter().map(moved).collect(), truth.map(|t| moved_truth(t, shift)));
        Self::of(bytes, events, truth, first + shift)
    }

    /// A call of this shape and sound that begins at `start`; the shape's own start is not looked at.
    ///
    /// # Errors
    /// When there is no sound.
    pub fn generated(shape: &Shape, pcm: &Pcm, start: Time) -> io::Result<Self> {
        let shape = Shape { start_ms: start.ms(), ..shape.clone() };
        Self::of(shape.write(pcm).bytes, Vec::new(), None, Time::from_ms(start.ms()))
    }

    fn of(bytes: Vec<u8>, events: Vec<Event>, truth: Option<Truth>, start: Time) -> io::Result<Self> {
        let fragments = cut(bytes).map_err(io::Error::other)?;
        let end = fragments.iter().map(|f| f.producer + f.length).max().unwrap_or(start);
        Ok(Self { start, end, fragments, events, truth })
    }
}

fn moved_truth(mut truth: Truth, shift: Span) -> Truth {
    let ms = shift.ms();
    truth.start_epoch_ms += ms;
    let Truth { utterances, silenced, foreign, closed, .. } = &mut truth;
    let moved = |said: &mut Utterance| {
        said.start_ms += ms;
        said.end_ms += ms;
        for word in &mut said.words {
            word.start_ms += ms;
            word.end_ms += ms;
        }
        said.onsets_ms.iter_mut().for_each(|onset| *onset += ms);
    };
    utterances.iter_mut().chain(silenced).chain(foreign).for_each(moved);
    for interval in closed {
        interval.from_ms += ms;
        interval.to_ms += ms;
    }
    truth
}
