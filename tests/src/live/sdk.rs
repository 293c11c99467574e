//! What the AWS SDK's clients are told in tests.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials as Keypair;
use aws_credential_types::provider::SharedCredentialsProvider;

use crate::emulators::sigv4::Credentials;

/// Region of everything.
pub(super) const REGION: &str = "eu-west-2";

/// The region, and the keys that the emulators know with this secret.
#[must_use]
pub fn sdk(secret: &str) -> SdkConfig {
    let pair = Keypair::new(Credentials::example().access_key_id, secret, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(pair))
        .build()
}
