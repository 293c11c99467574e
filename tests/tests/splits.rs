//! However the bytes of a recording are cut, the call does the same: same chunks, same messages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use engine::call::{Config, ContactChoice, GateClock};
use engine::offline::read_events;
use proptest::prelude::*;
use tests::{Bytewise, Played, ToneRecogniser, play_media};

struct Recording {
    file: String,
    bytes: bytes::Bytes,
    events: Vec<u8>,
    whole: Played,
}

static RECORDINGS: LazyLock<Vec<Recording>> = LazyLock::new(|| {
    let manifest = fixtures::manifest::load().unwrap();
    let shapes = manifest.under("kinesis/").filter(|e| e.file.ends_with(".mkv"));
    shapes
        .map(|entry| {
            let bytes = bytes::Bytes::from(std::fs::read(fixtures::path(&entry.file)).unwrap());
            let events =
                entry.events.as_ref().map_or_else(Vec::new, |e| std::fs::read(fixtures::path(e)).unwrap());
            let whole = play_cut(&bytes, &events, Vec::new());
            Recording { file: entry.file.clone(), bytes, events, whole }
        })
        .collect()
});

fn play_cut(bytes: &bytes::Bytes, events: &[u8], cuts: Vec<usize>) -> Played {
    let mut config = Config::new(ContactChoice::First, "file");
    config.gate_clock = GateClock::Recorded;
    config.accept_nameless = true;
    let mut media = Bytewise::new(bytes.clone(), cuts);
    play_media(&mut media, config, read_events(events).unwrap(), &mut ToneRecogniser::default())
}

fn same(recording: &Recording, cut: &Played) {
    assert_eq!(recording.whole.messages, cut.messages, "{}", recording.file);
    assert_eq!(recording.whole.summary, cut.summary, "{}", recording.file);
    assert!(recording.whole.chunks == cut.chunks, "{}: other audio", recording.file);
}

#[test]
fn byte_by_byte_is_the_same_as_whole() {
    for recording in RECORDINGS.iter() {
        // The first two documents byte by byte: every header is cut everywhere.
        let cuts = (0..recording.bytes.len().min(140_000)).collect();
        same(recording, &play_cut(&recording.bytes, &recording.events, cuts));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_is_the_same_as_whole(
        which in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        step in 1_usize..5000,
    ) {
        let recording = which.get(&RECORDINGS);
        let length = recording.bytes.len();
        let mut at: Vec<usize> = cuts.iter().map(|c| c.index(length)).collect();
        if step < 2000 {
            at.extend((0..length).step_by(step));
        }
        same(recording, &play_cut(&recording.bytes, &recording.events, at));
    }
}
