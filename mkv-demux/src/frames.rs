//! Blocks to frames: cutting payloads out of the input and giving each its time.
//!
//! A payload is a slice of what was fed; only what crosses two inputs is copied, by `Input::take`. It must
//! never know elements other than blocks and their group.

use crate::block::{self, Head, Lacing, MAX_HEAD_BYTES};
use crate::demuxer::{Demuxer, Flow, State};
use crate::ebml::{self, Header, MAX_HEADER_BYTES};
use crate::event::{Event, Frame};
use crate::ids::{Kind, Master};
use crate::{ErrorKind, ids};

impl Demuxer {
    /// The way nearly every frame goes: an unlaced SimpleBlock, sound and all in the first buffer. Whatever
    /// is otherwise gives `None` and is left to [`block`](Self::block), which judges by the same functions.
    #[inline]
    pub(crate) fn frame_at_hand(&mut self) -> Option<Frame> {
        let top = self.stack.last()?;
        if top.master != Master::Cluster || !matches!(self.state, State::Element) {
            return None;
        }
        let cluster_ns = self.context.cluster_ns?;
        let bytes = self.input.front();
        let room = top.end - self.input.pos();
        let header = ebml::header(bytes, room, self.context.widths).ok()?;
        if ids::kind(Master::Cluster, header.id) != Kind::SimpleBlock {
            return None;
        }
        let size = usize::try_from(header.size?).ok()?;
        if size > self.limits.max_frame_bytes || size as u64 > room - header.len as u64 {
            return None;
        }
        let payload = bytes.get(header.len..header.len.checked_add(size)?)?;
        let head = block::head(payload).ok()?;
        if head.lacing() != Lacing::None {
            return None;
        }
        self.input.skip(header.len + head.len);
        let offset = self.input.pos();
        Some(Frame {
            track: head.track,
            timestamp_ns: self.block_time(cluster_ns, head),
            duration_ns: None,
            keyframe: head.keyframe(),
            invisible: head.invisible(),
            discardable: head.discardable(),
            lace_index: 0,
            lace_count: 1,
            offset,
            data: self.input.take(size - head.len),
        })
    }

    #[inline]
    fn block_time(&self, cluster_ns: i64, head: Head) -> i64 {
        cluster_ns.saturating_add(i64::from(head.time).saturating_mul(self.context.scale_ns))
    }

    /// A SimpleBlock, or the Block of a BlockGroup.
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
        let lace_len = match self.lace_sizes(head.lacing(), before, size - head.len) {
            Ok(len) => len,
            Err(reason) => return self.invalid_block(header.id, reason),
        };
        self.input.skip(before + lace_len);
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
        let mut timestamp_ns = self.block_time(cluster_ns, head);
        for (lace_index, size) in (0..).zip(&sizes) {
            let frame = Frame {
                track: head.track,
                timestamp_ns,
                duration_ns: None,
                keyframe: simple && head.keyframe(),
                invisible: head.invisible(),
                discardable: simple && head.discardable(),
                lace_index,
                lace_count,
                offset: self.input.pos(),
                data: self.input.take(*size),
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
        let found = self.context.tracks.iter().rev().find(|(number, _)| *number == track);
        let duration = found.and_then(|(_, duration)| *duration).unwrap_or(0);
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
