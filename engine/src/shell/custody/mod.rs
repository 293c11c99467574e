//! Who has a call: takes it in the store, keeps it while it runs, brings it what others were told of it.
//!
//! Between the store, which knows bytes, and the driver, which knows the call. A call that is taken is a
//! [`Life`] of it: what it was begun with, what the life before left, and all letters to it so far.

mod inbox;
mod keeper;
mod letter;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::call::{Absence, Checkpoint, CheckpointError};
use crate::shell::clock;
use crate::shell::metrics;
use crate::shell::payload::{Payload, PayloadError};
use crate::shell::store::{
    ABANDONED, Acquisition, Claim, Entry, Held, Lease, Store, StoreAction, StoreError, StoreOptions,
};
use crate::time::{Span, Time};

pub(crate) use inbox::Inbox;
pub(crate) use keeper::{Keeper, Kept};
pub use letter::{Letter, Matter};

use inbox::{Logs, Reader};

/// The store as the calls of this process use it.
#[derive(Debug)]
pub struct Custody {
    store: Arc<dyn Store>,
    options: StoreOptions,
    owner: String,
    lasting: bool,
    started: Time,
    listening: OnceLock<Time>,
}

/// What became of the wish to have a call.
#[derive(Debug)]
#[non_exhaustive]
pub enum Taken {
    /// It is ours.
    Ours(Box<Life>),
    /// Another process has it.
    HeldBy {
        /// Which.
        owner: String,
        /// Its lease ends then, if it is not renewed.
        until: Time,
    },
    /// It is over.
    Finished,
    /// Nobody has begun it.
    Unknown,
    /// It failed for good where it ran, and nobody has started it again.
    Failed,
}

/// One life of a call: it begins, or goes on where another process left it.
#[derive(Debug)]
pub struct Life {
    /// What it was begun with.
    pub payload: Payload,
    /// What the life before stored last.
    pub checkpoint: Option<Checkpoint>,
    /// When nobody held it; `None`: this is its first life.
    pub absence: Option<Absence>,
    /// What it was told until now, in order of arrival.
    pub past: Vec<Letter>,
    lease: Lease,
    taken: Time,
    reader: Reader,
    logs: Logs,
}

/// Why a call cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the life before left cannot be understood.
    #[error("call {contact}: {source}")]
    Checkpoint {
        /// The contact.
        contact: String,
        /// Why.
        source: CheckpointError,
    },
    /// What the call was begun with cannot be understood.
    #[error("call {contact}: what it was begun with cannot be read: {source}")]
    Start {
        /// The contact.
        contact: String,
        /// Why.
        source: PayloadError,
    },
}

impl TakeError {
    /// Whether only time is needed.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Store(error) if error.action() == StoreAction::Retry)
    }
}

impl Custody {
    /// Calls are kept in this store. `lasting`: it outlives the process.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, options: StoreOptions, lasting: bool) -> Self {
        let owner = format!("{}, process {}", host(), std::process::id());
        let (started, listening) = (clock::now(), OnceLock::new());
        Self { store, options, owner, lasting, started, listening }
    }

    /// What is stored outlives this process, so that another can go on with its calls.
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        self.lasting
    }

    /// The options of the store.
    #[must_use]
    pub const fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// Where nothing outlives the process, nobody else can ever take a call.
    fn ttl(&self) -> Span {
        if self.lasting { self.options.ttl() } else { ABANDONED }
    }

    /// The store itself.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Gate events are taken over HTTP from now on.
    pub fn listens(&self) {
        let _ = self.listening.set(clock::now());
    }

    /// Begins the call of this payload, or goes on with it where another process left it. `anew`: one that is
    /// over begins once more; so it does where the payload names a stream that it did not know.
    ///
    /// # Errors
    /// The store fails, or what it holds cannot be understood.
    pub async fn begin(&self, payload: &Payload, anew: bool) -> Result<Taken, TakeError> {
        let contact = payload.contact_id.as_str();
        let begin = Claim::begin(&self.owner, self.ttl(), payload.text.reveal());
        let mut claim = Claim { reopen: anew, ..begin };
        let mut taken = clock::now();
        let mut acquired = self.store.acquire(contact, claim).await?;
        if let Acquisition::Finished { start } = &acquired {
            if self.knows(contact, start.as_deref(), payload).await? {
                return Ok(Taken::Finished);
            }
            claim.reopen = true;
            taken = clock::now();
            acquired = self.store.acquire(contact, claim).await?;
        }
        let taken = self.taken(contact, acquired, taken).await?;
        let Taken::Ours(mut life) = taken else { return Ok(taken) };
        match self.start_again(&mut life, payload).await {
            Ok(()) => Ok(Taken::Ours(life)),
            Err(error) => {
                // Whoever asks again gets it at once.
                let _ = self.store.release(&life.lease).await;
                Err(error.into())
            }
        }
    }

    /// What the next life must know of this start, besides what the call was begun with.
    async fn start_again(&self, life: &mut Life, payload: &Payload) -> Result<(), StoreError> {
        if let Some(failed) = failed(&life.past) {
            // Whoever wrote that may have a clock that is ahead.
            let at = clock::now().max(failed + Span::from_us(1));
            let (letter, entry) = Letter::new(at, Matter::StartedAgain);
            self.store.add_event(life.contact(), &entry).await?;
            life.past.push(letter);
        }
        if !life.knows(payload) {
            let (letter, entry) = self.letter(Matter::Segment(Box::new(payload.clone())));
            self.store.add_event(life.contact(), &entry).await?;
            life.past.push(letter);
        }
        Ok(())
    }

    /// Goes on with a call that another process left.
    ///
    /// # Errors
    /// As [`Custody::begin`].
    pub async fn take_over(&self, contact: &str) -> Result<Taken, TakeError> {
        // Looked at before it is taken: a lease is a sign of life, and a call that failed is to be forgotten in time.
        let mut reader = Reader::new(Arc::clone(&self.store));
        if failed(&reader.read(&Logs::new(contact, None, Time::MIN)).await?).is_some() {
            return Ok(Taken::Failed);
        }
        let claim = Claim::take_over(&self.owner, self.ttl());
        let taken = clock::now();
        let acquired = self.store.acquire(contact, claim).await?;
        match self.taken(contact, acquired, taken).await? {
            // It did meanwhile.
            Taken::Ours(life) if failed(&life.past).is_some() => {
                self.let_go(*life).await;
                Ok(Taken::Failed)
            }
            taken => Ok(taken),
        }
    }

    /// The call failed for good here. It is free for whoever starts it again, once what is wrong is mended.
    pub(crate) async fn failed(&self, contact: &str) {
        let (_, entry) = self.letter(Matter::Failed);
        // Without it other workers try it too, and find out by themselves.
        let _ = self.post(contact, &entry).await;
    }

    /// A letter that arrives now, and its form in the store.
    #[must_use]
    pub fn letter(&self, matter: Matter) -> (Letter, Entry) {
        Letter::new(clock::now(), matter)
    }

    /// Stores a letter to the call of this contact, whoever has it. It is safe on return.
    ///
    /// # Errors
    /// The store fails: whoever sent it should send it again.
    pub async fn post(&self, contact: &str, entry: &Entry) -> Result<(), StoreError> {
        let stored = self.store.add_event(contact, entry).await;
        if let Err(error) = &stored {
            metrics::store_failed("event");
            tracing::error!(%error, "an event cannot be stored");
        }
        stored
    }

    /// Tells whoever has the call of the stream that this payload names; he may know it.
    ///
    /// # Errors
    /// As [`Custody::post`].
    pub async fn hand_on(&self, payload: &Payload) -> Result<(), StoreError> {
        let (_, entry) = self.letter(Matter::Segment(Box::new(payload.clone())));
        self.post(&payload.contact_id, &entry).await
    }

    /// Gives a call away that was taken and not driven.
    pub async fn let_go(&self, life: Life) {
        if let Err(error) = self.store.release(&life.lease).await {
            tracing::warn!(%error, "the call could not be released: it is free when its lease is over");
        }
    }

    /// Whether a finished call knew the stream of this payload.
    async fn knows(&self, contact: &str, start: Option<&[u8]>, payload: &Payload) -> Result<bool, TakeError> {
        let begun = start.and_then(|start| Payload::parse(start).ok());
        if begun.is_some_and(|begun| begun.segment == payload.segment) {
            return Ok(true);
        }
        let mut reader = Reader::new(Arc::clone(&self.store));
        let letters = reader.read(&Logs::new(contact, None, Time::MIN)).await?;
        Ok(letters.iter().any(|letter| letter.names(payload)))
    }

    async fn taken(&self, contact: &str, acquired: Acquisition, taken: Time) -> Result<Taken, TakeError> {
        let held = match acquired {
            Acquisition::Acquired(held) => held,
            Acquisition::HeldBy { owner, until } => return Ok(Taken::HeldBy { owner, until }),
            Acquisition::Finished { .. } => return Ok(Taken::Finished),
            Acquisition::Unknown => return Ok(Taken::Unknown),
        };
        let lease = held.lease.clone();
        match self.life(contact, *held, taken).await {
            Ok(life) => Ok(Taken::Ours(Box::new(life))),
            Err(error) => {
                // Another may understand it; the reason for this is the one to be told.
                let _ = self.store.release(&lease).await;
                Err(error)
            }
        }
    }

    async fn life(&self, contact: &str, held: Held, taken: Time) -> Result<Life, TakeError> {
        let named = || contact.to_owned();
        let (mut stored, mut absence) = (None, None);
        if let Some(before) = held.before {
            let listening = self.listening.get().copied().unwrap_or(self.started);
            let found = Absence { died: before.died, listening };
            if found.listening > found.died {
                // Before anything else is done with the call: this process may die before it stores a checkpoint.
                let (_, entry) = self.letter(Matter::Absent(found));
                self.store.add_event(contact, &entry).await?;
            }
            absence = Some(found);
            stored = before.checkpoint;
        }
        let payload =
            Payload::parse(&held.start).map_err(|source| TakeError::Start { contact: named(), source })?;
        let checkpoint = stored.as_deref().map(Checkpoint::from_json).transpose();
        let checkpoint = checkpoint.map_err(|source| TakeError::Checkpoint { contact: named(), source })?;
        let key = payload.key().or(checkpoint.as_ref().and_then(Checkpoint::key));
        let mut logs = Logs::new(contact, key, payload.segment.start.unwrap_or(held.begun));
        let contacts: Vec<_> = checkpoint.iter().flat_map(Checkpoint::contacts).map(str::to_owned).collect();
        logs.add(&contacts, None);
        let mut reader = Reader::new(Arc::clone(&self.store));
        let mut past = reader.read(&logs).await?;
        if held.reopened {
            // A stream that a call of this contact read before it began anew is not read again.
            past.retain(|letter| letter.at >= held.begun || matches!(letter.matter, Matter::Gate(..)));
        }
        Ok(Life { payload, checkpoint, absence, past, lease: held.lease, taken, reader, logs })
    }
}

/// When the call failed for good, unless somebody has started it again since.
fn failed(past: &[Letter]) -> Option<Time> {
    let last = past.iter().rfind(|letter| matches!(letter.matter, Matter::Failed | Matter::StartedAgain))?;
    matches!(last.matter, Matter::Failed).then_some(last.at)
}

impl Letter {
    /// It says that the call goes on in the stream of this payload.
    fn names(&self, payload: &Payload) -> bool {
        matches!(&self.matter, Matter::Segment(other) if other.segment == payload.segment)
    }
}

impl Life {
    /// The contact whose call it is.
    #[must_use]
    pub fn contact(&self) -> &str {
        self.lease.contact()
    }

    /// The streams that it is known to be in.
    #[must_use]
    pub fn starts(&self) -> Vec<Payload> {
        let further = self.past.iter().filter_map(|letter| match &letter.matter {
            Matter::Segment(payload) => Some(payload.as_ref().clone()),
            _ => None,
        });
        [self.payload.clone()].into_iter().chain(further).collect()
    }

    fn knows(&self, payload: &Payload) -> bool {
        self.payload.segment == payload.segment || self.past.iter().any(|letter| letter.names(payload))
    }

    /// Keeps the call from here on, and looks for letters to it. `may_repeat`: after a death messages may be posted
    /// twice.
    pub(crate) fn keep(self, custody: &Custody, may_repeat: bool) -> (Keeper, Inbox) {
        let options = custody.options();
        let renew_every = options.renew_every();
        let keeper = Keeper::new(custody.store(), self.lease, self.taken, renew_every, may_repeat);
        let every = Duration::from_millis(u64::from(options.event_poll_ms));
        (keeper, Inbox::new(self.reader, self.logs, every))
    }
}

/// What this machine calls itself, for people.
fn host() -> String {
    let said = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    let kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    said.or_else(kernel).map_or_else(|| "a machine".to_owned(), |name| name.trim().to_owned())
}
