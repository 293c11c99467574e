//! Options of a call: what is accepted, and which option an error names.

use serde_json::{Value, json};

use super::super::RawSessionOptions;
use super::{Engine, Language, SessionOptions, VocabularyFilterMethod};

fn read(options: Value) -> Result<SessionOptions, String> {
    let raw: RawSessionOptions = serde_json::from_value(options).expect("readable");
    SessionOptions::new(&raw).map_err(|error| error.to_string())
}

#[test]
fn nothing_is_american_english() {
    assert_eq!(read(json!({})).expect("valid"), SessionOptions::default());
    assert_eq!(SessionOptions::default().language(), Some("en-US"));
    let blank = json!({"languageCode": " ", "identifyLanguage": "false", "vocabularyName": null});
    assert_eq!(read(blank).expect("valid"), SessionOptions::default());
    let unknown = serde_json::from_value::<RawSessionOptions>(json!({"vocabularyNam": "x"}));
    assert!(unknown.is_err_and(|e| e.to_string().contains("vocabularyNam")), "a misspelt option is named");
}

#[test]
fn medical_is_given_the_rate_it_takes_and_standard_what_there_is() {
    for (engine, rates) in [("standard", [8000, 16_000, 44_100]), ("medical", [16_000, 16_000, 44_100])] {
        let options = read(json!({"engine": engine})).expect("valid");
        assert_eq!([8000, 16_000, 44_100].map(|rate_hz| options.sent_rate_hz(rate_hz)), rates, "{engine}");
    }
}

#[test]
fn flags_and_numbers_may_be_strings() {
    for (flag, window) in [(json!(true), json!(30)), (json!("true"), json!("30"))] {
        let options = json!({"identifyLanguage": flag, "languageOptions": "en-US, de-DE", "sessionResumeWindow": window,
            "preferredLanguage": "de-DE", "vocabularyNames": "a,b", "vocabularyFilterNames": "f"});
        let Engine::Standard(standard) = read(options).expect("valid").engine else { panic!("standard") };
        let language = Language::Identify {
            several: false,
            options: "en-US,de-DE".to_owned(),
            preferred: Some("de-DE".to_owned()),
        };
        assert_eq!(standard.language, language);
        assert_eq!(standard.resume_window_min, Some(30));
        assert_eq!(standard.filter, Some(("f".to_owned(), VocabularyFilterMethod::Mask)));
    }
}

#[test]
fn every_wrong_option_is_named() {
    let identify = json!({"identifyLanguage": true, "languageOptions": "en-US,fr-FR"});
    let medical = json!({"engine": "medical"});
    let with = |base: &Value, more: Value| {
        let mut all = base.clone();
        for (key, value) in more.as_object().expect("an object") {
            all[key] = value.clone();
        }
        all
    };
    for (options, option) in [
        (json!({"engine": "other"}), "engine"),
        (json!({"languageCode": "english"}), "languageCode"),
        (json!({"languageCode": "en_US"}), "languageCode"),
        (json!({"languageOptions": "en-US,fr-FR"}), "languageOptions"),
        (json!({"identifyLanguage": true}), "languageOptions"),
        (json!({"identifyLanguage": "perhaps"}), "identifyLanguage"),
        (with(&identify, json!({"identifyMultipleLanguages": true})), "identifyLanguage"),
        (with(&identify, json!({"languageCode": "en-US"})), "languageCode"),
        (with(&identify, json!({"languageOptions": "en-US"})), "languageOptions"),
        (with(&identify, json!({"languageOptions": "en-US,en-GB"})), "languageOptions"),
        (with(&identify, json!({"languageOptions": "a-B,fr-FR"})), "languageOptions"),
        (
            with(&identify, json!({"languageOptions": "en-US,fr-FR,de-DE,it-IT,es-US,ja-JP"})),
            "languageOptions",
        ),
        (with(&identify, json!({"preferredLanguage": "de-DE"})), "preferredLanguage"),
        (with(&identify, json!({"languageModelName": "m"})), "languageModelName"),
        (with(&identify, json!({"vocabularyName": "v"})), "vocabularyName"),
        (with(&identify, json!({"vocabularyFilterName": "v"})), "vocabularyFilterName"),
        (with(&identify, json!({"contentRedactionType": "PII"})), "contentRedactionType"),
        (json!({"vocabularyNames": "a,b"}), "vocabularyNames"),
        (json!({"vocabularyName": "with space"}), "vocabularyName"),
        (json!({"vocabularyFilterName": "a,b"}), "vocabularyFilterName"),
        (json!({"vocabularyFilterMethod": "hide"}), "vocabularyFilterMethod"),
        (json!({"partialResultsStability": "much"}), "partialResultsStability"),
        (json!({"contentIdentificationType": "PII", "contentRedactionType": "PII"}), "contentRedactionType"),
        (json!({"contentRedactionType": "PHI"}), "contentRedactionType"),
        (json!({"piiEntityTypes": "NAME"}), "piiEntityTypes"),
        (json!({"contentRedactionType": "PII", "piiEntityTypes": "NAME,SHOE_SIZE"}), "piiEntityTypes"),
        (json!({"sessionResumeWindow": 301}), "sessionResumeWindow"),
        (json!({"sessionResumeWindow": "soon"}), "sessionResumeWindow"),
        (json!({"specialty": "CARDIOLOGY"}), "specialty"),
        (with(&medical, json!({"specialty": "ALCHEMY"})), "specialty"),
        (with(&medical, json!({"type": "SERMON"})), "type"),
        (with(&medical, json!({"languageCode": "en-GB"})), "languageCode"),
        (with(&medical, json!({"vocabularyFilterName": "f"})), "vocabularyFilterName"),
        (with(&medical, json!({"partialResultsStability": "low"})), "partialResultsStability"),
        (with(&medical, json!({"contentIdentificationType": "PII"})), "contentIdentificationType"),
    ] {
        let error = read(options.clone()).expect_err("wrong");
        assert!(error.starts_with(&format!("{option}: ")), "{options}: {error}");
    }
}

#[test]
fn codes_the_sdk_has_not_heard_of_pass() {
    for code in ["en-AB", "yue-HK", "az-Latn-AZ", "es-419", "xx-YY"] {
        assert!(read(json!({"languageCode": code})).is_ok(), "{code}");
    }
}
