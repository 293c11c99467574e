//! Hears one channel and tells it as results.

use fixtures::tone::{Decoder, Heard};
use serde_json::{Value, json};

/// One channel of a session.
#[derive(Debug, Clone)]
pub(super) struct Ear {
    rate_hz: u32,
    decoder: Decoder,
    /// Words of the segment that is not final yet.
    words: Vec<Heard>,
    /// Words that the last partial result told.
    told: usize,
    /// Counts segments.
    segment: u64,
}

/// How results are written.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    /// `ch_0` or `ch_1`; absent with one channel.
    pub(super) channel: Option<&'static str>,
    pub(super) language: Option<String>,
    pub(super) punctuation: bool,
    pub(super) stabilised: bool,
    /// Distinguishes sessions, in the result ids.
    pub(super) session: u64,
}

impl Ear {
    pub(super) fn new(rate_hz: u32) -> Self {
        Self { rate_hz, decoder: Decoder::new(rate_hz), words: Vec::new(), told: 0, segment: 0 }
    }

    /// Takes samples; returns the results that they bring about, partial ones included.
    pub(super) fn hear(&mut self, samples: &[i16], pause: u64, manner: &Manner) -> Vec<Value> {
        let mut results = Vec::new();
        for word in self.decoder.feed(samples) {
            // A word behind a pause begins a segment, whatever the size of the chunk it came in.
            if self.words.last().is_some_and(|last| word.start.saturating_sub(last.end) >= pause) {
                results.extend(self.finish(manner));
            }
            self.words.push(word);
        }
        let since = self.decoder.sounding_since().unwrap_or_else(|| self.decoder.samples());
        if self.words.last().is_some_and(|last| since.saturating_sub(last.end) >= pause) {
            results.extend(self.finish(manner));
        } else if self.words.len() > self.told {
            self.told = self.words.len();
            results.push(self.result(true, manner));
        }
        results
    }

    /// The audio is over.
    pub(super) fn end(&mut self, manner: &Manner) -> Option<Value> {
        self.words.extend(self.decoder.finish());
        self.finish(manner)
    }

    /// The final result of the segment, if there is one.
    fn finish(&mut self, manner: &Manner) -> Option<Value> {
        if self.words.is_empty() {
            return None;
        }
        let result = self.result(false, manner);
        self.words.clear();
        self.told = 0;
        self.segment += 1;
        Some(result)
    }

    fn seconds(&self, samples: u64) -> f64 {
        // Milliseconds are what the service tells.
        let ms = samples.saturating_mul(1000) / u64::from(self.rate_hz);
        ms as f64 / 1000.0
    }

    fn result(&self, partial: bool, manner: &Manner) -> Value {
        let (from, to) = self.words.first().zip(self.words.last()).map_or((0, 0), |(f, l)| (f.start, l.end));
        let mut items: Vec<Value> = self.words.iter().map(|word| self.item(word, partial, manner)).collect();
        let mut text = self.words.iter().map(|w| w.word).collect::<Vec<_>>().join(" ");
        if manner.punctuation && !partial {
            text.push('.');
            let at = self.seconds(to);
            items.push(json!({"Content": ".", "Type": "punctuation", "StartTime": at, "EndTime": at,
                "VocabularyFilterMatch": false}));
        }
        let channel = manner.channel.map_or(0, |c| u64::from(c == "ch_1"));
        let mut result = json!({
            "ResultId": format!("{:08x}-{channel:04x}-4000-8000-{:012x}", manner.session, self.segment),
            "IsPartial": partial,
            "StartTime": self.seconds(from),
            "EndTime": self.seconds(to),
            "Alternatives": [{"Transcript": text, "Items": items, "Entities": []}],
        });
        if let Some(channel) = manner.channel {
            result["ChannelId"] = json!(channel);
        }
        if let Some(language) = &manner.language {
            result["LanguageCode"] = json!(language);
        }
        result
    }

    fn item(&self, word: &Heard, partial: bool, manner: &Manner) -> Value {
        let mut item = json!({"Content": word.word, "Type": "pronunciation",
            "StartTime": self.seconds(word.start), "EndTime": self.seconds(word.end),
            "VocabularyFilterMatch": false});
        if !partial {
            item["Confidence"] = json!(0.99);
        }
        if manner.stabilised {
            item["Stable"] = json!(!partial);
        }
        item
    }
}
