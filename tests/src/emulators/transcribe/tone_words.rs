//! Hears tone words: what is told depends on the audio alone, at once and on each channel by itself.

use engine::time::Span;
use fixtures::tone::{Decoder, Heard};

use super::hearing::{Hearing, Listener, Said, Speech};
use super::request::Request;

/// Hears tone words.
#[derive(Debug, Clone, Copy, Default)]
pub struct ToneWords;

impl Listener for ToneWords {
    fn open(&self, request: &Request, pause: Span) -> Box<dyn Hearing> {
        let rate_hz = request.rate_hz;
        let pause = u64::try_from(pause.samples(rate_hz)).unwrap_or(u64::MAX);
        let ear = |channel| Ear {
            channel,
            rate_hz,
            pause,
            decoder: Decoder::new(rate_hz),
            words: Vec::new(),
            told: 0,
        };
        let ears = (0..request.channels).map(ear).collect();
        Box::new(Ears { ears, told: Vec::new(), ended: false })
    }
}

/// The channels of a session.
#[derive(Debug)]
struct Ears {
    ears: Vec<Ear>,
    told: Vec<Speech>,
    ended: bool,
}

impl Hearing for Ears {
    fn hear(&mut self, samples: &[i16]) -> Result<(), String> {
        let channels = self.ears.len();
        for ear in &mut self.ears {
            let own: Vec<i16> = samples.iter().skip(ear.channel).step_by(channels).copied().collect();
            ear.hear(&own, &mut self.told);
        }
        Ok(())
    }

    fn end(&mut self) {
        for ear in &mut self.ears {
            ear.words.extend(ear.decoder.finish());
            ear.finish(&mut self.told);
        }
        self.ended = true;
    }

    fn poll(&mut self) -> Result<Vec<Speech>, String> {
        Ok(std::mem::take(&mut self.told))
    }

    fn is_done(&self) -> bool {
        self.ended && self.told.is_empty()
    }
}

/// One channel of a session.
#[derive(Debug)]
struct Ear {
    channel: usize,
    rate_hz: u32,
    /// Samples of silence that end a segment.
    pause: u64,
    decoder: Decoder,
    /// Words of the segment that is not final yet.
    words: Vec<Heard>,
    /// Words that the last partial result told.
    told: usize,
}

impl Ear {
    /// Takes samples; tells what they bring about, partial results included.
    fn hear(&mut self, samples: &[i16], told: &mut Vec<Speech>) {
        for word in self.decoder.feed(samples) {
            // A word behind a pause begins a segment, whatever the size of the chunk it came in.
            if self.words.last().is_some_and(|last| word.start.saturating_sub(last.end) >= self.pause) {
                self.finish(told);
            }
            self.words.push(word);
        }
        let since = self.decoder.sounding_since().unwrap_or_else(|| self.decoder.samples());
        if self.words.last().is_some_and(|last| since.saturating_sub(last.end) >= self.pause) {
            self.finish(told);
        } else if self.words.len() > self.told {
            self.told = self.words.len();
            told.extend(self.speech(true));
        }
    }

    /// Tells the segment for good, if there is one.
    fn finish(&mut self, told: &mut Vec<Speech>) {
        told.extend(self.speech(false));
        self.words.clear();
        self.told = 0;
    }

    fn speech(&self, partial: bool) -> Option<Speech> {
        let (first, last) = self.words.first().zip(self.words.last())?;
        let at = |samples: u64| Span::from_samples(i64::try_from(samples).unwrap_or(i64::MAX), self.rate_hz);
        let said = |word: &Heard| Said {
            text: word.word.to_owned(),
            start: at(word.start),
            end: at(word.end),
            confidence: None,
            space_before: true,
        };
        let words = self.words.iter().map(said).collect();
        Some(Speech { channel: self.channel, partial, start: at(first.start), end: at(last.end), words })
    }
}
