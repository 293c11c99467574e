//! The call: a pure state machine. No I/O, no clock, no async.
//!
//! Time comes in as an argument, everything else as an [`Input`]; what is to be done outside comes out as
//! an [`Output`]. Handle one input, then poll until [`Output::Wait`] or [`Output::Done`].

mod chunks;
mod config;
mod contact;
mod ending;
pub(crate) mod format;
pub(crate) mod fragment;
mod gate;
mod intervals;
mod io;
mod media;
mod message;
mod outbox;
mod pipeline;
mod results;
mod sender;
mod stream;
mod summary;
mod telephony;
mod timebase;
mod timeline;
mod utterance;

use std::collections::VecDeque;

pub use config::{Config, ContactChoice, GateClock, HoldGate, StartTime};
pub use contact::ContactFacts;
pub use format::{is_connect_track, is_raw_pcm};
pub use fragment::InBandError;
pub use gate::GateSource;
pub use io::{Checkpoint, Input, MediaEnd, Output, PcmBlock, Post, Report};
pub use message::{MESSAGE_NAMESPACE, Message, SenderType, Spoken, message_id};
pub use outbox::{Outcome, RetryCause};
pub use sender::{SenderPolicy, UserIdError};
pub use stream::{MediaAction, MediaCause, MediaError, MediaFrom, MediaRequest, MediaSegment};
pub use summary::{
    AudioSummary, DropReason, Dropped, EndReason, GateInterval, GateSummary, MediaSummary, MessageSummary,
    PartyCounts, RecogniserSummary, Summary,
};
pub use telephony::{EventKind, EventSyntaxError, TelephonyEvent};
pub use utterance::{Utterance, UtteranceWord};

use crate::time::Time;

use contact::ContactFilter;
use fragment::{Assembler, Fragment};
use gate::Gate;
use intervals::Interval;
use outbox::Outbox;
use pipeline::Then;
use sender::Presence;
use timebase::TimeBase;
use timeline::Timeline;
use utterance::{Ids, SessionMap};

/// Where the call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// Audio has ended; words and acknowledgements may still come until this time.
    Draining(Time),
    Done,
}

/// One call, from its first byte to its closing summary. See the crate's front page for an example.
#[derive(Debug)]
pub struct Call {
    config: Config,
    now: Time,
    phase: Phase,
    /// News goes first, then posts, then `outputs`: what is final does not wait behind audio.
    reports: VecDeque<Report>,
    outputs: VecDeque<Output>,
    summary: Summary,

    assembler: Assembler,
    filter: ContactFilter,
    formats: format::Formats,
    time_base: TimeBase,
    timeline: Option<Timeline>,
    /// Audio of this call has been seen.
    audible: bool,
    media_done: bool,
    /// A fragment far from all before it waits for a second one to confirm the jump.
    suspect: Option<Fragment>,
    /// What follows once the audio on the timeline has been handed on.
    then: VecDeque<Then>,

    gate: Gate,
    /// Events for a contact that may yet turn out to be ours.
    early_events: VecDeque<(Time, GateSource, TelephonyEvent)>,
    presence: Presence,
    reported_exposure_ms: i64,
    /// The closing whose alarm has been raised.
    alarmed: Option<Time>,

    /// Sessions that may still speak; the last one is open.
    sessions: Vec<Session>,
    ids: Ids,
    marks: [Option<Time>; 2],
    outbox: Outbox,
    /// Words already sent, with whether they were counted as exposed.
    sent_words: VecDeque<(Interval, bool)>,
    checkpoint: u64,
    unstored: Vec<(u64, Vec<String>)>,
}

#[derive(Debug)]
struct Session {
    map: SessionMap,
    audio_ended: bool,
    ended: bool,
}

impl Call {
    /// A call that has not begun. All randomness in it follows from `seed`.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            now: Time::MIN,
            phase: Phase::Running,
            reports: VecDeque::new(),
            outputs: VecDeque::from([Output::OpenMedia(MediaRequest {
                connection: 1,
                stream: String::new(),
                from: MediaFrom::Earliest,
            })]),
            summary: ending::empty_summary(),
            assembler: Assembler::new(config.max_fragment_bytes),
            filter: ContactFilter::new(&config),
            formats: format::Formats::default(),
            time_base: TimeBase::new(config.start_time),
            timeline: None,
            audible: false,
            media_done: false,
            suspect: None,
            then: VecDeque::new(),
            gate: Gate::new(&config),
            early_events: VecDeque::new(),
            presence: Presence::default(),
            reported_exposure_ms: 0,
            alarmed: None,
            sessions: Vec::new(),
            ids: Ids::default(),
            marks: [None; 2],
            outbox: Outbox::new(config.store, seed),
            sent_words: VecDeque::new(),
            checkpoint: 0,
            unstored: Vec::new(),
            config,
        }
    }

    /// Takes one input that happened at `now`. A clock that steps back is held still.
    pub fn handle(&mut self, now: Time, input: Input) {
        self.now = self.now.max(now);
        if self.phase == Phase::Done {
            return;
        }
        match input {
            Input::Media(bytes) => self.media(bytes),
            Input::Pcm(block) => self.pcm(block),
            Input::MediaEnded(end) => self.media_ended(end),
            Input::Contact { id, facts } => self.contact(&id, &facts),
            Input::Gate(source, event) => self.gate_event(source, event),
            Input::RecogniserReady { capabilities, .. } => {
                self.summary.recogniser.capabilities = Some(capabilities);
            }
            Input::Recognised(event) => self.recognised(event),
            Input::RecogniserLost { error, .. } => self.recogniser_lost(&error),
            Input::Posted { id, outcome } => self.outbox.posted(self.now, &id, outcome),
            Input::Stored(sequence) => self.stored(sequence),
            Input::LeaseLost => self.finish(EndReason::LeaseLost),
            Input::Stop => self.stop(),
            Input::Segment(_) | Input::ContactEnded(_) | Input::Tick => {}
        }
        self.raise_alarm();
    }

    /// What to do next. After [`Output::Wait`] or [`Output::Done`] handle an input first.
    pub fn poll(&mut self) -> Output {
        loop {
            if let Some(report) = self.reports.pop_front() {
                return Output::Report(report);
            }
            let withheld = self.gate_withholds();
            let posts = self.outbox.poll(self.now, withheld);
            if !posts.is_empty() {
                self.remember_sent(&posts);
                let key = self.key().to_owned();
                return Output::Post(posts.into_iter().map(|u| Post::new(key.clone(), u.message)).collect());
            }
            if let Some(output) = self.outputs.pop_front() {
                return output;
            }
            if !self.advance() {
                return Output::Wait(self.deadline());
            }
        }
    }

    /// Back-pressure: while this is false, feed no media. It becomes true again after other inputs.
    #[must_use]
    pub fn wants_media(&self) -> bool {
        self.phase == Phase::Running
            && !self.media_done
            && !self.filter.is_full()
            && self.outbox.len() < self.config.max_outbox
    }

    /// The contact this call transcribes: configured, or the first the stream named, or the fallback.
    fn contact_id(&self) -> &str {
        match &self.config.contact {
            ContactChoice::Id(id) => id,
            ContactChoice::First => {
                self.filter.seen.first().map_or(self.config.fallback_contact.as_str(), String::as_str)
            }
        }
    }

    /// `vendorCallKey` of the call's messages.
    fn key(&self) -> &str {
        self.config.vendor_call_key.as_deref().unwrap_or_else(|| self.contact_id())
    }

    fn report(&mut self, report: Report) {
        self.reports.push_back(report);
    }

    fn deadline(&mut self) -> Time {
        if self.phase == Phase::Done {
            return Time::MAX;
        }
        let alarm = self.alarm_due();
        let drain = match self.phase {
            Phase::Draining(at) => Some(at),
            _ => None,
        };
        [drain, alarm, self.filter.deadline(), self.outbox.deadline()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(Time::MAX)
    }
}
