//! Letters to a call that others took: read from the logs of its contacts and of its key, each once.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::shell::log;
use crate::shell::metrics;
use crate::shell::store::{Cursor, Store, StoreError};
use crate::time::Time;

use super::{Letter, Matter};

/// Batches that wait for the driver.
const QUEUE: usize = 8;

/// Whose logs hold letters to a call.
#[derive(Debug, Clone)]
pub(super) struct Logs {
    /// The contact the call was begun for. Here all letters are to this call.
    own: String,
    /// Contacts of the call that its stream has named. They may have calls of their own: only gate events count.
    named: BTreeSet<String>,
    /// The key of the call, if that is another contact: pages that know the call by its key send their events there.
    /// It is the first contact of a chain of transfers, and that leg's events are not this leg's: only gate events
    /// that came when the audio of this one had begun count.
    key: Option<String>,
    /// When the audio of the call began.
    since: Time,
}

impl Logs {
    pub(super) fn new(own: &str, key: Option<&str>, since: Time) -> Self {
        let mut logs = Self { own: own.to_owned(), named: BTreeSet::new(), key: None, since };
        logs.add(&[], key);
        logs
    }

    /// Whether this is more than was known.
    pub(super) fn add(&mut self, named: &[String], key: Option<&str>) -> bool {
        let known = self.named.len();
        self.named.extend(named.iter().filter(|contact| **contact != self.own).cloned());
        let key = key.filter(|key| *key != self.own && Some(*key) != self.key.as_deref());
        if let Some(key) = key {
            self.key = Some(key.to_owned());
        }
        key.is_some() || self.named.len() > known
    }

    /// Each log, and which of its letters are to this call.
    fn all(&self) -> impl Iterator<Item = (&String, Role)> {
        let named = self.named.iter().map(|contact| (contact, Role::Named));
        let key = self.key.iter().filter(|key| !self.named.contains(*key)).map(|key| (key, Role::Key));
        [(&self.own, Role::Own)].into_iter().chain(named).chain(key)
    }

    fn holds(&self, role: Role, letter: &Letter) -> bool {
        let gate = matches!(letter.matter, Matter::Gate(..));
        match role {
            Role::Own => true,
            Role::Named => gate,
            Role::Key => gate && letter.at >= self.since,
        }
    }
}

/// What a contact is to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Role {
    Own,
    Named,
    Key,
}

/// How far the logs of a call have been read.
#[derive(Debug)]
pub(super) struct Reader {
    store: Arc<dyn Store>,
    places: HashMap<(String, Role), Cursor>,
    known: HashSet<String>,
    /// Read, and not handed on: the log behind them could not be read.
    found: Vec<Letter>,
}

impl Reader {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, places: HashMap::new(), known: HashSet::new(), found: Vec::new() }
    }

    /// The letters that were not read before, in order of arrival.
    pub(super) async fn read(&mut self, logs: &Logs) -> Result<Vec<Letter>, StoreError> {
        for (contact, role) in logs.all() {
            let place = self.places.entry((contact.clone(), role)).or_default();
            let (entries, behind) = self.store.events(contact, *place).await?;
            *place = behind;
            for entry in entries {
                let id = entry.id.clone();
                if self.known.contains(&id) {
                    continue;
                }
                match Letter::read(contact, entry) {
                    Some(letter) if logs.holds(role, &letter) => {
                        self.known.insert(id);
                        self.found.push(letter);
                    }
                    // It is to another call; to this one too, perhaps, once the contact is known to be of it.
                    Some(_) => {}
                    None => {
                        self.known.insert(id);
                        // It may be the one that closes the gate, and nobody can tell.
                        tracing::error!(contact, "an event in the store is of no form that is known");
                    }
                }
            }
        }
        let mut letters = std::mem::take(&mut self.found);
        letters.sort_by_key(|letter| letter.at);
        Ok(letters)
    }
}

/// A task that looks for letters.
#[derive(Debug)]
pub(crate) struct Inbox {
    logs: watch::Sender<Logs>,
    letters: mpsc::Receiver<Vec<Letter>>,
    task: AbortHandle,
}

impl Inbox {
    pub(super) fn new(mut reader: Reader, logs: Logs, every: Duration) -> Self {
        let (logs, mut wanted) = watch::channel(logs);
        let (found, letters) = mpsc::channel(QUEUE);
        let looking = async move {
            let mut out_of_reach = false;
            loop {
                tokio::select! {
                    () = tokio::time::sleep(every) => {}
                    changed = wanted.changed() => if changed.is_err() { return },
                }
                let logs = wanted.borrow_and_update().clone();
                match reader.read(&logs).await {
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
        Self { logs, letters, task: log::spawn(looking).abort_handle() }
    }

    /// The stream has named these contacts of the call, besides those that it had, and this is its key.
    pub(crate) fn look_for(&self, contacts: &[String], key: &str) {
        self.logs.send_if_modified(|logs| logs.add(contacts, Some(key)));
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
