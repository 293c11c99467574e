//! What a seed stands for: a call, what is said in it, and all that goes wrong.

use std::collections::BTreeMap;

use engine::call::{Config, GateSource, MediaSegment, TelephonyEvent};
use engine::recogniser::RecogniserCause;

use super::kinesis::Kinesis;
use super::sound::Said;
use super::{ears, shop};

/// A telephony event on its way.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    /// When it reaches somebody, milliseconds from the beginning of the call.
    pub at_ms: i64,
    pub source: GateSource,
    pub event: TelephonyEvent,
}

/// How the connections to Kinesis fare while there are faults.
#[derive(Debug, Clone)]
pub(super) struct Links {
    /// A connection lasts so many fragments in the mean; `None`: for ever.
    pub life: Option<u32>,
    /// Part of the connections that cannot be made.
    pub refused: f64,
    /// Part of the connections that begin with a fragment given before.
    pub repeats: f64,
    /// How a fragment is cut: whole, in pieces of up to so many bytes, and now and then byte by byte.
    pub pieces: usize,
    /// How long a connection takes, at most.
    pub connect_ms: i64,
}

/// What happens to the recogniser's session at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blow {
    /// It fails.
    Fails(RecogniserCause),
    /// It takes audio and says nothing, which is noticed after so many milliseconds.
    Deaf(i64),
}

/// The end of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Death {
    /// Not before this time, milliseconds.
    pub at_ms: i64,
    /// At this output from then on.
    pub outputs: u32,
    /// When the output was performed, not before.
    pub behind: bool,
    /// It lives on, and is told that another holds the call.
    pub lease: bool,
    /// So long nobody holds the call, milliseconds.
    pub absent_ms: i64,
    /// What it was about to store is stored all the same.
    pub stored: bool,
}

/// Everything drawn from one seed.
pub(super) struct Plan {
    pub seed: u64,
    /// End of the call's audio, milliseconds.
    pub end_ms: i64,
    /// From here on nothing goes wrong any more, milliseconds.
    pub faults_end_ms: i64,
    /// When somebody begins to transcribe it, milliseconds.
    pub begin_ms: i64,
    pub config: Config,
    /// Per party, in order of time.
    pub words: [Vec<Said>; 2],
    pub kinesis: Kinesis,
    /// Stretches whose words go under the key of a consult.
    pub consults: Vec<(i64, i64, String)>,
    /// Key of the call.
    pub key: String,
    pub links: Links,
    /// What happens to sessions, by time.
    pub blows: Vec<(i64, Blow)>,
    /// When no session can be opened.
    pub full: Vec<(i64, i64)>,
    /// What is heard of it.
    pub notices: Vec<Notice>,
    /// Further segments of the call.
    pub segments: Vec<(i64, MediaSegment)>,
    /// Contacts that are said to be over.
    pub over: Vec<(i64, String)>,
    /// Contacts about which an answer never comes.
    pub unanswered: Vec<String>,
    /// How long an answer about a contact takes at most, milliseconds.
    pub resolve_ms: i64,
    pub ears: ears::Manner,
    pub shop: shop::Manner,
    /// From when on the machine's wall clock is off by how much, milliseconds, by time.
    pub clock: Vec<(i64, i64)>,
    /// Deaths of workers.
    pub deaths: Vec<Death>,
    /// Another worker takes the events while none holds the call.
    pub listens: bool,
    /// How long the store takes at most, milliseconds, and how often it fails first, in 100.
    pub store: (i64, u32),
    /// Faults that are in what is stored and said, by kind.
    pub faults: BTreeMap<&'static str, u64>,
}
