//! A recording through Amazon Transcribe instead of the embedded recogniser, over TLS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use engine::call::{Config as CallConfig, ContactChoice, EndReason};
use engine::shell::config::{Config, Sources};
use engine::shell::transcribe_file::TranscribeFile;
use engine::time::Span;
use fixtures::Party;
use fixtures::kinesis::{CONTACT_ID, Shape, Written};
use fixtures::tone::Script;
use tests::emulators::sigv4::Credentials;
use tests::emulators::transcribe::{Exception, Fault, Options, TranscribeServer};
use tests::emulators::{Clock, ServerOptions};
use tests::live::sdk;
use tests::{Bytewise, Played, play_media};
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// Four seconds: both speak, one after the other and at once.
fn recording() -> Written {
    let script = Script::new()
        .say(Party::Customer, 100, "hello agent")
        .say(Party::Agent, 1500, "yes please")
        .say(Party::Customer, 2600, "order number five")
        .say(Party::Agent, 2700, "thanks");
    Shape::default().write(&script.render(4000).unwrap())
}

/// The service on a runtime of its own, beside the recording's loop.
struct World {
    runtime: Runtime,
    server: TranscribeServer,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let start = async {
            let wire = ServerOptions::tls(&["h2"]);
            TranscribeServer::start(Options::default(), Some(Credentials::example()), wire, Clock::real())
                .await
        };
        let server = runtime.block_on(start).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), server.ca_pem().unwrap()).unwrap();
        Self { runtime, server, folder }
    }

    fn config(&self, set: &[&str]) -> Config {
        let ca = self.folder.path().join("ca.pem");
        let mut all = vec![
            format!("aws.ca_file={}", ca.display()),
            format!("transcribe.endpoint_url={}", self.server.url()),
            "live.catch_up_percent=400".to_owned(),
        ];
        all.extend(set.iter().map(|s| (*s).to_owned()));
        Config::load(&Sources { set: all, ..Sources::default() }).unwrap()
    }

    fn play(&self, set: &[&str]) -> Played {
        let mut recogniser =
            TranscribeFile::connect_with(&self.config(set), &sdk(&Credentials::example().secret_access_key))
                .unwrap();
        let mut media = Bytewise::new(recording().bytes, vec![]);
        let call = CallConfig::new(ContactChoice::First, "call");
        play_media(&mut media, call, vec![], &mut recogniser)
    }
}

fn said(played: &Played) -> Vec<(String, String)> {
    let mut messages = played.messages.clone();
    messages.sort_by_key(|m| m.start_time);
    messages.into_iter().map(|m| (m.participant_id, m.content.0)).collect()
}

#[test]
fn every_word_comes_back_under_its_sender() {
    let world = World::new();
    let played = world.play(&["session.vocabulary_name=products", "session.vocabulary_filter_name=rude"]);
    assert_eq!(played.summary.end, EndReason::MediaEnded);
    let (customer, agent) = (format!("{CONTACT_ID}END_USER"), format!("{CONTACT_ID}VIRTUAL_AGENT"));
    let truth = [
        (&customer, "hello agent."),
        (&agent, "yes please."),
        (&customer, "order number five."),
        (&agent, "thanks."),
    ];
    assert_eq!(said(&played), truth.map(|(who, text)| (who.clone(), text.to_owned())));
    let asked = world.server.state().records()[0].request.headers.clone();
    for (name, value) in [("vocabulary-name", "products"), ("vocabulary-filter-name", "rude")] {
        assert!(asked.contains(&(name.to_owned(), value.to_owned())), "{asked:?}");
    }
    drop(world.runtime);
}

#[test]
fn a_vocabulary_that_does_not_exist_ends_it_with_the_services_words() {
    let world = World::new();
    let missing = Exception::bad_request("The requested vocabulary doesn't exist.");
    world.server.state().script(vec![Fault::Refuse(missing)]);
    let played = world.play(&["session.vocabulary_name=prodcuts"]);
    let EndReason::RecogniserFailed(why) = &played.summary.end else { panic!("{:?}", played.summary.end) };
    for word in ["BadRequestException", "vocabulary doesn't exist", "check the call's Transcribe options"] {
        assert!(why.contains(word), "{word} in: {why}");
    }
    assert!(!why.contains("run it again"), "that would not mend it: {why}");
    assert!(played.messages.is_empty());
}

#[test]
fn a_session_that_breaks_off_is_an_error_and_what_was_final_stays() {
    let world = World::new();
    let after = Span::from_ms(2_500);
    world.server.state().script(vec![Fault::Throw { after, exception: Exception::internal() }]);
    let played = world.play(&["live.catch_up_percent=100", "live.burst_ms=200"]);
    let EndReason::RecogniserFailed(why) = &played.summary.end else { panic!("{:?}", played.summary.end) };
    assert!(why.contains("InternalFailureException") && why.contains("run it again"), "{why}");
    assert_eq!(said(&played)[0].1, "hello agent.", "it was final before the session broke off");
}

#[test]
fn audio_is_sent_no_faster_than_is_configured() {
    let world = World::new();
    let began = Instant::now();
    let played = world.play(&["live.catch_up_percent=200", "live.burst_ms=1000"]);
    assert_eq!(played.summary.end, EndReason::MediaEnded);
    // Four seconds less one at once, at twice real time.
    assert!(began.elapsed() >= Duration::from_millis(1_400), "{:?}", began.elapsed());
}

#[test]
fn options_that_exclude_each_other_are_named_before_anything_is_sent() {
    let world = World::new();
    let config = world.config(&["session.vocabulary_name=a b"]);
    let error = TranscribeFile::connect_with(&config, &sdk(&Credentials::example().secret_access_key))
        .unwrap_err()
        .to_string();
    assert!(error.contains("[session] vocabularyName"), "{error}");
    let config = world.config(&["session.identify_language=true", "session.language_code=en-GB"]);
    let error = TranscribeFile::connect_with(&config, &sdk(&Credentials::example().secret_access_key))
        .unwrap_err()
        .to_string();
    assert!(error.contains("languageCode: excludes language identification"), "{error}");
}
