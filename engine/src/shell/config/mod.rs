//! Configuration: defaults, file, environment and flags in, valid sections out.
//!
//! Each layer wins over those before it: the defaults of the parts, the file (`--config`, else
//! `KVSCRIBE_CONFIG`), the environment (the reference's names first, then `KVSCRIBE_<SECTION>_<KEY>`), flags
//! (`--set section.key=value`). This room knows the names of the sections and not what is in them: each part
//! describes its own options, and [`Config::section`] fills them.

mod call;
mod error;
mod live;
mod load;
mod node;
#[cfg(test)]
mod tests;
mod worker;

pub use call::{AgentSender, CallOptions, CallOptionsError};
pub use error::{ConfigError, Origin};
pub use live::{LiveOptions, LiveOptionsError};
pub use load::{Config, SECTIONS, Sources};
pub use worker::{Scope, TokenOptions, WorkerOptions};
