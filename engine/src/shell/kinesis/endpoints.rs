//! Data endpoints by stream. It knows nothing of how they are had.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Streams remembered: as many as an account has by default (Kinesis Video Streams, quotas).
const MAX_STREAMS: usize = 10_000;

/// The cache. The service asks clients to keep an endpoint and to renew it on failure.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    known: Mutex<HashMap<String, String>>,
}

impl Endpoints {
    pub(super) fn get(&self, stream: &str) -> Option<String> {
        self.lock().get(stream).cloned()
    }

    pub(super) fn put(&self, stream: &str, endpoint: &str) {
        let mut known = self.lock();
        if known.len() >= MAX_STREAMS {
            // Asking again is cheap; choosing whom to forget is not worth its code.
            known.clear();
        }
        known.insert(stream.to_owned(), endpoint.to_owned());
    }

    pub(super) fn forget(&self, stream: &str) {
        self.lock().remove(stream);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
