//! One contact's folder, and all that is ever done in it. Everything here blocks.
//!
//! | file | what |
//! |---|---|
//! | `lock` | locked while anything but an event is read or anything is changed |
//! | `call` | contact, lease and end of the call, as JSON |
//! | `start` | what the call was begun with |
//! | `lease-…` | locked as long as its process lives; its time of modification is the last renewal |
//! | `checkpoint`, `checkpoint.previous` | the last two |
//! | `events` | the log |

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::shell::store::{
    ABANDONED, Acquisition, Before, Claim, Cursor, EARLY_EVENTS, Entry, Held, Lease, StoreError,
};
use crate::time::{Span, Time};

use super::disk::{self, Content, Framed};
use super::log;
use super::record::{Hold, Holder, Record, Standing, renew, renewed, time_of};

/// The folder of a contact.
pub(super) struct Folder {
    path: PathBuf,
}

/// The folder while nobody else changes it.
pub(super) struct Locked<'a> {
    folder: &'a Folder,
    now: Time,
    _lock: File,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn lease_file(&self, token: &str) -> PathBuf {
        self.file(&format!("lease-{token}"))
    }

    /// Takes the lock; `None`: another has it just now, or the folder was deleted meanwhile. `make`: the folder
    /// is made if it is missing.
    pub(super) fn lock(&self, now: Time, make: bool) -> Result<Option<Locked<'_>>, StoreError> {
        let path = self.file("lock");
        let open = || disk::private().write(true).create(true).truncate(false).open(&path);
        let file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !make {
                    return Ok(None);
                }
                disk::make_folder(&self.path)?;
                let made = open().map_err(StoreError::file("make", &path))?;
                self.path.parent().map_or(Ok(()), disk::sync_folder)?;
                made
            }
            opened => opened.map_err(StoreError::file("open", &path))?,
        };
        match file.try_lock() {
            Ok(()) if is_at(&file, &path) => Ok(Some(Locked { folder: self, now, _lock: file })),
            Ok(()) | Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(StoreError::file("lock", &path)(error)),
        }
    }

    /// There is nothing of this contact.
    pub(super) fn is_missing(&self) -> bool {
        !self.path.exists()
    }

    /// The events behind a place of the log. Needs no lock: lines are only added.
    pub(super) fn events(&self, after: Cursor) -> Result<(Vec<Entry>, Cursor), StoreError> {
        let path = self.file("events");
        let lines = log::read(&path, after.0)?;
        if lines.damaged > 0 {
            let (damaged, path) = (lines.damaged, path.display());
            tracing::error!(damaged, "events in {path} are damaged and cannot be heeded: check the disk");
        }
        Ok((lines.entries, Cursor(lines.end)))
    }
}

/// The file behind this handle is still the one at this path.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = |m: fs::Metadata| (m.ino(), m.dev());
        matches!((file.metadata().map(id), fs::metadata(path).map(id)), (Ok(a), Ok(b)) if a == b)
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

impl Locked<'_> {
    fn record(&self) -> Result<Option<Record>, StoreError> {
        let path = self.folder.file("call");
        match disk::get(&path, "call")? {
            Content::Good(framed) => {
                let what = "it is no record of a call";
                let damaged = |_| StoreError::Damaged { place: path.display().to_string(), what };
                serde_json::from_slice(&framed.content).map(Some).map_err(damaged)
            }
            Content::Missing => Ok(None),
            Content::Damaged(what) => Err(StoreError::Damaged { place: path.display().to_string(), what }),
        }
    }

    fn write(&self, record: &Record) -> Result<(), StoreError> {
        let content = serde_json::to_vec(record).map_err(|e| StoreError::Inside(e.to_string()))?;
        let framed = Framed { number: record.generation, at: self.now, content };
        disk::put(&self.folder.file("call"), "call", &framed, None)
    }

    /// Whether somebody holds the call: his lease is not over, and his process lives as far as can be known.
    fn hold(&self, record: &Record) -> Result<Hold, StoreError> {
        let Some(holder) = &record.lease else { return Ok(Hold::Free(record.released)) };
        let path = self.folder.lease_file(&holder.token);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Hold::Free(record.released)),
            Err(error) => return Err(StoreError::file("open", &path)(error)),
        };
        let renewed = renewed(&file).map_err(StoreError::file("look at", &path))?;
        let until = renewed + holder.ttl;
        match file.try_lock() {
            // The system lets go of the locks of whoever has ended.
            Ok(()) => Ok(Hold::Free(Some(renewed))),
            Err(fs::TryLockError::WouldBlock) if self.now < until => {
                Ok(Hold::By { owner: holder.owner.clone(), until })
            }
            Err(fs::TryLockError::WouldBlock) => Ok(Hold::Free(Some(renewed))),
            Err(fs::TryLockError::Error(error)) => Err(StoreError::file("lock", &path)(error)),
        }
    }

    pub(super) fn acquire(&self, contact: &str, claim: &Claim<'_>) -> Result<Acquisition, StoreError> {
        let (mut record, sign) = match (self.record()?, claim.start) {
            (Some(record), Some(start)) if record.finished.is_some() && claim.reopen => {
                // Without a record it begins anew, however far this comes.
                disk::remove(&self.folder.file("call"))?;
                for name in ["checkpoint", "checkpoint.previous"] {
                    disk::remove(&self.folder.file(name))?;
                }
                self.put_start(start)?;
                let generation = record.generation;
                (Record { generation, reopened: true, ..Record::new(contact, self.now) }, None)
            }
            (Some(record), _) if record.finished.is_some() => {
                return Ok(Acquisition::Finished { start: Some(self.start()?) });
            }
            (Some(record), _) => match self.hold(&record)? {
                Hold::By { owner, until } => return Ok(Acquisition::HeldBy { owner, until }),
                Hold::Free(sign) => {
                    let sign = sign.unwrap_or(record.begun);
                    (record, Some(sign))
                }
            },
            (None, None) => return Ok(Acquisition::Unknown),
            (None, Some(start)) => {
                self.put_start(start)?;
                (Record::new(contact, self.now), None)
            }
        };
        if record.contact != contact {
            let place = self.folder.path.display().to_string();
            return Err(StoreError::Damaged { place, what: "it belongs to another contact" });
        }
        let start = self.start()?;
        let before = match sign {
            Some(sign) => {
                let stored = self.checkpoint()?;
                let died = stored.as_ref().map_or(sign, |stored| sign.max(stored.at));
                Some(Before { died, checkpoint: stored.map(|stored| stored.content) })
            }
            None => None,
        };
        let lease = self.hand_out(&mut record, contact, claim)?;
        let Record { begun, reopened, .. } = record;
        Ok(Acquisition::Acquired(Box::new(Held { lease, start, begun, reopened, before })))
    }

    fn put_start(&self, start: &[u8]) -> Result<(), StoreError> {
        let framed = Framed { number: 1, at: self.now, content: start.to_vec() };
        disk::put(&self.folder.file("start"), "start", &framed, None)
    }

    fn start(&self) -> Result<Vec<u8>, StoreError> {
        match disk::get(&self.folder.file("start"), "start")? {
            Content::Good(framed) => Ok(framed.content),
            Content::Missing => Err(self.damaged("start", "it is missing")),
            Content::Damaged(what) => Err(self.damaged("start", what)),
        }
    }

    /// A new lease in place of the one before.
    fn hand_out(&self, record: &mut Record, contact: &str, claim: &Claim<'_>) -> Result<Lease, StoreError> {
        record.generation += 1;
        let mut lease = Lease::new(contact, record.generation, claim.ttl);
        let path = self.folder.lease_file(&lease.token);
        let locked = || {
            let file = disk::private().write(true).create_new(true).open(&path)?;
            file.try_lock()?;
            renew(&file, self.now)?;
            Ok(file)
        };
        let file = locked().map_err(StoreError::file("hold", &path))?;
        let holder = Holder {
            token: lease.token.clone(),
            owner: crate::shell::http::one_line(claim.owner, 100),
            ttl: claim.ttl,
        };
        let before = record.lease.replace(holder);
        record.released = None;
        if let Err(error) = self.write(record) {
            let _ = disk::remove(&path);
            return Err(error);
        }
        if let Some(before) = before {
            // Whoever lost it may still touch it; nobody looks at it any more.
            let _ = disk::remove(&self.folder.lease_file(&before.token));
        }
        lease.life = Some(Arc::new(file));
        Ok(lease)
    }

    /// The last checkpoint that can be read.
    fn checkpoint(&self) -> Result<Option<Framed>, StoreError> {
        let mut lost = false;
        for name in ["checkpoint", "checkpoint.previous"] {
            let path = self.folder.file(name);
            match disk::get(&path, "checkpoint")? {
                Content::Good(framed) => {
                    if lost {
                        let sequence = framed.number;
                        tracing::error!(sequence, "the call goes on from the checkpoint before");
                    }
                    return Ok(Some(framed));
                }
                Content::Missing => {}
                Content::Damaged(what) => {
                    lost = true;
                    let path = path.display();
                    tracing::error!("the checkpoint {path} cannot be read: {what}; check the disk");
                }
            }
        }
        if lost {
            tracing::error!("no checkpoint of the call can be read: it begins anew, under the same ids");
        }
        Ok(None)
    }

    fn damaged(&self, name: &str, what: &'static str) -> StoreError {
        StoreError::Damaged { place: self.folder.file(name).display().to_string(), what }
    }

    /// The record, if this lease is the one that holds the call.
    fn held(&self, lease: &Lease) -> Result<Record, StoreError> {
        let record = self.record()?.ok_or_else(|| lease.lost())?;
        match &record.lease {
            Some(holder) if holder.token == lease.token => Ok(record),
            _ => Err(lease.lost()),
        }
    }

    pub(super) fn renew(&self, lease: &Lease) -> Result<(), StoreError> {
        self.held(lease)?;
        let path = self.folder.lease_file(&lease.token);
        let file = lease.life.as_ref().ok_or_else(|| lease.lost())?;
        renew(file, self.now).map_err(StoreError::file("renew", &path))
    }

    pub(super) fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let mut record = self.held(lease)?;
        record.lease = None;
        record.released = Some(self.now);
        self.write(&record)?;
        disk::remove(&self.folder.lease_file(&lease.token))
    }

    pub(super) fn finish(&self, lease: &Lease) -> Result<(), StoreError> {
        let mut record = self.held(lease)?;
        record.lease = None;
        record.finished = Some(self.now);
        self.write(&record)?;
        disk::remove(&self.folder.lease_file(&lease.token))
    }

    pub(super) fn save(&self, lease: &Lease, sequence: u64, checkpoint: &[u8]) -> Result<(), StoreError> {
        self.held(lease)?;
        let path = self.folder.file("checkpoint");
        let previous = self.folder.file("checkpoint.previous");
        // One that cannot be read must not take the place of the one before, which can.
        let keep = match disk::get(&path, "checkpoint")? {
            Content::Good(stored) if stored.number >= sequence => return Ok(()),
            Content::Good(_) => Some(previous.as_path()),
            Content::Missing | Content::Damaged(_) => None,
        };
        let framed = Framed { number: sequence, at: self.now, content: checkpoint.to_vec() };
        disk::put(&path, "checkpoint", &framed, keep)
    }

    pub(super) fn add_event(&self, entry: &Entry) -> Result<(), StoreError> {
        log::add(&self.folder.file("events"), entry)
    }

    /// How the call stands, for those who look for one.
    pub(super) fn standing(&self) -> Result<Standing, StoreError> {
        let Some(record) = self.record()? else { return Ok(Standing::Held) };
        if record.finished.is_some() {
            return Ok(Standing::Finished);
        }
        Ok(match self.hold(&record)? {
            Hold::Free(_) => Standing::Free(record.contact),
            Hold::By { .. } => Standing::Held,
        })
    }

    /// Whether all of this is over.
    pub(super) fn is_over(&self, now: Time, keep: Span) -> Result<bool, StoreError> {
        let Some(record) = self.record()? else {
            let last = log::read(&self.folder.file("events"), 0)?.entries.last().map(|entry| entry.at);
            let made = || self.folder.path.metadata().and_then(|m| m.modified()).map_or(now, time_of);
            return Ok(now >= last.unwrap_or_else(made) + EARLY_EVENTS);
        };
        if let Some(finished) = record.finished {
            return Ok(now >= finished + keep);
        }
        let Hold::Free(sign) = self.hold(&record)? else { return Ok(false) };
        let abandoned = now >= sign.unwrap_or(record.begun) + ABANDONED;
        if abandoned {
            let contact = &record.contact;
            tracing::error!(contact, "nobody has gone on with the call for a week: it is deleted");
        }
        Ok(abandoned)
    }

    /// Deletes the folder. Who waits for its lock finds that it is gone.
    pub(super) fn delete(self) -> Result<(), StoreError> {
        let path = &self.folder.path;
        fs::remove_dir_all(path).map_err(StoreError::file("delete", path))
    }
}
