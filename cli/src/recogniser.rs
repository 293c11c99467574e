//! What recognises a recording: the embedded model or Amazon Transcribe, and which options belong to which.

use anyhow::Context;
use engine::asr::vocabulary_filter::{Method, VocabularyFilter};
use engine::asr::{Embedded, EmbeddedOptions, Model};
use engine::recogniser::Recogniser;
use engine::shell::config::{Config, Sources};
use engine::shell::transcribe_file::TranscribeFile;

use crate::args::{Engine, FileArgs, FilterMethod};
use crate::console::Console;
use crate::failure::Failure;
use crate::model;

/// The embedded model knows one language unless it is told another.
const LANGUAGE: &str = "en";

/// A recogniser whose options make sense; nothing has been loaded or asked yet.
pub(crate) enum Choice<'a> {
    Embedded { args: &'a FileArgs, filter: Option<VocabularyFilter> },
    Aws(Config),
}

/// Looks at the options of the chosen one, and that no other's were given.
pub(crate) fn choose(args: &FileArgs) -> Result<Choice<'_>, Failure> {
    let (engine, foreign) = match args.engine {
        Engine::Embedded => (
            "aws",
            [
                ("--vocabulary", args.vocabulary.is_some()),
                ("--vocabulary-filter-name", args.vocabulary_filter_name.is_some()),
                ("--config", args.config.is_some()),
                ("--set", !args.set.is_empty()),
            ],
        ),
        Engine::Aws => (
            "embedded",
            [
                ("--model", args.model.is_some()),
                ("--threads", args.threads.is_some()),
                ("--vocabulary-filter", args.vocabulary_filter.is_some()),
                ("", false),
            ],
        ),
    };
    if let Some((option, _)) = foreign.iter().find(|(_, given)| *given) {
        return Err(Failure::usage(format!("{option} goes with --engine {engine}")));
    }
    match args.engine {
        Engine::Embedded => Ok(Choice::Embedded { args, filter: vocabulary_filter(args)? }),
        Engine::Aws => configured(args).map(Choice::Aws),
    }
}

impl Choice<'_> {
    /// Makes it ready: a model is fetched if need be, of a service nothing is asked.
    pub(crate) fn open(self, console: &mut Console) -> Result<Box<dyn Recogniser>, Failure> {
        match self {
            Self::Embedded { args, filter } => Ok(Box::new(embedded(args, filter, console)?)),
            Self::Aws(config) => Ok(Box::new(TranscribeFile::connect(&config).map_err(Failure::setup)?)),
        }
    }
}

/// The configuration, with these options before all others.
fn configured(args: &FileArgs) -> Result<Config, Failure> {
    let mut set = args.set.clone();
    for (key, value) in [
        ("language_code", args.language.as_deref()),
        ("vocabulary_name", args.vocabulary.as_deref()),
        ("vocabulary_filter_name", args.vocabulary_filter_name.as_deref()),
        ("vocabulary_filter_method", args.vocabulary_filter_method.map(FilterMethod::name)),
    ] {
        set.extend(value.map(|value| format!("session.{key}={value}")));
    }
    let sources = Sources::of_process(args.config.clone(), set);
    Config::load(&sources).map_err(|error| Failure::usage(error.to_string()))
}

fn embedded(
    args: &FileArgs,
    filter: Option<VocabularyFilter>,
    console: &mut Console,
) -> anyhow::Result<Embedded> {
    let files = model::ensure(args.model.as_deref(), console)?;
    let language = args.language.as_deref().unwrap_or(LANGUAGE);
    let mut options = EmbeddedOptions::new(Model::load(&files, language)?);
    options.vocabulary_filter = filter;
    if let Some(threads) = args.threads {
        options.threads = usize::from(threads);
    }
    Ok(Embedded::new(options)?)
}

fn vocabulary_filter(args: &FileArgs) -> Result<Option<VocabularyFilter>, Failure> {
    let Some(path) = &args.vocabulary_filter else { return Ok(None) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the vocabulary filter {}", path.display()))?;
    let method = match args.vocabulary_filter_method.unwrap_or(FilterMethod::Mask) {
        FilterMethod::Mask => Method::Mask,
        FilterMethod::Remove => Method::Remove,
        FilterMethod::Tag => Method::Tag,
    };
    Ok(Some(VocabularyFilter::parse(&text, method)))
}
