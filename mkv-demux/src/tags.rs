//! The way nearly every SimpleTag goes: sound, all in the first buffer, and with no other inside it.
//!
//! It must never judge: whatever is otherwise is left to the element walk.

use crate::demuxer::{Demuxer, Open, State};
use crate::ebml::{self, Header};
use crate::ids::{self, Field, Kind, Master};
use crate::span::{Span, TagDraft};

/// The ids as they stand in the stream.
const TAG: [u8; 2] = [0x73, 0x73];
const SIMPLE_TAG: [u8; 2] = [0x67, 0xC8];
const TAG_NAME: [u8; 2] = [0x45, 0xA3];
const TAG_STRING: [u8; 2] = [0x44, 0x87];

impl Demuxer {
    /// Reads the SimpleTag at the front, a child of `top`, at one go; `None`, and nothing done, where it is
    /// unusual.
    pub(crate) fn tag_at_hand(&mut self, header: Header, size: u64, top: Open) -> Option<()> {
        let at = self.input.at();
        let end = end_of(at, header.len, size)?;
        if top.master != Master::Tag {
            return None;
        }
        self.whole_tag(at, header.len, end, self.stack.len())
    }

    /// Reads the Tags element at the front, a child of the Segment, at one go where it holds a single Tag with
    /// a single SimpleTag, as all those of a GetMedia stream do.
    #[inline]
    pub(crate) fn tags_at_hand(&mut self) -> Option<()> {
        let top = self.stack.last()?;
        let at = self.input.at();
        let [0x12, 0x54, 0xC3, 0x67, window @ ..] = self.input.front().get(at..)?.first_chunk::<12>()? else {
            return None;
        };
        if top.master != Master::Segment || !matches!(self.state, State::Element) {
            return None;
        }
        let (size, size_len) = ebml::sound_size(window)?;
        let tag_at = at + 4 + size_len;
        let end = tag_at.checked_add(usize::try_from(size?).ok()?)?;
        if size_len > self.context.widths.size || (end - at) as u64 > top.end - self.input.pos() {
            return None;
        }
        let simple_at = self.only_child(tag_at, end, TAG)?;
        let body_at = self.only_child(simple_at, end, SIMPLE_TAG)?;
        self.whole_tag(simple_at, body_at - simple_at, end, self.stack.len() + 2)?;
        self.draft.uids.clear();
        Some(())
    }

    /// Where the content of the element at `at` begins, if it is one of `id` that lasts until `end`.
    #[inline(always)]
    fn only_child(&self, at: usize, end: usize, id: [u8; 2]) -> Option<usize> {
        let (start, len) = self.child(at, id)?;
        (start.checked_add(len)? == end).then_some(start)
    }

    /// Where the content of the element at `at` begins, and its length, if it is one of `id`.
    #[inline(always)]
    fn child(&self, at: usize, id: [u8; 2]) -> Option<(usize, usize)> {
        let [a, b, window @ ..] = self.input.front().get(at..)?.first_chunk::<10>()?;
        let (size, size_len) = ebml::sound_size(window)?;
        let sound = [*a, *b] == id && size_len <= self.context.widths.size;
        if sound { Some((at + 2 + size_len, usize::try_from(size?).ok()?)) } else { None }
    }

    /// Takes the SimpleTag that begins at `at` of the first buffer with a header of `head` bytes, below
    /// `depth` masters.
    #[inline]
    fn whole_tag(&mut self, at: usize, head: usize, end: usize, depth: usize) -> Option<()> {
        let spent = self.context.tag_bytes.checked_add((end - at) as u64)?;
        let front = self.input.front();
        // A tag that ends with the buffer would have to be held.
        if spent > self.limits.max_tag_bytes as u64
            || depth >= self.limits.max_depth
            || self.limits.verify_checksums
            || end >= front.len()
        {
            return None;
        }
        let offset = self.input.base() + at as u64;
        let mut here = at + head;
        // A name and then a string, as all those of a GetMedia stream.
        if let Some((name, len)) = self.child(here, TAG_NAME)
            && let Some((value, value_len)) = self.child(name.checked_add(len)?, TAG_STRING)
            && value.checked_add(value_len)? == end
            && len.max(value_len) <= self.limits.max_element_bytes
        {
            self.draft.done_in_front(offset, name..name + len, value..end, self.input.front());
            self.context.tag_bytes = spent;
            self.input.use_up(end - self.input.at());
            return Some(());
        }
        let mut tag = TagDraft::at(offset);
        while here < end {
            let room = (end - here) as u64;
            let child = ebml::header(front.get(here..)?, room, self.context.widths).ok()?;
            let start = here + child.len;
            let len = usize::try_from(child.size?).ok()?;
            here = start.checked_add(len).filter(|child_end| *child_end <= end)?;
            match ids::kind(Master::SimpleTag, child.id) {
                Kind::Text(field @ (Field::TagName | Field::TagString))
                | Kind::Binary(field @ Field::TagBinary)
                    if len <= self.limits.max_element_bytes =>
                {
                    tag.take(field, Span::Front { start, len });
                }
                Kind::Skip => {}
                _ => return None,
            }
        }
        self.context.tag_bytes = spent;
        self.draft.finish_tag(tag, self.input.front());
        self.input.use_up(end - self.input.at());
        Some(())
    }
}

/// Where an element ends that begins at `at`.
#[inline]
fn end_of(at: usize, head: usize, size: u64) -> Option<usize> {
    at.checked_add(head)?.checked_add(usize::try_from(size).ok()?)
}
