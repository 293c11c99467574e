//! Whole live calls: all emulators over TLS, a call that is made of tone words and happens now, the product
//! driven in this process or as a program of its own, and the judgement of everything Salesforce received.
//!
//! What is expected comes from the script of the call alone, never from what the product says of itself.

#![expect(clippy::expect_used, clippy::panic, reason = "a test whose world cannot be made has failed")]

mod driven;
mod judge;
mod lab;
mod program;
mod sdk;
mod talk;

pub use driven::Driven;
pub use judge::{Agent, TOLERANCE_MS};
pub use lab::{Behaviour, Lab, SECRET};
pub use program::{Answer, Ended, Program, request};
pub use sdk::sdk;
pub use talk::{Begun, CUSTOMER_PHONE, Talk};

use std::time::Duration;

/// Longest wait for anything that must happen.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so, looking often, and fails with `what` when it never is.
///
/// # Panics
/// When [`PATIENCE`] is over.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let looking = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, looking).await.is_err() {
        panic!("never came true: {what}");
    }
}
