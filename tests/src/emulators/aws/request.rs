//! Requests: which service, which operation.

use serde_json::Value;

use super::script::Exception;

/// What is asked for, in the services' spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Connect, DescribeContact: instance and contact.
    DescribeContact(String, String),
    /// Connect, UpdateContactAttributes.
    UpdateContactAttributes,
    /// Connect, ListInstanceStorageConfigs for MEDIA_STREAMS: the instance.
    ListInstanceStorageConfigs(String),
    /// Secrets Manager, GetSecretValue.
    GetSecretValue,
    /// SSM, GetParameter.
    GetParameter,
    /// ECS, RunTask.
    RunTask,
}

impl Operation {
    /// Its name without arguments.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::DescribeContact(..) => "DescribeContact",
            Self::UpdateContactAttributes => "UpdateContactAttributes",
            Self::ListInstanceStorageConfigs(_) => "ListInstanceStorageConfigs",
            Self::GetSecretValue => "GetSecretValue",
            Self::GetParameter => "GetParameter",
            Self::RunTask => "RunTask",
        }
    }

    /// The service its signature must name.
    pub(super) fn service(&self) -> &'static str {
        match self {
            Self::DescribeContact(..)
            | Self::UpdateContactAttributes
            | Self::ListInstanceStorageConfigs(_) => "connect",
            Self::GetSecretValue => "secretsmanager",
            Self::GetParameter => "ssm",
            Self::RunTask => "ecs",
        }
    }
}

/// Reads what a request is for.
pub(super) fn read(request: &http::request::Parts) -> Result<Operation, Exception> {
    let header = |name| request.headers.get(name).and_then(|v: &http::HeaderValue| v.to_str().ok());
    if let Some(target) = header("x-amz-target") {
        let json = header("content-type") == Some("application/x-amz-json-1.1");
        if !json || request.method != http::Method::POST || request.uri.path() != "/" {
            return Err(Exception::INVALID);
        }
        return match target {
            "secretsmanager.GetSecretValue" => Ok(Operation::GetSecretValue),
            "AmazonSSM.GetParameter" => Ok(Operation::GetParameter),
            "AmazonEC2ContainerServiceV20141113.RunTask" => Ok(Operation::RunTask),
            _ => Err(Exception { name: "UnknownOperationException", status: 400 }),
        };
    }
    let path: Vec<&str> = request.uri.path().split('/').skip(1).collect();
    match (request.method.as_str(), &path[..]) {
        ("GET", ["contacts", instance, contact]) => {
            Ok(Operation::DescribeContact((*instance).to_owned(), (*contact).to_owned()))
        }
        ("POST", ["contact", "attributes"]) => Ok(Operation::UpdateContactAttributes),
        ("GET", ["instance", instance, "storage-configs"])
            if request.uri.query() == Some("resourceType=MEDIA_STREAMS") =>
        {
            Ok(Operation::ListInstanceStorageConfigs((*instance).to_owned()))
        }
        _ => Err(Exception { name: "UnknownOperationException", status: 404 }),
    }
}

/// A text field of a body.
pub(super) fn text(body: &Value, name: &str) -> Result<String, Exception> {
    body.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(Exception::INVALID)
}

/// The service that the signature's credential scope names.
pub(super) fn signed_service(request: &http::request::Parts) -> Option<&str> {
    let authorization = request.headers.get("authorization")?.to_str().ok()?;
    authorization.split("Credential=").nth(1)?.split('/').nth(3)
}
