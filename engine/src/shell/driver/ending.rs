//! How a driver ends: the call is over, or goes on elsewhere.

use std::time::Duration;

use crate::call::{EndReason, Summary};
use crate::shell::custody::{Letter, Matter};
use crate::shell::metrics;

use super::{Driver, Ended, Signal, news};

/// At the end of a call, how long what nobody waits for any more may still take.
const LAST_ERRANDS: Duration = Duration::from_secs(10);

impl Driver {
    /// Waits for what was asked for last, and says how the call was.
    pub(super) async fn conclude(mut self, summary: Box<Summary>) -> Ended {
        self.media.close();
        self.sessions.clear();
        self.untaken();
        let lost = summary.end == EndReason::LeaseLost;
        if lost {
            self.errands.abort_all();
        }
        let errands = async { while self.errands.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_ERRANDS, errands).await.is_err() {
            tracing::warn!("the last requests of the call were given up");
        }
        let failed = matches!(summary.end, EndReason::MediaFailed(_) | EndReason::RecogniserFailed(_));
        if failed {
            self.services.custody.failed(&self.order.contact).await;
            self.keeper.release().await;
        } else if !lost {
            self.keeper.finish().await;
        }
        self.status.ended(&summary);
        news::closing(&summary);
        metrics::call_ended(news::how(&summary));
        Ended { summary: Some(summary), untaken: self.untaken }
    }

    /// Leaves the call to others.
    pub(super) async fn hand_over(mut self) -> Ended {
        self.untaken();
        if self.in_flight > 0 || !self.keeper.is_settled() {
            tracing::warn!(posts = self.in_flight, "the call is handed over before all was answered");
        }
        self.errands.abort_all();
        self.keeper.release().await;
        self.status.handed_over();
        metrics::call_ended(metrics::CallEnd::HandedOver);
        Ended { summary: None, untaken: Vec::new() }
    }

    /// No more signals are taken; what was sent and not heard is kept.
    fn untaken(&mut self) {
        self.inputs.close();
        while let Ok(signal) = self.inputs.try_recv() {
            if let Signal::Letter(Letter { matter: Matter::Segment(payload), .. }) = signal {
                self.untaken.push(*payload);
            }
        }
    }
}
