//! Transcribe streaming, inline: results, limits, each exception and fault.

use bytes::Bytes;
use engine::time::{Span, Time};
use fixtures::Party;
use fixtures::tone::Script;
use serde_json::Value;
use tests::emulators::transcribe::{Event, Exception, Fault, Options, SessionId, Transcribe};

pub(crate) const T0: Time = Time::from_ms(1_571_360_125_131);
pub(crate) const PATH: &str = "/stream-transcription";
/// Bytes of 100 ms of both channels at 8 kHz.
pub(crate) const CHUNK: usize = 3200;

pub(crate) fn at(ms: i64) -> Time {
    T0 + Span::from_ms(ms)
}

pub(crate) fn headers(pairs: &[(&'static str, &str)]) -> http::HeaderMap {
    let mut headers = http::HeaderMap::new();
    let stereo = [
        ("x-amzn-transcribe-language-code", "en-US"),
        ("x-amzn-transcribe-sample-rate", "8000"),
        ("x-amzn-transcribe-media-encoding", "pcm"),
        ("x-amzn-transcribe-number-of-channels", "2"),
        ("x-amzn-transcribe-enable-channel-identification", "true"),
    ];
    for (name, value) in stereo.iter().chain(pairs) {
        if value.is_empty() {
            headers.remove(*name);
        } else {
            headers.insert(*name, value.parse().unwrap());
        }
    }
    headers
}

/// A short conversation, interleaved, in chunks of 100 ms.
pub(crate) fn conversation() -> Vec<Bytes> {
    let script = Script::new()
        .say(Party::Customer, 300, "hello return shoes")
        .say(Party::Agent, 300, "please hold")
        .say(Party::Agent, 2500, "goodbye");
    let pcm = script.render(4000).unwrap();
    let both = pcm.customer.iter().zip(&pcm.agent);
    let bytes: Vec<u8> = both.flat_map(|(c, a)| [c.to_le_bytes(), a.to_le_bytes()].concat()).collect();
    bytes.chunks(CHUNK).map(Bytes::copy_from_slice).collect()
}

fn open(transcribe: &mut Transcribe) -> SessionId {
    transcribe.open(T0, PATH, &headers(&[])).unwrap()
}

/// All that is due now.
pub(crate) fn due(transcribe: &mut Transcribe, now: Time, id: SessionId) -> Vec<Event> {
    let mut events = Vec::new();
    while let Ok(event) = transcribe.poll(now, id) {
        let over = matches!(event, Event::End | Event::Exception(_) | Event::Reset);
        events.push(event);
        if over {
            break;
        }
    }
    events
}

/// Plays the conversation in real time; returns every event with when it came.
pub(crate) fn play(transcribe: &mut Transcribe, id: SessionId) -> Vec<(i64, Event)> {
    let mut told = Vec::new();
    let mut ms = 0;
    for chunk in conversation() {
        ms += 100;
        transcribe.audio(at(ms), id, &chunk);
        told.extend(due(transcribe, at(ms), id).into_iter().map(|e| (ms, e)));
    }
    transcribe.audio(at(ms), id, &[]);
    told.extend(due(transcribe, at(ms + 1000), id).into_iter().map(|e| (ms + 1000, e)));
    told
}

pub(crate) fn results(event: &Event) -> Vec<Value> {
    match event {
        Event::Transcript(json) => json["Transcript"]["Results"].as_array().unwrap().clone(),
        _ => Vec::new(),
    }
}

/// (channel, start, end, text) of final results.
pub(crate) fn finals(results: impl IntoIterator<Item = Value>) -> Vec<(String, f64, f64, String)> {
    let of = |r: Value| {
        let channel = r["ChannelId"].as_str().unwrap().to_owned();
        let text = r["Alternatives"][0]["Transcript"].as_str().unwrap().to_owned();
        (channel, r["StartTime"].as_f64().unwrap(), r["EndTime"].as_f64().unwrap(), text)
    };
    results.into_iter().filter(|r| r["IsPartial"] == false).map(of).collect()
}

pub(crate) fn assert_finals(finals: &[(String, f64, f64, String)]) {
    let truth = [
        ("ch_1", 0.3, 0.3 + 0.26 + 0.18, "please hold."),
        ("ch_0", 0.3, 0.3 + 0.52 + 0.18, "hello return shoes."),
        ("ch_1", 2.5, 2.68, "goodbye."),
    ];
    assert_eq!(finals.len(), truth.len(), "{finals:?}");
    for (found, (channel, start, end, text)) in finals.iter().zip(truth) {
        assert_eq!((found.0.as_str(), found.3.as_str()), (channel, text));
        assert!((found.1 - start).abs() <= 0.005 && (found.2 - end).abs() <= 0.005, "{found:?}");
    }
}

fn exception(events: &[(i64, Event)]) -> Option<&Exception> {
    events.iter().find_map(|(_, e)| match e {
        Event::Exception(exception) => Some(exception),
        _ => None,
    })
}

#[test]
fn when_each_final_was_handed_out_is_remembered_if_asked_for() {
    for (keep_finals, count) in [(true, 3), (false, 0)] {
        let mut transcribe = Transcribe::new(Options { keep_finals, ..Options::default() });
        let id = open(&mut transcribe);
        let told = play(&mut transcribe, id);
        let of = |(ms, event): &(i64, Event)| {
            finals(results(event)).into_iter().map(|f| (at(*ms), f.3)).collect::<Vec<_>>()
        };
        let told: Vec<_> = told.iter().flat_map(of).collect();
        assert_eq!(told.len(), 3);
        assert_eq!(transcribe.records()[0].finals, told[..count]);
    }
}

#[test]
fn both_channels_are_told_with_their_true_times() {
    let mut transcribe = Transcribe::new(Options::default());
    let id = open(&mut transcribe);
    let told = play(&mut transcribe, id);
    assert_finals(&finals(told.iter().flat_map(|(_, e)| results(e))));
    assert_eq!(told.last().unwrap().1, Event::End);
    let all: Vec<Value> = told.iter().flat_map(|(_, e)| results(e)).collect();
    let partials: Vec<&str> = all
        .iter()
        .filter(|r| r["IsPartial"] == true && r["ChannelId"] == "ch_0")
        .map(|r| r["Alternatives"][0]["Transcript"].as_str().unwrap())
        .collect();
    assert_eq!(partials, ["hello", "hello return", "hello return shoes"]);
    // A segment's partial results and its final one share an id; the next segment has another.
    let ids: Vec<&Value> = all.iter().filter(|r| r["ChannelId"] == "ch_1").map(|r| &r["ResultId"]).collect();
    assert!(ids.first() == ids.get(1) && ids.first() != ids.last(), "{ids:?}");
    let last = &all.last().unwrap()["Alternatives"][0]["Items"];
    assert_eq!((&last[0]["Type"], &last[1]["Type"]), (&"pronunciation".into(), &"punctuation".into()));
    assert!(last[0]["Confidence"].is_f64() && last[1]["Confidence"].is_null());
    let record = transcribe.records()[0];
    assert!(record.ended && record.duration() == Span::from_s(4));
}

#[test]
fn the_cut_into_chunks_changes_no_final() {
    let all = conversation().concat();
    for size in [4, 1600, 6400, 32_000] {
        let mut transcribe = Transcribe::new(Options::default());
        let id = open(&mut transcribe);
        for chunk in all.chunks(size) {
            transcribe.audio(T0, id, chunk);
        }
        transcribe.audio(T0, id, &[]);
        let mut told = finals(due(&mut transcribe, at(1000), id).iter().flat_map(results));
        // Which channel's pause is noticed first depends on the cut.
        told.sort_by(|a, b| a.2.total_cmp(&b.2));
        assert_finals(&told);
    }
}

#[test]
fn results_come_late_and_together() {
    let mut transcribe = Transcribe::new(Options { latency: Span::from_s(2), ..Options::default() });
    let id = open(&mut transcribe);
    let all = conversation().concat();
    for second in all.chunks(CHUNK * 10) {
        transcribe.audio(T0, id, second);
    }
    assert_eq!(transcribe.poll(at(1999), id), Err(at(2000)));
    let first = transcribe.poll(at(2000), id).unwrap();
    let channels: Vec<Value> = results(&first).iter().map(|r| r["ChannelId"].clone()).collect();
    assert_eq!(channels, ["ch_0", "ch_1"], "one event carries both channels' results");
}

#[test]
fn without_audio_the_session_ends_after_fifteen_seconds() {
    let mut transcribe = Transcribe::new(Options::default());
    let id = open(&mut transcribe);
    assert_eq!(transcribe.poll(T0, id), Err(at(15_000)));
    transcribe.audio(at(14_000), id, &[0; CHUNK]);
    assert_eq!(transcribe.poll(at(28_999), id), Err(at(29_000)), "zeros are audio");
    let Ok(Event::Exception(exception)) = transcribe.poll(at(29_000), id) else { panic!("it is time") };
    assert_eq!(exception, Exception::no_audio());
}

#[test]
fn four_hours_are_the_end_whatever_comes() {
    let mut transcribe = Transcribe::new(Options { keep_audio: false, ..Options::default() });
    let id = open(&mut transcribe);
    for second in (0..4 * 3600).step_by(10) {
        transcribe.audio(at(second * 1000), id, &[0; CHUNK]);
        assert!(transcribe.poll(at(second * 1000), id).is_err());
    }
    let Ok(Event::Exception(exception)) = transcribe.poll(at(4 * 3_600_000), id) else {
        panic!("it is time")
    };
    assert_eq!(exception.name, "LimitExceededException");
}

#[test]
fn bad_audio_is_refused() {
    for (bytes, what) in [(vec![0; 3202], "whole number"), (vec![0; 32_004], "one second")] {
        let mut transcribe = Transcribe::new(Options::default());
        let id = open(&mut transcribe);
        transcribe.audio(T0, id, &bytes);
        let Ok(Event::Exception(exception)) = transcribe.poll(T0, id) else { panic!("{what}") };
        assert!(exception.message.contains(what), "{exception:?}");
    }
    let mut transcribe =
        Transcribe::new(Options { max_ahead: Some(Span::from_ms(500)), ..Options::default() });
    let id = open(&mut transcribe);
    for _ in 0..6 {
        transcribe.audio(T0, id, &[0; CHUNK]);
    }
    assert!(matches!(transcribe.poll(T0, id), Ok(Event::Exception(e)) if e.status == 429));
}

#[test]
fn requests_are_held_to_the_rules() {
    let p = |name: &'static str, value: &'static str| vec![(name, value)];
    for odd in [
        p("x-amzn-transcribe-media-encoding", "flac"),
        p("x-amzn-transcribe-sample-rate", "4000"),
        p("x-amzn-transcribe-number-of-channels", "3"),
        p("x-amzn-transcribe-enable-channel-identification", "false"),
        p("x-amzn-transcribe-language-code", ""),
        p("x-amzn-transcribe-identify-language", "true"),
        vec![
            ("x-amzn-transcribe-content-identification-type", "PII"),
            ("x-amzn-transcribe-content-redaction-type", "PII"),
        ],
    ] {
        let mut transcribe = Transcribe::new(Options::default());
        let refused = transcribe.open(T0, PATH, &headers(&odd)).unwrap_err();
        assert_eq!(refused.status, 400, "{odd:?}");
    }
    let mut transcribe = Transcribe::new(Options::default());
    let many = [
        ("x-amzn-transcribe-language-code", ""),
        ("x-amzn-transcribe-identify-language", "True"),
        ("x-amzn-transcribe-language-options", "en-US,de-DE"),
    ];
    assert!(transcribe.open(T0, PATH, &headers(&many)).is_ok());
}

#[test]
fn sessions_are_limited_and_their_names_unique() {
    let mut transcribe = Transcribe::new(Options { max_sessions: 2, ..Options::default() });
    let named = headers(&[("x-amzn-transcribe-session-id", "one")]);
    let first = transcribe.open(T0, PATH, &named).unwrap();
    assert_eq!(transcribe.open(T0, PATH, &named).unwrap_err().status, 409);
    open(&mut transcribe);
    assert_eq!(transcribe.open(T0, PATH, &headers(&[])).unwrap_err().name, "LimitExceededException");
    transcribe.close(first);
    assert!(transcribe.open(T0, PATH, &named).is_ok());
    assert_eq!(transcribe.refused().len(), 2);
}

#[test]
fn every_fault_strikes_where_it_should() {
    let after = Span::from_s(2);
    let five = [
        Exception::bad_request("by script"),
        Exception::limit("by script"),
        Exception::internal(),
        Exception::conflict(),
        Exception::unavailable(),
    ];
    for thrown in five {
        let mut transcribe = Transcribe::new(Options::default());
        transcribe.script(vec![Fault::Refuse(thrown.clone())]);
        transcribe.script(vec![Fault::Throw { after, exception: thrown.clone() }]);
        assert_eq!(transcribe.open(T0, PATH, &headers(&[])).unwrap_err(), thrown);
        let id = open(&mut transcribe);
        let told = play(&mut transcribe, id);
        assert_eq!(exception(&told), Some(&thrown));
        assert_eq!(told.last().unwrap().0, 2000, "and nothing after it");
    }
    let mut transcribe = Transcribe::new(Options::default());
    transcribe.script(vec![Fault::Stall { after }]);
    transcribe.script(vec![Fault::EndEarly { after: Span::from_ms(900) }]);
    transcribe.script(vec![Fault::Reset { after }]);
    transcribe.script(vec![Fault::Unknown { after: Span::from_ms(100) }]);
    let mut next = || {
        let id = open(&mut transcribe);
        let told = play(&mut transcribe, id);
        transcribe.close(id);
        told
    };
    let stalled = next();
    assert!(stalled.iter().all(|(ms, e)| *ms <= 2000 && matches!(e, Event::Transcript(_))));
    let early = next();
    assert_eq!(early.last().unwrap(), &(900, Event::End));
    assert!(finals(early.iter().flat_map(|(_, e)| results(e))).is_empty(), "finals that were due are lost");
    assert_eq!(next().last().unwrap(), &(2000, Event::Reset));
    let unknown = next();
    assert_eq!(unknown[0].1, Event::Unknown);
    assert_finals(&finals(unknown.iter().flat_map(|(_, e)| results(e))));
}
