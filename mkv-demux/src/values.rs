//! Values of elements: numbers, floats, dates, texts and bytes, read from the input into the draft.
//!
//! A value stays in the input until all of it is there and sound. It must never know masters.

use bytes::Bytes;

use crate::Text;
use crate::demuxer::{Demuxer, Flow};
use crate::ebml::{self, Header, MAX_HEADER_BYTES};
use crate::event::{Cluster, Event};
use crate::ids::Field;
use crate::span::Span;

impl Demuxer {
    #[inline(never)]
    pub(crate) fn uint(&mut self, field: Field, header: Header, size: u64) -> Flow {
        if size > 8 {
            return self.invalid(Some(header.id), format!("a number of {size} bytes, at most 8"));
        }
        if field == Field::ClusterTimestamp && self.context.cluster_ns.is_some() {
            return self.invalid(Some(header.id), "a second Timestamp in a Cluster");
        }
        if field == Field::TagTrackUid && self.draft.uids.len() >= self.limits.max_tracks {
            let value = self.draft.uids.len() as u64 + 1;
            return self.limit(header.id, "max_tracks", value, self.limits.max_tracks);
        }
        let mut scratch = [0; MAX_HEADER_BYTES + 8];
        let bytes = match self.small_value(header, size, &mut scratch) {
            Ok(bytes) => bytes,
            Err(flow) => return flow,
        };
        let value = (!bytes.is_empty()).then(|| ebml::be(bytes));
        if field == Field::TimestampScale && value == Some(0) {
            return self.invalid(Some(header.id), "a TimestampScale of 0");
        }
        if field == Field::TagTrackUid
            && let Err(flow) = self.spend_tag_bytes(header)
        {
            return flow;
        }
        self.advance(header.len + bytes_len(size));
        if field == Field::ClusterTimestamp {
            self.cluster(value.unwrap_or(0));
        } else {
            self.draft.uint(field, value);
        }
        Flow::Go
    }

    fn cluster(&mut self, ticks: u64) {
        let ticks = i64::try_from(ticks).unwrap_or(i64::MAX);
        let timestamp_ns = ticks.saturating_mul(self.context.scale_ns);
        self.context.cluster_ns = Some(timestamp_ns);
        if let Some(open) = self.stack.last() {
            self.queue.push_back(Event::Cluster(Cluster { offset: open.start, timestamp_ns }));
        }
    }

    #[inline(never)]
    pub(crate) fn float(&mut self, field: Field, header: Header, size: u64) -> Flow {
        if !matches!(size, 0 | 4 | 8) {
            return self.invalid(Some(header.id), format!("a float of {size} bytes, not 0, 4 or 8"));
        }
        let mut scratch = [0; MAX_HEADER_BYTES + 8];
        let bytes = match self.small_value(header, size, &mut scratch) {
            Ok(bytes) => bytes,
            Err(flow) => return flow,
        };
        let value = ebml::float(bytes);
        self.advance(header.len + bytes_len(size));
        self.draft.float(field, value);
        Flow::Go
    }

    #[inline(never)]
    pub(crate) fn date(&mut self, header: Header, size: u64) -> Flow {
        if !matches!(size, 0 | 8) {
            return self.invalid(Some(header.id), format!("a date of {size} bytes, not 0 or 8"));
        }
        let mut scratch = [0; MAX_HEADER_BYTES + 8];
        let bytes = match self.small_value(header, size, &mut scratch) {
            Ok(bytes) => bytes,
            Err(flow) => return flow,
        };
        let value = ebml::be(bytes).cast_signed();
        self.advance(header.len + bytes_len(size));
        self.draft.date(value);
        Flow::Go
    }

    /// The payload of an element of at most 8 bytes, left in the input.
    pub(crate) fn small_value<'a>(
        &'a self,
        header: Header,
        size: u64,
        scratch: &'a mut [u8; MAX_HEADER_BYTES + 8],
    ) -> Result<&'a [u8], Flow> {
        let need = header.len + bytes_len(size);
        let short = Flow::Wait { need, id: Some(header.id) };
        self.input.peek(scratch).get(header.len..need).ok_or(short)
    }

    /// A string or binary value.
    #[inline(never)]
    pub(crate) fn buffered_value(&mut self, field: Field, header: Header, size: u64, is_text: bool) -> Flow {
        let max = self.limits.max_element_bytes;
        let size = match usize::try_from(size) {
            Ok(size) if size <= max => size,
            _ => return self.limit(header.id, "max_element_bytes", size, max),
        };
        let need = header.len.saturating_add(size);
        if self.input.len() < need {
            return Flow::Wait { need, id: Some(header.id) };
        }
        self.advance(header.len);
        if matches!(field, Field::TagName | Field::TagString | Field::TagBinary) {
            let span = match self.input.leaves(size) {
                false => Span::Front { start: self.input.at(), len: size },
                true => Span::Held(self.take(size)),
            };
            if let Span::Front { .. } = span {
                self.advance(size);
            }
            self.draft.tag_value(field, span);
            return Flow::Go;
        }
        // These are kept for long, and must not keep what was fed alive.
        let value = Bytes::copy_from_slice(&self.take(size));
        if is_text {
            self.draft.text(field, Text::of(value));
        } else {
            self.draft.binary(field, value);
        }
        Flow::Go
    }
}

/// A size of at most 8.
fn bytes_len(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
