//! Secrets Manager and SSM Parameter Store.

use serde::Deserialize;
use serde_json::json;

use crate::shell::secrets::{SecretError, SecretSource, SecretText};

use super::client::{Aws, Question};
use super::error::{AwsError, AwsErrorKind, AwsService};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretValue {
    secret_string: Option<SecretText>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    parameter: Parameter,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    value: SecretText,
}

impl Aws {
    /// The current text of a secret by its name or ARN. Source: Secrets Manager, GetSecretValue; needs
    /// `secretsmanager:GetSecretValue`, and `kms:Decrypt` for a key of one's own.
    ///
    /// # Errors
    /// When it cannot be read, or is binary.
    pub async fn secret_value(&self, name: &str) -> Result<SecretText, AwsError> {
        let body = json!({ "SecretId": name });
        let target = "secretsmanager.GetSecretValue";
        let question = Question::json(AwsService::SecretsManager, "GetSecretValue", target, &body);
        let found: SecretValue = self.ask(&question).await?;
        let binary = || question.error(AwsErrorKind::Invalid, "the secret is binary; store it as text");
        found.secret_string.ok_or_else(binary)
    }

    /// The decrypted value of a parameter by its name or ARN. Source: Systems Manager, GetParameter; needs
    /// `ssm:GetParameter`, and `kms:Decrypt` for a key of one's own.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn parameter_value(&self, name: &str) -> Result<SecretText, AwsError> {
        let body = json!({ "Name": name, "WithDecryption": true });
        let question = Question::json(AwsService::Ssm, "GetParameter", "AmazonSSM.GetParameter", &body);
        let found: Found = self.ask(&question).await?;
        Ok(found.parameter.value)
    }
}

impl SecretSource for Aws {
    async fn secret(&self, name: &str) -> Result<SecretText, SecretError> {
        Ok(self.secret_value(name).await?)
    }

    async fn parameter(&self, name: &str) -> Result<SecretText, SecretError> {
        Ok(self.parameter_value(name).await?)
    }
}
