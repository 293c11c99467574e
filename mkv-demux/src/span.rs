//! Bytes left where they lie in the input, and the SimpleTag that is put together from them.
//!
//! It must never know which bytes are tags.

use bytes::Bytes;

use crate::borrowed::Piece;
use crate::ids::Field;
use crate::text::{Fixed, fixed};

#[derive(Debug, Default)]
pub(crate) struct TagDraft {
    pub(crate) offset: u64,
    pub(crate) name: Span,
    pub(crate) value: Span,
    pub(crate) binary: bool,
}

/// Bytes of the stream: where they are in the input's first buffer, until that is left behind.
#[derive(Debug)]
pub(crate) enum Span {
    Front { start: usize, len: usize },
    Held(Bytes),
}

impl Default for Span {
    fn default() -> Self {
        Self::Front { start: 0, len: 0 }
    }
}

impl TagDraft {
    pub(crate) fn at(offset: u64) -> Self {
        Self { offset, ..Self::default() }
    }

    /// Takes TagName, TagString or TagBinary.
    pub(crate) fn take(&mut self, field: Field, span: Span) {
        if field == Field::TagName {
            self.name = span;
        } else {
            self.value = span;
            self.binary = field == Field::TagBinary;
        }
    }
}

impl Span {
    pub(crate) fn piece<'a>(&'a self, front: &'a Bytes) -> Piece<'a> {
        match self {
            Self::Front { start, len } => {
                let bytes = front.get(*start..*start + *len).unwrap_or_default();
                Piece { bytes, source: front }
            }
            Self::Held(bytes) => Piece { bytes, source: bytes },
        }
    }

    pub(crate) fn hold(&mut self, front: &Bytes) {
        if let Self::Front { .. } = self {
            *self = Self::Held(front.slice_ref(self.piece(front).bytes));
        }
    }

    /// Makes it text.
    pub(crate) fn fix(&mut self, front: &Bytes) {
        match (fixed(self.piece(front).bytes), &mut *self) {
            (Fixed::AsItIs, _) => {}
            (Fixed::Shorter(text), Self::Front { len, .. }) => *len = text,
            (Fixed::Shorter(text), Self::Held(bytes)) => bytes.truncate(text),
            (Fixed::Replaced(text), _) => *self = Self::Held(text.into()),
        }
    }
}
