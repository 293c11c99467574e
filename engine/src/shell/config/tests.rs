//! Layers and errors; and the annotated example says all there is, and only that.

use std::io::Write;

use serde::Deserialize;

use super::*;
use crate::shell::aws::AwsOptions;
use crate::shell::forward::ForwardOptions;
use crate::shell::kinesis::KinesisOptions;
use crate::shell::log::LogOptions;
use crate::shell::salesforce::{SalesforceOptions, TokenUse};
use crate::shell::store::{StoreKind, StoreOptions};
use crate::shell::transcribe::{RawSessionOptions, TranscribeOptions};

const EXAMPLE: &str = include_str!("../../../../deploy/kvscribe.toml");

/// A section of text, numbers, switches, lists and a table.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Probe {
    org_id: String,
    endpoint_base: Option<String>,
    call_center: Option<String>,
    timeout_ms: u32,
    ratio: f64,
    compress: Option<bool>,
    names: Vec<String>,
    headers: std::collections::BTreeMap<String, String>,
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn load(text: &str, environment: &[(&str, &str)], set: &[&str]) -> Result<Config, ConfigError> {
    let file = file(text);
    Config::load(&Sources {
        file: Some(file.path().to_owned()),
        environment: environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        set: set.iter().map(|s| (*s).to_owned()).collect(),
    })
}

fn probe(text: &str, environment: &[(&str, &str)], set: &[&str]) -> Result<Probe, String> {
    let config = load(text, environment, set).map_err(|e| e.to_string())?;
    config.section("salesforce").map_err(|e| e.to_string())
}

#[test]
fn each_layer_wins_over_those_before_it() {
    let text = "[salesforce]\norg_id = 'file'\ntimeout_ms = 1\nratio = 1\nendpoint_base = 'file'";
    let environment = [
        ("SALESFORCE_ORG_ID", "reference"),
        ("SCRT_ENDPOINT_BASE", "reference"),
        ("KVSCRIBE_SALESFORCE_ORG_ID", "ours"),
        ("KVSCRIBE_SALESFORCE_TIMEOUT_MS", "2"),
        ("KVSCRIBE_SALESFORCE_COMPRESS", ""),
        ("PATH", "/bin"),
    ];
    let read = probe(text, &environment, &["salesforce.timeout_ms=3"]).unwrap();
    assert_eq!((read.org_id.as_str(), read.timeout_ms), ("ours", 3));
    assert_eq!((read.endpoint_base.as_deref(), read.ratio), (Some("reference"), 1.0));
    assert_eq!(read.compress, None, "an empty variable is not set");
}

#[test]
fn the_file_may_be_named_by_the_environment() {
    let file = file("[salesforce]\norg_id = 'x'");
    let name = file.path().to_str().unwrap().to_owned();
    let sources = Sources { environment: vec![("KVSCRIBE_CONFIG".into(), name)], ..Sources::default() };
    assert_eq!(Config::load(&sources).unwrap().section::<Probe>("salesforce").unwrap().org_id, "x");
}

#[test]
fn text_of_environment_and_flags_is_whatever_the_option_is() {
    let set = [
        "salesforce.org_id=123",
        "salesforce.endpoint_base=true",
        "salesforce.compress=True",
        "salesforce.ratio=1.5",
        "salesforce.names=a, 7",
        "salesforce.headers.x-one=1=1",
    ];
    let read = probe("[salesforce.headers]\ny = 'two'", &[("KVSCRIBE_SALESFORCE_HEADERS__Z", "3")], &set);
    let read = read.unwrap();
    assert_eq!((read.org_id.as_str(), read.endpoint_base.as_deref()), ("123", Some("true")));
    assert_eq!((read.compress, read.ratio), (Some(true), 1.5));
    assert_eq!(read.names, ["a", "7"]);
    let headers: Vec<_> = read.headers.iter().map(|(k, v)| format!("{k}:{v}")).collect();
    assert_eq!(headers, ["x-one:1=1", "y:two", "z:3"]);
    let listed = probe("", &[], &["salesforce.names=['a,b']"]).unwrap();
    assert_eq!(listed.names, ["a,b"]);
}

#[test]
fn every_error_says_where_which_and_what_was_expected() {
    for (text, environment, set, words) in [
        (
            "[salesforce]\norg_idd = 1",
            vec![],
            "",
            vec!["file /", "[salesforce] has no key `org_idd`", "did you mean `org_id`"],
        ),
        ("[salesfroce]", vec![], "", vec!["file /", "`salesfroce`", "did you mean `salesforce`"]),
        ("org_id = 1", vec![], "", vec!["no section `org_id`"]),
        ("[salesforce]\n\norg_id = ", vec![], "", vec!["is not TOML, line 3"]),
        (
            "[salesforce]\norg_id = 1",
            vec![],
            "",
            vec!["file /", "[salesforce] org_id: expected a string, found a whole number"],
        ),
        ("[salesforce]\ntimeout_ms = -1", vec![], "", vec!["timeout_ms: -1 is out of range", "u32"]),
        ("[salesforce]\nnames = ['a', 2]", vec![], "", vec!["[salesforce] names[1]: expected a string"]),
        (
            "",
            vec![("KVSCRIBE_SALESFORCE_TIMEOUT_MS", "soon")],
            "",
            vec![
                "environment variable KVSCRIBE_SALESFORCE_TIMEOUT_MS",
                "timeout_ms: expected a whole number",
            ],
        ),
        (
            "",
            vec![("KVSCRIBE_SALESFORCE_ORGID", "x")],
            "",
            vec!["environment variable KVSCRIBE_SALESFORCE_ORGID", "did you mean `org_id`"],
        ),
        (
            "",
            vec![("KVSCRIBE_SALESFROCE_X", "x")],
            "",
            vec!["KVSCRIBE_SALESFROCE_X", "did you mean `salesforce`"],
        ),
        (
            "",
            vec![],
            "salesforce.compress=maybe",
            vec!["--set salesforce.compress", "expected true or false"],
        ),
        ("", vec![], "salesforce.retry=1", vec!["--set salesforce.retry", "no key `retry`"]),
        ("", vec![], "org_id=1", vec!["--set `org_id=…`", "salesforce.org_id"]),
    ] {
        let set = if set.is_empty() { vec![] } else { vec![set] };
        let said = probe(text, &environment, &set).unwrap_err();
        for word in words {
            assert!(said.contains(word), "{word} in: {said}");
        }
    }
    let missing = Sources { file: Some("/nowhere/kvscribe.toml".into()), ..Sources::default() };
    assert!(
        Config::load(&missing).unwrap_err().to_string().contains("/nowhere/kvscribe.toml cannot be read")
    );
}

#[test]
fn no_value_is_repeated_since_it_may_be_a_secret() {
    for (text, set) in [
        ("[salesforce]\ntimeout_ms = 'hunter2'", "worker.x=hunter2"),
        ("[worker]\ntokens = [{ token = 'hunter2', scopes = ['hunter2'] }]", "salesforce.ratio=hunter2"),
    ] {
        let config = load(text, &[], &[set]).unwrap();
        let said = [
            config.section::<Probe>("salesforce").map(|_| ()).unwrap_err().to_string(),
            config.section::<WorkerOptions>("worker").map(|_| ()).unwrap_err().to_string(),
        ];
        assert!(!said.concat().contains("hunter2"), "{said:?}");
    }
    let said = load("", &[], &["hunter2=hunter2"]).unwrap_err().to_string();
    assert!(!said.contains("=hunter2"), "{said}");
}

#[test]
fn the_workers_tokens_are_read_from_every_layer() {
    let text = "[[worker.tokens]]\ntoken_env = 'A'\nscopes = ['calls', 'read']";
    let tokens = |config: Config| config.section::<WorkerOptions>("worker").unwrap().tokens;
    assert_eq!(tokens(load(text, &[], &[]).unwrap())[0].scopes, [Scope::Calls, Scope::Read]);
    let environment = [("KVSCRIBE_WORKER_TOKENS", "[{ token_env = 'B', scopes = ['events'] }]")];
    assert_eq!(tokens(load(text, &environment, &[]).unwrap())[0].token_env.as_deref(), Some("B"));
    assert!(
        !format!("{:?}", TokenOptions { token: Some("s3cret".into()), ..TokenOptions::default() })
            .contains("s3cret")
    );
}

/// The example with the `#` taken from every line that is an option.
fn uncommented() -> String {
    let option = |line: &str| {
        let name = line.split('=').next().unwrap_or_default().trim();
        line.starts_with("[[")
            || (line.contains(" = ")
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
    };
    EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if option(rest) => rest,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_example_parses_as_it_stands_and_states_the_defaults() {
    fn states_the_defaults<T>(config: &Config, name: &str)
    where
        T: serde::de::DeserializeOwned + Default + PartialEq + std::fmt::Debug,
    {
        assert_eq!(config.section::<T>(name).unwrap(), T::default(), "[{name}]");
    }
    let config = load(EXAMPLE, &[], &[]).unwrap();
    states_the_defaults::<AwsOptions>(&config, "aws");
    states_the_defaults::<CallOptions>(&config, "call");
    states_the_defaults::<ForwardOptions>(&config, "forward");
    states_the_defaults::<KinesisOptions>(&config, "kinesis");
    states_the_defaults::<LiveOptions>(&config, "live");
    states_the_defaults::<LogOptions>(&config, "log");
    states_the_defaults::<SalesforceOptions>(&config, "salesforce");
    states_the_defaults::<RawSessionOptions>(&config, "session");
    states_the_defaults::<StoreOptions>(&config, "store");
    states_the_defaults::<TranscribeOptions>(&config, "transcribe");
    states_the_defaults::<WorkerOptions>(&config, "worker");
}

#[test]
fn the_example_has_every_option_and_no_other() {
    let document: toml::Table = toml::from_str(&uncommented()).unwrap();
    let config = load(&uncommented(), &[], &[]).unwrap();
    let sections = [
        ("aws", known::<AwsOptions>(&config, "aws")),
        ("call", known::<CallOptions>(&config, "call")),
        ("forward", known::<ForwardOptions>(&config, "forward")),
        ("kinesis", known::<KinesisOptions>(&config, "kinesis")),
        ("live", known::<LiveOptions>(&config, "live")),
        ("log", known::<LogOptions>(&config, "log")),
        ("salesforce", known::<SalesforceOptions>(&config, "salesforce")),
        ("session", known::<RawSessionOptions>(&config, "session")),
        ("store", known::<StoreOptions>(&config, "store")),
        ("transcribe", known::<TranscribeOptions>(&config, "transcribe")),
        ("worker", known::<WorkerOptions>(&config, "worker")),
    ];
    for (section, mut known) in sections {
        // A payload's spelling of an option is not the file's.
        known.retain(|key| !key.contains(|c: char| c.is_ascii_uppercase()) && *key != "type");
        let mut there: Vec<&str> = document[section].as_table().unwrap().keys().map(String::as_str).collect();
        there.sort_unstable();
        known.sort_unstable();
        known.dedup();
        assert_eq!(there, known, "[{section}]");
    }
}

#[test]
fn every_section_is_reached_from_the_environment() {
    let environment = [
        ("TRANSCRIBE_REGION", "eu-west-1"),
        ("CALL_CENTER_API_NAME", "ACME"),
        ("SCRT_ENDPOINT_BASE", "https://acme.example/telephony/v1"),
        ("KVSCRIBE_AWS_DESCRIBE_CONTACT_PER_S", "0.5"),
        ("KVSCRIBE_CALL_LIMIT_ATTRIBUTE", "limit"),
        ("KVSCRIBE_KINESIS_OPEN_TIMEOUT_MS", "5"),
        ("KVSCRIBE_LIVE_START_WITH", "EARLIEST"),
        ("KVSCRIBE_LOG_LEVEL", "debug"),
        ("KVSCRIBE_SALESFORCE_TOKEN", "per_request"),
        ("KVSCRIBE_SALESFORCE_PRIVATE_KEY", "-----BEGIN"),
        ("KVSCRIBE_SESSION_IDENTIFY_LANGUAGE", "true"),
        ("KVSCRIBE_SESSION_LANGUAGE_OPTIONS", "en-GB,de-DE"),
        ("KVSCRIBE_SESSION_SESSION_RESUME_WINDOW", "5"),
        ("KVSCRIBE_STORE_KIND", "dynamodb"),
        ("KVSCRIBE_TRANSCRIBE_QUEUE_MS", "7"),
        ("KVSCRIBE_WORKER_MAX_CALLS", "8"),
    ];
    let config = load("", &environment, &[]).unwrap();
    let aws: AwsOptions = config.section("aws").unwrap();
    assert_eq!(aws.describe_contact_per_s, 0.5);
    let call: CallOptions = config.section("call").unwrap();
    assert_eq!(call.limit_attribute, "limit");
    let kinesis: KinesisOptions = config.section("kinesis").unwrap();
    assert_eq!(kinesis.open_timeout_ms, 5);
    let live: LiveOptions = config.section("live").unwrap();
    assert_eq!(live.start_with, crate::call::StartSelector::Earliest);
    assert_ne!(config.section::<LogOptions>("log").unwrap(), LogOptions::default());
    let salesforce: SalesforceOptions = config.section("salesforce").unwrap();
    assert_eq!(salesforce.token, TokenUse::PerRequest);
    assert_eq!(salesforce.call_center.as_deref(), Some("ACME"));
    assert_eq!(salesforce.endpoint_base.as_deref(), Some("https://acme.example/telephony/v1"));
    assert_eq!(salesforce.private_key.unwrap().reveal(), "-----BEGIN");
    let session: RawSessionOptions = config.section("session").unwrap();
    assert_eq!(session.identify_language.as_deref(), Some("true"));
    assert_eq!(session.language_options.as_deref(), Some("en-GB,de-DE"));
    assert_eq!(session.session_resume_window.as_deref(), Some("5"));
    let store: StoreOptions = config.section("store").unwrap();
    assert_eq!(store.kind, StoreKind::DynamoDb);
    let transcribe: TranscribeOptions = config.section("transcribe").unwrap();
    assert_eq!((transcribe.region.as_deref(), transcribe.queue_ms), (Some("eu-west-1"), 7));
    assert_eq!(config.section::<WorkerOptions>("worker").unwrap().max_calls, 8);
}

/// The keys of an option struct, as its own reader lists them; its section can be read.
fn known<T: serde::de::DeserializeOwned>(config: &Config, section: &str) -> Vec<&'static str> {
    config.section::<T>(section).unwrap();
    fields::<T>().to_vec()
}

/// The keys of an option struct, as its own reader lists them.
fn fields<T: serde::de::DeserializeOwned>() -> &'static [&'static str] {
    struct Ask<'a>(&'a mut &'static [&'static str]);
    impl<'de> serde::Deserializer<'de> for Ask<'_> {
        type Error = serde::de::value::Error;
        fn deserialize_any<V: serde::de::Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(serde::de::Error::custom("only asked"))
        }
        fn deserialize_struct<V: serde::de::Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            Err(serde::de::Error::custom("only asked"))
        }
        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut fields: &'static [&'static str] = &[];
    let _ = T::deserialize(Ask(&mut fields));
    fields
}
