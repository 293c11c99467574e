//! What can be typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Parser, Subcommand, ValueEnum};
use engine::call::HoldGate;
use engine::recogniser::Party;
use engine::time::Time;

/// Transcribes a recorded Amazon Connect call into the utterances Salesforce would get.
///
/// Reads what Kinesis Video Streams delivers (Matroska with 8 kHz PCM) and any recording in wav, flac, mp3,
/// ogg, aac, m4a or Matroska, recognises it on this machine, keeps silent about hold and paused recording, and
/// prints the utterances as they become final.
#[derive(Debug, Parser)]
#[command(
    name = "transcribe",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) file: FileArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Transcribe one live call, from kvsTranscriber's payload to the last message in Salesforce
    Call(CallArgs),
    /// Transcribe many live calls, started over HTTP
    Worker(WorkerArgs),
    /// Hand payloads on to workers or tasks in place of kvsTranscriber; AWS Lambda starts it as its runtime
    Lambda,
    /// Check whether live calls could succeed: configuration, credentials, key, services, clock; writes nothing but a
    /// probe file into the store's folder, and removes it
    Doctor(DoctorArgs),
    /// Show what a Matroska stream holds: fragments, tracks, contacts, gaps
    Inspect(InspectArgs),
    /// List, fetch or locate the speech model
    Model(ModelArgs),
}

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("parties").args(["from_customer_only", "to_customer_only"]))]
#[command(group = ArgGroup::new("filters").args(["vocabulary_filter", "vocabulary_filter_name"]))]
pub(crate) struct FileArgs {
    /// The recording; `-` reads standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) file: Option<PathBuf>,

    /// How results are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,

    /// Write results to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Contact to transcribe [default: the first the stream names, else the file's name]
    #[arg(long, value_name = "ID")]
    pub(crate) contact_id: Option<String>,

    /// First contact of the transfer chain, the vendorCallKey of the messages [default: the contact]
    #[arg(long, value_name = "KEY")]
    pub(crate) vendor_call_key: Option<String>,

    /// Time of the first sample, epoch milliseconds or RFC 3339 [default: the stream's own, else the
    /// container's date, else 1970]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) start_time: Option<Time>,

    /// Hold, pause and participant events recorded beside the call, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,

    /// Whose hold silences the call
    #[arg(long, value_enum, default_value_t = Hold::Any)]
    pub(crate) hold_gate: Hold,

    /// Salesforce id (005…) of the one agent: his words go out as HUMAN_AGENT
    #[arg(long, value_name = "ID", conflicts_with = "agent_sender")]
    pub(crate) agent_user_id: Option<String>,

    /// Sender of everything heard on the agent's track
    #[arg(long, value_enum, default_value_t = Sender::VirtualAgent)]
    pub(crate) agent_sender: Sender,

    /// Participant id of the external user; needed with --agent-sender EXTERNAL_USER
    #[arg(long, value_name = "ID", required_if_eq("agent_sender", "EXTERNAL_USER"))]
    pub(crate) external_user_id: Option<String>,

    /// Transcribe only what the customer says
    #[arg(long)]
    pub(crate) from_customer_only: bool,

    /// Transcribe only what the customer hears
    #[arg(long)]
    pub(crate) to_customer_only: bool,

    /// Channel of the agent in a stereo file; a mono file is the other party's
    #[arg(long, value_enum, default_value_t = Side::Right)]
    pub(crate) agent_channel: Side,

    /// What recognises: the model on this machine, or Amazon Transcribe, which is billed and hears the recording
    #[arg(long, value_enum, default_value_t = Engine::Embedded)]
    pub(crate) engine: Engine,

    /// Words or phrases to filter, one a line, whole words in any case (embedded)
    #[arg(long, value_name = "FILE")]
    pub(crate) vocabulary_filter: Option<PathBuf>,

    /// Custom vocabulary of the account (aws)
    #[arg(long, value_name = "NAME")]
    pub(crate) vocabulary: Option<String>,

    /// Vocabulary filter of the account (aws)
    #[arg(long, value_name = "NAME")]
    pub(crate) vocabulary_filter_name: Option<String>,

    /// What the vocabulary filter does: *** in place of the word, leave it out, or mark it in json [default:
    /// mask]
    #[arg(long, value_enum, requires = "filters")]
    pub(crate) vocabulary_filter_method: Option<FilterMethod>,

    /// Also write customer.wav and agent.wav here, silent where the gate was closed
    #[arg(long, value_name = "DIR")]
    pub(crate) wav: Option<PathBuf>,

    /// An OpenAI Whisper checkpoint (.pt) instead of tiny.en (embedded)
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,

    /// Language of the call: `en`, for models that know several, or `en-GB` with aws [default: en; en-US]
    #[arg(long, value_name = "CODE")]
    pub(crate) language: Option<String>,

    /// Configuration, TOML, for aws [default: $KVSCRIBE_CONFIG]; deploy/kvscribe.toml explains every option
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// One option of the configuration, for aws; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,

    /// Recogniser threads, embedded [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,

    /// Say nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Say everything that happens, and the closing summary
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Default, clap::Args)]
pub(crate) struct ConfigArgs {
    /// Configuration, TOML [default: $KVSCRIBE_CONFIG]; deploy/kvscribe.toml explains every option
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One option, which wins over file and environment; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Post nothing: append what would have been posted to this file, a JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) shadow: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CallArgs {
    /// The payload of kvsConsumerTrigger or the event of the contact flow: a file, `-` for standard input,
    /// `env:NAME` for an environment variable
    #[arg(value_name = "EVENT")]
    pub(crate) event: String,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Take gate events and show the call's state over HTTP here, as the worker does, with the tokens of
    /// [worker]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// How the closing summary is written to standard error
    #[arg(long, value_enum, default_value_t = SummaryFormat::Text)]
    pub(crate) summary: SummaryFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SummaryFormat {
    /// One readable block
    Text,
    /// One JSON object
    Json,
}

#[derive(Debug, clap::Args)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// Configuration, TOML [default: $KVSCRIBE_CONFIG]; deploy/kvscribe.toml explains every option
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One option, which wins over file and environment; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// A stream of Kinesis Video Streams whose data endpoint is asked for
    #[arg(long, value_name = "ARN|NAME")]
    pub(crate) stream: Option<String>,
    /// The instance of Connect whose permissions and retention are looked at
    #[arg(long, value_name = "ARN|ID")]
    pub(crate) instance: Option<String>,
}

impl DoctorArgs {
    pub(crate) fn config(&self) -> ConfigArgs {
        ConfigArgs { config: self.config.clone(), set: self.set.clone(), shadow: None }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// The recording; `-` reads standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ModelArgs {
    #[command(subcommand)]
    pub(crate) command: ModelCommand,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum ModelCommand {
    /// List the models that can be fetched, and whether they are here
    List,
    /// Fetch the default model now
    Fetch,
    /// Print where the default model is kept
    Path,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people: time, speaker, words, and where the gate closed and opened
    Text,
    /// One Salesforce message a line, as it would be posted
    Jsonl,
    /// One object: contact, utterances with words, gates, summary
    Json,
    /// SubRip subtitles
    Srt,
    /// WebVTT subtitles
    Vtt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// The model, on this machine
    Embedded,
    /// Amazon Transcribe
    Aws,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Hold {
    /// Any participant on hold
    Any,
    /// Only the customer on hold
    Customer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Sender {
    /// Whoever speaks
    VirtualAgent,
    /// A supervisor
    Supervisor,
    /// Somebody from outside
    ExternalUser,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Side {
    /// Left
    Left,
    /// Right
    Right,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FilterMethod {
    /// *** in place of the word
    Mask,
    /// Leave the word out
    Remove,
    /// Keep it, marked in json
    Tag,
}

impl Args {
    pub(crate) fn quiet(&self) -> bool {
        self.file.quiet
    }

    pub(crate) fn verbose(&self) -> bool {
        self.file.verbose
    }
}

impl FilterMethod {
    /// As Amazon Transcribe spells it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Remove => "remove",
            Self::Tag => "tag",
        }
    }
}

impl Hold {
    pub(crate) fn gate(self) -> HoldGate {
        match self {
            Self::Any => HoldGate::Any,
            Self::Customer => HoldGate::Customer,
        }
    }
}

impl Side {
    /// Party of the left channel where the agent is on this side.
    pub(crate) fn left_party(self) -> Party {
        match self {
            Self::Left => Party::Agent,
            Self::Right => Party::Customer,
        }
    }
}

/// Epoch milliseconds, or a time with its zone as RFC 3339 writes it.
fn parse_time(text: &str) -> Result<Time, String> {
    const YEAR_9999_MS: i64 = 253_402_300_800_000;
    let ms = match text.parse::<i64>() {
        Ok(ms) => ms,
        Err(_) => text
            .parse::<jiff::Timestamp>()
            .map_err(|_| {
                "expected epoch milliseconds such as 1571360125131, or RFC 3339 such as 2019-10-18T00:55:25.131Z"
                    .to_owned()
            })?
            .as_millisecond(),
    };
    if (0..YEAR_9999_MS).contains(&ms) {
        Ok(Time::from_ms(ms))
    } else {
        Err("the time must lie between 1970 and 9999".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn both_ways_to_write_a_time_are_the_same() {
        assert_eq!(parse_time("2019-10-18T00:55:25.131Z"), parse_time("1571360125131"));
        for bad in ["", "noon", "-5", "2019-10-18", "99999999999999999"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }
}
