//! The embedded recogniser on real voices, with the real model.
//!
//! The model is fetched the documented way into the default cache on first use; without it these tests fail.
#![cfg(feature = "asr")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail in its helpers too")]

use std::sync::OnceLock;

use bytes::Bytes;
use engine::asr::model::ModelStore;
use engine::asr::vocabulary_filter::{Method, VocabularyFilter};
use engine::asr::{Embedded, EmbeddedOptions, Model};
use engine::recogniser::{
    AudioChunk, Channels, Party, Recogniser, RecogniserEvent, Segment, SessionSpec, WordTimes,
};
use engine::time::Time;

const RATE: usize = 8000;

/// The clips with the words spoken in them.
const CLIPS: [(&str, &str); 6] = [
    (
        "jfk",
        "and so my fellow americans ask not what your country can do for you ask what you can do for your country",
    ),
    (
        "austen-0870",
        "and mister john dashwood had then leisure to consider how much there might be prudently in his power to do for them",
    ),
    ("austen-0880", "he was not an ill disposed young man"),
    ("austen-0890", "unless to be rather cold hearted and rather selfish is to be ill disposed"),
    (
        "austen-0920",
        "had he married a more amiable woman he might have been made still more respectable than he was",
    ),
    ("austen-0930", "he might even have been made amiable himself"),
];

fn clip(name: &str) -> Vec<i16> {
    let path = format!("{}/../fixtures/data/speech/{name}.wav", env!("CARGO_MANIFEST_DIR"));
    let mut reader = hound::WavReader::open(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    reader.samples::<i16>().map(Result::unwrap).collect()
}

/// The model, loaded once for all tests.
fn model() -> Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    let load = || {
        let files = ModelStore::from_env().unwrap().ensure(&mut ()).unwrap_or_else(|e| panic!("{e}"));
        Model::load(&files, "en").unwrap()
    };
    MODEL.get_or_init(load).clone()
}

fn recogniser(threads: usize) -> Embedded {
    let mut options = EmbeddedOptions::new(model());
    options.threads = threads;
    Embedded::new(options).unwrap()
}

/// A call: customer and agent take turns, one clip each, a second apart. With the start of each clip.
fn call(clips: &[(&'static str, &'static str)]) -> ([Vec<i16>; 2], Vec<usize>) {
    let mut tracks = [Vec::new(), Vec::new()];
    let mut starts = Vec::new();
    let mut at = RATE;
    for (turn, (name, _)) in clips.iter().enumerate() {
        let samples = clip(name);
        tracks[turn % 2].resize(at, 0);
        starts.push(at / 8);
        at += samples.len() + RATE;
        tracks[turn % 2].extend(samples);
    }
    for track in &mut tracks {
        track.resize(at, 0);
    }
    (tracks, starts)
}

fn interleave(tracks: &[Vec<i16>; 2]) -> Bytes {
    let samples = tracks[0].iter().zip(&tracks[1]).flat_map(|(customer, agent)| [*customer, *agent]);
    samples.flat_map(i16::to_le_bytes).collect::<Vec<u8>>().into()
}

/// Plays both tracks through a session in chunks of `cut` samples, polling as a driver does.
fn play(asr: &mut Embedded, tracks: &[Vec<i16>; 2], cut: usize) -> Vec<RecogniserEvent> {
    let pcm = interleave(tracks);
    let mut events = Vec::new();
    asr.open(&SessionSpec::new(1, 8000, Channels::Both)).unwrap();
    for (index, start) in (0..pcm.len()).step_by(cut * 4).enumerate() {
        let piece = pcm.slice(start..(start + cut * 4).min(pcm.len()));
        let position = (index * cut) as u64;
        asr.audio(AudioChunk::new(1, position, Time::default(), 8000, Channels::Both, piece)).unwrap();
        events.extend(std::iter::from_fn(|| asr.poll(false).unwrap()));
    }
    asr.end(1).unwrap();
    events.extend(std::iter::from_fn(|| asr.poll(true).unwrap()));
    events
}

fn segments(events: &[RecogniserEvent]) -> Vec<Segment> {
    let segment = |event: &RecogniserEvent| match event {
        RecogniserEvent::Segment(segment) => Some(segment.clone()),
        _ => None,
    };
    events.iter().filter_map(segment).collect()
}

fn text(segment: &Segment) -> String {
    segment.words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// Lower case, no punctuation, hyphens as spaces, abbreviations written out.
fn normal(text: &str) -> Vec<String> {
    text.to_lowercase()
        .replace('-', " ")
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).replace("mr", "mister"))
        .collect()
}

/// Substitutions, insertions and deletions between two texts.
fn word_errors(said: &[String], heard: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (i, expected) in said.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, found) in heard.iter().enumerate() {
            let change = diagonal + usize::from(expected != found);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[heard.len()]
}

#[test]
fn a_call_of_real_voices_is_understood_in_order_whatever_the_threads() {
    let (tracks, starts) = call(&CLIPS);
    let mut two = recogniser(2);
    let events = play(&mut two, &tracks, 800);
    let heard = segments(&events);
    let stats = two.stats();
    assert_eq!(heard.len(), CLIPS.len(), "{:?}", heard.iter().map(text).collect::<Vec<_>>());
    assert_eq!((stats.recognised, stats.dropped()), (6, 0));

    let mut errors = 0;
    for (turn, ((_, words), segment)) in CLIPS.iter().zip(&heard).enumerate() {
        let found = word_errors(&normal(words), &normal(&text(segment)));
        println!("{found} errors: {}", text(segment));
        errors += found;
        assert_eq!(segment.party, Party::ALL[turn % 2]);
        assert!(segment.is_final && segment.session == 1);
        let late = segment.start.ms() - i64::try_from(starts[turn]).unwrap();
        assert!((-200..500).contains(&late), "clip {turn} begins {late} ms late");
        for word in &segment.words {
            assert!(segment.start <= word.start && word.start <= word.end && word.end <= segment.end);
            assert!(word.confidence.is_some_and(|c| (0.0..=1.0).contains(&c)));
        }
        assert!(segment.words.windows(2).all(|pair| pair[0].end <= pair[1].start));
    }
    println!("{errors} errors in 89 words");
    assert!(errors <= 8, "{errors} errors");
    progress_is_true(&events);

    let one = segments(&play(&mut recogniser(1), &tracks, 1234));
    assert_eq!(one, heard, "one thread heard something else than two");
}

/// No segment starts before what its party's progress has passed; the end comes last and once.
fn progress_is_true(events: &[RecogniserEvent]) {
    let mut until = [engine::time::Span::ZERO; 2];
    for event in events {
        match event {
            RecogniserEvent::Segment(s) => assert!(s.start >= until[s.party.channel()]),
            RecogniserEvent::Progress { party, until: now, .. } => {
                assert!(*now >= until[party.channel()]);
                until[party.channel()] = *now;
            }
            _ => {}
        }
    }
    let ended = |e: &&RecogniserEvent| matches!(e, RecogniserEvent::Ended { session: 1 });
    assert_eq!(events.iter().filter(ended).count(), 1);
    assert!(events.last().is_some_and(|e| ended(&e)));
    let length = until[0];
    assert_eq!(until[1], length, "both parties are final to the end of the audio");
    assert!(length.ms() > 40_000);
}

#[test]
fn tones_noise_and_silence_say_nothing() {
    let tone = |hz: f32, n: usize| (std::f32::consts::TAU * hz * n as f32 / RATE as f32).sin();
    let tune = [392.0, 440.0, 494.0, 587.0, 523.0, 440.0];
    let melody = (0..20 * RATE).map(|n| (5000.0 * tone(tune[n / 3200 % 6], n)) as i16).collect();
    let mut random = fastrand::Rng::with_seed(3);
    let mut rest: Vec<i16> = (0..8 * RATE).map(|_| random.i16(-40..40)).collect();
    rest.extend((0..4 * RATE).map(|n| (4000.0 * (tone(350.0, n) + tone(440.0, n))) as i16));
    rest.resize(20 * RATE, 0);
    let mut asr = recogniser(1);
    let events = play(&mut asr, &[melody, rest], 800);
    assert!(segments(&events).is_empty(), "{:?}", segments(&events).iter().map(text).collect::<Vec<_>>());
    assert_eq!(asr.stats().recognised, 0);
}

#[test]
fn the_vocabulary_filter_reaches_the_segments() {
    let (mut tracks, _) = call(&CLIPS[2..3]);
    tracks.swap(0, 1);
    let mut options = EmbeddedOptions::new(model());
    options.threads = 1;
    options.vocabulary_filter = Some(VocabularyFilter::parse("young MAN\n", Method::Mask));
    let mut asr = Embedded::new(options).unwrap();
    let heard = segments(&play(&mut asr, &tracks, 800));
    assert_eq!(heard.len(), 1);
    assert!(text(&heard[0]).ends_with("*** ***."), "{}", text(&heard[0]));
    assert_eq!(heard[0].party, Party::Agent);
}

#[test]
fn sessions_follow_each_other_and_misuse_is_refused() {
    let mut asr = recogniser(1);
    let spec = SessionSpec::new(1, 8000, Channels::Only(Party::Agent));
    let ready = asr.open(&spec).unwrap();
    assert_eq!(ready.name, "Whisper tiny.en");
    assert!(!ready.partials && ready.confidence && ready.languages == ["en"]);
    assert!(matches!(ready.word_times, WordTimes::Spread { error_ms } if error_ms <= 500));
    assert!(asr.open(&spec).unwrap_err().message.contains("still open"));
    let chunk = |session, position, rate| {
        let (start, party) = (Time::default(), Channels::Only(Party::Agent));
        AudioChunk::new(session, position, start, rate, party, vec![0; 1600].into())
    };
    asr.audio(chunk(1, 0, 8000)).unwrap();
    assert!(asr.audio(chunk(2, 800, 8000)).unwrap_err().message.contains("session 2 is not open"));
    asr.audio(chunk(1, 8000, 8000)).unwrap(); // a gap is silence
    asr.end(1).unwrap();
    assert!(asr.audio(chunk(1, 8800, 8000)).is_err());
    asr.open(&SessionSpec::new(2, 8000, Channels::Only(Party::Agent))).unwrap();
    let events: Vec<_> = std::iter::from_fn(|| asr.poll(true).unwrap()).collect();
    assert!(matches!(events.last(), Some(RecogniserEvent::Ended { session: 1 })), "{events:?}");
    // From here on the session is lost, and every call says why.
    assert!(asr.audio(chunk(2, 0, 16_000)).unwrap_err().message.contains("changed its format"));
    assert!(asr.poll(true).unwrap_err().message.contains("changed its format"));
}

#[test]
fn a_recogniser_dropped_at_work_does_not_hold_its_caller() {
    let (tracks, _) = call(&CLIPS[..2]);
    let mut asr = recogniser(1);
    asr.open(&SessionSpec::new(1, 8000, Channels::Both)).unwrap();
    asr.audio(AudioChunk::new(1, 0, Time::default(), 8000, Channels::Both, interleave(&tracks))).unwrap();
    asr.end(1).unwrap();
    assert!(asr.in_flight() > 0);
    drop(asr);
}
