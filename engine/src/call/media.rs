//! Media in, chunks out: fragments are judged, placed on the timeline, gated and handed on.

use bytes::Bytes;
use mkv_demux::{ErrorKind, Track, TrackKind};

use crate::recogniser::{AudioChunk, Party, SessionSpec};
use crate::time::{Span, Time};

use super::contact::{ContactFacts, Judged};
use super::format::{FROM_CUSTOMER, PcmFormat, TO_CUSTOMER};
use super::fragment::{Fragment, Piece};
use super::intervals::Interval;
use super::summary::DropReason;
use super::timeline::Timeline;
use super::utterance::SessionMap;
use super::{Call, EndReason, Output, PcmBlock, Phase, Report, Session};

/// A block on its way to the timeline.
struct Timed {
    party: Party,
    start: Time,
    data: Bytes,
}

/// Sessions whose late results are still understood.
const MAX_SESSIONS: usize = 8;

impl Call {
    pub(super) fn media(&mut self, bytes: Bytes) {
        if self.phase != Phase::Running {
            return;
        }
        self.summary.media.bytes += bytes.len() as u64;
        self.assembler.feed(bytes);
        self.pump();
    }

    pub(super) fn pcm(&mut self, block: PcmBlock) {
        if self.phase != Phase::Running || !self.config.channels.parties().contains(&block.party) {
            return;
        }
        self.summary.media.bytes += block.pcm.len() as u64;
        self.summary.media.frames += 1;
        self.become_audible();
        if self.open_timeline(block.rate_hz, block.start) {
            self.place(Timed { party: block.party, start: block.start, data: block.pcm });
            self.emit(false);
        } else {
            self.let_go(DropReason::RateChanged, block.pcm.len() as u64, format!("{} Hz", block.rate_hz));
        }
    }

    pub(super) fn contact(&mut self, id: &str, facts: &ContactFacts) {
        self.filter.resolve(id, facts);
        self.release_early_events();
        let ours = self.filter.is_ours(id);
        self.report(Report::Contact { id: id.to_owned(), ours });
        self.pump();
    }

    /// Moves everything on as far as it goes.
    pub(super) fn pump(&mut self) {
        while let Some(piece) = self.assembler.poll() {
            self.take(piece);
        }
        while let Some(id) = self.filter.next_question() {
            self.outputs.push_back(Output::Resolve(id));
        }
        while let Some(judged) = self.filter.poll(self.now) {
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
        }
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
                if matches!(error.kind, ErrorKind::Truncated { .. }) {
                    self.summary.media.truncated = Some(error.to_string());
                } else {
                    self.summary.media.damages += 1;
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
        }
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

    fn let_go(&mut self, reason: DropReason, bytes: u64, what: String) {
        if bytes == 0 {
            return;
        }
        self.summary.drop(reason, bytes);
        self.report(Report::Dropped { reason, bytes, what });
    }

    /// A fragment of this call.
    fn accept(&mut self, fragment: Fragment) {
        self.become_audible();
        self.count(&fragment);
        if let Some(stopped) = self.suspect.take() {
            self.judge_jump(stopped, &fragment);
        }
        let Some(start) = self.start_of(&fragment) else { return };
        if self.is_jump(start) {
            self.suspect = Some(fragment);
            return;
        }
        self.place_fragment(&fragment);
    }

    /// Audio is about to be placed: it is now known whose events are whose.
    fn become_audible(&mut self) {
        self.audible = true;
        self.release_early_events();
    }

    fn count(&mut self, fragment: &Fragment) {
        self.summary.media.fragments += u64::from(fragment.first_piece);
        if fragment.complete && fragment.tags.fragment_number.is_some() {
            self.summary.media.last_fragment.clone_from(&fragment.tags.fragment_number);
        }
        if fragment.tags.stop_streaming {
            self.summary.end = EndReason::StopStreaming;
        }
    }

    fn place_fragment(&mut self, fragment: &Fragment) {
        for timed in self.timed(fragment) {
            self.place(timed);
        }
        self.emit(false);
    }

    fn start_of(&mut self, fragment: &Fragment) -> Option<Time> {
        let earliest = fragment.blocks.iter().map(|b| b.timestamp_ns).min()?;
        let end = self.timeline.as_ref().map(|t| t.time(t.end()));
        Some(self.time_base.clock(fragment, end).time(earliest))
    }

    fn is_jump(&self, start: Time) -> bool {
        self.timeline.as_ref().is_some_and(|t| {
            let away = (start - t.time(t.end())).us().saturating_abs();
            away > self.config.max_gap.us()
        })
    }

    /// A fragment far from all before it is believed if the next one is near it.
    fn judge_jump(&mut self, suspect: Fragment, next: &Fragment) {
        let (Some(there), Some(then)) = (self.start_of(&suspect), self.start_of(next)) else { return };
        if (then - there).us().saturating_abs() > self.config.max_gap.us() {
            self.let_go(DropReason::TimeJump, suspect.payload_bytes(), format!("{} ms", there.ms()));
            return;
        }
        self.emit(true);
        self.end_audio();
        if let Some(timeline) = &mut self.timeline {
            let from = timeline.time(timeline.emitted());
            timeline.jump(there);
            self.summary.audio.jumps += 1;
            self.report(Report::Jump { from, to: there });
        }
        self.place_fragment(&suspect);
    }

    /// The fragment's blocks with their party and time; opens the timeline at the first.
    fn timed(&mut self, fragment: &Fragment) -> Vec<Timed> {
        let end = self.timeline.as_ref().map(|t| t.time(t.end()));
        let clock = self.time_base.clock(fragment, end);
        let lanes = self.lanes(fragment);
        let Some(first) = fragment.blocks.iter().map(|b| b.timestamp_ns).min() else { return Vec::new() };
        let mut blocks = Vec::with_capacity(fragment.blocks.len());
        // Where the next frame of a lace continues, per track.
        let mut cursors: Vec<Time> = vec![Time::MIN; lanes.len()];
        for block in &fragment.blocks {
            let Some(index) = lanes.iter().position(|(track, ..)| *track == block.track) else { continue };
            let (_, party, format) = lanes[index];
            if !self.open_timeline(format.rate_hz, clock.time(first)) {
                let what = format!("{} Hz", format.rate_hz);
                self.let_go(DropReason::RateChanged, block.data.len() as u64, what);
                continue;
            }
            let start = if block.laced { cursors[index] } else { clock.time(block.timestamp_ns) };
            // Half a sample at the end of a broken block is none.
            let data = block.data.slice(..block.data.len() & !1);
            cursors[index] = start + Span::from_samples((data.len() / 2) as i64, format.rate_hz);
            blocks.push(Timed { party, start, data });
        }
        if let Some(timeline) = &mut self.timeline {
            for (_, party, _) in &lanes {
                timeline.list(*party);
            }
        }
        blocks
    }

    /// The tracks of a fragment that are wanted: number, party, format. By name, never by number.
    fn lanes(&mut self, fragment: &Fragment) -> Vec<(u64, Party, PcmFormat)> {
        let mut lanes = Vec::new();
        let mut unnamed = Party::ALL.iter();
        let plain = !fragment.tags.kinesis && fragment.tags.contact_id.is_none();
        for track in fragment.tracks.iter().filter(|t| t.kind == TrackKind::Audio) {
            let bytes = || {
                fragment.blocks.iter().filter(|b| b.track == track.number).map(|b| b.data.len() as u64).sum()
            };
            // In a plain file the first unnamed track is the customer's, the second the agent's.
            let party = party_of(track).or_else(|| unnamed.next().filter(|_| plain).copied());
            let Some(party) = party else {
                let what = track.name.clone().unwrap_or_else(|| format!("track {}", track.number));
                self.let_go(DropReason::UnknownTrack, bytes(), what);
                continue;
            };
            if !self.config.channels.parties().contains(&party) {
                continue;
            }
            match self.formats.of(fragment.tags.mime_type.as_deref(), fragment.segment_uuid, track) {
                Ok(format) => lanes.push((track.number, party, format)),
                Err(unsupported) => {
                    self.let_go(DropReason::UnsupportedFormat, bytes(), unsupported.0);
                }
            }
        }
        lanes
    }

    /// Opens the timeline at the first audio; false if this audio is at another rate than the call's.
    fn open_timeline(&mut self, rate_hz: u32, start: Time) -> bool {
        let config = &self.config;
        let timeline = self.timeline.get_or_insert_with(|| {
            Timeline::new(rate_hz, start, config.channels, config.jitter_tolerance, config.max_track_skew)
        });
        timeline.rate_hz == rate_hz
    }

    fn place(&mut self, block: Timed) {
        let Some(timeline) = &mut self.timeline else { return };
        let rate_hz = timeline.rate_hz;
        let placed = timeline.place(block.party, block.start, block.data);
        if placed.gap > 0 {
            let length = Span::from_samples(placed.gap, rate_hz);
            self.summary.audio.gaps.add(block.party, 1);
            self.summary.audio.gap_ms.add(block.party, u64::try_from(length.ms()).unwrap_or(0));
            self.report(Report::Gap { party: block.party, from: block.start - length, to: block.start });
        }
        let dropped = u64::try_from(placed.dropped * 2).unwrap_or(0);
        self.let_go(DropReason::RepeatedAudio, dropped, block.party.to_string());
    }

    /// Hands on whole chunks, and with `flush` all there is.
    pub(super) fn emit(&mut self, flush: bool) {
        let Some(timeline) = &self.timeline else { return };
        let horizon = if flush { timeline.end() } else { timeline.horizon() };
        let chunk = self.config.chunk.samples(timeline.rate_hz).max(1);
        loop {
            let Some(timeline) = &self.timeline else { return };
            let left = horizon - timeline.emitted();
            if left <= 0 || (left < chunk && !flush) {
                return;
            }
            self.emit_chunk(left.min(chunk));
        }
    }

    fn emit_chunk(&mut self, samples: i64) {
        let channels = self.config.channels;
        let Some(timeline) = &mut self.timeline else { return };
        let (from, rate_hz) = (timeline.emitted(), timeline.rate_hz);
        let window = Interval::new(timeline.time(from), timeline.time(from + samples));
        let closed = self.gate.closed_within(window);
        let pcm = timeline.take(samples, &closed);
        self.gate.emitted(window, &closed);
        self.summary.audio.rate_hz = rate_hz;
        self.summary.audio.duration_ms += (window.to - window.from).ms();
        self.summary.start_time.get_or_insert(window.from.ms());
        self.summary.end_time = Some(window.to.ms());
        self.report_edges(window);
        let session = self.session(rate_hz);
        let position = session.map.position;
        session.map.sent(window.from, samples);
        let chunk = AudioChunk::new(
            session.map.id,
            u64::try_from(position).unwrap_or(0),
            window.from,
            rate_hz,
            channels,
            pcm,
        );
        self.outputs.push_back(Output::Audio(chunk));
    }

    /// The open session; opens one where there is none.
    fn session(&mut self, rate_hz: u32) -> &mut Session {
        if self.sessions.last().is_none_or(|s| s.audio_ended) {
            let id = u32::try_from(self.summary.recogniser.sessions + 1).unwrap_or(u32::MAX);
            self.summary.recogniser.sessions += 1;
            let spec = SessionSpec::new(id, rate_hz, self.config.channels);
            self.outputs.push_back(Output::OpenRecogniser(spec));
            if self.sessions.len() >= MAX_SESSIONS {
                self.sessions.remove(0);
            }
            self.sessions.push(Session {
                map: SessionMap::new(id, rate_hz),
                audio_ended: false,
                ended: false,
            });
        }
        let last = self.sessions.len() - 1;
        &mut self.sessions[last]
    }

    /// Ends the audio of the open session.
    pub(super) fn end_audio(&mut self) {
        if let Some(session) = self.sessions.last_mut().filter(|s| !s.audio_ended) {
            session.audio_ended = true;
            self.outputs.push_back(Output::EndAudio { session: session.map.id });
        }
    }
}

fn party_of(track: &Track) -> Option<Party> {
    let name = track.name.as_deref()?;
    if FROM_CUSTOMER.contains(&name) {
        Some(Party::Customer)
    } else if name == TO_CUSTOMER {
        Some(Party::Agent)
    } else {
        None
    }
}
