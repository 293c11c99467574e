//! Settings of the reader.

use serde::Deserialize;

/// Section `[kinesis]` of the configuration. How long a silent stream is borne and when to reconnect is not
/// here: the call decides that.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct KinesisOptions {
    /// Where GetDataEndpoint is asked; default: the region's endpoint.
    pub endpoint_url: Option<String>,
    /// Where GetMedia is asked, instead of what GetDataEndpoint answers; it is not asked then.
    pub media_endpoint_url: Option<String>,
    /// Time for a TCP connection, milliseconds. Default 3,000.
    pub connect_timeout_ms: u64,
    /// Time from asking to the head of the answer, GetDataEndpoint included, milliseconds. Default 10,000.
    pub open_timeout_ms: u64,
}

impl Default for KinesisOptions {
    fn default() -> Self {
        Self {
            endpoint_url: None,
            media_endpoint_url: None,
            connect_timeout_ms: 3_000,
            open_timeout_ms: 10_000,
        }
    }
}
