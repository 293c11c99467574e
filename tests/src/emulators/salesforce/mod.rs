//! The Telephony Integration API of Salesforce, as far as transcripts need it.
//!
//! [`Salesforce`] is the state machine: conversations that open, pause and end, and the messages that arrive.
//! [`SalesforceServer`] wraps it in HTTP. Where the guide is silent it does the worse: while paused a message
//! is acknowledged and thrown away, a conversation that is over does not exist, repeated ids are stored again
//! unless told otherwise, a used `jti` is refused. It never looks at the text of a message.

mod arrivals;
mod script;
mod server;
mod state;
mod token;
mod wire;

pub use arrivals::{Arrival, Fate};
pub use script::{Fault, Rule, When};
pub use server::{Arrivals, SalesforceServer};
pub use state::{Answer, Options, Paused, Salesforce};
pub use token::{Keys, TokenRules};
