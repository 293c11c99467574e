//! `transcribe FILE`: source, call, recogniser and output, wired together.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;

use anyhow::Context;
use engine::audio;
use engine::call::{
    Call, Config, ContactChoice, EndReason, GateClock, SenderPolicy, StartTime, Summary, TelephonyEvent,
};
use engine::offline::{Source, SourceOptions, play, read_events};
use engine::recogniser::{Channels, Party};

use crate::args::{FileArgs, Sender};
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt::{self, Interruptible};
use crate::listener::Ears;
use crate::wav::Wav;
use crate::{notes, output, recogniser};

pub(crate) fn run(args: &FileArgs, console: &mut Console) -> Result<(), Failure> {
    let Some(file) = args.file.clone() else {
        return Err(Failure::usage("name a recording, or `-` for standard input"));
    };
    let name = file.display().to_string();
    let config = config(args, &file)?;
    let fallback = config.fallback_contact.clone();
    let chosen = recogniser::choose(args)?;
    let events = events(args)?;
    let (reader, length) = open(&file, console)?;
    let source_options = SourceOptions::new(args.agent_channel.left_party(), args.start_time);
    let extension = file.extension().and_then(|e| e.to_str());
    let mut source = Source::open(reader, extension, source_options).with_context(|| name.clone())?;
    let wav = args
        .wav
        .as_deref()
        .map(|dir| Wav::in_dir(dir).with_context(|| format!("cannot write to {}", dir.display())));
    let wav = wav.transpose()?;
    let out = args.output.as_deref().map(create).transpose()?;

    let mut recogniser = chosen.open(console)?;

    let pressed = interrupt::flag();
    let colour = out.is_none() && console.io.stdout_terminal;
    console.start_bar(length, &name);
    let mut ears = Ears {
        console,
        file: out,
        printer: output::printer(args.format, colour),
        wav,
        start: None,
        contact: args.contact_id.clone().unwrap_or(fallback),
    };
    // Whoever compares two runs of one file compares the same ids: the seed is fixed.
    let played = play(Call::new(config, 0), &mut source, events, recogniser.as_mut(), &mut ears, &pressed);
    let summary = match played {
        Ok(summary) => summary,
        Err(error) => {
            ears.console.end_bar();
            return Err(anyhow::Error::from(error).context(name).into());
        }
    };
    let finished = ears.finish(&summary);
    console.end_bar();
    finished.with_context(|| "cannot write the result")?;
    conclude(args, &name, &summary, console)
}

/// Says what the user must know, and whether the job was done.
fn conclude(args: &FileArgs, name: &str, summary: &Summary, console: &mut Console) -> Result<(), Failure> {
    notes::tell(name, args.contact_id.is_some(), summary, console);
    if args.verbose {
        let text = serde_json::to_string_pretty(summary).context("cannot write the summary")?;
        console.detail(&format!("summary {text}"));
    }
    match &summary.end {
        EndReason::Stopped => return Err(Failure::Interrupted),
        EndReason::MediaFailed(why) | EndReason::RecogniserFailed(why) => {
            return Err(Failure::job(format!("{name}: {why}")));
        }
        _ => {}
    }
    if summary.start_time.is_none() {
        return Err(Failure::job(notes::no_audio(name, args.contact_id.as_deref(), summary)));
    }
    Ok(())
}

/// Opens a recording, or standard input for `-`, with its length where it is known.
pub(crate) fn open(file: &Path, console: &mut Console) -> Result<(audio::Source, Option<u64>), Failure> {
    if file.as_os_str() == "-" {
        let stdin = std::mem::replace(&mut console.io.stdin, Box::new(io::empty()));
        return Ok((audio::Source::Stream(Box::new(Interruptible::new(stdin))), None));
    }
    let opened = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    let about = opened.metadata().with_context(|| format!("cannot open {}", file.display()))?;
    if about.is_dir() {
        return Err(Failure::job(format!("{} is a folder: name a recording", file.display())));
    }
    // A pipe has no length and cannot be searched.
    if about.is_file() {
        Ok((audio::Source::File(opened), Some(about.len())))
    } else {
        Ok((audio::Source::Stream(Box::new(Interruptible::new(Box::new(opened)))), None))
    }
}

fn create(path: &Path) -> anyhow::Result<Box<dyn Write>> {
    let file = File::create(path).with_context(|| format!("cannot write to {}", path.display()))?;
    Ok(Box::new(io::BufWriter::new(file)))
}

fn config(args: &FileArgs, file: &Path) -> Result<Config, Failure> {
    let stem = file.file_stem().map_or_else(|| "call".into(), |s| s.to_string_lossy().into_owned());
    let stem = if stem == "-" { "call".to_owned() } else { stem };
    let contact = args.contact_id.clone().map_or(ContactChoice::First, ContactChoice::Id);
    let mut config = Config::new(contact, args.contact_id.clone().unwrap_or(stem));
    config.accept_nameless = true;
    config.vendor_call_key.clone_from(&args.vendor_call_key);
    config.gate_clock = GateClock::Recorded;
    config.hold_gate = args.hold_gate.gate();
    config.start_time = args.start_time.map_or(StartTime::FromStream, StartTime::At);
    config.channels = match (args.from_customer_only, args.to_customer_only) {
        (true, _) => Channels::Only(Party::Customer),
        (_, true) => Channels::Only(Party::Agent),
        _ => Channels::Both,
    };
    config.sender = sender(args)?;
    Ok(config)
}

fn sender(args: &FileArgs) -> Result<SenderPolicy, Failure> {
    if let Some(id) = &args.agent_user_id {
        return SenderPolicy::human_agent(id).map_err(|e| Failure::usage(format!("--agent-user-id: {e}")));
    }
    match (args.agent_sender, &args.external_user_id) {
        (Sender::ExternalUser, Some(id)) => Ok(SenderPolicy::ExternalUser(id.clone())),
        (Sender::ExternalUser, None) => {
            Err(Failure::usage("--agent-sender EXTERNAL_USER needs --external-user-id"))
        }
        (_, Some(_)) => Err(Failure::usage("--external-user-id goes with --agent-sender EXTERNAL_USER")),
        (Sender::Supervisor, None) => Ok(SenderPolicy::Supervisor),
        (Sender::VirtualAgent, None) => Ok(SenderPolicy::VirtualAgent),
    }
}

fn events(args: &FileArgs) -> Result<Vec<TelephonyEvent>, Failure> {
    let Some(path) = &args.events else { return Ok(Vec::new()) };
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let events =
        read_events(BufReader::new(file)).with_context(|| format!("events file {}", path.display()))?;
    Ok(events)
}
