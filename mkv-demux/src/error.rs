//! What can be wrong with a stream, and where.

use std::fmt;

/// A fault in the stream: what, at which byte, inside which elements.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Absolute byte offset of the element at fault.
    pub offset: u64,
    /// The elements around the fault from the outside in, e.g. `Segment/Cluster/SimpleBlock`; empty at the
    /// top level. Unknown elements appear as their hexadecimal id.
    pub path: String,
}

/// The kinds of fault.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The stream does not begin with an EBML header.
    NotMatroska,
    /// The stream ends inside an element.
    Truncated {
        /// Bytes missing at least, as far as sizes are known.
        missing: u64,
    },
    /// An element id or size is not valid EBML, or a size does not fit its parent.
    InvalidElement {
        /// What is wrong, for people.
        reason: String,
    },
    /// A block header or lace is not valid.
    InvalidBlock {
        /// What is wrong, for people.
        reason: String,
    },
    /// A limit given to the constructor was passed.
    LimitExceeded {
        /// Name of the limit, as the builder's method spells it.
        limit: &'static str,
        /// The value found.
        value: u64,
        /// The value allowed.
        max: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ErrorKind::NotMatroska => write!(f, "not a Matroska stream: no EBML header")?,
            ErrorKind::Truncated { missing } => {
                write!(f, "the stream ends inside an element, at least {missing} bytes early")?;
            }
            ErrorKind::InvalidElement { reason } => write!(f, "invalid element: {reason}")?,
            ErrorKind::InvalidBlock { reason } => write!(f, "invalid block: {reason}")?,
            ErrorKind::LimitExceeded { limit, value, max } => {
                write!(f, "limit {limit} exceeded: {value}, at most {max} allowed")?;
            }
        }
        write!(f, " (byte {}", self.offset)?;
        if !self.path.is_empty() {
            write!(f, ", in {}", self.path)?;
        }
        write!(f, ")")
    }
}

impl std::error::Error for Error {}
