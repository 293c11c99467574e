//! Every Kinesis shape, played through the call with tone words: who said what when, exactly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use engine::call::{Config, ContactChoice, GateClock};
use engine::offline::read_events;
use engine::recogniser::Party;
use fixtures::manifest::{Entry, Truth, Utterance};
use tests::{Played, play};

fn play_entry(entry: &Entry) -> Played {
    let bytes = std::fs::read(fixtures::path(&entry.file)).unwrap();
    let events = entry.events.as_ref().map_or_else(Vec::new, |file| {
        read_events(std::fs::read(fixtures::path(file)).unwrap().as_slice()).unwrap()
    });
    let contact = entry.truth.as_ref().and_then(|t| t.contact_id.clone());
    let mut config = Config::new(contact.map_or(ContactChoice::First, ContactChoice::Id), "file");
    config.gate_clock = GateClock::Recorded;
    config.accept_nameless = true;
    play(bytes, config, events)
}

/// (party, word, start, end) of everything posted, by party and time.
fn posted(played: &Played) -> Vec<(Party, String, i64, i64)> {
    let mut words: Vec<_> = played
        .utterances
        .iter()
        .flat_map(|u| u.words.iter().map(|w| (u.party, w.text.clone(), w.start_time, w.end_time)))
        .collect();
    words.sort_by_key(|w| (w.0, w.2));
    words
}

fn expected(truth: &Truth) -> Vec<(Party, String, i64, i64)> {
    let mut words: Vec<_> = truth
        .utterances
        .iter()
        .flat_map(|u: &Utterance| {
            let party = match u.party {
                fixtures::Party::Customer => Party::Customer,
                fixtures::Party::Agent => Party::Agent,
            };
            u.words.iter().map(move |w| (party, w.word.clone(), w.start_ms, w.end_ms))
        })
        .collect();
    words.sort_by_key(|w| (w.0, w.2));
    words
}

#[test]
fn every_shape_says_its_words_exactly() {
    let manifest = fixtures::manifest::load().unwrap();
    let mut seen = 0;
    for entry in manifest.under("kinesis/") {
        let Some(truth) = entry.truth.as_ref().filter(|t| t.tone_words) else { continue };
        seen += 1;
        let played = play_entry(entry);
        let (posted, expected) = (posted(&played), expected(truth));
        let texts = |words: &[(Party, String, i64, i64)]| {
            words.iter().map(|w| (w.0, w.1.clone())).collect::<Vec<_>>()
        };
        assert_eq!(texts(&posted), texts(&expected), "{}: {:#?}", entry.file, played.summary);
        for (p, e) in posted.iter().zip(&expected) {
            let off = (p.2 - e.2).abs().max((p.3 - e.3).abs());
            assert!(off <= truth.tolerance_ms, "{}: {p:?} is {off} ms off {e:?}", entry.file);
        }
        for message in &played.messages {
            let key = truth.contact_id.as_deref().unwrap_or("file");
            assert!(message.participant_id.starts_with(key), "{}", entry.file);
        }
    }
    assert!(seen >= 20, "only {seen} shapes were played");
}
