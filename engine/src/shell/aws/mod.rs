//! One small signed client for the AWS calls that need no SDK crate of their own.
//!
//! Connect, Secrets Manager, SSM, ECS and DynamoDB are asked a dozen things in all, and their SDK crates are half
//! a million lines. So requests are written here, signed with `aws-sigv4` and sent like any other. Credentials are the
//! SDK's: environment, profile, web identity, ECS and EC2 roles.
//!
//! It knows what the services' API references say. It knows no call and no Salesforce.

mod bucket;
mod client;
mod config;
mod connect;
mod directory;
mod dynamodb;
mod ecs;
mod error;
mod keyring;
mod options;
mod secrets;

pub use bucket::TokenBucket;
pub use client::Aws;
pub use config::{ConfigError, sdk_config};
pub use connect::{Contact, MediaStreamStorage};
pub use directory::ContactDirectory;
pub use dynamodb::DynamoDbOperation;
pub use ecs::{ContainerOverride, RunTask, TaskNetwork};
pub use error::{AwsAction, AwsError, AwsErrorKind, AwsService};
pub use options::AwsOptions;
