//! Logs: JSON lines that carry the contact, or text on a terminal. What was said never appears in them.
//!
//! One line per event on standard error. In JSON a line of a call has `"context":{"contactId":"…"}`, which
//! is where the query of Salesforce's guide looks for it. This room knows no call and no configuration file.

mod json;
#[cfg(test)]
mod tests;
mod time;

use std::future::Future;
use std::io::{IsTerminal, stderr};

use serde::Deserialize;
use tracing::instrument::Instrumented;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, Level, Metadata, Span, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// Name of the span that a call's lines stand in.
const CALL: &str = "call";

/// Crates of this project: only their lines may be more verbose than `info`.
const OURS: [&str; 3] = ["engine", "cli", "transcribe"];

/// `[log]`: what is written, and how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogOptions {
    /// How a line looks. Default `auto`.
    pub format: LogFormat,
    /// The least important level written of this program's own lines: `error`, `warn`, `info`, `debug`,
    /// `trace` or `off`. Libraries are written from `warn` on. Default `info`.
    pub level: String,
    /// Instead of `level`: directives such as `warn,engine::shell::kinesis=debug`. Default none. Lines of
    /// libraries below `info` are never written, since libraries print what they carry.
    pub filter: Option<String>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: "info".to_owned(), filter: None }
    }
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text if standard error is a terminal, else JSON.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// Text for people.
    Text,
}

/// Why nothing can be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The level is none.
    #[error("[log] level: `{0}` is no level; use error, warn, info, debug, trace or off")]
    Level(String),
    /// The filter cannot be read.
    #[error("[log] filter: `{0}` cannot be read; it looks like `warn,engine::shell::kinesis=debug`")]
    Filter(String),
    /// Something else logs already.
    #[error("logging has been set up already in this process; set it up once")]
    Twice,
}

/// Logs to standard error from here on, in the whole process.
///
/// # Errors
/// The options make no sense, or logging was set up before.
pub fn install(options: &LogOptions) -> Result<(), LogError> {
    let terminal = stderr().is_terminal();
    let json = match options.format {
        LogFormat::Auto => !terminal,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let subscriber = subscriber(options, json, terminal, stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)
}

/// A subscriber that writes JSON lines or text, with colour or without, to this writer.
///
/// # Errors
/// The options make no sense.
pub fn subscriber<W>(
    options: &LogOptions,
    json: bool,
    colour: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let plain = fmt::layer().log_internal_errors(false).with_writer(writer);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = if json {
        plain.fmt_fields(json::CallFields).event_format(json::JsonLine).boxed()
    } else {
        plain.with_ansi(colour).with_timer(time::Clock).boxed()
    };
    // Without its span a line would not know its call, whatever the filter is.
    let wanted = filter(options)?.or(filter_fn(is_call)).and(filter_fn(discreet));
    Ok(tracing_subscriber::registry().with(layer.with_filter(wanted)))
}

fn filter(options: &LogOptions) -> Result<EnvFilter, LogError> {
    if let Some(directives) = &options.filter {
        return EnvFilter::builder().parse(directives).map_err(|_| LogError::Filter(directives.clone()));
    }
    let level: LevelFilter =
        options.level.trim().parse().map_err(|_| LogError::Level(options.level.clone()))?;
    let others = level.min(LevelFilter::WARN);
    let own = OURS.map(|name| format!(",{name}={level}")).concat();
    // What aws-config warns of, a missing region or credentials, ends in an error of ours that says what to do.
    EnvFilter::builder()
        .parse(format!("{others},aws_config=error{own}"))
        .map_err(|_| LogError::Level(options.level.clone()))
}

fn is_call(meta: &Metadata<'_>) -> bool {
    meta.is_span() && meta.name() == CALL
}

/// Libraries print headers and bodies at their lower levels.
fn discreet(meta: &Metadata<'_>) -> bool {
    let name = meta.target().split("::").next().unwrap_or_default();
    *meta.level() <= Level::INFO || OURS.contains(&name)
}

/// The span of a call: every line inside it, and inside spans within it, carries the contact id.
#[must_use]
pub fn call_span(contact: &str) -> Span {
    tracing::error_span!(target: "engine", CALL, contact_id = contact)
}

/// The future, as a part of this call: its lines carry the contact id.
pub fn of_call<F: Future>(contact: &str, future: F) -> Instrumented<F> {
    future.instrument(call_span(contact))
}

/// Spawns a task that belongs to the same call as the code that spawns it.
pub fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future.in_current_span())
}
