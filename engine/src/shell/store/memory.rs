//! Keeps everything in the memory of this process: for `kind = "none"`, where only gate events that come before
//! their call matter, and for tests. Bounded, and gone with the process.

use std::collections::HashMap;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::time::{Span, Time};

use super::{
    ABANDONED, Acquisition, Before, Claim, Cursor, EARLY_EVENTS, Entry, Held, Lease, Pending, Store,
    StoreClock, StoreError, check_contact,
};

/// Contacts kept at once.
const MAX_CONTACTS: usize = 16_384;
/// Events kept of one contact.
const MAX_EVENTS: usize = 4_096;

/// The store that is none.
pub struct Memory {
    kept: Mutex<HashMap<String, Kept>>,
    keep: Span,
    clock: StoreClock,
}

#[derive(Default)]
struct Kept {
    call: Option<Call>,
    events: Vec<Entry>,
}

struct Call {
    start: Vec<u8>,
    begun: Time,
    reopened: bool,
    /// Of the lease, until then.
    holder: Option<(String, String, Time)>,
    generation: u64,
    sign: Time,
    checkpoint: Option<(u64, Vec<u8>)>,
    finished: Option<Time>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("contacts", &self.kept().len()).finish_non_exhaustive()
    }
}

impl Memory {
    /// An empty one. Finished calls are remembered for `keep`.
    #[must_use]
    pub fn new(keep: Span, clock: StoreClock) -> Self {
        Self { kept: Mutex::default(), keep, clock }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        // Every change is one assignment or one push: whoever panicked left it whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Time {
        (self.clock)()
    }

    /// The contact's place, made where there is none.
    fn place<'a>(
        &self,
        kept: &'a mut HashMap<String, Kept>,
        contact: &str,
    ) -> Result<&'a mut Kept, StoreError> {
        check_contact(contact)?;
        if !kept.contains_key(contact) && kept.len() >= MAX_CONTACTS {
            self.forget(kept, self.now());
            if kept.len() >= MAX_CONTACTS {
                return Err(StoreError::Inside(format!(
                    "{MAX_CONTACTS} contacts are kept in memory already"
                )));
            }
        }
        Ok(kept.entry(contact.to_owned()).or_default())
    }

    fn forget(&self, kept: &mut HashMap<String, Kept>, now: Time) -> u64 {
        let before = kept.len();
        kept.retain(|_, kept| match &kept.call {
            Some(Call { finished: Some(at), .. }) => now < *at + self.keep,
            Some(Call { sign, .. }) => now < *sign + ABANDONED,
            None => kept.events.last().is_some_and(|event| now < event.at + EARLY_EVENTS),
        });
        (before - kept.len()) as u64
    }

    fn take(&self, contact: &str, claim: Claim<'_>) -> Result<Acquisition, StoreError> {
        let now = self.now();
        let mut all = self.kept();
        if claim.start.is_none() && all.get(contact).is_none_or(|kept| kept.call.is_none()) {
            return Ok(Acquisition::Unknown);
        }
        let kept = self.place(&mut all, contact)?;
        let reopened = claim.reopen && kept.call.take_if(|call| call.finished.is_some()).is_some();
        let new = kept.call.is_none();
        let call = kept.call.get_or_insert_with(|| Call {
            start: claim.start.unwrap_or_default().to_vec(),
            begun: now,
            reopened,
            holder: None,
            generation: 0,
            sign: now,
            checkpoint: None,
            finished: None,
        });
        if call.finished.is_some() {
            return Ok(Acquisition::Finished { start: Some(call.start.clone()) });
        }
        if let Some((_, owner, until)) = call.holder.as_ref().filter(|(.., until)| now < *until) {
            return Ok(Acquisition::HeldBy { owner: owner.clone(), until: *until });
        }
        call.generation += 1;
        let lease = Lease::new(contact, call.generation, claim.ttl);
        call.holder = Some((lease.token.clone(), claim.owner.to_owned(), now + claim.ttl));
        let died = std::mem::replace(&mut call.sign, now);
        let checkpoint = call.checkpoint.as_ref().map(|(_, bytes)| bytes.clone());
        let before = (!new).then_some(Before { died, checkpoint });
        let (start, begun, reopened) = (call.start.clone(), call.begun, call.reopened);
        Ok(Acquisition::Acquired(Box::new(Held { lease, start, begun, reopened, before })))
    }

    /// Changes the call that this lease holds.
    fn change(&self, lease: &Lease, change: impl FnOnce(&mut Call, Time)) -> Pending<'static, ()> {
        let now = self.now();
        let mut all = self.kept();
        let call = all.get_mut(&lease.contact).and_then(|kept| kept.call.as_mut());
        let ours = |c: &&mut Call| c.holder.as_ref().is_some_and(|(token, ..)| *token == lease.token);
        let changed = match call.filter(ours) {
            Some(call) => {
                call.sign = now;
                change(call, now);
                Ok(())
            }
            None => Err(lease.lost()),
        };
        Box::pin(ready(changed))
    }
}

impl Store for Memory {
    fn acquire<'a>(&'a self, contact: &'a str, claim: Claim<'a>) -> Pending<'a, Acquisition> {
        Box::pin(ready(self.take(contact, claim)))
    }

    fn renew<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()> {
        self.change(lease, |call, now| {
            if let Some((.., until)) = &mut call.holder {
                *until = now + lease.ttl;
            }
        })
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()> {
        self.change(lease, |call, _| call.holder = None)
    }

    fn finish<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()> {
        self.change(lease, |call, now| {
            call.holder = None;
            call.checkpoint = None;
            call.finished = Some(now);
        })
    }

    fn save<'a>(&'a self, lease: &'a Lease, sequence: u64, checkpoint: &'a [u8]) -> Pending<'a, ()> {
        self.change(lease, |call, _| {
            if call.checkpoint.as_ref().is_none_or(|(stored, _)| *stored < sequence) {
                call.checkpoint = Some((sequence, checkpoint.to_vec()));
            }
        })
    }

    fn add_event<'a>(&'a self, contact: &'a str, entry: &'a Entry) -> Pending<'a, ()> {
        let add = || {
            entry.check(contact)?;
            let mut all = self.kept();
            let kept = self.place(&mut all, contact)?;
            if kept.events.iter().any(|known| known.id == entry.id) {
                return Ok(());
            }
            if kept.events.len() >= MAX_EVENTS {
                let what = format!("{MAX_EVENTS} events of it are kept already");
                return Err(StoreError::Invalid { contact: contact.to_owned(), what });
            }
            kept.events.push(entry.clone());
            Ok(())
        };
        Box::pin(ready(add()))
    }

    fn events<'a>(&'a self, contact: &'a str, after: Cursor) -> Pending<'a, (Vec<Entry>, Cursor)> {
        let all = self.kept();
        let events = all.get(contact).map(|kept| kept.events.as_slice()).unwrap_or_default();
        let from = usize::try_from(after.0).unwrap_or(usize::MAX);
        let found = events.get(from..).unwrap_or_default().to_vec();
        let behind = Cursor(after.0.max(events.len() as u64));
        Box::pin(ready(Ok((found, behind))))
    }

    fn unfinished(&self, limit: usize) -> Pending<'_, Vec<String>> {
        let now = self.now();
        let all = self.kept();
        let free = |call: &Call| {
            call.finished.is_none() && call.holder.as_ref().is_none_or(|(.., until)| *until <= now)
        };
        let found = all.iter().filter(|(_, kept)| kept.call.as_ref().is_some_and(free));
        let found = found.map(|(contact, _)| contact.clone()).take(limit).collect();
        Box::pin(ready(Ok(found)))
    }

    fn sweep(&self, now: Time) -> Pending<'_, u64> {
        Box::pin(ready(Ok(self.forget(&mut self.kept(), now))))
    }

    fn probe(&self) -> Pending<'_, String> {
        Box::pin(ready(Ok("nowhere: calls end with this process".to_owned())))
    }
}
