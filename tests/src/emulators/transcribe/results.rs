//! Writes what was heard as the service's JSON: the results of Transcribe and those of Transcribe Medical.
//!
//! Source: Amazon Transcribe streaming API, `Result` and `MedicalResult`.

use engine::time::Span;
use serde_json::{Value, json};

use super::hearing::{Said, Speech};
use super::request::Request;

/// What is told of a word whose confidence is not known.
const CONFIDENCE: f32 = 0.99;
/// Words that count as personal health information: numbers, as a patient's record has them.
const PHI: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
/// What may stand behind a word and is told as an item of its own.
const PUNCTUATION: [char; 6] = ['.', ',', '?', '!', ';', ':'];

/// Writes the results of one session.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    /// Distinguishes sessions, in the result ids.
    session: u64,
    /// Final results end with a full stop if nothing else ends them.
    punctuation: bool,
    /// `ch_0` and `ch_1` are told apart.
    two: bool,
    medical: bool,
    /// Entities of the one kind known are told.
    phi: bool,
    stabilised: bool,
    language: Option<String>,
    /// Segments told for good, by channel.
    segments: [u64; 2],
}

impl Writer {
    pub(super) fn new(session: u64, request: &Request, punctuation: bool) -> Self {
        Self {
            session,
            punctuation,
            two: request.channels > 1,
            medical: request.medical,
            phi: request.header("content-identification-type") == Some("PHI"),
            stabilised: request.stabilised,
            language: request.language.clone(),
            segments: [0; 2],
        }
    }

    /// One result.
    pub(super) fn result(&mut self, speech: &Speech) -> Value {
        let channel = speech.channel.min(1);
        let (mut items, mut entities, mut text) = (Vec::new(), Vec::new(), String::new());
        for (n, said) in speech.words.iter().enumerate() {
            let (word, mut mark) = split(&said.text);
            let last = n + 1 == speech.words.len();
            if last && mark.is_empty() && self.punctuation && !speech.partial {
                mark = ".";
            }
            if said.space_before && !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
            text.push_str(mark);
            items.push(self.word(word, said, speech.partial));
            items.extend((!mark.is_empty()).then(|| self.mark(mark, said.end)));
            if self.medical && self.phi && !speech.partial && PHI.contains(&word) {
                entities.push(json!({"StartTime": seconds(said.start), "EndTime": seconds(said.end),
                    "Category": "PHI", "Content": word, "Confidence": confidence(said)}));
            }
        }
        let segment = self.segments[channel];
        self.segments[channel] += u64::from(!speech.partial);
        let mut result = json!({
            "ResultId": format!("{:08x}-{channel:04x}-4000-8000-{segment:012x}", self.session),
            "IsPartial": speech.partial,
            "StartTime": seconds(speech.start),
            "EndTime": seconds(speech.end),
            "Alternatives": [{"Transcript": text, "Items": items, "Entities": entities}],
        });
        if self.two {
            result["ChannelId"] = json!(["ch_0", "ch_1"][channel]);
        }
        if !self.medical
            && let Some(language) = &self.language
        {
            result["LanguageCode"] = json!(language);
        }
        result
    }

    fn word(&self, word: &str, said: &Said, partial: bool) -> Value {
        let mut item = json!({"Content": word, "Type": "pronunciation",
            "StartTime": seconds(said.start), "EndTime": seconds(said.end)});
        if !partial {
            item["Confidence"] = json!(confidence(said));
        }
        if !self.medical {
            item["VocabularyFilterMatch"] = json!(false);
            if self.stabilised {
                item["Stable"] = json!(!partial);
            }
        }
        item
    }

    fn mark(&self, mark: &str, at: Span) -> Value {
        let at = seconds(at);
        let mut item = json!({"Content": mark, "Type": "punctuation", "StartTime": at, "EndTime": at});
        if !self.medical {
            item["VocabularyFilterMatch"] = json!(false);
        }
        item
    }
}

/// A word and what stands behind it. What is nothing but punctuation is a word.
fn split(text: &str) -> (&str, &str) {
    let word = text.trim_end_matches(PUNCTUATION);
    if word.is_empty() { (text, "") } else { text.split_at(word.len()) }
}

fn confidence(said: &Said) -> f64 {
    // The service gives four decimals.
    (f64::from(said.confidence.unwrap_or(CONFIDENCE)) * 1e4).round() / 1e4
}

/// Milliseconds are what the service tells.
fn seconds(span: Span) -> f64 {
    span.ms() as f64 / 1000.0
}
