//! Where a call survives the process that runs it: checkpoints, the lease on a call, and the log of its gate
//! events.
//!
//! One trait, [`Store`], three places: a directory, a table of DynamoDB, and the memory of this process for
//! those who want none. This room knows bytes. It knows no [`crate::call::Call`], no HTTP interface and no
//! policy: who takes over whose call when is decided by whoever asks.
//!
//! **Leases.** A call is held by one [`Lease`] at a time. It must be renewed before its time is over; then, or
//! after it was released, anybody may take the call. Every write names its lease and fails with
//! [`StoreError::LeaseLost`] once another holds the call, however late the write arrives.
//!
//! **Events** belong to nobody: any process adds them to any contact, known or not, and they are safe once
//! [`Store::add_event`] has returned.

pub mod directory;
pub mod dynamodb;
mod error;
mod hex;
mod memory;
mod open;
mod options;
mod pack;
mod seal;

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::time::{Span, Time};

pub use directory::Directory;
pub use dynamodb::DynamoDb;
pub use error::{StoreAction, StoreError};
pub use memory::Memory;
pub use open::{OpenError, open, storage};
pub use options::{StoreKind, StoreOptions, StoreOptionsError};
pub use seal::{Seal, Sealed};

/// Events of a contact that never had a call are kept for so long.
pub const EARLY_EVENTS: Span = Span::from_s(3600);
/// A call that was neither finished nor held for so long is given up. Whoever has to mend what keeps workers from it,
/// or to start one, has a week, weekend and holidays included; then what was said need not be kept any longer.
pub const ABANDONED: Span = Span::from_s(7 * 24 * 3600);
/// Longest contact id taken, bytes.
pub const MAX_CONTACT_BYTES: usize = 256;

/// The answer of a store, once it is there.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The clock that a store compares times with; the shell's, but for tests.
pub type StoreClock = Arc<dyn Fn() -> Time + Send + Sync>;

/// Keeps calls. Share it behind an `Arc`. What has been answered with `Ok` survives the process and, but for
/// [`Memory`], the machine.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Takes the lease on the call of a contact. A call that nobody has begun begins here, where the claim has
    /// what it is begun with.
    fn acquire<'a>(&'a self, contact: &'a str, claim: Claim<'a>) -> Pending<'a, Acquisition>;

    /// Holds the call for another [`Claim::ttl`] from now on. Needs no room on a disk.
    fn renew<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()>;

    /// Gives the call away unfinished: anybody may take it at once.
    fn release<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()>;

    /// The call is over. It is deleted by [`Store::sweep`] some hours later; until then nobody can begin it
    /// again.
    fn finish<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()>;

    /// Stores a checkpoint, as a whole or not at all. One with a sequence that is not higher than the stored
    /// one's changes nothing and counts as stored.
    fn save<'a>(&'a self, lease: &'a Lease, sequence: u64, checkpoint: &'a [u8]) -> Pending<'a, ()>;

    /// Adds an event to the log of a contact, whether it has a call or not. The same id twice is one event.
    fn add_event<'a>(&'a self, contact: &'a str, entry: &'a Entry) -> Pending<'a, ()>;

    /// The events of a contact behind this place of its log, in order of arrival, and the place behind them.
    /// Those next to the place may come again (readers pass over ids that they know). None is left out; in a table
    /// only one whose stamp is more than [`dynamodb::LOOK_BACK`] older than the clock of this machine when it
    /// arrives may be: the clock that stamped it is so far behind, or it came so late.
    fn events<'a>(&'a self, contact: &'a str, after: Cursor) -> Pending<'a, (Vec<Entry>, Cursor)>;

    /// Contacts with an unfinished call that nobody holds, at most `limit`. Another may be faster to take them.
    fn unfinished(&self, limit: usize) -> Pending<'_, Vec<String>>;

    /// Deletes what is over: calls that were finished long enough ago, events that no call ever came for, and
    /// calls that were abandoned. How many contacts were deleted.
    fn sweep(&self, now: Time) -> Pending<'_, u64>;

    /// Whether the store can be written to, and where it is: one line for people. Changes nothing that stays.
    fn probe(&self) -> Pending<'_, String>;
}

/// Who wants a call, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Names the process, for people.
    pub owner: &'a str,
    /// The lease ends so long after its last renewal.
    pub ttl: Span,
    /// What the call is begun with, where nobody has begun it yet. `None`: it is only taken over.
    pub start: Option<&'a [u8]>,
    /// A call that is finished begins anew with `start`; its events stay.
    pub reopen: bool,
}

impl<'a> Claim<'a> {
    /// A claim to a call that others have begun.
    #[must_use]
    pub const fn take_over(owner: &'a str, ttl: Span) -> Self {
        Self { owner, ttl, start: None, reopen: false }
    }

    /// A claim to a call that is begun with this, unless somebody has begun it already.
    #[must_use]
    pub const fn begin(owner: &'a str, ttl: Span, start: &'a [u8]) -> Self {
        Self { owner, ttl, start: Some(start), reopen: false }
    }
}

/// What became of a claim.
#[derive(Debug)]
#[non_exhaustive]
pub enum Acquisition {
    /// The call is ours.
    Acquired(Box<Held>),
    /// Another process holds it.
    HeldBy {
        /// Its name.
        owner: String,
        /// Its lease ends then, if it is not renewed.
        until: Time,
    },
    /// The call is over.
    Finished {
        /// What it was begun with; `None`: that is not known any more.
        start: Option<Vec<u8>>,
    },
    /// Nobody has begun it, and this claim does not.
    Unknown,
}

/// A call that is ours.
#[derive(Debug)]
pub struct Held {
    /// What all writes need.
    pub lease: Lease,
    /// What the call was begun with.
    pub start: Vec<u8>,
    /// When that was.
    pub begun: Time,
    /// It had been over, and began anew then: what its log says from before belongs to the former call.
    pub reopened: bool,
    /// Who held it before us left this; `None`: it begins now.
    pub before: Option<Before>,
}

/// What another life of the call left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// Its last sign of life: lease renewed, checkpoint stored, or released.
    pub died: Time,
    /// The last checkpoint, if one was stored.
    pub checkpoint: Option<Vec<u8>>,
}

/// The right to write to a call. Clones are the same lease. Where the store knows (a directory on the same
/// machine), the call is free as soon as the last clone is dropped, or its process ends.
#[derive(Debug, Clone)]
pub struct Lease {
    contact: String,
    /// Unlike that of any other lease.
    token: String,
    /// Counts the leases of the call.
    generation: u64,
    ttl: Span,
    /// Locked for the life of the lease; its time of modification is the last renewal.
    life: Option<Arc<File>>,
}

impl Lease {
    fn new(contact: &str, generation: u64, ttl: Span) -> Self {
        Self { contact: contact.to_owned(), token: random_id(), generation, ttl, life: None }
    }

    fn lost(&self) -> StoreError {
        StoreError::LeaseLost { contact: self.contact.clone() }
    }

    /// The contact whose call is held.
    #[must_use]
    pub fn contact(&self) -> &str {
        &self.contact
    }

    /// It ends so long after its last renewal.
    #[must_use]
    pub const fn ttl(&self) -> Span {
        self.ttl
    }
}

/// An event as it arrived.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Unlike that of any other arrival: letters, digits and `-`, at most 64.
    pub id: String,
    /// When it arrived.
    pub at: Time,
    /// What it is, for whoever reads it.
    pub body: Vec<u8>,
}

impl Entry {
    /// An event that arrives now, under an id of its own.
    #[must_use]
    pub fn new(at: Time, body: impl Into<Vec<u8>>) -> Self {
        Self { id: random_id(), at, body: body.into() }
    }

    /// Whether it can be stored at all.
    fn check(&self, contact: &str) -> Result<(), StoreError> {
        let good = !self.id.is_empty() && self.id.len() <= 64;
        if good && self.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Ok(());
        }
        let what = "the id of an event is letters, digits and `-`, at most 64".to_owned();
        Err(StoreError::Invalid { contact: contact.to_owned(), what })
    }
}

impl fmt::Debug for Entry {
    /// The body may hold telephone numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("id", &self.id).field("at", &self.at).finish_non_exhaustive()
    }
}

/// A place in the log of a contact; its meaning is the store's. The default is the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cursor(u64);

/// A random UUID. Without random numbers there is no TLS either, and nothing of this runs.
fn random_id() -> String {
    let mut bytes = [0; 16];
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// Contact ids come from outside.
fn check_contact(contact: &str) -> Result<(), StoreError> {
    if (1..=MAX_CONTACT_BYTES).contains(&contact.len()) {
        return Ok(());
    }
    let what = format!("a contact id has 1 to {MAX_CONTACT_BYTES} bytes, not {}", contact.len());
    Err(StoreError::Invalid { contact: crate::shell::http::one_line(contact, 40), what })
}
