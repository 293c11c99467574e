//! The live call and its connection: what came over it, how it ended, which contacts and segments follow.

use crate::time::Time;

use super::contact::ContactFacts;
use super::fragment::InBandError;
use super::io::MediaEnd;
use super::link::Step;
use super::stream::{MediaAction, MediaCause, MediaError, MediaSegment};
use super::{Call, Output, Phase, Report};

impl Call {
    /// Bytes belong to a connection that is open. A recording's always do.
    pub(super) fn link_takes_bytes(&mut self) -> bool {
        let now = self.now;
        match &mut self.link {
            None => true,
            Some(link) => {
                link.bytes(now);
                link.is_open()
            }
        }
    }

    pub(super) fn connection_ended(&mut self, end: MediaEnd) {
        let lost = |cause, message: &str| MediaError::new(cause, MediaAction::Retry, message);
        let error = match end {
            MediaEnd::Complete => lost(MediaCause::EndOfStream, "the response ended"),
            MediaEnd::Truncated(what) => lost(MediaCause::Connection, &what),
            MediaEnd::Failed(why) => MediaError::new(MediaCause::Service, MediaAction::Fatal, why),
            MediaEnd::Lost(error) => error,
        };
        self.connection_lost(error);
    }

    /// What came is no stream of fragments, and nothing behind it can be understood.
    pub(super) fn connection_damaged(&mut self, error: &mkv_demux::Error) {
        self.close_connection(MediaError::new(MediaCause::Damaged, MediaAction::Retry, error.to_string()));
    }

    /// The service says inside the response why it sends no more.
    ///
    /// Source: Kinesis Video Streams, GetMedia, error ids 3002 to 5000.
    pub(super) fn in_band_error(&mut self, error: &InBandError) {
        if self.config.live.is_none() {
            return;
        }
        let action = match error.id {
            Some(4000) => MediaAction::NextSelector,
            Some(4500..=4502 | 4504..=4506) => MediaAction::Fatal,
            _ => MediaAction::Retry,
        };
        let id = error.id.map_or_else(|| "without an id".to_owned(), |id| id.to_string());
        let what = match action {
            MediaAction::Fatal => {
                format!("Kinesis error {id}: {}; check the key of the stream and who may use it", error.code)
            }
            _ => format!("Kinesis error {id}: {}", error.code),
        };
        let error = MediaError::new(MediaCause::InBand, action, what);
        match &mut self.link {
            Some(link) if !link.is_open() => link.explained(&error),
            _ => self.close_connection(error),
        }
    }

    fn close_connection(&mut self, error: MediaError) {
        if self.link.as_ref().is_some_and(super::link::Link::is_open) {
            self.outputs.push_back(Output::CloseMedia);
            self.connection_lost(error);
        }
    }

    fn connection_lost(&mut self, error: MediaError) {
        let now = self.now;
        let Some(link) = self.link.as_mut().filter(|l| l.is_open()) else { return };
        link.lost(now, &error);
        self.assembler.end_connection();
        self.report(Report::MediaLost(error));
    }

    /// While nobody reads, nothing can be missed: back-pressure is no stall and no end. What counts is whether
    /// anybody read since the call was last looked at.
    pub(super) fn excuse_back_pressure(&mut self) {
        let now = self.now;
        if let Some(link) = self.link.as_mut().filter(|_| self.unread) {
            link.held_back(now);
        }
    }

    /// Whether nobody reads from here on, and since when the outbox has been stuck.
    pub(super) fn note_back_pressure(&mut self) {
        if self.outbox.len() >= self.config.max_outbox && self.gate_withholds() {
            self.stuck_since.get_or_insert(self.now);
        } else {
            self.stuck_since = None;
        }
        // A stuck outbox excuses nothing; audio that waits for its session does all the same.
        let full = !self.has_room() || self.filter.is_full();
        self.unread = self.phase == Phase::Running && (full || (!self.wants_media() && !self.is_stuck()));
    }

    /// A full outbox behind a closed gate does not empty by waiting. After the time of the alarm the opening counts as
    /// lost: what is left to read is read, and the end of the call releases all of it.
    pub(super) fn is_stuck(&self) -> bool {
        self.stuck_since.is_some_and(|since| self.now >= since + self.config.gate_alarm_after)
    }

    /// Opens, reopens, gives up or ends the media, once everything read so far has been taken in.
    pub(super) fn tend_link(&mut self) -> bool {
        let now = self.now;
        let Some(link) = self.link.as_mut().filter(|_| !self.media_done) else { return false };
        match link.poll(now) {
            None => false,
            Some(Step::Open(request, cause)) => {
                self.assembler.restart();
                self.report(Report::MediaOpened {
                    connection: request.connection,
                    selector: request.from.name(),
                    cause,
                });
                self.outputs.push_back(Output::OpenMedia(request));
                true
            }
            Some(Step::Lost(error)) => {
                self.assembler.end_connection();
                self.report(Report::MediaLost(error));
                true
            }
            Some(Step::End(reason)) => {
                self.summary.end = reason;
                self.media_done = true;
                self.assembler.end_connection();
                self.outputs.push_back(Output::CloseMedia);
                true
            }
        }
    }

    /// When the connection, or what is asked about the call's contact, needs attention.
    pub(super) fn link_deadline(&self) -> Option<Time> {
        if self.phase != Phase::Running || self.media_done {
            return None;
        }
        let asked = self.key_asked.map(|since| since + self.config.resolve_timeout);
        let tended = self.wants_media() || self.is_stuck();
        let link = self.link.as_ref().filter(|_| tended).and_then(super::link::Link::deadline);
        let stuck = self.stuck_since.map(|since| since + self.config.gate_alarm_after).filter(|_| !tended);
        [asked, link, stuck].into_iter().flatten().min()
    }

    // --- contacts and segments ---------------------------------------------------------------------

    /// The call goes on in a further stream, or further on in the same one.
    pub(super) fn segment_announced(&mut self, segment: MediaSegment) {
        let now = self.now;
        if let Some(link) = self.link.as_mut().filter(|_| self.phase == Phase::Running) {
            link.segment(now, segment);
        }
    }

    /// A contact is over. The call is, once all its contacts are and no audio comes any more.
    pub(super) fn contact_ended(&mut self, id: &str) {
        if self.filter.is_ours(id) && self.ended_contacts.len() < 1024 {
            self.ended_contacts.insert(id.to_owned());
            self.judge_contacts();
        }
    }

    /// Whether every contact of this call that the stream named is over.
    pub(super) fn judge_contacts(&mut self) {
        let now = self.now;
        let mut ours = self.filter.seen.iter().filter(|id| self.filter.is_ours(id)).peekable();
        let over = ours.peek().is_some() && ours.all(|id| self.ended_contacts.contains(id));
        if let Some(link) = &mut self.link {
            link.contacts_over(now, over);
        }
    }

    // --- the key -----------------------------------------------------------------------------------

    /// Asks which contact is the first of the chain, unless somebody has said so.
    pub(super) fn ask_for_key(&mut self) {
        let asks = self.config.live.as_ref().is_some_and(|live| live.resolve_key);
        if asks && self.config.vendor_call_key.is_none() && self.keys.resolved.is_none() {
            self.outputs.push_back(Output::Resolve(self.contact_id().to_owned()));
            self.key_asked = Some(self.now);
        }
    }

    /// No utterance gets an id before it is known under which key it goes; but not for ever.
    pub(super) fn key_pending(&mut self) -> bool {
        let Some(since) = self.key_asked else { return false };
        let due = since + self.config.resolve_timeout;
        if self.now >= due {
            self.key_asked = None;
            return false;
        }
        true
    }

    pub(super) fn key_resolved(&mut self, facts: &ContactFacts) {
        if self.key_asked.take().is_none() {
            return;
        }
        if let Some(first) = &facts.initial_contact_id {
            self.filter.adopt(first);
            self.keys.resolved = Some(first.clone());
        }
    }
}
