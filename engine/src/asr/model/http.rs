//! A file over HTTP, as a stream into a file.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{TlsConfig, TlsProvider};

use super::error::{ModelError, SourceError};

/// Without a network this must give up soon: another source waits.
const CONNECT: Duration = Duration::from_secs(5);
/// A server that says nothing for so long is gone.
const STALL: Duration = Duration::from_secs(30);

/// Fetches `url` into the new file `to`, at most `limit` bytes and one more: enough to see that it is wrong.
/// `progress` hears the bytes so far.
///
/// # Errors
/// Inside: the source failed. Outside: the file cannot be written.
pub(super) fn download(
    url: &str,
    to: &Path,
    limit: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<Result<(), SourceError>, ModelError> {
    let mut response = match agent().get(url).call() {
        Ok(response) => response,
        Err(ureq::Error::StatusCode(status)) => return Ok(Err(SourceError::Status(status))),
        Err(error) => return Ok(Err(SourceError::Unreachable(error.to_string()))),
    };
    let mut body = response.body_mut().with_config().limit(u64::MAX).reader().take(limit.saturating_add(1));
    let mut file = File::create(to).map_err(|e| ModelError::write(to, e))?;
    let mut buffer = vec![0; 64 * 1024];
    let mut sofar = 0;
    loop {
        let n = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) => return Ok(Err(SourceError::Unreachable(format!("after {sofar} bytes: {error}")))),
        };
        file.write_all(&buffer[..n]).map_err(|e| ModelError::write(to, e))?;
        sofar += n as u64;
        progress(sofar);
    }
    file.sync_all().map_err(|e| ModelError::write(to, e))?;
    Ok(Ok(()))
}

fn agent() -> ureq::Agent {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider)
        .build();
    ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(STALL))
        .timeout_per_read(Some(STALL))
        .user_agent(concat!("kvscribe/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}
