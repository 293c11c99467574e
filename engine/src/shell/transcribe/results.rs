//! The service's results as the call's segments. It knows the shapes of both engines and no session.
//!
//! Source: Amazon Transcribe, `TranscriptEvent` and `MedicalTranscriptEvent`: times are seconds from the
//! start of the stream, `ch_0` is the first channel.

use aws_sdk_transcribestreaming::types::{
    Item, ItemType, MedicalItem, MedicalTranscriptEvent, Result as StandardResult, TranscriptEvent,
};

use crate::recogniser::{Channels, Party, RecogniserEvent, Segment, SessionSpec, Word};
use crate::time::Span;

/// Languages whose words are not parted by spaces.
const WITHOUT_SPACES: [&str; 4] = ["ja", "th", "yue", "zh"];

/// What a result says, whichever engine it is from.
struct Heard<'a> {
    channel: Option<&'a str>,
    partial: bool,
    start_s: f64,
    end_s: f64,
    transcript: Option<&'a str>,
    items: Vec<Piece<'a>>,
    spaces: bool,
}

/// A word or a punctuation mark.
struct Piece<'a> {
    content: &'a str,
    punctuation: bool,
    start_s: f64,
    end_s: f64,
    confidence: Option<f64>,
    filtered: bool,
}

/// All results of an event.
pub(super) fn standard(
    spec: &SessionSpec,
    language: Option<&str>,
    event: &TranscriptEvent,
) -> Vec<RecogniserEvent> {
    let results = event.transcript().map(|t| t.results()).unwrap_or_default();
    results.iter().filter_map(|result| segment(spec, &standard_result(result, language))).collect()
}

fn standard_result<'a>(result: &'a StandardResult, language: Option<&'a str>) -> Heard<'a> {
    let best = result.alternatives().first();
    let language = result.language_code().map(|code| code.as_str()).or(language);
    Heard {
        channel: result.channel_id(),
        partial: result.is_partial(),
        start_s: result.start_time(),
        end_s: result.end_time(),
        transcript: best.and_then(|a| a.transcript()),
        items: best.map(|a| a.items().iter().map(standard_item).collect()).unwrap_or_default(),
        spaces: has_spaces(language),
    }
}

fn standard_item(item: &Item) -> Piece<'_> {
    Piece {
        content: item.content().unwrap_or_default(),
        punctuation: item.r#type() == Some(&ItemType::Punctuation),
        start_s: item.start_time(),
        end_s: item.end_time(),
        confidence: item.confidence(),
        filtered: item.vocabulary_filter_match(),
    }
}

/// All results of an event of the medical engine.
pub(super) fn medical(spec: &SessionSpec, event: &MedicalTranscriptEvent) -> Vec<RecogniserEvent> {
    let results = event.transcript().map(|t| t.results()).unwrap_or_default();
    let heard = results.iter().map(|result| {
        let best = result.alternatives().first();
        Heard {
            channel: result.channel_id(),
            partial: result.is_partial(),
            start_s: result.start_time(),
            end_s: result.end_time(),
            transcript: best.and_then(|a| a.transcript()),
            items: best.map(|a| a.items().iter().map(medical_item).collect()).unwrap_or_default(),
            spaces: true,
        }
    });
    heard.filter_map(|heard| segment(spec, &heard)).collect()
}

fn medical_item(item: &MedicalItem) -> Piece<'_> {
    Piece {
        content: item.content().unwrap_or_default(),
        punctuation: item.r#type() == Some(&ItemType::Punctuation),
        start_s: item.start_time(),
        end_s: item.end_time(),
        confidence: item.confidence(),
        filtered: false,
    }
}

fn has_spaces(language: Option<&str>) -> bool {
    let stem = language.and_then(|code| code.split('-').next());
    stem.is_none_or(|stem| !WITHOUT_SPACES.contains(&stem))
}

/// A result as an event; nothing where nothing was said, or on a channel that the session does not have.
fn segment(spec: &SessionSpec, heard: &Heard<'_>) -> Option<RecogniserEvent> {
    let party = match (spec.channels, heard.channel) {
        (Channels::Only(party), _) => party,
        (Channels::Both, Some("ch_0")) => Party::Customer,
        (Channels::Both, Some("ch_1")) => Party::Agent,
        (Channels::Both, channel) => {
            tracing::warn!(
                session = spec.id,
                channel,
                "a result on a channel that was not asked for is dropped"
            );
            return None;
        }
    };
    let (start, end) = (span(heard.start_s), span(heard.end_s));
    let mut words = words(heard);
    if words.is_empty() {
        // What has no items, as redacted text may, is one word, so that it is not lost.
        let transcript = heard.transcript.filter(|text| !text.trim().is_empty())?;
        words.push(Word::new(transcript.trim(), start, end));
    }
    Some(RecogniserEvent::Segment(Segment::new(spec.id, party, !heard.partial, start, end, words)))
}

fn words(heard: &Heard<'_>) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::with_capacity(heard.items.len());
    // Marks that stand before the first word.
    let mut before = String::new();
    for item in heard.items.iter().filter(|item| !item.content.is_empty()) {
        if item.punctuation {
            match words.last_mut() {
                Some(word) => word.text.push_str(item.content),
                None => before.push_str(item.content),
            }
            continue;
        }
        let text = std::mem::take(&mut before) + item.content;
        let mut word = Word::new(text, span(item.start_s), span(item.end_s));
        word.confidence = item.confidence.filter(|c| (0.0..=1.0).contains(c)).map(|c| c as f32);
        word.vocabulary_filter_match = item.filtered;
        word.space_before = heard.spaces;
        words.push(word);
    }
    words
}

/// Seconds from the start of the stream.
fn span(seconds: f64) -> Span {
    // A cast saturates, and makes zero of what is no number.
    Span::from_us((seconds.max(0.0) * 1e6).round() as i64)
}

#[cfg(test)]
mod tests {
    use aws_sdk_transcribestreaming::types::{Alternative, LanguageCode, Transcript};

    use super::*;

    fn item(content: &str, start_s: f64, punctuation: bool) -> Item {
        let kind = if punctuation { ItemType::Punctuation } else { ItemType::Pronunciation };
        let item = Item::builder().content(content).r#type(kind).start_time(start_s).end_time(start_s + 0.5);
        if punctuation { item.build() } else { item.confidence(0.5).vocabulary_filter_match(true).build() }
    }

    fn event(language: Option<LanguageCode>, transcript: &str, items: Vec<Item>) -> TranscriptEvent {
        let alternative = Alternative::builder().transcript(transcript).set_items(Some(items)).build();
        let result = StandardResult::builder()
            .start_time(0.025)
            .end_time(6.025)
            .channel_id("ch_1")
            .set_language_code(language)
            .alternatives(alternative)
            .build();
        // Several results in one event are all told.
        let second = StandardResult::builder().channel_id("ch_7").build();
        let transcript = Transcript::builder().results(second).results(result).build();
        TranscriptEvent::builder().transcript(transcript).build()
    }

    fn read(language: Option<LanguageCode>, transcript: &str, items: Vec<Item>) -> Segment {
        let spec = SessionSpec::new(3, 8000, Channels::Both);
        let events = standard(&spec, Some("en-US"), &event(language, transcript, items));
        match <[_; 1]>::try_from(events) {
            Ok([RecogniserEvent::Segment(segment)]) => segment,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn punctuation_belongs_to_the_word_before_it() {
        let items =
            vec![item("¿", 0.0, true), item("Qué", 0.1, false), item("?", 0.6, true), item("Sí", 1.0, false)];
        let segment = read(None, "¿Qué? Sí", items);
        assert_eq!((segment.party, segment.is_final, segment.session), (Party::Agent, true, 3));
        assert_eq!((segment.start, segment.end), (Span::from_ms(25), Span::from_ms(6025)));
        let texts: Vec<&str> = segment.words.iter().map(|w| w.text.as_str()).collect();
        assert_eq!(texts, ["¿Qué?", "Sí"]);
        let word = &segment.words[0];
        assert_eq!((word.start, word.end), (Span::from_ms(100), Span::from_ms(600)));
        assert!(word.space_before && word.vocabulary_filter_match && word.confidence == Some(0.5));
    }

    #[test]
    fn scripts_without_spaces_have_none() {
        let items = vec![item("こん", 0.0, false), item("にちは", 0.5, false)];
        assert!(read(Some(LanguageCode::JaJp), "こんにちは", items).words.iter().all(|w| !w.space_before));
    }

    #[test]
    fn a_result_without_items_is_not_lost() {
        let segment = read(None, "[PII]", Vec::new());
        assert_eq!(segment.words[0].text, "[PII]");
        assert_eq!((segment.words[0].start, segment.words[0].end), (segment.start, segment.end));
    }

    #[test]
    fn times_that_are_no_numbers_are_the_start() {
        assert_eq!(span(f64::NAN), Span::ZERO);
        assert_eq!(span(-1.0), Span::ZERO);
        assert_eq!(span(0.0245), Span::from_us(24_500));
    }
}
