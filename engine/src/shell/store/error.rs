//! What goes wrong between a call and its store, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::shell::aws::{AwsAction, AwsError};

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreAction {
    /// Try again: the store may be back, or have room again.
    Retry,
    /// This write will never succeed; others may.
    Drop,
    /// Nothing will succeed until somebody changes something.
    Fatal,
}

/// A failed operation. It never holds what was to be stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process holds the call: nothing may be written, and nothing posted, any more.
    #[error("the lease on call {contact} is lost: another process holds it; nothing of it is written here")]
    LeaseLost {
        /// The contact.
        contact: String,
    },
    /// A file or folder.
    #[error("cannot {what} {}: {source}; {}", path.display(), advice(source))]
    File {
        /// What was to be done.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process is slow to let go of a folder.
    #[error("{} stays locked by another process; look for one that hangs", path.display())]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// What is there is not what was stored.
    #[error("{place} is damaged: {what}; it is left as it is")]
    Damaged {
        /// A file or an item.
        place: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// What is stored cannot be opened with the key that is configured.
    #[error("the {kind} of call {contact} cannot be opened: {what}; nothing is changed")]
    Sealed {
        /// The contact.
        contact: String,
        /// `checkpoint`, `start` or `event`.
        kind: &'static str,
        /// Why, and what to do.
        what: &'static str,
    },
    /// It does not fit.
    #[error("the {kind} of call {contact} has {bytes} bytes, packed; {limit} can be stored")]
    TooLarge {
        /// The contact.
        contact: String,
        /// `checkpoint`, `start` or `event`.
        kind: &'static str,
        /// Size.
        bytes: usize,
        /// The most.
        limit: usize,
    },
    /// A contact or event that cannot be.
    #[error("call {contact}: {what}")]
    Invalid {
        /// The contact.
        contact: String,
        /// What is wrong.
        what: String,
    },
    /// DynamoDB.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The table is not as it should be.
    #[error("the table {table} {what}; make it as deploy/store.yaml does")]
    Table {
        /// Its name.
        table: String,
        /// What is wrong with it.
        what: String,
    },
    /// A fault of this program.
    #[error("the store failed inside: {0}")]
    Inside(String),
}

impl StoreError {
    /// What to do about it.
    #[must_use]
    pub fn action(&self) -> StoreAction {
        match self {
            Self::File { .. } | Self::Busy { .. } | Self::Inside(_) => StoreAction::Retry,
            Self::Aws(error) => match error.action() {
                AwsAction::Retry => StoreAction::Retry,
                AwsAction::Fatal => StoreAction::Fatal,
            },
            Self::TooLarge { .. } | Self::Invalid { .. } => StoreAction::Drop,
            Self::LeaseLost { .. } | Self::Damaged { .. } | Self::Sealed { .. } | Self::Table { .. } => {
                StoreAction::Fatal
            }
        }
    }

    /// Another process holds the call.
    #[must_use]
    pub const fn is_lease_lost(&self) -> bool {
        matches!(self, Self::LeaseLost { .. })
    }

    pub(super) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { what, path, source }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room there; what was stored before is untouched"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "let this user write there, or set [store] directory"
        }
        io::ErrorKind::Unsupported => {
            "this file system has no file locks; set [store] directory to one that has"
        }
        _ => "check the disk and [store] directory",
    }
}
