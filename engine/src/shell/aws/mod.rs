//! One small signed client for the AWS calls that need no SDK crate of their own.
