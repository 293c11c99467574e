//! Plays a call from bytes and keeps everything it said.

use std::io;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use engine::call::{Call, Config, Input, MediaEnd, Message, Report, Summary, TelephonyEvent, Utterance};
use engine::offline::{Listener, Media, SourceError};
use engine::recogniser::{AudioChunk, Recogniser};

use crate::ToneRecogniser;

/// Everything a call said.
#[derive(Debug)]
pub struct Played {
    /// Messages in the order in which they were posted.
    pub messages: Vec<Message>,
    /// Utterances in the order in which they became final.
    pub utterances: Vec<Utterance>,
    /// All other news.
    pub reports: Vec<Report>,
    /// Chunks handed to the recogniser.
    pub chunks: Vec<AudioChunk>,
    /// The closing summary.
    pub summary: Summary,
}

/// Media from memory, handed over in the given pieces.
#[derive(Debug)]
pub struct Bytewise {
    bytes: Bytes,
    cuts: std::vec::IntoIter<usize>,
    at: usize,
}

impl Bytewise {
    /// The bytes, cut at these offsets.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>, mut cuts: Vec<usize>) -> Self {
        let bytes = bytes.into();
        cuts.retain(|c| *c < bytes.len());
        cuts.sort_unstable();
        cuts.dedup();
        cuts.push(bytes.len());
        Self { bytes, cuts: cuts.into_iter(), at: 0 }
    }
}

impl Media for Bytewise {
    fn next_input(&mut self) -> Result<Input, SourceError> {
        let Some(to) = self.cuts.next() else { return Ok(Input::MediaEnded(MediaEnd::Complete)) };
        let piece = self.bytes.slice(self.at..to);
        self.at = to;
        Ok(Input::Media(piece))
    }

    fn bytes_read(&self) -> u64 {
        self.at as u64
    }
}

#[derive(Default)]
struct Keep {
    messages: Vec<Message>,
    utterances: Vec<Utterance>,
    reports: Vec<Report>,
    chunks: Vec<AudioChunk>,
}

impl Listener for Keep {
    fn message(&mut self, message: &Message) -> io::Result<()> {
        self.messages.push(message.clone());
        Ok(())
    }
    fn report(&mut self, report: &Report) -> io::Result<()> {
        match report {
            Report::Utterance(utterance) => self.utterances.push((**utterance).clone()),
            other => self.reports.push(other.clone()),
        }
        Ok(())
    }
    fn audio(&mut self, chunk: &AudioChunk) -> io::Result<()> {
        self.chunks.push(chunk.clone());
        Ok(())
    }
}

/// Plays a recording in 64 KiB pieces with the tone recogniser.
///
/// # Panics
/// If the recording cannot be played.
#[must_use]
pub fn play(bytes: impl Into<Bytes>, config: Config, events: Vec<TelephonyEvent>) -> Played {
    let bytes = bytes.into();
    let cuts = (0..bytes.len()).step_by(64 << 10).collect();
    play_media(&mut Bytewise::new(bytes, cuts), config, events, &mut ToneRecogniser::default())
}

/// Plays media with any recogniser.
///
/// # Panics
/// If the media cannot be played.
#[must_use]
#[expect(clippy::expect_used, reason = "a test that cannot play its call has failed")]
pub fn play_media(
    media: &mut dyn Media,
    config: Config,
    events: Vec<TelephonyEvent>,
    recogniser: &mut dyn Recogniser,
) -> Played {
    let mut keep = Keep::default();
    let call = Call::new(config, 7);
    let summary = engine::offline::play(call, media, events, recogniser, &mut keep, &AtomicBool::new(false))
        .expect("the recording can be played");
    let Keep { messages, utterances, reports, chunks } = keep;
    Played { messages, utterances, reports, chunks, summary }
}
