//! The layers: which value of which layer counts, and its way into a section.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

use super::error::{ConfigError, Kind, Origin, nearest};
use super::node::{Entry, Node, Table, table_of};

/// The sections of the file.
pub const SECTIONS: [&str; 11] = [
    "aws",
    "call",
    "forward",
    "kinesis",
    "live",
    "log",
    "salesforce",
    "session",
    "store",
    "transcribe",
    "worker",
];

/// What variables of ours begin with.
const PREFIX: &str = "KVSCRIBE_";

/// Variables of ours that are no options of a section.
const OTHERS: [&str; 4] = ["KVSCRIBE_CACHE_DIR", "KVSCRIBE_CONFIG", "KVSCRIBE_EVENT", "KVSCRIBE_MODEL_URL"];

/// Variables under the names of the reference's secret, and the options they are. `KVSCRIBE_…` wins.
///
/// Source: Service Cloud Voice for Amazon Connect, kvsTranscriber.
const REFERENCE: [(&str, &str, &str); 4] = [
    ("CALL_CENTER_API_NAME", "salesforce", "call_center"),
    ("SALESFORCE_ORG_ID", "salesforce", "org_id"),
    ("SCRT_ENDPOINT_BASE", "salesforce", "endpoint_base"),
    ("TRANSCRIBE_REGION", "transcribe", "region"),
];

/// Where configuration comes from, besides the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`. `None`: `KVSCRIBE_CONFIG` of the environment, else no file.
    pub file: Option<PathBuf>,
    /// The environment. An empty variable counts as not set.
    pub environment: Vec<(String, String)>,
    /// Each `--set`, as `section.key=value`; later ones win.
    pub set: Vec<String>,
}

impl Sources {
    /// The environment of this process, with these flags.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, set: Vec<String>) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self { file, environment: std::env::vars_os().filter_map(text).collect(), set }
    }
}

/// All layers, one upon the other. The parts read their sections out of it.
#[derive(Debug, Clone, Default)]
pub struct Config {
    sections: BTreeMap<String, Table>,
}

impl Config {
    /// Reads all layers.
    ///
    /// # Errors
    /// The file cannot be read or is no TOML; a section, variable or flag is not known. Keys within a section
    /// are judged when it is read.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let value_of = |name: &str| {
            let found = sources.environment.iter().rev().find(|(n, v)| n == name && !v.is_empty());
            found.map(|(_, value)| value.as_str())
        };
        if let Some(path) = sources.file.clone().or_else(|| value_of("KVSCRIBE_CONFIG").map(PathBuf::from)) {
            config.file(path)?;
        }
        for (name, section, key) in REFERENCE {
            if let Some(value) = value_of(name) {
                config.put(section, &[key], value, &Origin::Variable(name.to_owned()));
            }
        }
        for (name, value) in &sources.environment {
            config.variable(name, value)?;
        }
        for flag in &sources.set {
            config.flag(flag)?;
        }
        Ok(config)
    }

    /// The options of this section, with defaults for what no layer says.
    ///
    /// # Errors
    /// A key is not known or its value makes no sense; the error says where it stands.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, ConfigError> {
        let table = self.sections.get(name).cloned().unwrap_or_default();
        T::deserialize(Node::Table(table)).map_err(|error| {
            let section = name.to_owned();
            match &error.kind {
                Kind::UnknownKey { key, nearest } => {
                    let key = error.path_to(key);
                    let what = format!("[{section}] has no key `{key}`");
                    ConfigError::Unknown { origin: self.origin(name, &key), what, nearest: nearest.clone() }
                }
                Kind::Other(what) => ConfigError::Value {
                    origin: self.origin(name, &error.path),
                    section,
                    key: error.path.clone(),
                    what: what.clone(),
                },
            }
        })
    }

    fn file(&mut self, path: PathBuf) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(&path)
            .map_err(|e| ConfigError::Unreadable { path: path.clone(), why: e.to_string() })?;
        let document: toml::Table = toml::from_str(&text).map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            ConfigError::Syntax { path: path.clone(), why: format!("line {line}: {}", e.message()) }
        })?;
        let origin = Origin::File(path);
        for (name, value) in document {
            let known = SECTIONS.contains(&name.as_str());
            match value {
                toml::Value::Table(table) if known => {
                    self.sections.insert(name, table_of(table, &origin));
                }
                _ => return Err(unknown_section(&origin, &name)),
            }
        }
        Ok(())
    }

    fn variable(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let Some(rest) = name.strip_prefix(PREFIX) else { return Ok(()) };
        if value.is_empty() || OTHERS.contains(&name) {
            return Ok(());
        }
        let origin = Origin::Variable(name.to_owned());
        let rest = rest.to_ascii_lowercase();
        let found = SECTIONS.iter().find_map(|s| Some((*s, rest.strip_prefix(s)?.strip_prefix('_')?)));
        let Some((section, key)) = found.filter(|(_, key)| !key.is_empty()) else {
            let word = rest.split('_').next().unwrap_or_default();
            return Err(unknown_section(&origin, word));
        };
        self.put(section, &key.split("__").collect::<Vec<_>>(), value, &origin);
        Ok(())
    }

    fn flag(&mut self, flag: &str) -> Result<(), ConfigError> {
        // What stands behind the `=` may be a secret.
        let (path, value) = flag.split_once('=').ok_or_else(|| ConfigError::Flag(flag.to_owned()))?;
        let path = path.trim();
        let (section, key) = path.split_once('.').ok_or_else(|| ConfigError::Flag(format!("{path}=…")))?;
        if key.split('.').any(str::is_empty) {
            return Err(ConfigError::Flag(format!("{path}=…")));
        }
        let origin = Origin::Flag(path.to_owned());
        if !SECTIONS.contains(&section) {
            return Err(unknown_section(&origin, section));
        }
        self.put(section, &key.split('.').collect::<Vec<_>>(), value, &origin);
        Ok(())
    }

    fn put(&mut self, section: &str, path: &[&str], value: &str, origin: &Origin) {
        let Some((last, parents)) = path.split_last() else { return };
        let mut table = self.sections.entry(section.to_owned()).or_default();
        for parent in parents {
            let empty = || Entry { node: Node::Table(Table::new()), origin: origin.clone() };
            let entry = table.entry((*parent).to_owned()).or_insert_with(empty);
            if !matches!(entry.node, Node::Table(_)) {
                *entry = empty();
            }
            let Node::Table(inner) = &mut entry.node else { return };
            table = inner;
        }
        let entry = Entry { node: Node::Loose(value.to_owned()), origin: origin.clone() };
        table.insert((*last).to_owned(), entry);
    }

    /// Where the value under this path stands, as far down as there is one.
    fn origin(&self, section: &str, path: &str) -> Origin {
        let mut table = self.sections.get(section);
        let mut origin = Origin::Missing;
        for part in path.split(['.', '[']) {
            let Some(entry) = table.and_then(|t| t.get(part)) else { break };
            origin = entry.origin.clone();
            table = if let Node::Table(inner) = &entry.node { Some(inner) } else { None };
        }
        origin
    }
}

fn unknown_section(origin: &Origin, name: &str) -> ConfigError {
    ConfigError::Unknown {
        origin: origin.clone(),
        what: format!("there is no section `{name}`"),
        nearest: nearest(name, SECTIONS.into_iter()),
    }
}
