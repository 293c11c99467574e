//! The Transcribe emulator with a recogniser of the engine behind it.

use std::time::Duration;

use engine::recogniser::{
    AudioChunk, Capabilities, Recogniser, RecogniserError, RecogniserEvent, SessionSpec,
};
use serde_json::Value;
use tests::ToneRecogniser;
use tests::emulators::Clock;
use tests::emulators::transcribe::{Event, Options, Recognisers, SessionId, Transcribe};

use crate::transcribe::{PATH, assert_finals, conversation, finals, headers, results};

/// Polls, in real time, until the session is over.
async fn to_the_end(transcribe: &mut Transcribe, clock: Clock, id: SessionId) -> Vec<Event> {
    let mut events = Vec::new();
    let all = async {
        loop {
            match transcribe.poll(clock.now(), id) {
                Ok(event) => {
                    let over = matches!(event, Event::End | Event::Exception(_));
                    events.push(event);
                    if over {
                        return;
                    }
                }
                Err(until) => clock.wait(until).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("the session ends");
    events
}

fn open(transcribe: &mut Transcribe, clock: Clock) -> SessionId {
    transcribe.open(clock.now(), PATH, &headers(&[])).unwrap()
}

#[tokio::test]
async fn a_recogniser_on_its_own_thread_tells_what_the_ears_tell() {
    let clock = Clock::real();
    let mut transcribe = Transcribe::new(Options::default());
    transcribe.listen_with(Recognisers::new(|| Ok(ToneRecogniser::default())));
    let id = open(&mut transcribe, clock);
    for chunk in conversation() {
        transcribe.audio(clock.now(), id, &chunk);
    }
    transcribe.audio(clock.now(), id, &[]);
    let events = to_the_end(&mut transcribe, clock, id).await;
    let mut told = finals(events.iter().flat_map(results));
    told.sort_by(|a, b| a.2.total_cmp(&b.2));
    assert_finals(&told);
    assert_eq!(events.last(), Some(&Event::End));
}

#[tokio::test]
async fn results_come_while_the_audio_goes_on() {
    let clock = Clock::real();
    let mut transcribe = Transcribe::new(Options::default());
    transcribe.listen_with(Recognisers::new(|| Ok(ToneRecogniser::default())));
    let id = open(&mut transcribe, clock);
    for chunk in conversation().iter().take(20) {
        transcribe.audio(clock.now(), id, chunk);
    }
    let first: Vec<Value> = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            match transcribe.poll(clock.now(), id) {
                Ok(event) => return results(&event),
                Err(until) => {
                    assert!((until - clock.now()).ms() < 1000, "it looks again soon");
                    clock.wait(until).await;
                }
            }
        }
    })
    .await
    .expect("a result without the audio's end");
    assert_eq!(first[0]["IsPartial"], false);
}

/// Fails at its first audio.
struct Broken;

impl Recogniser for Broken {
    fn open(&mut self, spec: &SessionSpec) -> Result<Capabilities, RecogniserError> {
        ToneRecogniser::default().open(spec)
    }
    fn audio(&mut self, _: AudioChunk) -> Result<(), RecogniserError> {
        Err(RecogniserError::fatal("out of breath"))
    }
    fn end(&mut self, _: u32) -> Result<(), RecogniserError> {
        Ok(())
    }
    fn poll(&mut self, _: bool) -> Result<Option<RecogniserEvent>, RecogniserError> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_recogniser_that_fails_ends_its_session_with_an_exception() {
    let clock = Clock::real();
    let mut transcribe = Transcribe::new(Options::default());
    transcribe.listen_with(Recognisers::new(|| Ok(Broken)));
    let id = open(&mut transcribe, clock);
    transcribe.audio(clock.now(), id, &conversation()[0]);
    let events = to_the_end(&mut transcribe, clock, id).await;
    let Some(Event::Exception(exception)) = events.last() else { panic!("{events:?}") };
    assert_eq!((exception.status, exception.message.as_str()), (500, "out of breath"));
}

/// Needs the model, which is fetched on first use.
#[cfg(feature = "speech")]
#[tokio::test]
async fn speech_is_heard_on_the_channel_it_was_spoken_on() {
    let recognisers = tokio::task::spawn_blocking(|| Recognisers::embedded("en")).await.unwrap().unwrap();
    let spoken = fixtures::speech::read_clip(&fixtures::path("voices/c02.wav")).unwrap();
    let clock = Clock::real();
    let mut transcribe =
        Transcribe::new(Options { idle: engine::time::Span::from_s(600), ..Options::default() });
    transcribe.listen_with(recognisers);
    let id = open(&mut transcribe, clock);
    // The customer speaks, the agent is silent.
    let both: Vec<u8> = spoken.iter().flat_map(|s| [s.to_le_bytes(), [0, 0]].concat()).collect();
    for chunk in both.chunks(3200) {
        transcribe.audio(clock.now(), id, chunk);
    }
    transcribe.audio(clock.now(), id, &[]);
    let events = to_the_end(&mut transcribe, clock, id).await;
    let told = finals(events.iter().flat_map(results));
    let text: String = told.iter().map(|t| t.3.to_lowercase()).collect();
    assert!(text.contains("order number"), "{told:?}");
    assert!(told.iter().all(|t| t.0 == "ch_0"));
}
