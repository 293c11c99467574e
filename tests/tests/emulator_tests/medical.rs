//! Transcribe Medical, inline: its rules and the shape of its results.

use serde_json::Value;
use tests::emulators::transcribe::{Options, Transcribe};

use crate::transcribe::{T0, at, due, headers, results};

const PATH: &str = "/medical-stream-transcription";

/// A good request for two channels at 16 kHz, with these headers instead or besides; empty ones are left out.
fn medical(pairs: &[(&'static str, &str)]) -> http::HeaderMap {
    let mut all = vec![
        ("x-amzn-transcribe-sample-rate", "16000"),
        ("x-amzn-transcribe-specialty", "PRIMARYCARE"),
        ("x-amzn-transcribe-type", "CONVERSATION"),
    ];
    all.extend(pairs);
    headers(&all)
}

/// Customer and agent say these words at the same time: 16 kHz, interleaved.
fn both(customer: &str, agent: &str) -> Vec<u8> {
    let mut sides = [customer, agent].map(|words| fixtures::tone::speak_at(16_000, words).unwrap());
    let longest = sides.iter().map(Vec::len).max().unwrap() + 16_000;
    sides.iter_mut().for_each(|side| side.resize(longest, 0));
    let [customer, agent] = &sides;
    customer.iter().zip(agent).flat_map(|(c, a)| [c.to_le_bytes(), a.to_le_bytes()].concat()).collect()
}

/// All results of this audio.
fn heard(headers: &http::HeaderMap, audio: &[u8]) -> Vec<Value> {
    let mut transcribe = Transcribe::new(Options::default());
    let id = transcribe.open(T0, PATH, headers).unwrap();
    for chunk in audio.chunks(6400) {
        transcribe.audio(T0, id, chunk);
    }
    transcribe.audio(T0, id, &[]);
    due(&mut transcribe, at(1000), id).iter().flat_map(results).collect()
}

#[test]
fn medical_results_have_the_medical_shape() {
    let results = heard(&medical(&[]), &both("hello four", "yes"));
    let finals: Vec<&Value> = results.iter().filter(|r| r["IsPartial"] == false).collect();
    assert_eq!(finals.len(), 2, "{finals:?}");
    let result = finals.iter().find(|r| r["ChannelId"] == "ch_0").unwrap();
    let keys: Vec<&str> = result.as_object().unwrap().keys().map(String::as_str).collect();
    let mut known = ["Alternatives", "ChannelId", "EndTime", "IsPartial", "ResultId", "StartTime"].to_vec();
    known.sort_unstable();
    let mut found = keys.clone();
    found.sort_unstable();
    assert_eq!(found, known, "no LanguageCode");
    let alternative = &result["Alternatives"][0];
    assert_eq!(alternative["Transcript"], "hello four.");
    assert_eq!(alternative["Entities"], serde_json::json!([]));
    let mut item: Vec<&str> =
        alternative["Items"][0].as_object().unwrap().keys().map(String::as_str).collect();
    item.sort_unstable();
    assert_eq!(item, ["Confidence", "Content", "EndTime", "StartTime", "Type"], "no filter, nothing stable");
}

#[test]
fn personal_health_information_is_marked_when_asked_for() {
    let asked = medical(&[("x-amzn-transcribe-content-identification-type", "PHI")]);
    let results = heard(&asked, &both("number four", "yes"));
    let result = results.iter().find(|r| r["IsPartial"] == false && r["ChannelId"] == "ch_0").unwrap();
    let entity = &result["Alternatives"][0]["Entities"][0];
    assert_eq!((&entity["Category"], &entity["Content"]), (&"PHI".into(), &"four".into()));
    assert_eq!(entity["StartTime"], result["Alternatives"][0]["Items"][1]["StartTime"]);
    assert!(
        results
            .iter()
            .filter(|r| r["IsPartial"] == true)
            .all(|r| { r["Alternatives"][0]["Entities"].as_array().unwrap().is_empty() })
    );
}

#[test]
fn medical_requests_are_held_to_the_rules() {
    for odd in [
        ("x-amzn-transcribe-language-code", "en-GB"),
        ("x-amzn-transcribe-sample-rate", "8000"),
        ("x-amzn-transcribe-specialty", ""),
        ("x-amzn-transcribe-specialty", "DENTISTRY"),
        ("x-amzn-transcribe-type", ""),
        ("x-amzn-transcribe-type", "LECTURE"),
        ("x-amzn-transcribe-content-identification-type", "PII"),
        ("x-amzn-transcribe-vocabulary-name", "two words"),
        ("x-amzn-transcribe-vocabulary-filter-name", "profanity"),
        ("x-amzn-transcribe-content-redaction-type", "PII"),
        ("x-amzn-transcribe-enable-channel-identification", "false"),
    ] {
        let mut transcribe = Transcribe::new(Options::default());
        let refused = transcribe.open(T0, PATH, &medical(&[odd])).err();
        assert_eq!(refused.map(|e| e.name), Some("BadRequestException"), "{odd:?}");
    }
    let mut transcribe = Transcribe::new(Options::default());
    for good in [
        vec![("x-amzn-transcribe-specialty", "UROLOGY"), ("x-amzn-transcribe-type", "DICTATION")],
        vec![
            ("x-amzn-transcribe-number-of-channels", ""),
            ("x-amzn-transcribe-enable-channel-identification", ""),
            ("x-amzn-transcribe-vocabulary-name", "acme-terms"),
        ],
    ] {
        let id = transcribe.open(T0, PATH, &medical(&good)).unwrap();
        transcribe.close(id);
    }
    assert!(transcribe.records().iter().all(|r| r.request.medical));
    let telephone = Options { medical_min_rate_hz: 8000, ..Options::default() };
    let low = medical(&[("x-amzn-transcribe-sample-rate", "8000")]);
    assert!(Transcribe::new(telephone).open(T0, PATH, &low).is_ok());
}
