//! Recordings of every accepted format against the one truth they were all made from: the customer speaks
//! from 0.15 to 1.11 s, the agent from 1.3 to 2.26 s.
#![cfg(feature = "audio")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail in its helpers too")]

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use engine::audio::{AudioError, Block, Recording, RecordingOptions, Source, Split};
use engine::recogniser::Party;
use engine::time::Time;

fn plain(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/data/plain").join(name)
}

fn open(path: &Path, options: RecordingOptions) -> Result<Recording, AudioError> {
    let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Recording::open(Source::File(file), path.extension().and_then(|e| e.to_str()), options)
}

fn at_8000() -> RecordingOptions {
    RecordingOptions { rate_hz: Some(8000), ..RecordingOptions::default() }
}

fn blocks(recording: &mut Recording) -> Vec<Block> {
    std::iter::from_fn(|| recording.next_block().unwrap()).collect()
}

/// One party's samples at 8 kHz, laid out in time.
fn voice(blocks: &[Block], party: Party) -> Vec<i16> {
    let mut samples = Vec::new();
    for block in blocks.iter().filter(|b| b.party == party) {
        assert_eq!(block.rate_hz, 8000);
        let at = usize::try_from(block.start.samples(8000)).unwrap();
        samples.resize(samples.len().max(at + block.samples.len()), 0);
        samples[at..at + block.samples.len()].copy_from_slice(&block.samples);
    }
    samples
}

/// Milliseconds of the first and last loud sample.
fn span_ms(samples: &[i16]) -> (i64, i64) {
    let loud = |s: &i16| s.unsigned_abs() > 1000;
    let first = samples.iter().position(loud).unwrap_or(0);
    let last = samples.iter().rposition(loud).unwrap_or(0);
    ((first / 8) as i64, (last / 8) as i64)
}

/// How alike two voices are, 0 to 1, at the best shift within `lag` samples.
fn likeness(a: &[i16], b: &[i16], lag: usize) -> f64 {
    let at =
        |s: &[i16], i: i64| usize::try_from(i).ok().and_then(|i| s.get(i)).map_or(0.0, |s| f64::from(*s));
    let norm = |s: &[i16]| s.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>().sqrt();
    let lag = i64::try_from(lag).unwrap();
    (-lag..=lag)
        .map(|shift| (0..a.len() as i64).map(|i| at(a, i) * at(b, i + shift)).sum::<f64>())
        .fold(0.0, f64::max)
        / (norm(a) * norm(b))
}

#[test]
fn every_format_gives_both_parties_in_their_place() {
    let truth = blocks(&mut open(&plain("stereo.wav"), at_8000()).unwrap());
    let truth = Party::ALL.map(|party| voice(&truth, party));
    let files = [
        ("stereo.wav", 5),
        ("tones.flac", 5),
        ("flac.mkv", 5),
        ("tones.ogg", 150),
        ("vorbis.mkv", 150),
        ("tones.mp3", 150),
        ("mp3.mkv", 150),
        ("mkvmerge.mkv", 150),
        ("tones.aac", 150),
        ("tones.m4a", 150),
        ("aac.mkv", 150),
        ("two-tracks.mkv", 150),
        ("video.mkv", 64),
    ];
    for (name, tolerance_ms) in files {
        let mut recording = open(&plain(name), at_8000()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let blocks = blocks(&mut recording);
        assert_eq!(recording.truncated(), None, "{name}");
        for (party, expected, truth) in
            [(Party::Customer, (150, 1110), &truth[0]), (Party::Agent, (1300, 2260), &truth[1])]
        {
            let heard = voice(&blocks, party);
            let (start, end) = span_ms(&heard);
            let off = (start - expected.0).abs().max((end - expected.1).abs());
            println!("{name} {party}: {start}..{end} ms, lost {}", recording.packets_lost());
            assert!(off <= tolerance_ms, "{name} {party}: {start}..{end} ms");
            let alike = likeness(truth, &heard, 8 * tolerance_ms as usize);
            // Half a sample of shift costs the higher tones much; another voice would be near 0.
            assert!(alike > 0.75, "{name} {party}: likeness {alike}");
        }
        assert_eq!(recording.packets_lost(), 0, "{name}");
    }
}

#[test]
fn mono_is_the_customer_or_the_agent_and_stereo_can_be_switched() {
    for (name, rate_hz) in [("mono.wav", 16_000), ("pcm-44100.mkv", 44_100)] {
        for (split, party) in [(Split::CustomerLeft, Party::Customer), (Split::AgentLeft, Party::Agent)] {
            let options = RecordingOptions { split, ..RecordingOptions::default() };
            let blocks = blocks(&mut open(&plain(name), options).unwrap());
            assert!(blocks.iter().all(|b| b.party == party && b.rate_hz == rate_hz), "{name}");
        }
    }
    let options = RecordingOptions { split: Split::AgentLeft, ..at_8000() };
    let blocks = blocks(&mut open(&plain("stereo.wav"), options).unwrap());
    assert!(span_ms(&voice(&blocks, Party::Agent)).1 < 1200);
    assert!(span_ms(&voice(&blocks, Party::Customer)).0 > 1200);
}

#[test]
fn a_date_in_the_container_is_the_start() {
    let start = |name| open(&plain(name), at_8000()).unwrap().start_time();
    assert_eq!(start("aac.mkv"), Some(Time::from_ms(1_767_607_200_000)));
    assert_eq!(start("stereo.wav"), None);
}

#[test]
fn a_stream_does_for_what_needs_no_search() {
    for name in ["stereo.wav", "tones.flac", "tones.mp3", "tones.ogg", "tones.aac", "aac.mkv"] {
        let file = File::open(plain(name)).unwrap();
        // One byte at a time: the shortest reads a pipe can give.
        let stream = Source::Stream(Box::new(OneByte(std::io::BufReader::new(file))));
        let mut streamed = Recording::open(stream, None, at_8000()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let whole = blocks(&mut open(&plain(name), at_8000()).unwrap());
        let streamed = blocks(&mut streamed);
        for party in Party::ALL {
            assert_eq!(voice(&streamed, party), voice(&whole, party), "{name}");
        }
    }
}

struct OneByte<R>(R);

impl<R: Read> Read for OneByte<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = buffer.len().min(1);
        self.0.read(&mut buffer[..n])
    }
}

#[test]
fn what_cannot_be_read_says_what_to_do() {
    let error = open(&plain("opus.mkv"), at_8000()).unwrap_err().to_string();
    assert!(error.contains("A_OPUS") && error.contains("ffmpeg -i in.mkv -c:a flac out.mkv"), "{error}");
    let open = |bytes: &[u8]| {
        let source = Source::Stream(Box::new(Cursor::new(bytes.to_vec())));
        Recording::open(source, Some("wav"), at_8000()).unwrap_err().to_string()
    };
    assert_eq!(open(b""), "the recording is empty");
    assert!(open(b"no").contains("not a recording that can be read"), "{}", open(b"no"));
    let text = "this is a letter, not a recording. ".repeat(1000);
    assert!(open(text.as_bytes()).contains("ffmpeg"), "{}", open(text.as_bytes()));
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..20 {
        let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(20_000).collect();
        let source = Source::Stream(Box::new(Cursor::new(noise)));
        // Whatever it is taken for, it ends without a panic.
        if let Ok(mut recording) = Recording::open(source, None, at_8000()) {
            while let Ok(Some(_)) = recording.next_block() {}
        }
    }
}

fn wav(channels: u16, rate: u32, samples: usize) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let spec = hound::WavSpec {
        channels,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    for n in 0..samples * usize::from(channels) {
        writer.write_sample((n % 1000) as i16).unwrap();
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

fn from_bytes(bytes: Vec<u8>, options: RecordingOptions) -> Result<Vec<Block>, AudioError> {
    let mut recording = Recording::open(Source::Stream(Box::new(Cursor::new(bytes))), Some("wav"), options)?;
    let mut blocks = Vec::new();
    while let Some(block) = recording.next_block()? {
        blocks.push(block);
    }
    Ok(blocks)
}

#[test]
fn channels_and_rates_that_no_call_has_are_refused() {
    let error = from_bytes(wav(6, 8000, 100), at_8000()).unwrap_err().to_string();
    assert!(error.contains("6 channels") && error.contains("-ac 2"), "{error}");
    for rate in [2000, 384_000] {
        let error = from_bytes(wav(1, rate, 1000), RecordingOptions::default()).unwrap_err().to_string();
        assert!(error.contains(&rate.to_string()) && error.contains("4,000"), "{error}");
    }
    for rate in [4000, 11_025, 44_100, 192_000] {
        let blocks = from_bytes(wav(1, rate, rate as usize), at_8000()).unwrap();
        let total: usize = blocks.iter().map(|b| b.samples.len()).sum();
        assert_eq!(total, 8000, "{rate}");
    }
}

#[test]
fn a_wav_comes_out_sample_for_sample_and_block_follows_block() {
    let blocks = from_bytes(wav(1, 8000, 10_000), RecordingOptions::default()).unwrap();
    let mut next = 0;
    for block in &blocks {
        assert_eq!(block.start.samples(8000), next);
        next += block.samples.len() as i64;
    }
    let samples: Vec<i16> = blocks.into_iter().flat_map(|b| b.samples).collect();
    assert_eq!(samples, (0..10_000).map(|n| n % 1000).collect::<Vec<i16>>());
}

#[test]
fn a_truncated_file_gives_what_is_there_and_says_so() {
    for name in ["tones.flac", "stereo.wav", "flac.mkv", "tones.m4a"] {
        let bytes = std::fs::read(plain(name)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        // An m4a by ffmpeg has its index behind the sound: without it nothing can be read.
        let keep = bytes.len() * 6 / 10;
        std::fs::write(&path, &bytes[..keep]).unwrap();
        match open(&path, at_8000()) {
            Ok(mut recording) => {
                let blocks = blocks(&mut recording);
                let heard = voice(&blocks, Party::Customer);
                assert!(heard.len() > 4000, "{name}: {}", heard.len());
                assert!(recording.truncated().is_some(), "{name}");
            }
            Err(error) => {
                assert_eq!(name, "tones.m4a", "{error}");
                assert!(error.to_string().contains("not a recording that can be read"), "{error}");
            }
        }
    }
}

/// Damage anywhere in any format ends in blocks or an error: no panic, no endless loop.
#[test]
fn damaged_recordings_do_no_harm() {
    const NAMES: [&str; 10] = [
        "stereo.wav",
        "tones.flac",
        "tones.ogg",
        "tones.mp3",
        "tones.aac",
        "tones.m4a",
        "aac.mkv",
        "flac.mkv",
        "vorbis.mkv",
        "mkvmerge.mkv",
    ];
    let mut random = fastrand::Rng::with_seed(11);
    for name in NAMES {
        let good = std::fs::read(plain(name)).unwrap();
        for round in 0..40 {
            let mut bytes = good.clone();
            // Headers are where damage does most.
            let reach = if round % 2 == 0 { 600.min(bytes.len()) } else { bytes.len() };
            for _ in 0..random.usize(1..8) {
                bytes[random.usize(..reach)] = random.u8(..);
            }
            if round % 4 == 3 {
                bytes.truncate(random.usize(..good.len()));
            }
            let source = Source::Stream(Box::new(Cursor::new(bytes)));
            let Ok(mut recording) = Recording::open(source, None, at_8000()) else { continue };
            let mut samples = 0;
            while let Ok(Some(block)) = recording.next_block() {
                samples += block.samples.len();
                assert!(samples < 100_000_000, "{name} does not end");
            }
        }
    }
}
