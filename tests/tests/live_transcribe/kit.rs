//! A server, a transcriber, and a session that is fed tone words.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::recogniser::{
    AudioChunk, Channels, Party, RecogniserError, RecogniserEvent, Segment, SessionSpec,
};
use engine::shell::transcribe::{
    RawSessionOptions, SessionEvent, SessionHandle, SessionOptions, TranscribeOptions, Transcriber,
};
use engine::time::Time;
use fixtures::Pcm;
use fixtures::tone::Script;
use tests::emulators::sigv4::Credentials;
use tests::emulators::transcribe::{Options, TranscribeServer};
use tests::emulators::{Clock, ServerOptions, Wire};
use tests::live::sdk;
use tokio::sync::mpsc;

/// Samples of a chunk of 100 ms at 8 kHz.
pub(crate) const CHUNK: usize = 800;
pub(crate) const SESSION: u32 = 7;

/// A server over TLS that checks the signature of every event.
pub(crate) async fn server() -> TranscribeServer {
    server_with(Options::default(), ServerOptions::tls(&["h2"]), Clock::real()).await
}

pub(crate) async fn plain_server() -> TranscribeServer {
    let wire = ServerOptions { wire: Wire::Plain, ..ServerOptions::default() };
    server_with(Options::default(), wire, Clock::real()).await
}

pub(crate) async fn server_with(options: Options, wire: ServerOptions, clock: Clock) -> TranscribeServer {
    TranscribeServer::start(options, Some(Credentials::example()), wire, clock).await.unwrap()
}

/// Options for tests: nothing waits long.
pub(crate) fn limits(server: &TranscribeServer) -> TranscribeOptions {
    let mut limits = TranscribeOptions::default();
    limits.endpoint_url = Some(server.url());
    limits.starts_per_second = 0;
    limits
}

pub(crate) fn transcriber(server: &TranscribeServer, limits: &TranscribeOptions) -> Transcriber {
    let secret = Credentials::example().secret_access_key;
    Transcriber::new(&sdk(&secret), server.ca_pem().map(str::as_bytes), limits).unwrap()
}

/// Four seconds: the customer speaks, then the agent, then both.
pub(crate) fn conversation() -> Script {
    Script::new()
        .say(Party::Customer.into_fixture(), 100, "hello agent")
        .say(Party::Agent.into_fixture(), 1500, "yes please")
        .say(Party::Customer.into_fixture(), 2600, "order number five")
        .say(Party::Agent.into_fixture(), 2700, "thanks")
}

/// The fixtures have a party of their own.
pub(crate) trait IntoFixture {
    fn into_fixture(self) -> fixtures::Party;
}

impl IntoFixture for Party {
    fn into_fixture(self) -> fixtures::Party {
        match self {
            Party::Customer => fixtures::Party::Customer,
            Party::Agent => fixtures::Party::Agent,
        }
    }
}

/// The script's audio in chunks.
pub(crate) fn chunks(script: &Script, ms: usize, channels: Channels) -> Vec<AudioChunk> {
    chunks_of(&script.render(ms).unwrap(), channels)
}

fn chunks_of(pcm: &Pcm, channels: Channels) -> Vec<AudioChunk> {
    let track = |party: &Party| match party {
        Party::Customer => &pcm.customer,
        Party::Agent => &pcm.agent,
    };
    let tracks: Vec<&Vec<i16>> = channels.parties().iter().map(track).collect();
    // A party grows where its words reach beyond the asked length, and the other one is silent there.
    let longest = tracks.iter().map(|track| track.len()).max().unwrap_or(0);
    let sample = |track: &[i16], at: usize| track.get(at).copied().unwrap_or(0).to_le_bytes();
    let samples: Vec<Vec<u8>> =
        (0..longest).map(|at| tracks.iter().flat_map(|track| sample(track, at)).collect()).collect();
    let chunk = |(n, samples): (usize, &[Vec<u8>])| {
        let start = Time::from_ms(n as i64 * 100);
        AudioChunk::new(SESSION, (n * CHUNK) as u64, start, 8000, channels, Bytes::from(samples.concat()))
    };
    samples.chunks(CHUNK).enumerate().map(chunk).collect()
}

/// A session under way.
pub(crate) struct Talk {
    pub(crate) handle: SessionHandle,
    pub(crate) events: mpsc::Receiver<SessionEvent>,
}

impl Talk {
    /// Opens a session and waits until it may be fed.
    pub(crate) async fn open(transcriber: &Transcriber, channels: Channels, options: &str) -> Self {
        let mut talk = Self::waiting(transcriber, channels, options);
        match talk.next().await {
            Some(SessionEvent::Ready { session: SESSION, capabilities }) => assert!(capabilities.partials),
            other => panic!("not ready: {other:?}"),
        }
        talk
    }

    /// Opens a session.
    pub(crate) fn waiting(transcriber: &Transcriber, channels: Channels, options: &str) -> Self {
        let raw: RawSessionOptions = serde_json::from_str(options).unwrap();
        let options = Arc::new(SessionOptions::new(&raw).unwrap());
        // Room for one: results wait, and nothing may be lost by it.
        let (heard, events) = mpsc::channel(1);
        let spec = SessionSpec::new(SESSION, 8000, channels);
        Self { handle: transcriber.open(&spec, options, heard), events }
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Option<SessionEvent> {
        in_time(self.events.recv()).await
    }

    pub(crate) fn feed(&self, chunks: &[AudioChunk]) {
        for chunk in chunks {
            self.handle.audio(chunk.clone()).unwrap();
        }
    }

    /// All segments to the end, and how it ended: well, or lost.
    pub(crate) async fn rest(&mut self) -> (Vec<Segment>, Result<(), RecogniserError>) {
        let mut segments = Vec::new();
        let end = loop {
            match self.next().await {
                Some(SessionEvent::Recognised(RecogniserEvent::Segment(segment))) => segments.push(segment),
                Some(SessionEvent::Recognised(RecogniserEvent::Ended { session: SESSION })) => break Ok(()),
                Some(SessionEvent::Lost { session: SESSION, error }) => break Err(error),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(self.next().await, None, "nothing follows the end");
        (segments, end)
    }

    /// Plays a script to its end.
    pub(crate) async fn play(
        &mut self,
        script: &Script,
        channels: Channels,
    ) -> (Vec<Segment>, Result<(), RecogniserError>) {
        self.feed(&chunks(script, 4000, channels));
        self.handle.end();
        self.rest().await
    }
}

/// Party, text, start and end of the final segments, by start.
pub(crate) fn finals(segments: &[Segment]) -> Vec<(Party, String, i64, i64)> {
    let text = |s: &Segment| s.words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" ");
    let mut finals: Vec<_> = segments
        .iter()
        .filter(|s| s.is_final)
        .map(|s| (s.party, text(s), s.start.ms(), s.end.ms()))
        .collect();
    finals.sort_by_key(|f| (f.2, f.0));
    finals
}

/// The script's truth in the same form; the service ends a segment with a full stop.
pub(crate) fn truth(script: &Script) -> Vec<(Party, String, i64, i64)> {
    let party = |party: fixtures::Party| match party {
        fixtures::Party::Customer => Party::Customer,
        fixtures::Party::Agent => Party::Agent,
    };
    script
        .truth(0)
        .into_iter()
        .map(|u| (party(u.party), format!("{}.", u.text), u.start_ms, u.end_ms))
        .collect()
}

/// The same words in the same order, times within the emulator's error of 4 ms.
pub(crate) fn assert_same(heard: &[(Party, String, i64, i64)], truth: &[(Party, String, i64, i64)]) {
    assert_eq!(heard.len(), truth.len(), "{heard:?}");
    for (h, t) in heard.iter().zip(truth) {
        assert_eq!((h.0, &h.1), (t.0, &t.1));
        assert!((h.2 - t.2).abs() <= 5 && (h.3 - t.3).abs() <= 5, "{h:?} is not {t:?}");
    }
}

pub(crate) async fn in_time<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it takes too long")
}

/// Waits for a condition.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    in_time(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
