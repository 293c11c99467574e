//! The element walk: which element stands at the front, what it opens, fills or ends.
//!
//! An element stays in the input until all of it that matters is there and sound; so after damage the
//! search for the next document can start at its very first byte. The walk keeps its own stack: depth in
//! the stream is never depth in the program.

use std::sync::Arc;

use crate::demuxer::{Demuxer, Flow, Open, State};
use crate::ebml::{
    self, DocumentHeader, Header, MAX_EBML_HEADER_BYTES, MAX_HEADER_BYTES, NoDocument, NoHeader, Widths,
};
use crate::event::{Document, Event};
use crate::ids::{self, Kind, Master};
use crate::{Error, ErrorKind};

/// The EBML header's id as it stands in the stream.
pub(crate) const MAGIC: [u8; 4] = [0x1A, 0x45, 0xDF, 0xA3];
/// Bytes that an EBML header and the element header behind it take at most.
pub(crate) const LOOKAHEAD_BYTES: usize = MAX_EBML_HEADER_BYTES + 2 * MAX_HEADER_BYTES;

impl Demuxer {
    /// Steps until there is something to tell, to wait for or to pass over.
    pub(crate) fn elements(&mut self) -> Flow {
        loop {
            let flow = self.element();
            // Blocks and tags at hand are taken without coming here.
            let at_hand = match self.stack.last() {
                Some(top) => matches!(top.master, Master::Segment | Master::Cluster),
                None => false,
            };
            let go_on = flow == Flow::Go && self.queue.is_empty() && !at_hand;
            if !go_on || !matches!(self.state, State::Element) {
                return flow;
            }
        }
    }

    /// One step at the start of an element or the end of a master.
    fn element(&mut self) -> Flow {
        let Some(top) = self.stack.last().copied() else {
            return self.between_documents();
        };
        let pos = self.input.pos();
        if pos == top.end {
            return self.close_top();
        }
        let mut scratch = [0; MAX_HEADER_BYTES];
        let bytes = self.input.peek(&mut scratch);
        if top.end == u64::MAX && bytes.starts_with(&MAGIC) {
            self.end_document(pos);
            return Flow::Go;
        }
        let header = match ebml::header(bytes, top.end - pos, self.context.widths) {
            Ok(header) => header,
            Err(NoHeader::Short { need, id }) => return Flow::Wait { need, id },
            Err(NoHeader::Invalid { reason, id }) => return self.invalid(id, reason),
        };
        let kind = ids::kind(top.master, header.id);
        if kind == Kind::Upper {
            return self.upper(top, header.id);
        }
        let Some(size) = header.size else {
            return match kind {
                Kind::Master(master) if master.may_be_unsized() => self.open(master, header, pos, top),
                _ => self.invalid(Some(header.id), "an element that may not have an unknown size"),
            };
        };
        if size > top.end - pos - header.len as u64 {
            return self.invalid(Some(header.id), "an element reaches past the end of its parent");
        }
        match kind {
            Kind::Master(Master::SimpleTag) if self.tag_at_hand(header, size, top).is_some() => Flow::Tag,
            Kind::Master(master) => self.open(master, header, pos, top),
            Kind::SimpleBlock | Kind::Block => self.block(header, size, kind == Kind::SimpleBlock),
            Kind::Skip if header.id == ids::CRC_32 && pos == top.body && top.sized => {
                self.checksum(header, size)
            }
            Kind::Skip | Kind::Upper => self.skip(header, size),
            Kind::Uint(field) => self.uint(field, header, size),
            Kind::Float(field) => self.float(field, header, size),
            Kind::Date(_) => self.date(header, size),
            Kind::Text(field) | Kind::Binary(field) => {
                self.buffered_value(field, header, size, matches!(kind, Kind::Text(_)))
            }
        }
    }

    /// Outside every Segment: an EBML header, its Segment, or filling between them.
    #[inline(never)]
    fn between_documents(&mut self) -> Flow {
        let mut scratch = [0; MAX_HEADER_BYTES];
        let bytes = self.input.peek(&mut scratch);
        let widths = match &self.pending {
            Some((_, document)) => document.widths,
            None => Widths::DEFAULT,
        };
        if !self.started {
            let known = bytes.len().min(MAGIC.len());
            if bytes[..known] != MAGIC[..known] {
                let kind = ErrorKind::NotMatroska;
                return self.give_up(Error { kind, offset: 0, path: String::new() });
            }
            if known < MAGIC.len() {
                return Flow::Wait { need: known + 1, id: None };
            }
            self.started = true;
        }
        if self.pending.is_none() && bytes.starts_with(&MAGIC) {
            return self.repeated_start().unwrap_or_else(|| self.document_header());
        }
        let header = match ebml::header(bytes, u64::MAX, widths) {
            Ok(header) => header,
            Err(NoHeader::Short { need, id }) => return Flow::Wait { need, id },
            Err(NoHeader::Invalid { reason, id }) => return self.invalid(id, reason),
        };
        match (header.id, header.size) {
            (ids::VOID | ids::CRC_32, Some(size)) => self.skip(header, size),
            (ids::SEGMENT, _) if self.pending.is_some() => self.segment(header),
            _ if self.pending.is_some() => {
                self.invalid(Some(header.id), "an EBML header without its Segment")
            }
            _ => self.invalid(Some(header.id), "an element outside a document"),
        }
    }

    fn document_header(&mut self) -> Flow {
        if let Some(document) = self.repeated_header() {
            self.pending = Some((self.input.pos(), document));
            self.advance(document.len);
            return Flow::Go;
        }
        let mut scratch = Vec::new();
        let bytes = self.input.peek_many(LOOKAHEAD_BYTES, &mut scratch);
        match ebml::document_header(bytes) {
            Ok(document) => {
                let offset = self.input.pos();
                let mismatch = self.header_mismatch(offset, &bytes[document.head..document.len]);
                self.keep_header(document);
                self.queue.extend(mismatch.map(Event::ChecksumMismatch));
                self.advance(document.len);
                self.pending = Some((offset, document));
                Flow::Go
            }
            Err(NoDocument::Short(need)) => Flow::Wait { need, id: Some(ids::EBML) },
            Err(NoDocument::Invalid(reason)) => self.invalid(Some(ids::EBML), reason),
        }
    }

    fn segment(&mut self, header: Header) -> Flow {
        if self.limits.max_depth == 0 {
            return self.limit(header.id, "max_depth", 1, 0);
        }
        let start = self.input.pos();
        let Some((offset, document)) = self.pending.take() else {
            return self.invalid(Some(header.id), "a Segment without its EBML header");
        };
        self.advance(header.len);
        let body = self.input.pos();
        let open = match header.size {
            None => Open::unsized_segment(start, body),
            Some(size) => {
                Open { master: Master::Segment, start, body, end: body.saturating_add(size), sized: true }
            }
        };
        self.begin_start(offset, document, &open);
        self.open_segment(offset, document, open);
        Flow::Go
    }

    /// A document begins whose EBML header stood at `offset`.
    pub(crate) fn open_segment(&mut self, offset: u64, document: DocumentHeader, open: Open) {
        let index = self.next_index;
        self.next_index += 1;
        self.document = Some(index);
        self.context.widths = document.widths;
        self.stack.push(open);
        self.queue.push_back(Event::Document(Document { index, offset, doc_type: document.doc_type }));
    }

    /// An element of an upper level ends a Cluster of unknown size; the documents' own are handled before.
    #[inline(never)]
    fn upper(&mut self, top: Open, id: u64) -> Flow {
        if top.master == Master::Cluster && !top.sized && id != ids::EBML && id != ids::SEGMENT {
            return self.close_top();
        }
        let reason = format!("an element that cannot stand inside {}", top.master.name());
        self.invalid(Some(id), reason)
    }

    #[inline(never)]
    fn open(&mut self, master: Master, header: Header, pos: u64, parent: Open) -> Flow {
        let depth = self.stack.len() + 1;
        if depth > self.limits.max_depth {
            return self.limit(header.id, "max_depth", depth as u64, self.limits.max_depth);
        }
        match master {
            Master::TrackEntry if self.context.tracks.len() >= self.limits.max_tracks => {
                let value = self.context.tracks.len() as u64 + 1;
                return self.limit(header.id, "max_tracks", value, self.limits.max_tracks);
            }
            Master::ContentEncoding if self.draft.encodings() >= self.limits.max_encodings => {
                let value = self.draft.encodings() as u64 + 1;
                return self.limit(header.id, "max_encodings", value, self.limits.max_encodings);
            }
            Master::SimpleTag if parent.master == Master::Tag => {
                if let Err(flow) = self.spend_tag_bytes(header) {
                    return flow;
                }
            }
            Master::Info | Master::Tracks => {
                if let Some(flow) = self.repeated(master, header) {
                    return flow;
                }
            }
            _ => {}
        }
        self.advance(header.len);
        let body = self.input.pos();
        let end = header.size.map(|size| body.saturating_add(size));
        let open = Open { master, start: pos, body, end: end.unwrap_or(parent.end), sized: end.is_some() };
        self.stack.push(open);
        self.begin(master, pos);
        Flow::Go
    }

    /// Counts an element against `max_tag_bytes`.
    pub(crate) fn spend_tag_bytes(&mut self, header: Header) -> Result<(), Flow> {
        let bytes = header.size.unwrap_or(0).saturating_add(header.len as u64);
        let value = self.context.tag_bytes.saturating_add(bytes);
        if value > self.limits.max_tag_bytes as u64 {
            return Err(self.limit(header.id, "max_tag_bytes", value, self.limits.max_tag_bytes));
        }
        self.context.tag_bytes = value;
        Ok(())
    }

    fn begin(&mut self, master: Master, pos: u64) {
        match master {
            Master::Info => self.draft.begin_info(),
            Master::Tracks => self.context.tracks_before = self.context.tracks.len(),
            Master::TrackEntry => self.draft.begin_track(),
            Master::Audio => self.draft.begin_audio(),
            Master::Video => self.draft.begin_video(),
            Master::ContentEncoding => self.draft.begin_encoding(),
            Master::Cluster => self.context.cluster_ns = None,
            Master::BlockGroup => self.draft.group.clear(),
            Master::Tag => self.draft.uids.clear(),
            Master::SimpleTag => self.draft.begin_tag(pos),
            _ => {}
        }
    }

    /// The innermost master is over.
    #[inline(never)]
    fn close_top(&mut self) -> Flow {
        let mut mismatch = self.mismatch();
        let Some(top) = self.stack.pop() else {
            return Flow::Go;
        };
        let mut flow = Flow::Go;
        match top.master {
            Master::Segment => {
                self.queue.extend(mismatch.take().map(Event::ChecksumMismatch));
                self.end_document(self.input.pos());
            }
            Master::Info => {
                if let Some(info) = self.draft.info.take().map(Arc::new) {
                    self.context.scale_to(&info);
                    self.keep_info(top.start, &info);
                    self.queue.push_back(Event::Info(info));
                }
            }
            Master::Tracks => self.keep_tracks(top.start, self.context.tracks_before),
            Master::TrackEntry => {
                if let Some(track) = self.draft.end_track().map(Arc::new) {
                    self.context.tracks.push(Arc::clone(&track));
                    self.queue.push_back(Event::Track(track));
                }
            }
            Master::SimpleTag if self.draft.end_tag(self.input.front()) => flow = Flow::Tag,
            Master::BlockGroup => self.end_group(),
            _ => {}
        }
        if let Some(mismatch) = mismatch {
            self.queue.push_back(Event::ChecksumMismatch(mismatch));
        }
        flow
    }

    #[inline(never)]
    pub(crate) fn skip(&mut self, header: Header, size: u64) -> Flow {
        let here = self.input.rest().len().saturating_sub(header.len);
        if let Some(size) = usize::try_from(size).ok().filter(|size| *size < here) {
            self.advance(header.len + size);
            return Flow::Go;
        }
        let start = self.input.pos();
        self.advance(header.len);
        let until = self.input.pos().saturating_add(size);
        self.state = State::Skip { start, id: header.id, until };
        Flow::Go
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn invalid(&mut self, id: Option<u64>, reason: impl Into<String>) -> Flow {
        self.damage(id, ErrorKind::InvalidElement { reason: reason.into() })
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn limit(&mut self, id: u64, limit: &'static str, value: u64, max: usize) -> Flow {
        self.damage(Some(id), ErrorKind::LimitExceeded { limit, value, max: max as u64 })
    }
}
