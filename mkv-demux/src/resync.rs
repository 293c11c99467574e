//! After damage: finding the next document by its structure.
//!
//! Audio may hold the four bytes of an EBML header by chance, so those alone prove nothing: the whole
//! header must parse, name a Matroska document, and be followed by a Segment. The search holds no more than
//! that much of the stream. It must never know what was wrong.

use crate::demuxer::{Demuxer, Flow, State};
use crate::ebml::{self, MAX_HEADER_BYTES, NoDocument, NoHeader};
use crate::event::{Event, Gap};
use crate::ids;
use crate::walk::{LOOKAHEAD_BYTES, MAGIC};
use crate::{Error, ErrorKind};

impl Demuxer {
    /// The element at the front, of the given id as far as that could be read, is damaged: ends the
    /// document there and starts the search.
    pub(crate) fn damage(&mut self, id: Option<u64>, kind: ErrorKind) -> Flow {
        let offset = self.input.pos();
        let error = Error { kind, offset, path: self.path(id.as_slice()) };
        // An EBML header where none may be is damage to the document around it, and may well be the start
        // of the next one. Anything else is passed over, or the search could find the same fault again.
        let may_start_here = id == Some(ids::EBML) && (!self.stack.is_empty() || self.pending.is_some());
        self.end_document(offset);
        if !may_start_here {
            self.input.skip(1);
        }
        self.state = State::Resync(error);
        Flow::Go
    }

    /// Passes over bytes up to the next document.
    pub(crate) fn resync(&mut self) -> Flow {
        loop {
            let front = self.input.rest();
            let Some(at) = front.iter().position(|byte| *byte == MAGIC[0]) else {
                if front.is_empty() {
                    return Flow::Wait { need: 1, id: None };
                }
                self.input.skip(front.len());
                continue;
            };
            self.input.skip(at);
            match self.candidate() {
                Candidate::Document => {
                    self.found();
                    return Flow::Go;
                }
                Candidate::Short(need) if !self.finished => return Flow::Wait { need, id: None },
                Candidate::Short(_) | Candidate::No => self.input.skip(1),
            }
        }
    }

    fn candidate(&self) -> Candidate {
        let mut scratch = [0; MAX_HEADER_BYTES];
        let start = self.input.peek(&mut scratch);
        let known = start.len().min(MAGIC.len());
        if start[..known] != MAGIC[..known] {
            return Candidate::No;
        }
        if known < MAGIC.len() {
            return Candidate::Short(known + 1);
        }
        let mut scratch = Vec::new();
        let bytes = self.input.peek_many(LOOKAHEAD_BYTES, &mut scratch);
        let document = match ebml::document_header(bytes) {
            Ok(document) => document,
            Err(NoDocument::Short(need)) => return Candidate::Short(need),
            Err(NoDocument::Invalid(_)) => return Candidate::No,
        };
        match ebml::header(&bytes[document.len..], u64::MAX, document.widths) {
            Ok(header) if header.id == ids::SEGMENT => Candidate::Document,
            Err(NoHeader::Short { need, id: None | Some(ids::SEGMENT) }) => {
                Candidate::Short(document.len + need)
            }
            _ => Candidate::No,
        }
    }

    fn found(&mut self) {
        if let State::Resync(error) = std::mem::take(&mut self.state) {
            let (from, to) = (error.offset, self.input.pos());
            self.queue.push_back(Event::Gap(Gap { from, to, error }));
        }
    }
}

enum Candidate {
    Document,
    /// So many bytes are necessary to tell.
    Short(usize),
    No,
}
