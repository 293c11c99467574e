//! The two shapes, what is lenient about them, and that every error names its key.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::time::Time;

const CONTACT: &str = "11111111-2222-4333-8444-555555555555";
const FRAGMENT: &str = "91343852333181432392682062607187437001234567890";
const STREAM: &str =
    "arn:aws:kinesisvideo:us-west-2:123456789012:stream/scv-connect-acme-contact-1/1571360000000";
const INSTANCE: &str = "arn:aws:connect:us-west-2:123456789012:instance/99999999-8888-4777-8666-555555555555";

fn trigger() -> Value {
    json!({
        "streamARN": STREAM, "startFragmentNum": FRAGMENT, "audioStartTimestamp": "1571360125131",
        "customerPhoneNumber": "+15555550100", "voiceCallId": CONTACT, "languageCode": "en-GB",
        "streamAudioFromCustomer": true, "streamAudioToCustomer": true, "instanceARN": INSTANCE,
        "engine": "standard", "vocabularyName": "acme-terms", "vocabularyFilterName": "profanity",
        "vocabularyFilterMethod": "mask", "secretName": "acme-scv",
    })
}

fn event() -> Value {
    json!({"Name": "ContactFlowEvent", "Details": {
        "ContactData": {
            "Attributes": {"languageCode": "en-US", "favouriteColour": "blue", "vocabularyName": "of-attribute"},
            "Channel": "VOICE", "ContactId": CONTACT, "InitialContactId": "first-contact",
            "PreviousContactId": CONTACT,
            "CustomerEndpoint": {"Address": "+15555550100", "Type": "TELEPHONE_NUMBER"},
            "InitiationMethod": "TRANSFER", "InstanceARN": INSTANCE, "LanguageCode": "en-US",
            "MediaStreams": {"Customer": {"Audio": {
                "StreamARN": STREAM, "StartTimestamp": "1571360125131", "StopTimestamp": null,
                "StartFragmentNumber": FRAGMENT,
            }}},
            "Queue": {"Name": "Support"},
        },
        "Parameters": {"from_customer": "true", "to_customer": "false", "languageCode": "fr-CA"},
    }})
}

fn parse(value: &Value) -> Result<Payload, PayloadError> {
    Payload::parse(value.to_string().as_bytes())
}

/// The value with the key at this path set, or taken away.
fn with(mut value: Value, path: &str, new: Option<Value>) -> Value {
    let (parent, key) = path.rsplit_once('/').unwrap();
    let object = value.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match new {
        Some(new) => object.insert(key.to_owned(), new),
        None => object.remove(key),
    };
    value
}

#[test]
fn the_payload_of_the_trigger_is_read() {
    let payload = parse(&trigger()).unwrap();
    assert_eq!(payload.contact_id, CONTACT);
    assert_eq!(
        payload.segment,
        MediaSegment::new(STREAM, Some(Time::from_ms(1_571_360_125_131)), Some(FRAGMENT.into()))
    );
    assert_eq!(payload.instance_id.as_deref(), Some("99999999-8888-4777-8666-555555555555"));
    assert_eq!(payload.customer_phone.as_ref().unwrap().reveal(), "+15555550100");
    assert_eq!((payload.channels, &payload.engine), (Channels::Both, &Engine::Standard));
    assert_eq!(payload.vocabularies, ["acme-terms"]);
    assert_eq!(payload.vocabulary_filter_method, Some(FilterMethod::Mask));
    assert_eq!((payload.key(), payload.secret_name.as_deref()), (None, Some("acme-scv")));
    assert!(payload.ignored.is_empty());
}

#[test]
fn the_contact_flow_event_is_read_and_its_parameters_win_over_attributes() {
    let payload = parse(&event()).unwrap();
    assert_eq!(payload.segment, parse(&trigger()).unwrap().segment);
    assert_eq!(payload.key(), Some("first-contact"));
    assert_eq!(payload.channels, Channels::Only(Party::Customer));
    assert_eq!(payload.language_code.as_deref(), Some("fr-CA"));
    assert_eq!(payload.vocabularies, ["of-attribute"]);
    assert!(payload.ignored.is_empty(), "attributes of others are no news: {:?}", payload.ignored);
}

#[test]
fn numbers_may_be_text_and_text_numbers_without_losing_a_digit() {
    let text = trigger()
        .to_string()
        .replace(&format!("\"{FRAGMENT}\""), FRAGMENT)
        .replace("\"1571360125131\"", "1571360125131")
        .replace("\"streamAudioToCustomer\":true", "\"streamAudioToCustomer\":\"false\"");
    let payload = Payload::parse(text.as_bytes()).unwrap();
    assert_eq!(payload.segment.start_fragment.as_deref(), Some(FRAGMENT));
    assert_eq!(payload.segment.start, Some(Time::from_ms(1_571_360_125_131)));
    assert_eq!(payload.channels, Channels::Only(Party::Customer));
}

#[test]
fn unknown_keys_and_those_without_effect_are_named() {
    let value = with(trigger(), "/colour", Some(json!("blue")));
    let value = with(value, "/specialty", Some(json!("PRIMARYCARE")));
    let value = with(value, "/+15555550100", Some(json!(1)));
    let ignored = parse(&value).unwrap().ignored;
    assert_eq!(ignored, ["specialty (engine is not medical)", "…", "colour"]);
    let value = with(event(), "/Details/Parameters/colour", Some(json!("blue")));
    assert_eq!(parse(&value).unwrap().ignored, ["Details.Parameters.colour"]);
    let many = (0..100).fold(trigger(), |v, i| with(v, &format!("/x{i}"), Some(json!(1))));
    assert_eq!(parse(&many).unwrap().ignored.len(), 32);
}

#[test]
fn optional_keys_may_be_missing_null_or_empty() {
    for key in [
        "customerPhoneNumber",
        "languageCode",
        "instanceARN",
        "engine",
        "vocabularyName",
        "vocabularyFilterName",
        "vocabularyFilterMethod",
        "secretName",
        "streamAudioToCustomer",
    ] {
        for new in [None, Some(Value::Null), Some(json!(" "))] {
            let value = with(trigger(), &format!("/{key}"), new);
            assert!(parse(&value).is_ok(), "{key}: {:?}", parse(&value));
        }
    }
    let medical = with(trigger(), "/engine", Some(json!("Medical")));
    assert_eq!(parse(&medical).unwrap().engine, Engine::Medical { specialty: None });
}

#[test]
fn every_error_names_its_key_and_what_it_should_be() {
    let trigger_cases = [
        (
            "streamARN",
            vec![None, Some(json!("")), Some(json!("not-an-arn")), Some(json!([1])), Some(json!({}))],
        ),
        (
            "voiceCallId",
            vec![None, Some(Value::Null), Some(json!("../../messages")), Some(json!("a".repeat(300)))],
        ),
        ("startFragmentNum", vec![None, Some(json!("12x")), Some(json!(1.5)), Some(json!("9".repeat(200)))]),
        ("audioStartTimestamp", vec![None, Some(json!("noon")), Some(json!(1_571_360_125)), Some(json!(-1))]),
        ("instanceARN", vec![Some(json!("arn:aws:connect:x:y:queue/1")), Some(json!(7))]),
        ("engine", vec![Some(json!("whisper"))]),
        ("vocabularyFilterMethod", vec![Some(json!("hide"))]),
        ("streamAudioFromCustomer", vec![Some(json!("perhaps"))]),
        ("agentUserId", vec![Some(json!("003000000000001"))]),
        ("vendorCallKey", vec![Some(json!("a/b"))]),
    ];
    for (key, values) in trigger_cases {
        for new in values {
            let error = parse(&with(trigger(), &format!("/{key}"), new.clone())).unwrap_err();
            assert_eq!(error.key(), Some(key), "{new:?}: {error}");
            assert!(error.to_string().contains("should be"), "{error}");
        }
    }
    let audio = "Details.ContactData.MediaStreams.Customer.Audio";
    for (path, new, named) in [
        ("/Details/ContactData", None, "Details.ContactData"),
        ("/Details/ContactData/ContactId", None, "Details.ContactData.ContactId"),
        ("/Details/ContactData/Channel", Some(json!("CHAT")), "Details.ContactData.Channel"),
        ("/Details/ContactData/MediaStreams", None, audio),
        ("/Details/ContactData/MediaStreams/Customer", Some(json!({})), audio),
        ("/Details/ContactData/MediaStreams/Customer/Audio", Some(Value::Null), audio),
        ("/Details/ContactData/Attributes/engine", Some(json!("x")), "Details.ContactData.Attributes.engine"),
        ("/Details/Parameters/engine", Some(json!("x")), "Details.Parameters.engine"),
    ] {
        let error = parse(&with(event(), path, new)).unwrap_err();
        assert_eq!(error.key(), Some(named), "{error}");
    }
    let said = parse(&with(event(), "/Details/ContactData/MediaStreams/Customer/Audio", Some(Value::Null)));
    assert!(said.unwrap_err().to_string().contains("media streaming had not been started before this block"));
}

#[test]
fn contradictions_are_errors() {
    let none = with(trigger(), "/streamAudioFromCustomer", Some(json!("false")));
    let none = with(none, "/streamAudioToCustomer", Some(json!(false)));
    let said = parse(&none).unwrap_err().to_string();
    assert!(said.contains("streamAudioFromCustomer") && said.contains("streamAudioToCustomer"), "{said}");
    let both = with(trigger(), "/Details", Some(json!({})));
    assert!(matches!(parse(&both), Err(PayloadError::Contradiction(_))));
    let twice = with(event(), "/Details/Parameters/streamAudioToCustomer", Some(json!("true")));
    assert!(parse(&twice).unwrap_err().to_string().contains("to_customer"));
}

#[test]
fn no_payload_at_all_is_said_to_be_none() {
    assert_eq!(Payload::parse(b"{}"), Err(PayloadError::Shape));
    for bad in [&b""[..], b"[]", b"null", b"\"x\"", b"{\"streamARN\":", b"\xff\xfe"] {
        assert!(matches!(Payload::parse(bad), Err(PayloadError::Syntax(_))), "{bad:?}");
    }
    let big = vec![b' '; MAX_PAYLOAD_BYTES + 1];
    assert_eq!(Payload::parse(&big), Err(PayloadError::TooLarge(big.len())));
}

#[test]
fn of_a_key_given_twice_the_last_counts_and_depth_is_no_danger() {
    let text = trigger().to_string();
    let twice = format!("{},\"voiceCallId\":\"second\"}}", &text[..text.len() - 1]);
    assert_eq!(Payload::parse(twice.as_bytes()).unwrap().contact_id, "second");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let with_deep = |key: &str| format!("{},\"{key}\":{deep}}}", &text[..text.len() - 1]);
    assert_eq!(Payload::parse(with_deep("colour").as_bytes()).unwrap().ignored, ["colour"]);
    assert_eq!(Payload::parse(with_deep("engine").as_bytes()).unwrap_err().key(), Some("engine"));
}

#[test]
fn the_customers_number_is_never_printed() {
    let payload = parse(&trigger()).unwrap();
    assert!(!format!("{payload:?}").contains("5555550100"));
    assert_eq!(payload.customer_phone.unwrap().to_string(), "…");
    let odd = with(trigger(), "/customerPhoneNumber", Some(json!(["+15555550100"])));
    assert!(!parse(&odd).unwrap_err().to_string().contains("5555550100"));
}

fn arbitrary() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!(STREAM)),
        Just(json!("1571360125131")),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(".{0,6}", inner, 0..4).prop_map(|m| json!(m)),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(value in arbitrary(), which in 0usize..40) {
        let (base, text) = if which % 2 == 0 { (trigger(), "/") } else { (event(), "/Details/ContactData/") };
        let _ = parse(&value);
        let object = base.pointer(text.trim_end_matches('/')).unwrap().as_object().unwrap();
        let key = object.keys().nth(which % object.len()).unwrap().clone();
        if let Err(error) = parse(&with(base, &format!("{text}{key}"), Some(value))) {
            prop_assert!(error.to_string().len() < 600);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..700) {
        let _ = Payload::parse(&bytes);
        let whole = trigger().to_string();
        let _ = Payload::parse(&whole.as_bytes()[..cut.min(whole.len())]);
    }
}
