//! What a worker does by itself: it goes on with calls that others left, and has the store tidied.

use std::sync::Arc;
use std::time::Duration;

use crate::shell::api::Start;
use crate::shell::clock;
use crate::shell::log;
use crate::shell::metrics;
use crate::time::{Span, Time};

use super::{Supervisor, Wish};

/// How often what is over is deleted.
const SWEEP_EVERY: Span = Span::from_s(600);

impl Supervisor {
    /// Looks after unfinished calls now and once every lease time, up to the free capacity. Never returns.
    pub async fn make_rounds(self: Arc<Self>) {
        let custody = &self.services.custody;
        let every = if custody.is_lasting() { custody.options().ttl() } else { SWEEP_EVERY };
        let every = Duration::from_micros(u64::try_from(every.us()).unwrap_or(1_000_000));
        let mut swept = Time::MIN;
        let mut out_of_reach = false;
        loop {
            if custody.is_lasting() {
                self.look_for_calls(&mut out_of_reach).await;
            }
            let now = clock::now();
            if now >= swept + SWEEP_EVERY {
                swept = now;
                self.sweep(now).await;
            }
            tokio::time::sleep(every).await;
        }
    }

    async fn look_for_calls(self: &Arc<Self>, out_of_reach: &mut bool) {
        let now = clock::now();
        let limit = {
            let table = self.table();
            let free = self.max_calls.saturating_sub(table.running.len());
            if table.draining || free == 0 {
                return;
            }
            free + table.given_up(now)
        };
        let found = match self.services.custody.store().unfinished(limit).await {
            Ok(found) => found,
            Err(error) => {
                metrics::store_failed("scan");
                if !std::mem::replace(out_of_reach, true) {
                    tracing::error!(%error, "unfinished calls cannot be looked for");
                }
                return;
            }
        };
        *out_of_reach = false;
        for contact in found {
            let place = {
                let mut table = self.table();
                if !table.wants(&contact, now) {
                    continue;
                }
                table.reserve(&contact, None, self.max_calls)
            };
            let Ok(place) = place else { continue };
            let opening = Arc::clone(self).open(place, Wish::TakeOver);
            let opened = log::of_call(&contact, opening).await;
            if matches!(opened, Start::Refused(_) | Start::Unavailable(_)) {
                self.table().give_up(&contact, now);
            }
        }
    }

    async fn sweep(&self, now: Time) {
        match self.services.custody.store().sweep(now).await {
            Ok(0) => {}
            Ok(deleted) => tracing::info!(deleted, "calls that are over were deleted from the store"),
            Err(error) => {
                metrics::store_failed("sweep");
                tracing::warn!(%error, "what is over cannot be deleted from the store");
            }
        }
    }
}
