//! A store in files: one folder a contact, for this user alone.
//!
//! For one machine, or for many that share a file system with file locks. What is written is durable before it
//! counts (`fsync`), a crash at any moment leaves what was there before, and a full disk costs nothing that is
//! stored, not even the lease: to renew it a time is set. Where a process has ended, its lease is over at once,
//! because the system has let go of its lock; where it hangs, or the other machine is gone, when its time is over.

mod disk;
mod folder;
mod log;
mod record;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::shell::store::{
    Acquisition, Claim, Cursor, Entry, Lease, Pending, Store, StoreClock, StoreError, check_contact,
};
use crate::time::{Span, Time};

use disk::folder_name;
use folder::{Folder, Locked};
use record::Standing;

/// A folder that stays locked for so long is given up. Nobody who works holds it longer than a slow disk takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at a lock.
const LOOK: Duration = Duration::from_millis(5);

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    root: PathBuf,
    keep: Span,
    clock: StoreClock,
    /// Folders whose call is finished, with the time of its record: a scan passes over them.
    finished: Arc<Mutex<HashMap<PathBuf, SystemTime>>>,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Directory {
    /// A store in this folder, which is made when it is first needed. Finished calls are kept for `keep`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, keep: Span, clock: StoreClock) -> Self {
        Self { root: root.into(), keep, clock, finished: Arc::default() }
    }

    fn calls(&self) -> PathBuf {
        self.root.join("calls")
    }

    /// Does something in the folder of a contact while nobody else does, on a thread that may block. `None`: there
    /// is no folder, and none is made.
    async fn locked<T: Send + 'static>(
        &self,
        folder: PathBuf,
        make: bool,
        work: impl Fn(Locked<'_>) -> Result<T, StoreError> + Send + Sync + 'static,
    ) -> Result<Option<T>, StoreError> {
        let work = Arc::new(work);
        let lock = folder.join("lock");
        let trying = async {
            loop {
                let (work, folder, clock) = (Arc::clone(&work), folder.clone(), Arc::clone(&self.clock));
                let tried = blocking(move || {
                    let folder = Folder::new(folder);
                    if !make && folder.is_missing() {
                        return Ok(Some(None));
                    }
                    match folder.lock(clock(), make)? {
                        Some(locked) => work(locked).map(|done| Some(Some(done))),
                        None => Ok(None),
                    }
                });
                if let Some(done) = tried.await? {
                    return Ok(done);
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let given_up = |_| Err(StoreError::Busy { path: lock.clone() });
        tokio::time::timeout(PATIENCE, trying).await.unwrap_or_else(given_up)
    }

    /// The same where the lease says that there is a folder.
    fn with_lease<'a>(
        &'a self,
        lease: &'a Lease,
        work: impl Fn(&Locked<'_>, &Lease) -> Result<(), StoreError> + Send + Sync + 'static,
    ) -> Pending<'a, ()> {
        let folder = self.folder(lease.contact());
        let ours = lease.clone();
        Box::pin(async move {
            let done = self.locked(folder, false, move |locked| work(&locked, &ours)).await?;
            done.ok_or_else(|| lease.lost())
        })
    }

    fn folder(&self, contact: &str) -> PathBuf {
        self.calls().join(folder_name(contact))
    }

    fn finished(&self) -> MutexGuard<'_, HashMap<PathBuf, SystemTime>> {
        // Every change is one call of the map.
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folders that may hold an unfinished call, with the time of its record. There may be many thousands
    /// that do not, and a scan comes every few seconds.
    async fn candidates(&self) -> Result<Vec<(PathBuf, SystemTime)>, StoreError> {
        let folders = self.folders().await?;
        let this = self.clone();
        blocking(move || {
            let mut finished = this.finished();
            let mut passed = HashMap::new();
            let mut candidates = Vec::new();
            for folder in folders {
                // Without a record there is no call.
                let Ok(written) = std::fs::metadata(folder.join("call")).and_then(|m| m.modified()) else {
                    continue;
                };
                if finished.get(&folder) == Some(&written) {
                    passed.insert(folder, written);
                } else {
                    candidates.push((folder, written));
                }
            }
            *finished = passed;
            Ok(candidates)
        })
        .await
    }

    /// The folders of all contacts.
    async fn folders(&self) -> Result<Vec<PathBuf>, StoreError> {
        let calls = self.calls();
        blocking(move || {
            let read = match std::fs::read_dir(&calls) {
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(StoreError::file("look into", &calls)(error)),
            };
            Ok(read.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect())
        })
        .await
    }
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(StoreError::Inside(error.to_string())))
}

impl Store for Directory {
    fn acquire<'a>(&'a self, contact: &'a str, claim: Claim<'a>) -> Pending<'a, Acquisition> {
        Box::pin(async move {
            check_contact(contact)?;
            let (owned, owner) = (contact.to_owned(), claim.owner.to_owned());
            let start = claim.start.map(<[u8]>::to_vec);
            let (ttl, reopen) = (claim.ttl, claim.reopen);
            let work = move |locked: Locked<'_>| {
                locked.acquire(&owned, &Claim { owner: &owner, ttl, start: start.as_deref(), reopen })
            };
            let found = self.locked(self.folder(contact), claim.start.is_some(), work).await?;
            Ok(found.unwrap_or(Acquisition::Unknown))
        })
    }

    fn renew<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()> {
        self.with_lease(lease, |locked, lease| locked.renew(lease))
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()> {
        self.with_lease(lease, |locked, lease| locked.release(lease))
    }

    fn finish<'a>(&'a self, lease: &'a Lease) -> Pending<'a, ()> {
        self.with_lease(lease, |locked, lease| locked.finish(lease))
    }

    fn save<'a>(&'a self, lease: &'a Lease, sequence: u64, checkpoint: &'a [u8]) -> Pending<'a, ()> {
        let checkpoint = checkpoint.to_vec();
        self.with_lease(lease, move |locked, lease| locked.save(lease, sequence, &checkpoint))
    }

    fn add_event<'a>(&'a self, contact: &'a str, entry: &'a Entry) -> Pending<'a, ()> {
        Box::pin(async move {
            check_contact(contact)?;
            entry.check(contact)?;
            let entry = entry.clone();
            let work = move |locked: Locked<'_>| locked.add_event(&entry);
            self.locked(self.folder(contact), true, work).await.map(|_| ())
        })
    }

    fn events<'a>(&'a self, contact: &'a str, after: Cursor) -> Pending<'a, (Vec<Entry>, Cursor)> {
        let folder = self.folder(contact);
        Box::pin(blocking(move || Folder::new(folder).events(after)))
    }

    fn unfinished(&self, limit: usize) -> Pending<'_, Vec<String>> {
        Box::pin(async move {
            let mut found = Vec::new();
            for (folder, written) in self.candidates().await? {
                if found.len() >= limit {
                    break;
                }
                match self.locked(folder.clone(), false, |locked| locked.standing()).await {
                    Ok(Some(Standing::Free(contact))) => found.push(contact),
                    Ok(Some(Standing::Finished)) => {
                        self.finished().insert(folder, written);
                    }
                    Ok(Some(Standing::Held) | None) => {}
                    // One folder's trouble is not the others'.
                    Err(error) => tracing::warn!(%error, "an unfinished call cannot be looked at"),
                }
            }
            Ok(found)
        })
    }

    fn sweep(&self, now: Time) -> Pending<'_, u64> {
        Box::pin(async move {
            let mut deleted = 0;
            let keep = self.keep;
            for folder in self.folders().await? {
                let work = move |locked: Locked<'_>| {
                    let over = locked.is_over(now, keep)?;
                    if over { locked.delete().map(|()| true) } else { Ok(false) }
                };
                match self.locked(folder, false, work).await {
                    Ok(over) => deleted += u64::from(over == Some(true)),
                    Err(error) => tracing::warn!(%error, "what may be over cannot be deleted"),
                }
            }
            Ok(deleted)
        })
    }

    fn probe(&self) -> Pending<'_, String> {
        let (root, calls) = (self.root.clone(), self.calls());
        Box::pin(blocking(move || {
            disk::make_folder(&calls)?;
            let path = root.join(format!("probe-{}", crate::shell::store::random_id()));
            let trying = || {
                let mut file = disk::private().write(true).create_new(true).open(&path)?;
                disk::fault::write(&mut file, b"probe")?;
                file.try_lock()?;
                file.sync_all()
            };
            let tried = trying().map_err(StoreError::file("write and lock", &path));
            let removed = disk::remove(&path);
            tried.and(removed)?;
            Ok(format!("files in {}", root.display()))
        }))
    }
}
