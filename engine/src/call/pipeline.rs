//! The way of media through the call, one step at a time.
//!
//! Nothing is done before its time: a chunk is made when it is polled, a fragment is placed when the audio
//! before it has been handed on, bytes are demuxed when no fragment waits. So what one input sets off never
//! grows with what it claims: an hour of silence between two blocks is made chunk by chunk.

use bytes::Bytes;
use mkv_demux::ErrorKind;

use crate::time::{Span, Time};

use super::chunks::Emitted;
use super::contact::{ContactFacts, Judged};
use super::fragment::{Fragment, Piece};
use super::media::Timed;
use super::summary::DropReason;
use super::timeline::Timeline;
use super::{Call, EndReason, Output, PcmBlock, Phase, Report};

/// What follows once all audio on the timeline has been handed on.
#[derive(Debug)]
pub(super) enum Then {
    /// The media's clock jumps; this is the first audio behind the jump.
    Jump(Time, Held),
}

/// Audio that waits for the jump in front of it.
#[derive(Debug)]
pub(super) enum Held {
    Fragment(Box<Fragment>),
    Block(Timed),
}

impl Call {
    pub(super) fn media(&mut self, bytes: Bytes) {
        if self.phase == Phase::Running && !self.media_done && self.link_takes_bytes() {
            self.summary.media.bytes += bytes.len() as u64;
            self.assembler.feed(bytes);
        }
    }

    /// Decoded audio is one call's: no contact is asked for.
    pub(super) fn pcm(&mut self, block: PcmBlock) {
        let wanted = self.config.channels.parties().contains(&block.party);
        if self.phase != Phase::Running || self.media_done || !wanted {
            return;
        }
        self.summary.media.bytes += block.pcm.len() as u64;
        self.summary.media.frames += 1;
        self.become_audible();
        if !self.open_timeline(block.rate_hz, block.start) {
            self.let_go(DropReason::RateChanged, block.pcm.len() as u64, format!("{} Hz", block.rate_hz));
            return;
        }
        let timed = Timed { party: block.party, start: block.start, data: block.pcm };
        if self.is_jump(timed.start) {
            self.then.push_back(Then::Jump(timed.start, Held::Block(timed)));
        } else {
            self.place(&timed);
        }
    }

    pub(super) fn contact(&mut self, id: &str, facts: &ContactFacts) {
        if id == self.contact_id() {
            self.key_resolved(facts);
        }
        self.filter.resolve(id, facts);
        self.release_early_events();
        // A leg that is new is not over, whatever was said of those before it.
        self.judge_contacts();
        let ours = self.filter.is_ours(id);
        self.report(Report::Contact { id: id.to_owned(), ours });
    }

    /// Makes one step; false if there is none to make before the next input, or before [`Call::wake`].
    pub(super) fn advance(&mut self) -> bool {
        self.wake = Time::MAX;
        if self.phase == Phase::Done {
            return false;
        }
        if self.link.is_some() && self.now == Time::MIN {
            // A live call begins with the first input, which says what time it is.
            self.wake_at(Time::MIN);
            return false;
        }
        if self.give_up_silent_session() {
            return true;
        }
        let draining = self.is_draining();
        match (self.emit_one(), draining) {
            (Emitted::Done, _) => true,
            (Emitted::Blocked, true) => self.drained(false),
            (Emitted::Nothing, true) => {
                self.conclude_stretch() || self.hear_cut_again() || self.finish_audio() || self.drained(true)
            }
            (Emitted::Blocked, false) => {
                (self.has_room() && self.judge_next()) || self.demux_one() || self.tend_link()
            }
            (Emitted::Nothing, false) => {
                self.conclude_stretch()
                    || self.read_on()
                    || self.tend_session()
                    || self.run_dry()
                    || self.tend_link()
            }
        }
    }

    /// Takes in one more piece of what was fed.
    fn read_on(&mut self) -> bool {
        self.judge_next() || self.demux_one()
    }

    fn judge_next(&mut self) -> bool {
        !self.key_pending() && self.judge_one()
    }

    /// Audio that has to wait leaves room for more of it.
    pub(super) fn has_room(&self) -> bool {
        let Some(live) = &self.config.live else { return true };
        let waiting = self.timeline.as_ref().map_or(Span::ZERO, Timeline::waiting);
        self.then.is_empty() && waiting < live.max_waiting_audio
    }

    /// [`Call::poll`] has something to do at this time.
    pub(super) fn wake_at(&mut self, at: Time) {
        self.wake = self.wake.min(at);
    }

    /// Everything before a jump or the end has been handed on: does what follows.
    fn conclude_stretch(&mut self) -> bool {
        match self.then.pop_front() {
            None => false,
            Some(Then::Jump(to, held)) => {
                self.jump(to, held);
                true
            }
        }
    }

    /// Takes the next fragment whose contact is known.
    fn judge_one(&mut self) -> bool {
        let Some(judged) = self.filter.poll(self.now) else { return false };
        match judged {
            Judged::Ours(fragment) => self.accept(fragment),
            Judged::Foreign(fragment) => {
                self.summary.media.foreign_fragments += 1;
                let what = fragment.tags.contact_id.clone().unwrap_or_default();
                self.let_go(DropReason::ForeignContact, fragment.payload_bytes(), what);
            }
            Judged::Unidentified(fragment) => {
                let what = fragment.tags.fragment_number.clone().unwrap_or_default();
                self.let_go(DropReason::NoIdentity, fragment.payload_bytes(), what);
            }
        }
        true
    }

    /// Takes the next piece out of the bytes, unless enough fragments wait already.
    fn demux_one(&mut self) -> bool {
        if self.filter.is_full() {
            return false;
        }
        let Some(piece) = self.assembler.poll() else { return false };
        self.take(piece);
        while let Some(id) = self.filter.next_question() {
            self.outputs.push_back(Output::Resolve(id));
            if let Some(link) = &mut self.link {
                link.may_follow(self.now);
            }
        }
        true
    }

    /// The bytes are used up. After the last of them, what waits for a name waits no longer; while a contact
    /// is being asked about, audio that may be ours still does.
    fn run_dry(&mut self) -> bool {
        if !self.media_done || self.filter.is_full() {
            return false;
        }
        if self.filter.end() {
            return true;
        }
        if !self.filter.is_empty() {
            return false;
        }
        self.drain();
        true
    }

    fn take(&mut self, piece: Piece) {
        match piece {
            Piece::Fragment(fragment) => self.meet(fragment),
            Piece::TooLarge(bytes) => {
                let limit = format!("more than {} bytes", self.config.max_fragment_bytes);
                self.let_go(DropReason::FragmentTooLarge, bytes, limit);
            }
            Piece::Damage(error) => {
                self.summary.media.damages += 1;
                self.report(Report::Damage(error));
            }
            Piece::Broken(error) => {
                if self.config.live.is_some() {
                    // The connection broke off, or what came over it was no stream of fragments.
                    if !matches!(error.kind, ErrorKind::Truncated { .. }) {
                        self.summary.media.damages += 1;
                        self.connection_damaged(&error);
                    }
                } else if matches!(error.kind, ErrorKind::Truncated { .. }) {
                    self.summary.media.truncated = Some(error.to_string());
                } else {
                    // What never was Matroska is not damaged Matroska.
                    self.summary.media.damages += u64::from(error.kind != ErrorKind::NotMatroska);
                    self.summary.end = EndReason::MediaFailed(error.to_string());
                }
                self.report(Report::Damage(error));
            }
        }
    }

    fn meet(&mut self, fragment: Fragment) {
        if let Some(error) = &fragment.tags.in_band_error {
            let id = error.id.map_or_else(|| "?".to_owned(), |id| id.to_string());
            self.summary.media.in_band_errors.push(format!("{id}: {}", error.code));
            self.report(Report::InBandError(error.clone()));
            self.in_band_error(error);
        }
        if let Some(link) = &mut self.link {
            let number = fragment.tags.fragment_number.as_deref();
            // One that ends in an error is not complete, whatever it says.
            let complete = fragment.complete && fragment.tags.in_band_error.is_none();
            // A later piece of the same fragment is not what was read before.
            if !link.fragment(number.filter(|_| complete)) && fragment.first_piece {
                return;
            }
        }
        self.note_read(&fragment);
        let known = self.filter.seen.len();
        if fragment.blocks.is_empty() && fragment.tags.contact_id.is_none() {
            return;
        }
        self.filter.push(self.now, fragment);
        if let Some(id) = self.filter.seen.get(known).cloned()
            && self.filter.is_ours(&id)
        {
            self.report(Report::Contact { id, ours: true });
        }
    }

    pub(super) fn let_go(&mut self, reason: DropReason, bytes: u64, what: String) {
        if bytes == 0 {
            return;
        }
        self.summary.drop(reason, bytes);
        self.report(Report::Dropped { reason, bytes, what });
    }
}
