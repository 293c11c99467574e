//! Plain and compressed recordings, decoded and played through the call: who said what when.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail in its helpers too")]

use std::fs::File;

use engine::audio;
use engine::call::{Config, ContactChoice, EndReason, GateClock};
use engine::offline::{Source, SourceError, SourceOptions};
use engine::recogniser::Party;
use engine::time::Time;
use fixtures::manifest::Entry;
use tests::{Played, ToneRecogniser, play_media};

fn config() -> Config {
    let mut config = Config::new(ContactChoice::First, "stem");
    config.accept_nameless = true;
    config.gate_clock = GateClock::Recorded;
    config
}

fn open(file: &str, options: SourceOptions) -> Result<Source, SourceError> {
    let path = fixtures::path(file);
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_owned);
    Source::open(audio::Source::File(File::open(&path).unwrap()), extension.as_deref(), options)
}

fn play(file: &str, options: SourceOptions) -> Played {
    let mut source = open(file, options).unwrap_or_else(|e| panic!("{file}: {e}"));
    play_media(&mut source, config(), Vec::new(), &mut ToneRecogniser::default())
}

/// (party, word, start) of everything said.
fn said(played: &Played) -> Vec<(Party, String, i64)> {
    let words = played.utterances.iter().flat_map(|u| u.words.iter().map(|w| (u.party, w)));
    let mut words: Vec<_> = words.map(|(party, w)| (party, w.text.clone(), w.start_time)).collect();
    words.sort_by_key(|w| (w.0, w.2));
    words
}

fn truth(entry: &Entry) -> Vec<(Party, String, i64)> {
    let truth = entry.truth.as_ref().unwrap();
    let party = |p| if p == fixtures::Party::Customer { Party::Customer } else { Party::Agent };
    let words = truth.utterances.iter().flat_map(|u| u.words.iter().map(move |w| (party(u.party), w)));
    let mut words: Vec<_> = words.map(|(p, w)| (p, w.word.clone(), w.start_ms)).collect();
    words.sort_by_key(|w| (w.0, w.2));
    words
}

#[test]
fn every_format_says_its_words() {
    let manifest = fixtures::manifest::load().unwrap();
    let mut seen = 0;
    for entry in manifest.under("plain/") {
        let Some(expected) = entry.truth.as_ref().filter(|t| t.tone_words) else { continue };
        if entry.file.contains("opus") {
            continue;
        }
        seen += 1;
        let played = play(&entry.file, SourceOptions::default());
        let (heard, wanted) = (said(&played), truth(entry));
        let texts = |w: &[(Party, String, i64)]| w.iter().map(|w| (w.0, w.1.clone())).collect::<Vec<_>>();
        assert_eq!(texts(&heard), texts(&wanted), "{}", entry.file);
        for (h, w) in heard.iter().zip(&wanted) {
            let start = h.2 - played.summary.start_time.unwrap() + expected.start_epoch_ms;
            let off = (start - w.2).abs();
            assert!(off <= expected.tolerance_ms, "{}: {h:?} is {off} ms off", entry.file);
        }
        assert_eq!(played.summary.end, EndReason::MediaEnded, "{}", entry.file);
        assert_eq!(played.summary.contact, "stem");
    }
    assert!(seen >= 12, "only {seen} recordings were played");
}

#[test]
fn the_sides_of_a_stereo_file_can_be_turned_round() {
    let usual = said(&play("plain/stereo.wav", SourceOptions::default()));
    let turned = said(&play("plain/stereo.wav", SourceOptions::new(Party::Agent, None)));
    let mirrored: Vec<_> = turned
        .into_iter()
        .map(|(p, w, t)| (if p == Party::Agent { Party::Customer } else { Party::Agent }, w, t))
        .collect();
    let sorted = |mut words: Vec<(Party, String, i64)>| {
        words.sort_by_key(|w| (w.0, w.2));
        words
    };
    assert!(!usual.is_empty());
    assert_eq!(sorted(mirrored), usual);
}

#[test]
fn a_recording_starts_when_it_is_told_or_when_its_container_says() {
    let told = Time::from_ms(1_571_360_125_131);
    let played = play("plain/stereo.wav", SourceOptions::new(Party::Customer, Some(told)));
    assert_eq!(played.summary.start_time, Some(told.ms()));
    // 2026-01-05T10:00:00Z, the container's DateUTC.
    assert_eq!(play("plain/aac.mkv", SourceOptions::default()).summary.start_time, Some(1_767_607_200_000));
    assert_eq!(play("plain/stereo.wav", SourceOptions::default()).summary.start_time, Some(0));
}

#[test]
fn opus_is_refused_with_a_way_out() {
    let error = open("plain/opus.mkv", SourceOptions::default()).err().unwrap().to_string();
    assert!(error.contains("A_OPUS") && error.contains("ffmpeg"), "{error}");
}
