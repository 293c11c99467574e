//! How much speech was sent without an answer: what tells a stalled service from a quiet call.
//!
//! The service says nothing during silence, and for minutes nothing during hold music or while a telephone
//! rings. So neither time nor loudness alone is a sign of a stall. Speech rises and falls several times a
//! second and is silent in between, which music and tones are not: a second of audio counts as speech when it is
//! loud on average, at least a fifth of its 20 ms frames lie below half of that average, it rises above it again
//! at least twice, and a tenth of its frames are as good as silent. (The first is the *low short-time energy
//! ratio* of speech and music discrimination; the last tells drums over a band from a voice.) A busy tone or
//! drums alone may pass for speech; then a session is replaced without need and nothing is lost.
//!
//! Samples and instants in, a verdict out; it knows no session.

use std::time::Duration;

use tokio::time::Instant;

/// Frames of a second.
const FRAMES: usize = 50;
/// Mean square of a second that counts as loud: an RMS of 300, or −41 dBFS. Telephone speech lies some 20 dB
/// above, line noise 20 dB below.
const LOUD: u64 = 300 * 300;
/// Frames of a second that must be quiet.
const QUIET_FRAMES: usize = FRAMES / 5;
/// Frames of a second that must be all but silent: 15 dB below its average.
const SILENT_FRAMES: usize = FRAMES / 10;
/// Times that a second must rise from quiet.
const RISES: usize = 2;

/// Counts unanswered speech on all channels of a session.
#[derive(Debug)]
pub(super) struct SpeechMeter {
    lanes: Vec<Lane>,
    /// Samples of a frame.
    frame: usize,
    /// Seconds of speech since the last answer.
    seconds: u32,
    /// When the first of them was sent.
    since: Option<Instant>,
    /// When the last of them was sent.
    last: Option<Instant>,
    /// Speech that is needed for a stall.
    speech: Duration,
    /// Time without an answer that is needed for a stall; zero: there is none.
    wait: Duration,
}

/// One channel's second under way.
#[derive(Debug, Default)]
struct Lane {
    energy: u64,
    samples: usize,
    frames: Vec<u64>,
}

impl SpeechMeter {
    /// A stall is `speech` without an answer for `wait`.
    pub(super) fn new(rate_hz: u32, channels: usize, (speech, wait): (Duration, Duration)) -> Self {
        let frame = (rate_hz as usize / FRAMES).max(1);
        let lanes = std::iter::repeat_with(Lane::default).take(channels).collect();
        Self { lanes, frame, seconds: 0, since: None, last: None, speech, wait }
    }

    /// Interleaved samples, signed 16 bits little-endian, were sent.
    pub(super) fn sent(&mut self, pcm: &[u8], now: Instant) {
        let channels = self.lanes.len().max(1);
        for frame in pcm.chunks_exact(2 * channels) {
            for (lane, bytes) in self.lanes.iter_mut().zip(frame.chunks_exact(2)) {
                let sample = i64::from(i16::from_le_bytes([bytes[0], bytes[1]]));
                if !lane.add(sample.unsigned_abs().pow(2), self.frame) {
                    continue;
                }
                // A cough now and then over half an hour on hold is not speech that nobody answered.
                if self.last.is_some_and(|last| now.saturating_duration_since(last) >= self.wait) {
                    (self.seconds, self.since) = (0, None);
                }
                self.seconds += 1;
                self.since.get_or_insert(now);
                self.last = Some(now);
            }
        }
    }

    /// The service said something: all before is answered.
    pub(super) fn answered(&mut self) {
        self.seconds = 0;
        (self.since, self.last) = (None, None);
    }

    /// The service begins to listen only now: what was sent before is unanswered, and it has its whole time.
    pub(super) fn opened(&mut self, now: Instant) {
        self.since = self.since.map(|_| now);
        self.last = self.last.map(|_| now);
    }

    /// Enough speech was sent and, since its first second was, nothing came for too long.
    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        let enough = Duration::from_secs(u64::from(self.seconds)) >= self.speech;
        let long = |since: Instant| now.saturating_duration_since(since) >= self.wait;
        !self.wait.is_zero() && enough && self.since.is_some_and(long)
    }
}

impl Lane {
    /// Takes a squared sample; true when it completes a second of speech.
    fn add(&mut self, square: u64, frame: usize) -> bool {
        self.energy += square;
        self.samples += 1;
        if self.samples < frame {
            return false;
        }
        self.frames.push(self.energy / frame as u64);
        (self.energy, self.samples) = (0, 0);
        if self.frames.len() < FRAMES {
            return false;
        }
        let speech = is_speech(&self.frames);
        self.frames.clear();
        speech
    }
}

fn is_speech(frames: &[u64]) -> bool {
    let mean = frames.iter().sum::<u64>() / frames.len().max(1) as u64;
    let is_quiet = |energy: &u64| *energy < mean / 2;
    let quiet = frames.iter().filter(|e| is_quiet(e)).count();
    let silent = frames.iter().filter(|e| **e < mean / 32).count();
    let rises = frames.windows(2).filter(|pair| is_quiet(&pair[0]) && !is_quiet(&pair[1])).count();
    mean >= LOUD && quiet >= QUIET_FRAMES && silent >= SILENT_FRAMES && rises >= RISES
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEECH: Duration = Duration::from_secs(3);
    const WAIT: Duration = Duration::from_secs(7);

    /// Ten seconds of mono audio at 8 kHz, an amplitude for each millisecond, on a tone of 500 Hz.
    fn audio(amplitude: impl Fn(usize) -> f64) -> Vec<u8> {
        (0..80_000)
            .flat_map(|i| {
                let tone = (std::f64::consts::TAU * 500.0 * i as f64 / 8000.0).sin();
                ((tone * amplitude(i / 8)) as i16).to_le_bytes()
            })
            .collect()
    }

    fn is_stalled_after(pcm: &[u8]) -> bool {
        let mut meter = SpeechMeter::new(8000, 1, (SPEECH, WAIT));
        let start = Instant::now();
        for chunk in pcm.chunks(1600) {
            meter.sent(chunk, start);
        }
        meter.is_stalled(start + WAIT)
    }

    /// Four syllables a second.
    fn syllables(ms: usize) -> f64 {
        if ms % 250 < 150 { 5000.0 } else { 100.0 }
    }

    #[test]
    fn speech_without_an_answer_is_a_stall_and_with_one_is_none() {
        let pcm = audio(syllables);
        assert!(is_stalled_after(&pcm));
        let mut meter = SpeechMeter::new(8000, 1, (SPEECH, WAIT));
        let start = Instant::now();
        meter.sent(&pcm, start);
        assert!(!meter.is_stalled(start + WAIT / 2), "the service may still answer");
        meter.answered();
        assert!(!meter.is_stalled(start + 10 * WAIT));
    }

    #[test]
    fn speech_sent_while_the_stream_was_being_opened_is_unanswered_too() {
        let mut meter = SpeechMeter::new(8000, 1, (SPEECH, WAIT));
        let start = Instant::now();
        meter.sent(&audio(syllables), start);
        let opened = start + WAIT / 2;
        meter.opened(opened);
        assert!(!meter.is_stalled(start + WAIT), "the service has its whole time from now on");
        assert!(meter.is_stalled(opened + WAIT));
    }

    #[test]
    fn a_cough_now_and_then_never_becomes_a_stall() {
        let mut meter = SpeechMeter::new(8000, 1, (SPEECH, WAIT));
        let second = &audio(syllables)[..16_000];
        let mut now = Instant::now();
        for _ in 0..20 {
            meter.sent(second, now);
            now += 2 * WAIT;
            assert!(!meter.is_stalled(now));
        }
        // Nor does a pause hide a stall once people talk.
        meter.sent(&audio(syllables), now);
        assert!(meter.is_stalled(now + WAIT));
    }

    #[test]
    fn silence_noise_music_and_ringing_are_no_speech() {
        assert!(!is_stalled_after(&vec![0; 160_000]), "zeros");
        assert!(!is_stalled_after(&audio(|ms| syllables(ms) / 100.0)), "murmur below the line's noise");
        assert!(!is_stalled_after(&audio(|_| 8000.0)), "a tone");
        // Chords that swell slowly and never fall silent.
        let music = |ms: usize| 5000.0 + 2000.0 * (ms as f64 / 400.0).sin();
        assert!(!is_stalled_after(&audio(music)), "music");
        // A drum twice a second, a band behind it 16 dB lower.
        let drums = |ms: usize| 700.0 + 6000.0 * (-((ms % 500) as f64) / 40.0).exp();
        assert!(!is_stalled_after(&audio(drums)), "drums over a band");
        assert!(!is_stalled_after(&audio(|ms| if ms % 6000 < 2000 { 5000.0 } else { 0.0 })), "ringing");
    }

    #[test]
    fn what_people_say_counts_as_speech() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/data/speech");
        let (mut seconds, mut counted) = (0, 0);
        for name in ["jfk", "austen-0870", "austen-0880", "austen-0890", "austen-0920", "austen-0930"] {
            let mut file = hound::WavReader::open(format!("{folder}/{name}.wav")).expect("a recording");
            let samples: Vec<i16> = file.samples().map(|sample| sample.expect("a sample")).collect();
            let rate_hz = file.spec().sample_rate;
            let mut meter = SpeechMeter::new(rate_hz, 1, (SPEECH, WAIT));
            meter.sent(&samples.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<_>>(), Instant::now());
            seconds += samples.len() / rate_hz as usize;
            counted += meter.seconds as usize;
        }
        assert!(counted * 4 >= seconds * 3, "{counted} of {seconds} seconds");
    }

    #[test]
    fn one_channel_of_two_is_enough() {
        let mono = audio(syllables);
        let stereo: Vec<u8> = mono.chunks(2).flat_map(|s| [0, 0, s[0], s[1]]).collect();
        let mut meter = SpeechMeter::new(8000, 2, (SPEECH, WAIT));
        let start = Instant::now();
        meter.sent(&stereo, start);
        assert!(meter.is_stalled(start + WAIT));
    }
}
