//! What goes wrong.

/// An exception of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception {
    /// Its type, as in `x-amzn-ErrorType` or `__type`.
    pub name: &'static str,
    /// HTTP status.
    pub status: u16,
}

impl Exception {
    /// No permission, as Connect says it.
    pub const ACCESS_DENIED: Self = Self { name: "AccessDeniedException", status: 403 };
    /// No such contact, instance or secret, as Connect says it.
    pub const NOT_FOUND: Self = Self { name: "ResourceNotFoundException", status: 404 };
    /// Too many calls, as Connect says it.
    pub const THROTTLING: Self = Self { name: "ThrottlingException", status: 429 };
    /// The service failed.
    pub const INTERNAL: Self = Self { name: "InternalServiceException", status: 500 };
    /// The signature is wrong or too old.
    pub const SIGNATURE: Self = Self { name: "InvalidSignatureException", status: 403 };
    /// The request makes no sense.
    pub const INVALID: Self = Self { name: "InvalidRequestException", status: 400 };
}

/// A fault of the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused.
    Refuse(Exception),
    /// No answer ever comes.
    Silence,
    /// The connection breaks instead of an answer.
    Cut,
    /// A body that is no JSON, with status 200.
    Garbage,
}
