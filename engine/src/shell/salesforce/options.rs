//! The section `[salesforce]`.

use std::path::PathBuf;

use serde::Deserialize;

use crate::shell::secrets::SecretText;

/// How tokens are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenUse {
    /// One token, without `jti`, until shortly before it expires.
    #[default]
    Cached,
    /// Each request has its own token, with a random `jti`.
    PerRequest,
}

/// Where messages go, and who says so. The key comes from exactly one of `private_key_file`, `private_key`,
/// `secret_name` and `private_key_parameter`, as PKCS#1 or PKCS#8 in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SalesforceOptions {
    /// Base of the API, `https://{MyDomain}.my.salesforce-scrt.com/telephony/v1`: what the reference Lambda
    /// calls `SCRT_ENDPOINT_BASE`.
    pub endpoint_base: Option<String>,
    /// Id of the organisation, `00D…`: the token's `iss` (`SALESFORCE_ORG_ID`).
    pub org_id: Option<String>,
    /// API name of the call centre: the token's `sub` (`CALL_CENTER_API_NAME`).
    pub call_center: Option<String>,
    /// The private key's file.
    pub private_key_file: Option<PathBuf>,
    /// The private key itself; `\n` may stand for line ends.
    pub private_key: Option<SecretText>,
    /// Name or ARN of the secret that Service Cloud Voice keeps in Secrets Manager. It also supplies endpoint
    /// base, organisation and call centre where they are not set here.
    pub secret_name: Option<String>,
    /// Name or ARN of the SSM parameter that holds the private key.
    pub private_key_parameter: Option<String>,
    /// The token's `aud`; empty: none. Default `https://scrt.salesforce.com`.
    pub audience: String,
    /// Life of a token, s, 30 to 86,400; the guide says no more than 180. Default 180.
    pub token_lifetime_s: u32,
    /// Whether a token is used again. Default `cached`.
    pub token: TokenUse,
    /// Name of the header that names the telephony provider. Default `Telephony-Provider-Name`.
    pub provider_header: String,
    /// Its value. Default `amazon-connect`.
    pub provider_name: String,
    /// Certificates trusted besides the platform's own, PEM. Default: those of `[aws] ca_file`, if any.
    pub ca_file: Option<PathBuf>,
    /// A connection must stand within this, ms. Default 3,000.
    pub connect_timeout_ms: u64,
    /// A post must be answered within this, ms. Default 10,000.
    pub request_timeout_ms: u64,
    /// Posts under way at once, of all calls; further ones wait. Default 64.
    pub max_concurrent: usize,
    /// An answer is read up to so many bytes. Default 65,536.
    pub max_response_bytes: usize,
}

impl SalesforceOptions {
    /// Whether it says where the private key is.
    #[must_use]
    pub const fn names_a_key(&self) -> bool {
        self.private_key_file.is_some()
            || self.private_key.is_some()
            || self.secret_name.is_some()
            || self.private_key_parameter.is_some()
    }
}

impl Default for SalesforceOptions {
    fn default() -> Self {
        Self {
            endpoint_base: None,
            org_id: None,
            call_center: None,
            private_key_file: None,
            private_key: None,
            secret_name: None,
            private_key_parameter: None,
            audience: "https://scrt.salesforce.com".to_owned(),
            token_lifetime_s: 180,
            token: TokenUse::Cached,
            provider_header: "Telephony-Provider-Name".to_owned(),
            provider_name: "amazon-connect".to_owned(),
            ca_file: None,
            connect_timeout_ms: 3_000,
            request_timeout_ms: 10_000,
            max_concurrent: 64,
            max_response_bytes: 64 << 10,
        }
    }
}
