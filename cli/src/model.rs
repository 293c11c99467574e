//! `transcribe model …`, and the fetching of the model on first use.

use std::path::Path;

use anyhow::Context;
use engine::asr::model::{FetchObserver, Fetching, ModelFiles, ModelStore, SourceError, list};

use crate::args::{ModelArgs, ModelCommand};
use crate::console::Console;
use crate::failure::Failure;

/// Tells people what is being fetched.
struct Progress<'a>(&'a mut Console);

impl FetchObserver for Progress<'_> {
    fn start(&mut self, fetching: &Fetching<'_>) {
        self.0.end_bar();
        self.0.note(&format!(
            "fetching {} ({:.1} MB) from {}, to be kept at {}",
            fetching.what,
            fetching.total_bytes as f64 / 1e6,
            fetching.source,
            fetching.kept_at.display()
        ));
        self.0.start_bar(Some(fetching.total_bytes), fetching.what);
    }
    fn progress(&mut self, bytes: u64) {
        self.0.set_bar(bytes, String::new);
    }
    fn source_failed(&mut self, source: &str, error: &SourceError) {
        self.0.end_bar();
        self.0.note(&format!("{source}: {error}"));
    }
    fn done(&mut self, _: &Path) {
        self.0.end_bar();
    }
    fn corrupt(&mut self, path: &Path) {
        self.0.warning(&format!("{} is corrupt and is fetched anew", path.display()));
    }
    fn waiting(&mut self) {
        self.0.note("another process is fetching the model; waiting for it");
    }
}

/// The files to recognise with, fetched if need be; `checkpoint` takes the place of the default model's.
pub(crate) fn ensure(checkpoint: Option<&Path>, console: &mut Console) -> anyhow::Result<ModelFiles> {
    let store = ModelStore::from_env()?;
    let files = match checkpoint {
        Some(checkpoint) => store.ensure_for(checkpoint, &mut Progress(console)),
        None => store.ensure(&mut Progress(console)),
    };
    console.end_bar();
    Ok(files?)
}

pub(crate) fn run(args: &ModelArgs, console: &mut Console) -> Result<(), Failure> {
    let store = ModelStore::from_env().map_err(anyhow::Error::from)?;
    let text = match args.command {
        ModelCommand::List => list()
            .iter()
            .map(|model| {
                let here = if store.verify().is_ok() { "here" } else { "not fetched" };
                format!(
                    "{:<10} {:>6.1} MB  {here:<12} {}\n",
                    model.name,
                    model.bytes as f64 / 1e6,
                    model.description
                )
            })
            .collect(),
        ModelCommand::Fetch => {
            let files = ensure(None, console)?;
            console.note("the model is here, complete and checked");
            format!("{}\n", files.checkpoint.display())
        }
        ModelCommand::Path => format!("{}\n", store.path().display()),
    };
    console.print(text.as_bytes()).context("cannot write the result")?;
    Ok(())
}
