//! A recogniser for tone words. It knows nothing of calls: audio in, words with offsets out.

use std::collections::VecDeque;

use engine::recogniser::{
    AudioChunk, Capabilities, Party, Recogniser, RecogniserError, RecogniserEvent, Segment, SessionSpec,
    Word, WordTimes,
};
use engine::time::Span;
use fixtures::tone::{Decoder, Heard};

/// How the tone recogniser behaves.
#[derive(Debug, Clone, Copy)]
pub struct ToneOptions {
    /// Silence that ends an utterance.
    pub pause: Span,
    /// What it states of its word times, milliseconds.
    pub error_ms: u32,
}

impl Default for ToneOptions {
    fn default() -> Self {
        Self { pause: Span::from_ms(400), error_ms: 20 }
    }
}

/// Hears tone words on both channels.
#[derive(Debug, Default)]
pub struct ToneRecogniser {
    options: ToneOptions,
    session: Option<Open>,
    events: VecDeque<RecogniserEvent>,
    /// Every chunk that reached it, per party: (wall-clock start in ms, samples).
    pub heard: [Vec<(i64, Vec<i16>)>; 2],
}

#[derive(Debug)]
struct Open {
    spec: SessionSpec,
    ears: Vec<Ear>,
}

#[derive(Debug)]
struct Ear {
    party: Party,
    decoder: Decoder,
    words: Vec<Heard>,
}

impl ToneRecogniser {
    /// A recogniser with other options than the defaults.
    #[must_use]
    pub fn new(options: ToneOptions) -> Self {
        Self { options, ..Self::default() }
    }
}

impl Recogniser for ToneRecogniser {
    fn open(&mut self, spec: &SessionSpec) -> Result<Capabilities, RecogniserError> {
        let ear =
            |party: &Party| Ear { party: *party, decoder: Decoder::new(spec.rate_hz), words: Vec::new() };
        let ears = spec.channels.parties().iter().map(ear).collect();
        self.session = Some(Open { spec: spec.clone(), ears });
        let times = WordTimes::Measured { error_ms: self.options.error_ms };
        Ok(Capabilities::new("tone words", false, times, false))
    }

    fn audio(&mut self, chunk: AudioChunk) -> Result<(), RecogniserError> {
        let Some(open) = &mut self.session else { return Err(RecogniserError::fatal("no session is open")) };
        let pause = u64::try_from(self.options.pause.samples(open.spec.rate_hz)).unwrap_or(u64::MAX);
        for ear in &mut open.ears {
            let samples: Vec<i16> = chunk.party(ear.party).collect();
            ear.words.extend(ear.decoder.feed(&samples));
            self.heard[ear.party.channel()].push((chunk.start.ms(), samples));
            let since = ear.decoder.sounding_since().unwrap_or_else(|| ear.decoder.samples());
            if ear.words.last().is_some_and(|w| since.saturating_sub(w.end) >= pause) {
                self.events.push_back(ear.segment(&open.spec));
            }
            // A word that came late may have begun a new utterance.
        }
        Ok(())
    }

    fn end(&mut self, session: u32) -> Result<(), RecogniserError> {
        if let Some(mut open) = self.session.take() {
            for ear in &mut open.ears {
                ear.words.extend(ear.decoder.finish());
                if !ear.words.is_empty() {
                    self.events.push_back(ear.segment(&open.spec));
                }
            }
        }
        self.events.push_back(RecogniserEvent::Ended { session });
        Ok(())
    }

    fn poll(&mut self, _wait: bool) -> Result<Option<RecogniserEvent>, RecogniserError> {
        Ok(self.events.pop_front())
    }
}

impl Ear {
    fn segment(&mut self, spec: &SessionSpec) -> RecogniserEvent {
        let offset = |samples: u64| Span::from_samples(i64::try_from(samples).unwrap_or(0), spec.rate_hz);
        let heard = std::mem::take(&mut self.words);
        let start = heard.first().map_or(Span::ZERO, |w| offset(w.start));
        let end = heard.last().map_or(Span::ZERO, |w| offset(w.end));
        let words = heard.iter().map(|w| Word::new(w.word, offset(w.start), offset(w.end))).collect();
        RecogniserEvent::Segment(Segment::new(spec.id, self.party, true, start, end, words))
    }
}
