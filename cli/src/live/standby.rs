//! One call seen through: waited for while another process has it, taken when it is free, driven to its end.

use std::sync::Arc;
use std::time::Duration;

use engine::call::{Input, Summary};
use engine::shell::api::CallStatus;
use engine::shell::clock;
use engine::shell::custody::{Life, Taken};
use engine::shell::driver::{Driver, Ended, INPUT_QUEUE, Signal};
use engine::shell::log;
use engine::shell::payload::Payload;
use engine::shell::services::Services;
use engine::shell::supervisor::seed_of;
use tokio::sync::{mpsc, watch};

use crate::failure::Failure;

use super::StopSignal;

/// The longest pause between two looks at a call that another process has.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How it ended.
pub(super) enum End {
    /// The call is over; whether it was told to stop.
    Over(Box<Summary>, bool),
    /// It was over before.
    Finished,
    /// It was left to others in the middle.
    HandedOver,
    /// Another process has it.
    NeverHeld,
}

/// A call, and what it takes to see it through.
pub(super) struct Standby {
    pub(super) services: Arc<Services>,
    pub(super) payload: Payload,
    pub(super) shown: watch::Sender<CallStatus>,
    /// Leads to the driver, while there is one.
    pub(super) wire: watch::Sender<Option<mpsc::Sender<Signal>>>,
    pub(super) drain: Duration,
}

impl Standby {
    /// To the end of the call, or of this process.
    pub(super) async fn see_through(&self, signal: &mut StopSignal) -> Result<End, Failure> {
        let services = Arc::clone(&self.services);
        // Where no worker lives somebody has to; what it does not come to another call will.
        log::spawn(async move {
            let _ = services.custody.store().sweep(clock::now()).await;
        });
        let mut elsewhere = false;
        loop {
            let life = tokio::select! {
                taken = self.take(&mut elsewhere) => match taken? {
                    Some(life) => life,
                    None => return Ok(End::Finished),
                },
                () = signal.next() => {
                    let out_of_reach = "the store could not be reached: the call was not taken";
                    return if elsewhere { Ok(End::NeverHeld) } else { Err(Failure::job(out_of_reach)) };
                }
            };
            let (ended, stopped) = self.drive(life, signal).await?;
            if !ended.untaken.is_empty() {
                let streams = ended.untaken.len();
                tracing::warn!(
                    streams,
                    "streams were named when the call was ending: start it again for them"
                );
            }
            if ended.is_lost() {
                if stopped {
                    return Ok(End::HandedOver);
                }
                tracing::warn!("another process has the call: this one waits in case it dies");
                elsewhere = true;
                continue;
            }
            return Ok(match ended.summary {
                Some(summary) => End::Over(summary, stopped),
                None => End::HandedOver,
            });
        }
    }

    /// Waits until the call is ours; `None`: it is over. `elsewhere`: as far as is known another process has it.
    async fn take(&self, elsewhere: &mut bool) -> Result<Option<Life>, Failure> {
        let custody = &self.services.custody;
        let (mut waiting, mut failing, mut handed_on) = (false, false, false);
        loop {
            let pause = match custody.begin(&self.payload, false).await {
                Ok(Taken::Ours(life)) => return Ok(Some(*life)),
                Ok(Taken::HeldBy { owner, until }) => {
                    *elsewhere = true;
                    if !std::mem::replace(&mut waiting, true) {
                        tracing::info!(owner, "another process has the call: this one waits in case it dies");
                    }
                    // The trigger may name a stream that the other does not know.
                    handed_on = handed_on || custody.hand_on(&self.payload).await.is_ok();
                    let left = u64::try_from((until - clock::now()).ms()).unwrap_or(0);
                    Duration::from_millis(left.max(20)).min(LONGEST_PAUSE)
                }
                Ok(_) => return Ok(None),
                Err(error) if error.passes() => {
                    *elsewhere = false;
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "the call cannot be taken; it is tried again and again");
                    }
                    LONGEST_PAUSE
                }
                Err(error) => return Err(Failure::job(error.to_string())),
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Drives the call. A signal hands it over where a store keeps it, else ends it in good order; and for good
    /// once the drain deadline is over.
    async fn drive(&self, life: Life, signal: &mut StopSignal) -> Result<(Ended, bool), Failure> {
        let prepared = async {
            let order = self.services.order(&life.payload)?;
            let sink = self.services.sink(&order).await?;
            Ok((order, sink))
        };
        let (order, sink) = match prepared.await {
            Ok(prepared) => prepared,
            Err(error) => {
                self.services.custody.let_go(life).await;
                return Err(Failure::setup(error));
            }
        };
        let (inputs, queue) = mpsc::channel(INPUT_QUEUE);
        let seed = seed_of(&order.contact);
        let services = Arc::clone(&self.services);
        let driver = Driver::new(services, order, sink, life, queue, self.shown.clone(), seed);
        self.wire.send_replace(Some(inputs.clone()));
        let mut driven = log::spawn(Box::pin(driver.run()));
        let failed = |error: tokio::task::JoinError| {
            Failure::job(format!("a fault of this program ended the call: {error}"))
        };
        let ended = tokio::select! {
            ended = &mut driven => Some(ended.map_err(failed)?),
            () = signal.next() => None,
        };
        self.wire.send_replace(None);
        if let Some(ended) = ended {
            return Ok((ended, false));
        }
        let lasting = self.services.custody.is_lasting();
        tracing::info!(lasting, "stopping");
        let stop = if lasting { Signal::HandOver } else { Signal::Input(Input::Stop) };
        let _ = inputs.send(stop).await;
        tokio::select! {
            ended = &mut driven => return Ok((ended.map_err(failed)?, true)),
            () = tokio::time::sleep(self.drain) => tracing::warn!("the drain deadline has passed"),
            () = signal.next() => tracing::warn!("stopped for the second time"),
        }
        if lasting {
            driven.abort();
            return Ok((Ended { summary: None, untaken: Vec::new() }, true));
        }
        let _ = inputs.send(Signal::Input(Input::GiveUp)).await;
        Ok((driven.await.map_err(failed)?, true))
    }
}
