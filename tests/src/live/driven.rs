//! One call driven in this process.

use std::sync::Arc;

use engine::call::{GateSource, Input, Summary, TelephonyEvent};
use engine::shell::api::CallStatus;
use engine::shell::clock;
use engine::shell::custody::Taken;
use engine::shell::driver::{Driver, Ended, INPUT_QUEUE, Signal};
use engine::shell::payload::Payload;
use engine::shell::services::Services;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::PATIENCE;

/// A driver at work.
#[derive(Debug)]
pub struct Driven {
    inputs: mpsc::Sender<Signal>,
    /// What it shows of itself.
    pub status: watch::Receiver<CallStatus>,
    task: JoinHandle<Ended>,
}

impl Driven {
    /// Drives the call that this payload starts.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start(services: &Arc<Services>, payload: &Payload) -> Self {
        let life = match services.custody.begin(payload, false).await {
            Ok(Taken::Ours(life)) => *life,
            other => panic!("the call is not ours: {other:?}"),
        };
        let order = services.order(payload).unwrap_or_else(|error| panic!("no order: {error}"));
        let sink = services.sink(&order).await.unwrap_or_else(|error| panic!("no sink: {error}"));
        let (inputs, queue) = mpsc::channel(INPUT_QUEUE);
        let (shown, status) = watch::channel(CallStatus::new(&order.contact, "", clock::now().ms()));
        let driver = Driver::new(Arc::clone(services), order, sink, life, queue, shown, 7);
        Self { inputs, status, task: tokio::spawn(Box::pin(driver.run())) }
    }

    /// Hands in what happens.
    ///
    /// # Panics
    /// When the call is over.
    pub async fn tell(&self, input: Input) {
        self.inputs.send(Signal::Input(input)).await.expect("the call goes on");
    }

    /// Hands in a toolkit event.
    pub async fn event(&self, event: TelephonyEvent) {
        self.tell(Input::Gate(GateSource::Toolkit, event)).await;
    }

    /// Waits until the call shows something of itself.
    ///
    /// # Panics
    /// When it never does.
    pub async fn shows(&mut self, what: &str, so: impl FnMut(&CallStatus) -> bool) {
        let waited = tokio::time::timeout(PATIENCE, self.status.wait_for(so)).await;
        let shown = waited.is_ok_and(|shown| shown.is_ok());
        if !shown {
            panic!("never shown: {what}; now {:?}", self.status.borrow());
        }
    }

    /// Waits for the end of the call.
    ///
    /// # Panics
    /// When it does not end, or panicked.
    pub async fn summary(self) -> Summary {
        let Self { status, task, .. } = self;
        match tokio::time::timeout(PATIENCE, task).await {
            Ok(done) => {
                let ended = done.expect("the driver does not panic");
                *ended.summary.expect("the call is over")
            }
            Err(_) => panic!("the call did not end: {:?}", status.borrow()),
        }
    }
}
