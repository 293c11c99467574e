//! Letters to a call that others took: read from the logs of its contacts, each once.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::shell::log;
use crate::shell::metrics;
use crate::shell::store::{Cursor, Store, StoreError};

use super::Letter;

/// Batches that wait for the driver.
const QUEUE: usize = 8;

/// How far the logs of some contacts have been read.
#[derive(Debug)]
pub(super) struct Reader {
    store: Arc<dyn Store>,
    places: HashMap<String, Cursor>,
    known: HashSet<String>,
}

impl Reader {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, places: HashMap::new(), known: HashSet::new() }
    }

    /// The letters that were not read before, in order of arrival.
    pub(super) async fn read(&mut self, contacts: &BTreeSet<String>) -> Result<Vec<Letter>, StoreError> {
        let mut letters = Vec::new();
        for contact in contacts {
            let place = self.places.get(contact).copied().unwrap_or_default();
            let (entries, behind) = self.store.events(contact, place).await?;
            self.places.insert(contact.clone(), behind);
            for entry in entries {
                if !self.known.insert(entry.id.clone()) {
                    continue;
                }
                match Letter::read(contact, entry) {
                    Some(letter) => letters.push(letter),
                    // It may be the one that closes the gate, and nobody can tell.
                    None => tracing::error!(contact, "an event in the store is of no form that is known"),
                }
            }
        }
        letters.sort_by_key(|letter| letter.at);
        Ok(letters)
    }
}

/// A task that looks for letters.
#[derive(Debug)]
pub(crate) struct Inbox {
    contacts: watch::Sender<BTreeSet<String>>,
    letters: mpsc::Receiver<Vec<Letter>>,
    task: AbortHandle,
}

impl Inbox {
    pub(super) fn new(mut reader: Reader, contacts: BTreeSet<String>, every: Duration) -> Self {
        let (contacts, mut wanted) = watch::channel(contacts);
        let (found, letters) = mpsc::channel(QUEUE);
        let looking = async move {
            let mut out_of_reach = false;
            loop {
                tokio::select! {
                    () = tokio::time::sleep(every) => {}
                    changed = wanted.changed() => if changed.is_err() { return },
                }
                let contacts = wanted.borrow_and_update().clone();
                match reader.read(&contacts).await {
                    Ok(new) => {
                        if std::mem::take(&mut out_of_reach) {
                            tracing::info!("gate events that other workers took can be read again");
                        }
                        if !new.is_empty() && found.send(new).await.is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        metrics::store_failed("events");
                        if !std::mem::replace(&mut out_of_reach, true) {
                            tracing::error!(%error, "gate events that other workers took cannot be read");
                        }
                    }
                }
            }
        };
        Self { contacts, letters, task: log::spawn(looking).abort_handle() }
    }

    /// The call has these contacts, besides those that it had.
    pub(crate) fn look_for(&self, more: &[String]) {
        self.contacts.send_if_modified(|contacts| {
            let new = more.iter().filter(|contact| !contacts.contains(*contact)).cloned().collect::<Vec<_>>();
            let any = !new.is_empty();
            contacts.extend(new);
            any
        });
    }

    /// The next letters; never, where nobody looks for any.
    pub(crate) async fn next(&mut self) -> Vec<Letter> {
        match self.letters.recv().await {
            Some(letters) => letters,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}
