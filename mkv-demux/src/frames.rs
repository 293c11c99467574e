//! Blocks to frames: cutting payloads out of the input and giving each its time.
//!
//! A payload is a slice of what was fed; only what crosses two inputs is copied, by `Input::take`. It must
//! never know elements other than blocks and their group.

use bytes::Bytes;

use crate::ErrorKind;
use crate::block::{self, Flags, Head, LACING, Lacing, MAX_HEAD_BYTES};
use crate::borrowed::FrameRef;
use crate::demuxer::{Demuxer, Flow};
use crate::ebml::{self, Header, MAX_HEADER_BYTES};
use crate::event::{Event, Frame};

/// A frame in the input's first buffer that is used up already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameHead {
    track: u64,
    timestamp_ns: i64,
    flags: Flags,
    /// Absolute offset of the payload.
    offset: u64,
    /// Where the payload lies in the buffer.
    start: usize,
    end: usize,
}

impl FrameHead {
    #[inline]
    pub(crate) fn of(self, front: &Bytes) -> FrameRef<'_> {
        FrameRef {
            track: self.track,
            timestamp_ns: self.timestamp_ns,
            duration_ns: None,
            keyframe: self.flags.keyframe(),
            invisible: self.flags.invisible(),
            discardable: self.flags.discardable(),
            lace_index: 0,
            lace_count: 1,
            offset: self.offset,
            data: front.get(self.start..self.end).unwrap_or_default(),
            source: front,
        }
    }

    #[inline(always)]
    pub(crate) fn cut_from(self, front: &Bytes) -> Frame {
        Frame {
            data: front.slice(self.start..self.end),
            track: self.track,
            timestamp_ns: self.timestamp_ns,
            duration_ns: None,
            keyframe: self.flags.keyframe(),
            invisible: self.flags.invisible(),
            discardable: self.flags.discardable(),
            lace_index: 0,
            lace_count: 1,
            offset: self.offset,
        }
    }
}

impl Demuxer {
    /// The way nearly every frame goes: an unlaced SimpleBlock of a track below 127, sound and all in the
    /// first buffer. Whatever is otherwise gives `None` and is left to [`block`](Self::block).
    #[inline(always)]
    pub(crate) fn block_at_hand(&mut self) -> Option<FrameHead> {
        let room = self.hot_end.checked_sub(self.input.pos())?;
        let (front, at) = (self.input.front(), self.input.at());
        let rest = front.get(at..)?;
        let [0xA3, window @ ..] = rest.first_chunk::<9>()? else {
            return None;
        };
        let (size, size_len) = ebml::sound_size(window)?;
        let len = usize::try_from(size?).ok()?;
        let head = 1 + size_len;
        let [track, t0, t1, flags] = *rest.get(head..)?.get(..len)?.first_chunk()?;
        // All of it is there, so that the sum is no more than a buffer's length.
        let used = head + len;
        if len > self.limits.max_frame_bytes
            || used as u64 > room
            || !(0x81..0xFF).contains(&track)
            || flags & LACING != 0
        {
            return None;
        }
        let (start, end) = (at + head + 4, at + used);
        let offset = self.input.base() + start as u64;
        let timestamp_ns = self.block_time(self.hot_ns, i16::from_be_bytes([t0, t1]));
        self.input.use_up(used);
        let (track, flags) = (u64::from(track & 0x7F), Flags(flags));
        Some(FrameHead { track, timestamp_ns, flags, offset, start, end })
    }

    #[inline]
    fn block_time(&self, cluster_ns: i64, time: i16) -> i64 {
        cluster_ns.saturating_add(i64::from(time).saturating_mul(self.context.scale_ns))
    }

    /// A SimpleBlock, or the Block of a BlockGroup.
    #[inline(never)]
    pub(crate) fn block(&mut self, header: Header, size: u64, simple: bool) -> Flow {
        let max = self.limits.max_frame_bytes;
        let size = match usize::try_from(size) {
            Ok(size) if size <= max => size,
            _ => return self.limit(header.id, "max_frame_bytes", size, max),
        };
        let Some(cluster_ns) = self.context.cluster_ns else {
            return self.invalid_block(header.id, "a block before the Cluster's Timestamp");
        };
        if !simple && self.draft.group.has_block {
            return self.invalid_block(header.id, "a second Block in a BlockGroup");
        }
        let need = header.len.saturating_add(size);
        if self.input.len() < need {
            return Flow::Wait { need, id: Some(header.id) };
        }
        let mut scratch = [0; MAX_HEADER_BYTES + MAX_HEAD_BYTES];
        let bytes = self.input.peek(&mut scratch);
        let head = match block::head(&bytes[header.len..need.min(bytes.len())]) {
            Ok(head) => head,
            Err(reason) => return self.invalid_block(header.id, reason),
        };
        let before = header.len + head.len;
        let lace_len = match self.lace_sizes(head.flags.lacing(), before, size - head.len) {
            Ok(len) => len,
            Err(reason) => return self.invalid_block(header.id, reason),
        };
        self.advance(before + lace_len);
        self.cut_frames(head, cluster_ns, simple);
        Flow::Go
    }

    /// Puts the frames' sizes into `lace_sizes` and returns the length of the lace's head.
    fn lace_sizes(&mut self, lacing: Lacing, before: usize, len: usize) -> Result<usize, &'static str> {
        if lacing == Lacing::None {
            self.lace_sizes.clear();
            self.lace_sizes.push(len);
            return Ok(0);
        }
        let bytes = self.input.bytes().skip(before);
        block::lace(lacing, bytes, len, &mut self.lace_sizes)
    }

    fn cut_frames(&mut self, head: Head, cluster_ns: i64, simple: bool) {
        let sizes = std::mem::take(&mut self.lace_sizes);
        // At most 256: the count is one byte.
        let lace_count = u32::try_from(sizes.len()).unwrap_or(u32::MAX);
        let step_ns = if lace_count > 1 { self.lace_step_ns(head.track) } else { 0 };
        let mut timestamp_ns = self.block_time(cluster_ns, head.time);
        for (lace_index, size) in (0..).zip(&sizes) {
            let frame = Frame {
                track: head.track,
                timestamp_ns,
                duration_ns: None,
                keyframe: simple && head.flags.keyframe(),
                invisible: head.flags.invisible(),
                discardable: simple && head.flags.discardable(),
                lace_index,
                lace_count,
                offset: self.input.pos(),
                data: self.take(*size),
            };
            timestamp_ns = timestamp_ns.saturating_add(step_ns);
            if simple {
                self.queue.push_back(Event::Frame(frame));
            } else {
                self.draft.group.frames.push(frame);
            }
        }
        self.draft.group.has_block = !simple;
        self.lace_sizes = sizes;
    }

    /// The DefaultDuration of a track, 0 where it has none.
    fn lace_step_ns(&self, track: u64) -> i64 {
        let found = self.context.tracks.iter().rev().find(|known| known.number == track);
        let duration = found.and_then(|track| track.default_duration_ns).unwrap_or(0);
        i64::try_from(duration).unwrap_or(i64::MAX)
    }

    /// The BlockGroup is over: what it said about its block is known.
    pub(crate) fn end_group(&mut self) {
        let group = &mut self.draft.group;
        let scale_ns = self.context.scale_ns.unsigned_abs();
        let duration_ns = group.duration_ticks.map(|ticks| ticks.saturating_mul(scale_ns));
        let keyframe = !group.has_reference;
        for frame in group.frames.drain(..) {
            self.queue.push_back(Event::Frame(Frame { duration_ns, keyframe, ..frame }));
        }
        group.clear();
    }

    fn invalid_block(&mut self, id: u64, reason: &str) -> Flow {
        self.damage(Some(id), ErrorKind::InvalidBlock { reason: reason.into() })
    }
}
