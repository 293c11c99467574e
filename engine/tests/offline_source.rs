//! How a recording is opened: what is read of it before the first media comes out, and what is not.
#![cfg(feature = "audio")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail in its helpers too")]

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::audio;
use engine::call::Input;
use engine::offline::{Media, Source, SourceError, SourceOptions};

/// A pipe that hands over a little at a time and counts what was taken.
struct Pipe {
    bytes: io::Cursor<Vec<u8>>,
    step: usize,
    taken: Arc<AtomicUsize>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.step);
        let read = self.bytes.read(&mut buffer[..most])?;
        self.taken.fetch_add(read, Ordering::Relaxed);
        Ok(read)
    }
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../fixtures/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn open(bytes: Vec<u8>, step: usize) -> (Result<Source, SourceError>, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let pipe = Pipe { bytes: io::Cursor::new(bytes), step, taken: Arc::clone(&taken) };
    (Source::open(audio::Source::Stream(Box::new(pipe)), None, SourceOptions::default()), taken)
}

#[test]
fn a_live_pipe_is_not_read_ahead_further_than_its_first_fragment() {
    // Identity tags before the audio decide at once, behind it at the end of the first document.
    for (file, most) in [("kinesis/plain.mkv", 8_000), ("kinesis/late-identity.mkv", 40_000)] {
        let (source, taken) = open(fixture(file), 1000);
        let mut source = source.unwrap();
        let read = taken.load(Ordering::Relaxed);
        assert!(read <= most, "{file}: {read} bytes read before anything came out");
        assert!(matches!(source.next_input().unwrap(), Input::Media(bytes) if bytes.len() == read));
    }
}

#[test]
fn every_byte_comes_out_once_however_it_was_probed() {
    let whole = fixture("kinesis/late-identity.mkv");
    for step in [1, 3, 1000, 1 << 20] {
        let (source, _) = open(whole.clone(), step);
        let mut source = source.unwrap();
        let mut out = Vec::new();
        while let Input::Media(bytes) = source.next_input().unwrap() {
            out.extend_from_slice(&bytes);
        }
        assert!(out == whole, "step {step}");
        assert_eq!(source.bytes_read(), whole.len() as u64);
    }
}

#[test]
fn what_needs_decoding_is_decoded() {
    for file in ["plain/mono.wav", "plain/flac.mkv", "plain/tones.mp3"] {
        let (source, _) = open(fixture(file), 777);
        let mut source = source.unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(
            matches!(source.next_input().unwrap(), Input::Pcm(block) if block.rate_hz == 16_000),
            "{file}"
        );
    }
}

#[test]
fn nothing_and_no_audio_are_told_apart() {
    assert!(matches!(open(Vec::new(), 10).0, Err(SourceError::Empty)));
    assert!(matches!(open(b"hi".to_vec(), 1).0, Err(SourceError::Audio(_))));
}

/// A pipe into which nobody speaks for a while, then somebody does.
struct Hesitant(Pipe, bool);

impl Read for Hesitant {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 { Err(io::ErrorKind::TimedOut.into()) } else { self.0.read(buffer) }
    }
}

#[test]
fn a_live_source_that_has_nothing_yet_says_so_and_loses_nothing() {
    for (file, waits) in [("kinesis/plain.mkv", true), ("plain/stereo.wav", false)] {
        let bytes = fixture(file);
        let pipe = Pipe { bytes: io::Cursor::new(bytes.clone()), step: 5000, taken: Arc::default() };
        let stream = audio::Source::Stream(Box::new(Hesitant(pipe, false)));
        let mut source = Source::open(stream, None, SourceOptions::default()).unwrap();
        let (mut ticks, mut media) = (0, 0);
        loop {
            match source.next_input().unwrap() {
                Input::Tick => ticks += 1,
                Input::Media(piece) => media += piece.len(),
                Input::Pcm(_) => {}
                _ => break,
            }
        }
        assert_eq!(ticks > 0, waits, "{file}");
        assert!(!waits || media == bytes.len(), "{file}");
    }
}
