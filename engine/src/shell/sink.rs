//! Where messages go: Salesforce, or in shadow mode a file beside it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;

use crate::call::{Outcome, Post, RetryCause};

use super::salesforce::Salesforce;

/// Takes messages and says what became of each.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Sink {
    /// The Telephony Integration API.
    Salesforce(Arc<Salesforce>),
    /// Shadow mode: what would have been posted, a JSON object a line.
    Shadow(Arc<Shadow>),
}

impl Sink {
    /// Hands on one message.
    pub async fn post(&self, post: &Post) -> Outcome {
        match self {
            Self::Salesforce(salesforce) => salesforce.post(post).await,
            Self::Shadow(shadow) => shadow.write(post).await,
        }
    }

    /// Messages are written to a file instead of being posted.
    #[must_use]
    pub const fn is_shadow(&self) -> bool {
        matches!(self, Self::Shadow(_))
    }
}

/// A file of messages, readable by its owner alone: it holds what was said.
#[derive(Debug)]
pub struct Shadow {
    file: Mutex<File>,
}

impl Shadow {
    /// Opens the file to append to, and makes it where it is not there.
    ///
    /// # Errors
    /// It cannot be opened for writing.
    pub async fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        options.mode(0o600);
        Ok(Self { file: Mutex::new(options.open(path).await?) })
    }

    async fn write(&self, post: &Post) -> Outcome {
        let Ok(mut line) = serde_json::to_vec(post) else {
            return Outcome::Refused("the message cannot be written as JSON".to_owned());
        };
        line.push(b'\n');
        let mut file = self.file.lock().await;
        let written = async {
            file.write_all(&line).await?;
            file.flush().await
        };
        match written.await {
            Ok(()) => Outcome::Accepted,
            Err(error) => {
                tracing::error!(%error, "cannot write to the shadow file");
                Outcome::Retry { cause: RetryCause::Server }
            }
        }
    }
}
