//! The section `[aws]`: which account and region, and how patient the small client is.

use std::path::PathBuf;

use serde::Deserialize;

/// Settings of everything that speaks to AWS.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AwsOptions {
    /// Region, such as `eu-west-2`. Default: the environment's (`AWS_REGION`), the profile's, the instance's.
    pub region: Option<String>,
    /// Profile of the shared configuration files. Default: `AWS_PROFILE`, else `default`.
    pub profile: Option<String>,
    /// Certificates trusted besides the platform's own, PEM. Default: none.
    pub ca_file: Option<PathBuf>,
    /// Address of Amazon Connect instead of the region's.
    pub connect_endpoint_url: Option<String>,
    /// Address of Secrets Manager instead of the region's.
    pub secrets_manager_endpoint_url: Option<String>,
    /// Address of Systems Manager (SSM) instead of the region's.
    pub ssm_endpoint_url: Option<String>,
    /// Address of ECS instead of the region's.
    pub ecs_endpoint_url: Option<String>,
    /// Address of DynamoDB instead of the region's.
    pub dynamodb_endpoint_url: Option<String>,
    /// A connection must stand within this, ms. Default 3,000.
    pub connect_timeout_ms: u64,
    /// A try must be answered within this, ms. Default 10,000.
    pub request_timeout_ms: u64,
    /// Tries of one question, the first included. Default 3.
    pub max_attempts: u32,
    /// An answer beyond this is an error, bytes. Default 1,048,576.
    pub max_response_bytes: usize,
    /// Contacts asked about per second in the long run (`DescribeContact`; the account's quota is shared with
    /// everything else in it). Default 2.
    pub describe_contact_per_s: f64,
    /// Contacts asked about at once after a quiet time. Default 5.
    pub describe_contact_burst: u32,
    /// A question that would wait longer for its turn is not asked, ms. Default 8,000.
    pub describe_contact_max_wait_ms: u64,
    /// What is known of a contact is believed for so long, s. Default 3,600.
    pub contact_cache_s: u64,
    /// Contacts remembered. Default 4,096.
    pub contact_cache_entries: usize,
}

impl Default for AwsOptions {
    fn default() -> Self {
        Self {
            region: None,
            profile: None,
            ca_file: None,
            connect_endpoint_url: None,
            secrets_manager_endpoint_url: None,
            ssm_endpoint_url: None,
            ecs_endpoint_url: None,
            dynamodb_endpoint_url: None,
            connect_timeout_ms: 3_000,
            request_timeout_ms: 10_000,
            max_attempts: 3,
            max_response_bytes: 1 << 20,
            describe_contact_per_s: 2.0,
            describe_contact_burst: 5,
            describe_contact_max_wait_ms: 8_000,
            contact_cache_s: 3_600,
            contact_cache_entries: 4_096,
        }
    }
}
