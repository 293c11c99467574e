//! The live shell: tokio and the world around a [`crate::call::Call`].
//!
//! The core decides, the shell performs. Each room here speaks to one outside system and knows nothing of
//! the others; [`driver`] is the only one that holds a call and wires them together.

pub mod api;
pub mod aws;
pub mod clock;
pub mod config;
pub mod connector;
pub mod custody;
pub mod doctor;
pub mod driver;
pub mod forward;
pub mod http;
pub mod kinesis;
pub mod log;
pub mod metrics;
pub mod payload;
pub mod salesforce;
pub mod secrets;
pub mod services;
pub mod sink;
pub mod store;
pub mod supervisor;
pub mod transcribe;
pub mod transcribe_file;
