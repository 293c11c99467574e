//! What must survive the process, and its form in a store.
//!
//! A checkpoint is one moment of a call, whole: it is taken between two inputs, so that its marks and its
//! messages belong together. Gate events are not in it. Their only home is the event log of the store, because
//! any worker may add to that, also while nobody holds the call.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::recogniser::Party;
use crate::time::{Span, Time};

use super::contact::SavedContacts;
use super::intervals::{Interval, Intervals};
use super::link::SavedLink;
use super::outbox::SavedOutbox;
use super::summary::Summary;

/// Version of the form. What another version of the program wrote is not guessed at.
pub(super) const VERSION: u32 = 3;

/// What must survive the process before messages may be posted.
///
/// It holds what was said and not yet acknowledged: treat it as the transcript itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Checkpoint {
    pub(super) version: u32,
    /// Counts the checkpoints of a call from 1, through all its lives.
    pub sequence: u64,
    /// Up to here the speech of (customer, agent) is final, and in here or acknowledged.
    pub marks: [Option<Time>; 2],
    /// Where the recogniser heard a pause that is not in the audio.
    pub(super) pauses: Vec<Time>,
    /// How far the media's clock was ahead of the machine's, at most.
    pub(super) ahead: Span,
    pub(super) link: Option<SavedLink>,
    pub(super) contacts: SavedContacts,
    pub(super) ended_contacts: BTreeSet<String>,
    pub(super) key: Option<String>,
    /// From when on the audio was that of which consult.
    pub(super) turns: Vec<(Time, Option<String>)>,
    pub(super) emitted: Intervals,
    pub(super) zeroed: Intervals,
    pub(super) doubts: Vec<Interval>,
    pub(super) sent_words: Vec<(Party, Interval, bool)>,
    pub(super) used_ids: Vec<(Party, i64)>,
    pub(super) outbox: SavedOutbox,
    pub(super) summary: Summary,
}

/// Why bytes are no checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// They are damaged, or something else.
    #[error("the checkpoint cannot be read: {0}")]
    Damaged(#[from] serde_json::Error),
    /// Another version of the program wrote them.
    #[error(
        "the checkpoint has form {found}, and this program reads form {VERSION}: let the version that wrote it \
         end the call"
    )]
    Version {
        /// The form they say they have.
        found: u32,
    },
}

/// What every form of a checkpoint has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Checkpoint {
    /// As JSON. It holds what was said.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Maps with keys that are no text would be the only reason to fail, and there are none.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// From what [`Checkpoint::to_json`] wrote.
    ///
    /// # Errors
    /// The bytes are damaged, or of another version of the program.
    pub fn from_json(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let Versioned { version } = serde_json::from_slice(bytes)?;
        if version != VERSION {
            return Err(CheckpointError::Version { found: version });
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// Contacts of the call that the stream has named.
    pub fn contacts(&self) -> impl Iterator<Item = &str> {
        self.contacts.ours()
    }

    /// The first contact of the call's chain, once somebody has said which that is.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Messages not yet acknowledged.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.outbox.len()
    }
}
