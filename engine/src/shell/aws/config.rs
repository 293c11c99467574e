//! Region and credentials as the AWS SDK finds them, for this client and for the SDK's own.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore};

use crate::shell::http::{self, ClientError};

use super::options::AwsOptions;

/// Why there is no way to AWS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No HTTP client.
    #[error("[aws] {0}")]
    Client(#[from] ClientError),
    /// TLS for the credentials' own requests cannot be set up.
    #[error("[aws] cannot set up TLS for credentials: {0}")]
    Tls(String),
    /// Nobody says which region.
    #[error("no AWS region: set [aws] region, or AWS_REGION, or a region in the profile")]
    NoRegion,
    /// The SDK found no provider of credentials.
    #[error("no AWS credentials: give the process a role, a profile or AWS_ACCESS_KEY_ID")]
    NoCredentials,
    /// An address cannot be used.
    #[error("[aws] {name} is not an address of the form https://host[:port]: {value}")]
    Endpoint {
        /// Which setting.
        name: &'static str,
        /// Its value.
        value: String,
    },
}

/// Whom the requests for credentials trust: the platform's authorities and those of `ca_file`.
fn trust_store(options: &AwsOptions) -> Result<TrustStore, ClientError> {
    let mut store = TrustStore::default().with_native_roots(true);
    if let Some(path) = &options.ca_file {
        // The SDK panics on a file that is no PEM: it is judged first.
        http::authorities(path)?;
        store.add_pem_certificate(http::read_authorities(path)?);
    }
    Ok(store)
}

/// Region and credentials by the SDK's default chain: environment, profile, web identity, ECS, EC2. Asks
/// nobody for credentials yet; they are fetched, and renewed, when a client needs them. Its HTTP client is
/// good for credentials; clients of services may set their own.
///
/// # Errors
/// When the certificates cannot be read or no region is known.
pub async fn sdk_config(options: &AwsOptions) -> Result<SdkConfig, ConfigError> {
    let tls = TlsContext::builder().with_trust_store(trust_store(options)?);
    let tls = tls.build().map_err(|error| ConfigError::Tls(error.to_string()))?;
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
        .tls_context(tls)
        .build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    // The future is large, and callers' futures hold it.
    let config = Box::pin(loader.load()).await;
    match config.region() {
        Some(_) => Ok(config),
        None => Err(ConfigError::NoRegion),
    }
}
