//! The state of a call as a folder holds it, and the times on its files.

use std::fs::{File, FileTimes};
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::time::{Span, Time};

/// The state of a call.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) contact: String,
    pub(super) begun: Time,
    /// It had been over before it was begun then.
    #[serde(default)]
    pub(super) reopened: bool,
    pub(super) generation: u64,
    pub(super) lease: Option<Holder>,
    pub(super) released: Option<Time>,
    pub(super) finished: Option<Time>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Holder {
    pub(super) token: String,
    pub(super) owner: String,
    pub(super) ttl: Span,
}

/// How a call stands, for those who look for one.
#[derive(Debug)]
pub(super) enum Standing {
    /// Nobody holds the call of this contact.
    Free(String),
    /// Somebody does, or there is none.
    Held,
    Finished,
}

/// Whether somebody holds a call.
pub(super) enum Hold {
    By {
        owner: String,
        until: Time,
    },
    /// Nobody; when the last one was alive.
    Free(Option<Time>),
}

impl Record {
    pub(super) fn new(contact: &str, begun: Time) -> Self {
        Self {
            contact: contact.to_owned(),
            begun,
            reopened: false,
            generation: 0,
            lease: None,
            released: None,
            finished: None,
        }
    }
}

/// Sets the time of the last renewal, which needs no room on the disk.
pub(super) fn renew(file: &File, now: Time) -> io::Result<()> {
    let us = Duration::from_micros(now.us().unsigned_abs());
    let at = if now.us() < 0 { UNIX_EPOCH - us } else { UNIX_EPOCH + us };
    file.set_times(FileTimes::new().set_modified(at))
}

pub(super) fn renewed(file: &File) -> io::Result<Time> {
    file.metadata()?.modified().map(time_of)
}

pub(super) fn time_of(at: SystemTime) -> Time {
    let us = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    match at.duration_since(UNIX_EPOCH) {
        Ok(since) => Time::from_us(us(since)),
        Err(before) => Time::from_us(-us(before.duration())),
    }
}
