//! The body of an answer to GetMedia: bytes as they come, and how it ended.

use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;

use super::error::Target;
use crate::call::{MediaAction, MediaCause, MediaError};
use crate::shell::connector::explain;

/// Media that is being read; dropping it closes the connection and frees its place among the three that a
/// stream allows.
#[derive(Debug)]
pub struct MediaBody {
    /// Gone when it has ended.
    payload: Option<ByteStream>,
    target: Target,
}

impl MediaBody {
    pub(super) fn new(payload: ByteStream, target: Target) -> Self {
        Self { payload: Some(payload), target }
    }

    /// The next bytes, up to some 500 KB, cut anywhere; `None` when the answer ended in good order, and ever
    /// after. It waits for as long as the stream is silent; a call that is dropped while it waits loses
    /// nothing.
    ///
    /// # Errors
    /// [`MediaCause::Connection`]: the connection broke, and what it carried may end anywhere.
    pub async fn next(&mut self) -> Result<Option<Bytes>, MediaError> {
        while let Some(payload) = &mut self.payload {
            match payload.next().await {
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) => return Ok(Some(bytes)),
                None => self.payload = None,
                Some(Err(error)) => {
                    self.payload = None;
                    let message = format!("{} broke off: {}", self.target, explain(&error));
                    return Err(MediaError::new(MediaCause::Connection, MediaAction::Retry, message));
                }
            }
        }
        Ok(None)
    }
}
