//! Voice activity on real voices and on the sounds that are none.

use std::f32::consts::TAU;

use super::*;

const RATE: usize = 8000;

/// A clip of real speech at 8 kHz.
fn clip(name: &str) -> Vec<f32> {
    let path = format!("{}/../fixtures/data/speech/{name}.wav", env!("CARGO_MANIFEST_DIR"));
    let mut reader = hound::WavReader::open(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    reader.samples::<i16>().map(|s| f32::from(s.unwrap()) / 32_768.0).collect()
}

fn segment(samples: &[f32], cut: usize) -> Vec<Found> {
    let mut segmenter = Segmenter::new(8000).unwrap();
    let mut found = Vec::new();
    for chunk in samples.chunks(cut) {
        segmenter.push(chunk, &mut found).unwrap();
    }
    segmenter.finish(&mut found).unwrap();
    found
}

fn speech(found: Vec<Found>) -> Vec<Utterance> {
    let is_speech = |found| if let Found::Speech(utterance) = found { Some(utterance) } else { None };
    found.into_iter().filter_map(is_speech).collect()
}

fn ms(position: u64) -> u64 {
    position / 16
}

/// Notes of `seconds` each with `harmonics` overtones and a decay per note of `decay`.
fn melody(notes: &[f32], seconds: f32, harmonics: usize, decay: f32) -> Vec<f32> {
    let length = (seconds * RATE as f32) as usize;
    let note = |hz: f32| {
        (0..length).map(move |n| {
            let t = n as f32 / RATE as f32;
            let edge = (n.min(length - n) as f32 / 200.0).min(1.0);
            let sum: f32 = (1..=harmonics).map(|h| (TAU * hz * h as f32 * t).sin() / h as f32).sum();
            0.2 * sum * edge * (-decay * t / seconds).exp()
        })
    };
    notes.iter().flat_map(|hz| note(*hz)).collect()
}

fn pair(low: f32, high: f32, seconds: f32) -> Vec<f32> {
    let one = melody(&[low], seconds, 1, 0.0);
    one.iter().zip(melody(&[high], seconds, 1, 0.0)).map(|(a, b)| a + b).collect()
}

fn noise(level: f32, seconds: usize) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..seconds * RATE).map(|_| level * (random.f32() - 0.5)).collect()
}

#[test]
fn speech_is_found_where_it_is() {
    let mut samples = vec![0.0; 2 * RATE];
    samples.extend(clip("austen-0880"));
    samples.extend(vec![0.0; 3 * RATE]);
    let second = samples.len() / 8;
    samples.extend(clip("austen-0930"));
    let found = speech(segment(&samples, 800));
    assert_eq!(found.len(), 2);
    let starts: Vec<u64> = found.iter().map(|u| ms(u.start())).collect();
    // The readers draw breath for up to 0.3 s at the start of their clips.
    assert!((2000..2400).contains(&starts[0]), "{starts:?}");
    assert!((second..second + 400).contains(&(starts[1] as usize)), "{starts:?}");
    assert!(ms(found[0].end()) < 5100, "{}", ms(found[0].end()));
}

#[test]
fn any_cut_of_the_audio_finds_the_same() {
    let samples = clip("austen-0930");
    let whole = segment(&samples, samples.len());
    assert_eq!(whole.len(), 1);
    for cut in [1, 37, 800, 4096] {
        assert_eq!(segment(&samples, cut), whole, "{cut}");
    }
}

#[test]
fn long_speech_is_cut_without_losing_any() {
    let one: Vec<f32> = ["austen-0870", "austen-0880", "austen-0890", "austen-0920", "jfk"]
        .iter()
        .flat_map(|n| clip(n))
        .collect();
    let samples = [one.as_slice(), &one, &one].concat();
    let found = speech(segment(&samples, 800));
    assert!(found.len() >= 4, "{}", found.len());
    for utterance in &found {
        assert!(utterance.samples.len() <= 30 * 16_000, "{}", utterance.samples.len());
    }
    for pair in found.windows(2) {
        assert!(pair[0].end() <= pair[1].start());
        // The readers pause for up to a second between two clips.
        assert!(ms(pair[1].start() - pair[0].end()) < 1300, "{}", ms(pair[1].start() - pair[0].end()));
    }
    let total: u64 = found.iter().map(|u| u.end() - u.start()).sum();
    assert!(ms(total) as usize > samples.len() / 8 * 8 / 10, "{} of {}", ms(total), samples.len() / 8);
}

#[test]
fn what_holds_a_caller_never_reaches_the_model() {
    const TUNE: [f32; 12] =
        [262.0, 330.0, 392.0, 523.0, 392.0, 330.0, 294.0, 349.0, 440.0, 587.0, 440.0, 349.0];
    let digits: Vec<f32> = [(697.0, 1209.0), (770.0, 1336.0), (852.0, 1477.0), (941.0, 1336.0)]
        .iter()
        .cycle()
        .take(16)
        .flat_map(|(low, high)| [pair(*low, *high, 0.1), vec![0.0; 800]].concat())
        .collect();
    let sounds: [(&str, Vec<f32>); 10] = [
        ("silence", vec![0.0; 10 * RATE]),
        ("faint noise", noise(0.001, 10)),
        ("noise", noise(0.05, 10)),
        ("dial tone", pair(350.0, 440.0, 5.0)),
        ("ringing", [pair(440.0, 480.0, 2.0), vec![0.0; 4 * RATE], pair(440.0, 480.0, 2.0)].concat()),
        ("digits", digits),
        ("sine melody", melody(&TUNE, 0.4, 1, 0.0)),
        ("rich melody", melody(&TUNE, 0.4, 4, 0.0)),
        ("fast melody", [melody(&TUNE, 0.2, 8, 0.0), melody(&TUNE, 0.2, 8, 0.0)].concat()),
        ("plucked melody", melody(&TUNE, 0.4, 5, 4.0)),
    ];
    for (name, sound) in sounds {
        let framed = [vec![0.0; RATE], sound, vec![0.0; RATE]].concat();
        let found = speech(segment(&framed, 800));
        assert!(found.is_empty(), "{name}: {:?}", found.iter().map(|u| &u.runs).collect::<Vec<_>>());
    }
}

#[test]
fn a_voice_behind_a_melody_is_heard_from_its_start() {
    let tune = melody(&[262.0, 330.0, 392.0, 523.0].repeat(6), 0.4, 3, 0.0);
    let begin = (tune.len() / 8) as i64;
    let found = speech(segment(&[tune, clip("austen-0890")].concat(), 800));
    let starts: Vec<i64> = found.iter().map(|u| ms(u.start()) as i64).collect();
    assert_eq!(found.len(), 1, "{starts:?}");
    assert!((starts[0] - begin).abs() < 500, "{} against {begin}", starts[0]);
}
