//! The Telephony Integration API of Salesforce: tokens, posts, outcomes.
//!
//! [`Salesforce::post`] takes one message and says what became of it; it never waits for better times and never
//! repeats a message, because that is the call's to decide. It knows neither calls nor gates, and it looks at
//! no text.

mod error;
mod key;
mod options;
mod outcome;
mod sink;
mod token;

pub use error::{CheckError, SetupError};
pub use options::{SalesforceOptions, TokenUse};
pub use sink::{Reached, Salesforce};
