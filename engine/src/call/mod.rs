//! The call: a pure state machine. No I/O, no clock, no async.
//!
//! Time comes in as an argument, everything else as an [`Input`]; what is to be done outside comes out as
//! an [`Output`]. Handle one input, then poll until [`Output::Wait`] or [`Output::Done`].

mod backoff;
mod checkpoint;
mod chunks;
mod config;
mod contact;
mod ending;
pub(crate) mod format;
pub(crate) mod fragment;
mod gate;
mod intervals;
mod io;
mod keys;
mod known;
mod link;
mod live;
mod live_media;
mod media;
mod message;
mod outbox;
mod pace;
mod pipeline;
mod progress;
mod quiet;
mod replay;
mod results;
mod resume;
mod sender;
mod sessions;
mod stream;
mod summary;
mod telephony;
mod timebase;
mod timeline;
mod utterance;

use std::collections::{BTreeSet, VecDeque};

pub use checkpoint::{Checkpoint, CheckpointError};
pub use config::{Ambiguous, Config, ContactChoice, GateClock, HoldGate, OnDoubt, StartTime};
pub use contact::ContactFacts;
pub use format::{is_connect_track, is_raw_pcm};
pub use fragment::InBandError;
pub use gate::GateSource;
pub use io::{Input, MediaEnd, Output, PcmBlock, Post, Report};
pub use live::{LiveConfig, StartSelector};
pub use message::{MESSAGE_NAMESPACE, Message, SenderType, Spoken, message_id};
pub use outbox::{Outcome, RetryCause};
pub use progress::CallProgress;
pub use resume::Absence;
pub use sender::{SenderPolicy, UserIdError};
pub use stream::{MediaAction, MediaCause, MediaError, MediaFrom, MediaRequest, MediaSegment};
pub use summary::{
    AudioSummary, DropReason, Dropped, EndReason, GateInterval, GateSummary, MediaSummary, MessageSummary,
    PartyCounts, RecogniserSummary, Summary, Unposted,
};
pub use telephony::{EventKind, EventSyntaxError, TelephonyEvent};
pub use utterance::{Utterance, UtteranceWord};

use crate::recogniser::{Party, Segment};
use crate::time::{Span, Time};

use backoff::Backoff;
use contact::ContactFilter;
use fragment::{Assembler, Fragment};
use gate::Gate;
use intervals::{Interval, Intervals};
use keys::Keys;
use known::Known;
use link::Link;
use outbox::Outbox;
use pace::Pace;
use pipeline::Then;
use replay::Replay;
use resume::Return;
use sender::Presence;
use sessions::Session;
use timebase::TimeBase;
use timeline::Timeline;
use utterance::Ids;

/// Where the call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// Audio has ended; words and acknowledgements may still come until this time.
    Draining(Time),
    Done,
}

/// So many times the messages of an outbox that is full wait where nothing but the end of the call empties it.
const WHEN_STUCK: usize = 10;

/// A telephony event that arrived.
#[derive(Debug, Clone)]
struct Arrival {
    at: Time,
    /// So much later it may have been, by the clock of the media.
    late: Span,
    source: GateSource,
    event: TelephonyEvent,
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
    /// The connection of a live call.
    link: Option<Link>,
    ended_contacts: BTreeSet<String>,
    /// The outbox is full and the gate withholds it, since.
    stuck_since: Option<Time>,
    /// No media was wanted when the call was last looked at.
    unread: bool,
    /// The call's own contact is being asked about since.
    key_asked: Option<Time>,
    keys: Keys,
    /// [`Call::poll`] has something to do at this time, whatever else comes.
    wake: Time,
    /// A fragment far from all before it waits for a second one to confirm the jump.
    suspect: Option<Fragment>,
    /// What follows once the audio on the timeline has been handed on.
    then: VecDeque<Then>,

    gate: Gate,
    /// Events for a contact that may yet turn out to be ours.
    early_events: VecDeque<Arrival>,
    /// Another process held the call before, and this one has not gone on yet.
    returning: Option<Return>,
    /// Events from before this life of the call.
    past_events: Vec<Arrival>,
    presence: Presence,
    /// What had escaped when it was last looked at, and how much of it was reported.
    exposed: Intervals,
    reported_exposure_ms: i64,
    /// The closing whose alarm has been raised.
    alarmed: Option<Time>,

    /// Sessions that may still speak; the last one is open.
    sessions: Vec<Session>,
    /// Audio of a live call that is not final yet.
    replay: Replay,
    pace: Option<Pace>,
    reopen: Backoff,
    reopen_at: Time,
    /// Media broke off in the middle of speech, and the session was closed: the next one hears it again from
    /// the last word that is final.
    cut_in_speech: bool,
    /// Closed audio at the end of what was handed on.
    closed_run: Span,
    ids: Ids,
    /// Up to here media has been read, what waits to be placed included.
    read_until: Option<Time>,
    /// How far the media's clock was ahead of this machine's, at most.
    ahead: Span,
    /// Up to here the speech of a party is final, by channel.
    marks: [Option<Time>; 2],
    /// Where silence stood in for audio that was late, the last few times: the recogniser heard a pause there.
    pauses: Vec<Time>,
    /// Final results that wait for the last words of an earlier session.
    held: VecDeque<Segment>,
    /// What is final already of audio that is read again after another process held the call.
    known: Known,
    /// What is final already of audio that is sent again to another session.
    known_again: Known,
    outbox: Outbox,
    /// Words already sent, by whom they were said, with whether they were counted as exposed.
    sent_words: VecDeque<(Party, Interval, bool)>,
    /// The last checkpoint asked for, and the last one known to be stored.
    checkpoint: u64,
    stored_sequence: u64,
    stored_at: Time,
}

impl Call {
    /// A call that has not begun. All randomness in it follows from `seed`.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        let live = config.live.as_ref();
        let link = live.map(|live| Link::new(live, seed));
        let (first, max) = live.map_or_else(Default::default, |live| (live.reopen_first, live.reopen_max));
        let mut call = Self {
            now: Time::MIN,
            phase: Phase::Running,
            reports: VecDeque::new(),
            outputs: VecDeque::new(),
            summary: ending::empty_summary(),
            assembler: Assembler::new(config.max_fragment_bytes),
            filter: ContactFilter::new(&config),
            formats: format::Formats::default(),
            time_base: TimeBase::new(config.start_time),
            timeline: None,
            audible: false,
            media_done: false,
            link,
            ended_contacts: BTreeSet::new(),
            stuck_since: None,
            unread: false,
            key_asked: None,
            keys: Keys::default(),
            wake: Time::MAX,
            suspect: None,
            then: VecDeque::new(),
            gate: Gate::new(&config),
            early_events: VecDeque::new(),
            returning: None,
            past_events: Vec::new(),
            presence: Presence::default(),
            exposed: Intervals::default(),
            reported_exposure_ms: 0,
            alarmed: None,
            sessions: Vec::new(),
            replay: Replay::new(live.map_or(Span::ZERO, |live| live.replay)),
            pace: live.map(|live| Pace::new(live.catch_up_percent, live.burst)),
            reopen: Backoff::new(first, max, seed.wrapping_add(1)),
            reopen_at: Time::MIN,
            cut_in_speech: false,
            closed_run: Span::ZERO,
            ids: Ids::default(),
            read_until: None,
            ahead: Span::ZERO,
            marks: [None; 2],
            pauses: Vec::new(),
            held: VecDeque::new(),
            known: Known::default(),
            known_again: Known::default(),
            outbox: Outbox::new(&config, seed),
            sent_words: VecDeque::new(),
            checkpoint: 0,
            stored_sequence: 0,
            stored_at: Time::MIN,
            config,
        };
        call.begin();
        call
    }

    /// What is to be done first. A live call opens its media once it knows the time.
    fn begin(&mut self) {
        if self.link.is_none() {
            let from = MediaFrom::Earliest;
            let request = MediaRequest { connection: 1, stream: String::new(), from };
            self.outputs.push_back(Output::OpenMedia(request));
        }
    }

    /// Takes one input that happened at `now`. A clock that steps back is held still.
    pub fn handle(&mut self, now: Time, input: Input) {
        if self.keeps_for_return(&input) {
            return;
        }
        let began = self.now == Time::MIN;
        self.now = self.now.max(now);
        self.return_to_life();
        if began {
            self.ask_for_key();
        }
        self.excuse_back_pressure();
        if self.phase == Phase::Done {
            return;
        }
        match input {
            Input::Media(bytes) => self.media(bytes),
            Input::Pcm(block) => self.pcm(block),
            Input::MediaEnded(end) => self.media_ended(end),
            Input::Contact { id, facts } => self.contact(&id, &facts),
            Input::Gate(source, event) => {
                self.gate_event(Arrival { at: self.present(), late: Span::ZERO, source, event });
            }
            Input::PastGate(arrival, source, event) => {
                self.gate_event(Arrival { at: arrival.min(self.now), late: self.late(), source, event });
            }
            Input::RecogniserReady { session, capabilities } => self.recogniser_ready(session, capabilities),
            Input::Recognised(event) => self.recognised(event),
            Input::RecogniserLost { session, error } => self.recogniser_lost(session, &error),
            Input::Posted { id, outcome } => {
                let withheld = self.gate_withholds();
                let draining = self.is_draining();
                let taken = outcome == Outcome::Accepted;
                self.outbox.at_present(self.present());
                let settled = self.outbox.posted(self.now, &id, outcome, withheld, draining);
                if taken && settled {
                    self.drain_goes_on();
                }
                if self.reported_exposure_ms > 0 {
                    // What was on its way when its time was closed is not sent a second time.
                    self.recut();
                } else if settled {
                    self.store();
                }
            }
            Input::Stored(sequence) => self.stored(sequence),
            Input::LeaseLost => self.finish(EndReason::LeaseLost),
            Input::Stop => self.stop(),
            Input::GiveUp => {
                self.stop();
                self.outputs.clear();
                let end = self.summary.end.clone();
                self.finish(end);
            }
            Input::Segment(segment) => self.segment_announced(segment),
            Input::ContactEnded(id) => self.contact_ended(&id),
            // To a call that has gone on already it is no news.
            Input::Absent(_) | Input::Tick => {}
        }
        self.raise_alarm();
        self.note_ahead();
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
                return Output::Post(posts.into_iter().map(|u| Post::new(u.key, u.message)).collect());
            }
            if self.outbox.wants_store() {
                self.store();
            }
            if let Some(output) = self.outputs.pop_front() {
                return output;
            }
            if !self.advance() {
                self.note_back_pressure();
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
            && !self.is_outbox_full()
            && self.has_room()
    }

    /// Enough messages wait. Audio in which the gate is closed adds none: it is read on, or the call would never
    /// hear of its end.
    fn is_outbox_full(&self) -> bool {
        let closed = |t: &Timeline| self.gate.is_closed(t.time(t.end()));
        let limit = self.config.max_outbox.saturating_mul(if self.is_stuck() { WHEN_STUCK } else { 1 });
        let waiting = self.outbox.len();
        // What was said right before a closing may still become messages.
        let reads_on = waiting < limit.saturating_mul(2) && self.timeline.as_ref().is_some_and(closed);
        waiting >= limit && !reads_on
    }

    /// The call still takes media, and so a further segment of it.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running && !self.media_done
    }

    /// Bytes of sent audio kept to be sent again if a session fails: bounded by [`LiveConfig::replay`].
    #[must_use]
    pub fn replay_bytes(&self) -> usize {
        self.replay.bytes()
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
        let known = self.config.vendor_call_key.as_deref().or(self.keys.resolved.as_deref());
        known.unwrap_or_else(|| self.contact_id())
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
        // While posts are withheld the outbox has nothing to do before the gate opens.
        let posts = if self.gate_withholds() { self.withheld_until() } else { self.outbox.deadline() };
        // Without room nothing is judged, however long it has waited.
        let judged = self.filter.deadline().filter(|_| self.phase == Phase::Running && self.has_room());
        [drain, alarm, judged, posts, self.link_deadline(), Some(self.wake)]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(Time::MAX)
    }
}
