//! A fragment of this call on its way to the timeline: which tracks, which format, which time.

use bytes::Bytes;
use mkv_demux::{Track, TrackKind};

use crate::recogniser::Party;
use crate::time::{Span, Time};

use super::format::{FROM_CUSTOMER, PcmFormat, TO_CUSTOMER};
use super::fragment::Fragment;
use super::pipeline::{Held, Then};
use super::summary::DropReason;
use super::timeline::Timeline;
use super::{Call, EndReason, Report};

/// What Connect streams, as long as nothing else is known.
const TELEPHONE_HZ: u32 = 8_000;

/// A block on its way to the timeline.
#[derive(Debug)]
pub(super) struct Timed {
    pub(super) party: Party,
    pub(super) start: Time,
    pub(super) data: Bytes,
}

impl Call {
    /// A fragment of this call.
    pub(super) fn accept(&mut self, fragment: Fragment) {
        self.become_audible();
        if let Some(suspect) = self.suspect.take() {
            self.judge_jump(suspect, fragment);
            return;
        }
        self.place_or_suspect(fragment);
    }

    fn place_or_suspect(&mut self, fragment: Fragment) {
        match self.start_of(&fragment) {
            Some(start) if self.is_jump(start) => self.suspect = Some(fragment),
            _ => self.place_fragment(&fragment),
        }
    }

    /// Audio is about to be placed: it is now known whose events are whose.
    pub(super) fn become_audible(&mut self) {
        self.audible = true;
        self.release_early_events();
    }

    fn count(&mut self, fragment: &Fragment) {
        self.summary.media.fragments += u64::from(fragment.first_piece);
        if fragment.complete && fragment.tags.fragment_number.is_some() {
            self.summary.media.last_fragment.clone_from(&fragment.tags.fragment_number);
        }
        let (now, end) = (self.now, self.placed_until());
        if let Some(link) = &mut self.link {
            link.audio(now, end);
            if let (Some(number), Some(end), true) = (&fragment.tags.fragment_number, end, fragment.complete)
            {
                link.placed(number, end);
            }
        }
        if fragment.tags.stop_streaming {
            match &mut self.link {
                Some(link) => link.stop_streaming(now),
                None => self.summary.end = EndReason::StopStreaming,
            }
        }
    }

    fn place_fragment(&mut self, fragment: &Fragment) {
        if let Some(start) = self.start_of(fragment) {
            self.keys.turn(start, self.filter.consult(fragment));
        }
        for timed in self.timed(fragment) {
            self.place(&timed);
        }
        self.count(fragment);
    }

    fn start_of(&mut self, fragment: &Fragment) -> Option<Time> {
        let earliest = fragment.blocks.iter().map(|b| b.timestamp_ns).min()?;
        let end = self.placed_until();
        Some(self.time_base.clock(fragment, end).time(earliest))
    }

    /// The clock of the media has come this far, whoever's audio it is. A time far from all before it is not believed.
    pub(super) fn note_read(&mut self, fragment: &Fragment) {
        let Some(clock) = self.time_base.absolute(fragment) else { return };
        let rate_hz = self.timeline.as_ref().map_or(TELEPHONE_HZ, |t| t.rate_hz);
        let ends = fragment.blocks.iter().map(|b| clock.time(b.timestamp_ns) + length(&b.data, rate_hz));
        let before = self.known_until();
        let end = ends.max().filter(|end| !before.is_some_and(|before| self.is_far(*end, before)));
        self.read_until = self.read_until.max(end);
    }

    /// Up to here audio stands on the timeline.
    fn placed_until(&self) -> Option<Time> {
        self.timeline.as_ref().map(|t| t.time(t.end()))
    }

    /// Up to here audio is known: placed, or read and waiting for its place.
    pub(super) fn known_until(&self) -> Option<Time> {
        self.placed_until().max(self.read_until)
    }

    pub(super) fn is_jump(&self, start: Time) -> bool {
        self.placed_until().is_some_and(|end| self.is_far(start, end))
    }

    fn is_far(&self, time: Time, from: Time) -> bool {
        (time - from).us().saturating_abs() > self.config.max_gap.us()
    }

    /// A fragment far from all before it is believed if the next one is near it.
    fn judge_jump(&mut self, suspect: Fragment, next: Fragment) {
        let Some(there) = self.start_of(&suspect) else { return };
        let Some(then) = self.start_of(&next) else {
            self.suspect = Some(suspect);
            return;
        };
        if self.is_far(then, there) {
            self.let_go(DropReason::TimeJump, suspect.payload_bytes(), format!("{} ms", there.ms()));
            self.place_or_suspect(next);
            return;
        }
        self.then.push_back(Then::Jump(there, Held::Fragment(Box::new(suspect))));
        self.filter.unpop(next);
    }

    /// Goes on behind a jump, in a new session.
    pub(super) fn jump(&mut self, to: Time, held: Held) {
        self.end_audio();
        self.read_until = None;
        if let Some(timeline) = &mut self.timeline {
            let from = timeline.time(timeline.emitted());
            timeline.jump(to);
            self.summary.audio.jumps += 1;
            self.report(Report::Jump { from, to });
        }
        match held {
            Held::Fragment(fragment) => self.place_fragment(&fragment),
            Held::Block(block) => self.place(&block),
        }
    }

    /// The fragment's blocks with their party and time; opens the timeline at the first.
    fn timed(&mut self, fragment: &Fragment) -> Vec<Timed> {
        let clock = self.time_base.clock(fragment, self.placed_until());
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
            cursors[index] = start + length(&data, format.rate_hz);
            blocks.push(Timed { party, start, data });
        }
        if let Some(timeline) = &mut self.timeline {
            for (_, party, _) in &lanes {
                timeline.list(*party);
            }
            if self.link.is_some() && !fragment.complete {
                let parties: Vec<Party> = lanes.iter().map(|(_, party, _)| *party).collect();
                blocks = until_one_ends(blocks, &parties, timeline.rate_hz);
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
                let what = track
                    .name
                    .as_ref()
                    .map_or_else(|| format!("track {}", track.number), ToString::to_string);
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
    pub(super) fn open_timeline(&mut self, rate_hz: u32, start: Time) -> bool {
        let config = &self.config;
        let timeline = self.timeline.get_or_insert_with(|| {
            Timeline::new(rate_hz, start, config.channels, config.jitter_tolerance, config.max_track_skew)
        });
        timeline.rate_hz == rate_hz
    }

    pub(super) fn place(&mut self, block: &Timed) {
        let Some(timeline) = &mut self.timeline else { return };
        let rate_hz = timeline.rate_hz;
        let placed = timeline.place(block.party, block.start, &block.data);
        if placed.gap > 0 {
            let length = Span::from_samples(placed.gap, rate_hz);
            self.summary.audio.gaps.add(block.party, 1);
            self.summary.audio.gap_ms.add(block.party, u64::try_from(length.ms()).unwrap_or(0));
            self.report(Report::Gap { party: block.party, from: block.start - length, to: block.start });
        }
        let dropped = u64::try_from(placed.dropped * 2).unwrap_or(0);
        self.let_go(DropReason::RepeatedAudio, dropped, block.party.to_string());
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

/// How long these samples of 16 bits last.
fn length(data: &Bytes, rate_hz: u32) -> Span {
    Span::from_samples((data.len() / 2) as i64, rate_hz)
}

/// Of a fragment that broke off, what is there of all parties: the whole comes again over the next connection, and a
/// party whose blocks stand behind those of the other would have been waited for in vain.
fn until_one_ends(blocks: Vec<Timed>, parties: &[Party], rate_hz: u32) -> Vec<Timed> {
    let end = |block: &Timed| block.start + length(&block.data, rate_hz);
    let ends = parties.iter().map(|party| blocks.iter().filter(|b| b.party == *party).map(end).max());
    let Some(until) = ends.min().flatten() else { return Vec::new() };
    let cut = |mut block: Timed| {
        let samples = usize::try_from((until - block.start).samples(rate_hz)).unwrap_or(0);
        block.data.truncate(samples * 2);
        block
    };
    blocks.into_iter().filter(|block| block.start < until).map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_that_broke_off_counts_as_far_as_all_parties_go() {
        let block = |party, ms: i64, samples: usize| {
            let data = Bytes::from(vec![1; samples * 2]);
            Timed { party, start: Time::from_ms(ms), data }
        };
        let customer = |blocks: i64| (0..blocks).map(|i| block(Party::Customer, i * 64, 512));
        let left = |blocks: Vec<Timed>| {
            let blocks = until_one_ends(blocks, &Party::ALL, 8000);
            blocks.into_iter().map(|b| (b.party, b.start.ms(), b.data.len() / 2)).collect::<Vec<_>>()
        };
        // The customer's blocks stand in front of the agent's, of which there is one and a half.
        let agent = [block(Party::Agent, 0, 512), block(Party::Agent, 64, 256)];
        assert_eq!(
            left(customer(17).chain(agent).collect()),
            [
                (Party::Customer, 0, 512),
                (Party::Customer, 64, 256),
                (Party::Agent, 0, 512),
                (Party::Agent, 64, 256)
            ]
        );
        assert_eq!(left(customer(17).collect()), [], "all of it comes again");
    }
}
