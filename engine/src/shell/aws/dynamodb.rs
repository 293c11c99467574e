//! DynamoDB: its operations as they are, one item or one page at a time.

use serde_json::Value;

use super::client::{Aws, Question};
use super::error::{AwsError, AwsService};

/// What DynamoDB can be asked. Source: Amazon DynamoDB API reference, version 2012-08-10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DynamoDbOperation {
    /// Reads an item.
    GetItem,
    /// Writes an item.
    PutItem,
    /// Changes an item, or makes it.
    UpdateItem,
    /// Deletes an item.
    DeleteItem,
    /// Reads items of one partition, a page at a time.
    Query,
    /// Tells of a table.
    DescribeTable,
}

impl DynamoDbOperation {
    const fn name(self) -> &'static str {
        match self {
            Self::GetItem => "GetItem",
            Self::PutItem => "PutItem",
            Self::UpdateItem => "UpdateItem",
            Self::DeleteItem => "DeleteItem",
            Self::Query => "Query",
            Self::DescribeTable => "DescribeTable",
        }
    }

    const fn target(self) -> &'static str {
        match self {
            Self::GetItem => "DynamoDB_20120810.GetItem",
            Self::PutItem => "DynamoDB_20120810.PutItem",
            Self::UpdateItem => "DynamoDB_20120810.UpdateItem",
            Self::DeleteItem => "DynamoDB_20120810.DeleteItem",
            Self::Query => "DynamoDB_20120810.Query",
            Self::DescribeTable => "DynamoDB_20120810.DescribeTable",
        }
    }
}

impl Aws {
    /// Asks DynamoDB. Needs the permission of the operation's name, such as `dynamodb:GetItem`.
    ///
    /// A question may be asked twice where the first answer was lost: a condition that fails then may have been
    /// met by ourselves.
    ///
    /// # Errors
    /// When DynamoDB refuses, which is also how it says that a condition is not met
    /// ([`AwsError::is_condition_failed`]), or cannot be reached.
    pub async fn dynamodb(&self, operation: DynamoDbOperation, body: &Value) -> Result<Value, AwsError> {
        let question = Question::json(AwsService::DynamoDb, operation.name(), operation.target(), body);
        self.ask(&question).await
    }
}
