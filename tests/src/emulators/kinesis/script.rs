//! What goes wrong: exceptions instead of an answer, and faults of a connection.

use bytes::Bytes;

/// An exception of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception {
    /// Its type, as in `x-amzn-ErrorType`.
    pub name: &'static str,
    /// HTTP status.
    pub status: u16,
}

impl Exception {
    /// No such stream.
    pub const NOT_FOUND: Self = Self { name: "ResourceNotFoundException", status: 404 };
    /// No or expired permission.
    pub const NOT_AUTHORIZED: Self = Self { name: "NotAuthorizedException", status: 401 };
    /// The endpoint is out of date: ask for it again.
    pub const INVALID_ENDPOINT: Self = Self { name: "InvalidEndpointException", status: 400 };
    /// Too many calls.
    pub const CLIENT_LIMIT: Self = Self { name: "ClientLimitExceededException", status: 400 };
    /// Too many connections to the stream.
    pub const CONNECTION_LIMIT: Self = Self { name: "ConnectionLimitExceededException", status: 400 };
    /// 403: the signature is wrong or too old.
    pub const SIGNATURE: Self = Self { name: "InvalidSignatureException", status: 403 };
    /// The request makes no sense.
    pub const INVALID_ARGUMENT: Self = Self { name: "InvalidArgumentException", status: 400 };
}

/// A fault of the next connection. `after` counts the fragments it has delivered whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The request is refused.
    Refuse(Exception),
    /// The answer ends as if all were well.
    Eof {
        /// Fragments before.
        after: usize,
    },
    /// The connection breaks in the middle of the next fragment.
    Reset {
        /// Fragments before.
        after: usize,
    },
    /// Nothing more comes, and the connection stays open.
    Stall {
        /// Fragments before.
        after: usize,
    },
    /// Bytes that mean nothing; then the fragments go on.
    Garbage {
        /// Fragments before.
        after: usize,
        /// The bytes.
        bytes: Bytes,
    },
    /// The document with an error of this id, then the end.
    Error {
        /// Fragments before.
        after: usize,
        /// `AWS_KINESISVIDEO_ERROR_ID`, 3002 to 5000.
        id: u16,
    },
}

impl Fault {
    /// Fragments before it strikes; `None` for a refusal.
    pub(super) fn after(&self) -> Option<usize> {
        match self {
            Self::Refuse(_) => None,
            Self::Eof { after }
            | Self::Reset { after }
            | Self::Stall { after }
            | Self::Garbage { after, .. }
            | Self::Error { after, .. } => Some(*after),
        }
    }
}

/// The document that reports an error inside a good answer (GetMedia, "ERROR_ID").
pub(super) fn error_document(id: u16) -> Bytes {
    let code = match id {
        3002 => "Error writing to the stream",
        4000 => "Requested fragment is not found",
        4500 => "Access denied for the stream's specified KMS key",
        4501 => "Stream's specified KMS key is disabled",
        4502 => "Validation error on the stream's specified KMS key",
        4503 => "KMS key specified for the stream is unavailable",
        4504 => "Invalid usage of the KMS key specified for the stream",
        4505 => "Invalid state of the KMS key specified for the stream",
        4506 => "Unable to find the KMS key specified for the stream",
        _ => "Internal error",
    };
    let mut document = fixtures::kinesis::Written::default();
    document.push_error(code, &id.to_string());
    Bytes::from(document.bytes)
}
