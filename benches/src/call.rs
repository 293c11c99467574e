//! A call from media to chunks: every output performed at once, by nobody.

use std::hint::black_box;

use engine::call::{
    Call, Config, ContactChoice, ContactFacts, EventKind, GateClock, GateSource, Input, MediaEnd, Output,
    Summary, TelephonyEvent,
};
use engine::recogniser::{Capabilities, RecogniserEvent, WordTimes};
use engine::time::{Span, Time};

use crate::streams::Stream;

/// What a run of a call gave.
#[derive(Debug)]
pub struct Played {
    /// Chunks handed to the recogniser.
    pub chunks: u64,
    /// Samples in them, per party.
    pub samples: u64,
    /// The closing summary.
    pub summary: Summary,
}

/// Somebody is on hold from the start of the call to its end.
#[must_use]
pub fn on_hold(stream: &Stream) -> Vec<TelephonyEvent> {
    let start = Time::from_ms(fixtures::kinesis::START_EPOCH_MS);
    let end = start + Span::from_ms(stream.duration_ms);
    vec![
        TelephonyEvent::new(EventKind::Hold, Some(start)).participant("+14155550100"),
        TelephonyEvent::new(EventKind::Resume, Some(end)).participant("+14155550100"),
    ]
}

/// Plays a stream through a call: events first, then the media in pushes. The recogniser is there at once
/// and hears no words.
#[must_use]
pub fn play(stream: &Stream, events: Vec<TelephonyEvent>) -> Played {
    let mut config = Config::new(ContactChoice::First, "bench");
    config.gate_clock = GateClock::Recorded;
    let mut call = Call::new(config, 1);
    let now = Time::from_ms(fixtures::kinesis::START_EPOCH_MS);
    for event in events {
        call.handle(now, Input::Gate(GateSource::Toolkit, event));
    }
    let mut pushes = stream.pushes();
    let (mut chunks, mut samples) = (0, 0);
    loop {
        match call.poll() {
            Output::Wait(_) => {
                let media = pushes.next().map_or(Input::MediaEnded(MediaEnd::Complete), Input::Media);
                call.handle(now, media);
            }
            Output::Resolve(id) => {
                let facts = ContactFacts::first_of_its_chain(&id);
                call.handle(now, Input::Contact { id, facts });
            }
            Output::OpenRecogniser(spec) => {
                let capabilities =
                    Capabilities::new("deaf", false, WordTimes::Measured { error_ms: 0 }, false);
                call.handle(now, Input::RecogniserReady { session: spec.id, capabilities });
            }
            Output::Audio(chunk) => {
                chunks += 1;
                samples += black_box(chunk).samples() as u64;
            }
            Output::EndAudio { session } => {
                call.handle(now, Input::Recognised(RecogniserEvent::Ended { session }));
            }
            Output::Done(summary) => return Played { chunks, samples, summary: *summary },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams;

    #[test]
    fn the_whole_call_becomes_chunks_gate_open_or_closed() {
        let stream = streams::get_media(3);
        let samples = stream.duration_ms.unsigned_abs() * fixtures::SAMPLES_PER_MS as u64;
        for (events, closed) in [(Vec::new(), 0), (on_hold(&stream), stream.duration_ms)] {
            let played = play(&stream, events);
            assert_eq!((played.samples, played.chunks), (samples, samples.div_ceil(800)));
            assert_eq!(played.summary.gate.closed_ms, closed);
        }
    }
}
