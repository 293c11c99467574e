//! ECS: one task per call.

use serde::{Deserialize, Serialize};

use super::client::{Aws, Question};
use super::error::{AwsError, AwsErrorKind, AwsService};

/// A task to be run. Source: Amazon ECS, RunTask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunTask {
    /// Name or ARN of the cluster; absent: `default`.
    pub cluster: Option<String>,
    /// Family, family and revision, or ARN of the task definition.
    pub task_definition: String,
    /// `FARGATE`, `EC2` or `EXTERNAL`; absent: the cluster's capacity provider decides.
    pub launch_type: Option<String>,
    /// Network of the task; needed where its network mode is `awsvpc`, as on Fargate.
    pub network: Option<TaskNetwork>,
    /// What differs from the task definition.
    pub container: Option<ContainerOverride>,
    /// The same token runs the same task once, up to 64 characters: a repeated question starts nothing twice.
    pub client_token: String,
    /// Who started it, up to 128 characters; shown by `ListTasks`.
    pub started_by: Option<String>,
}

impl RunTask {
    /// A task of this definition, started once under this token.
    #[must_use]
    pub fn new(task_definition: impl Into<String>, client_token: impl Into<String>) -> Self {
        Self { task_definition: task_definition.into(), client_token: client_token.into(), ..Self::default() }
    }
}

/// Network of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskNetwork {
    /// Subnets, at least one.
    pub subnets: Vec<String>,
    /// Security groups; none: the default one of the network.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// The task gets a public address.
    #[serde(default)]
    pub assign_public_ip: bool,
}

/// What one container does differently from its definition.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ContainerOverride {
    /// Name of the container in the task definition.
    pub name: String,
    /// Its command; empty: the definition's.
    pub command: Vec<String>,
    /// Names and values that are added to its environment.
    pub environment: Vec<(String, String)>,
}

impl std::fmt::Debug for ContainerOverride {
    /// Commands and values carry payloads, and those carry telephone numbers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.environment.iter().map(|(name, _)| name.as_str()).collect();
        let mut shown = f.debug_struct("ContainerOverride");
        shown.field("name", &self.name).field("environment", &names).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
    task_definition: &'a str,
    count: u32,
    client_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    launch_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_configuration: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overrides: Option<serde_json::Value>,
}

impl<'a> From<&'a RunTask> for Body<'a> {
    fn from(task: &'a RunTask) -> Self {
        let network = task.network.as_ref().map(|network| {
            serde_json::json!({"awsvpcConfiguration": {
                "subnets": network.subnets,
                "securityGroups": network.security_groups,
                "assignPublicIp": if network.assign_public_ip { "ENABLED" } else { "DISABLED" },
            }})
        });
        let overrides = task.container.as_ref().map(|container| {
            let pair = |(name, value): &(String, String)| serde_json::json!({"name": name, "value": value});
            let environment: Vec<_> = container.environment.iter().map(pair).collect();
            let mut one = serde_json::json!({"name": container.name, "environment": environment});
            if !container.command.is_empty() {
                one["command"] = container.command.clone().into();
            }
            serde_json::json!({ "containerOverrides": [one] })
        });
        Self {
            cluster: task.cluster.as_deref(),
            task_definition: &task.task_definition,
            count: 1,
            client_token: &task.client_token,
            launch_type: task.launch_type.as_deref(),
            started_by: task.started_by.as_deref(),
            network_configuration: network,
            overrides,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    tasks: Vec<Task>,
    #[serde(default)]
    failures: Vec<Failure>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    task_arn: String,
}

#[derive(Debug, Deserialize)]
struct Failure {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    detail: Option<String>,
}

impl Aws {
    /// Runs one task and returns its ARN. Needs `ecs:RunTask`, and `iam:PassRole` for the task's roles.
    ///
    /// # Errors
    /// When ECS refuses, or takes the request and starts nothing: a failure without capacity (`RESOURCE:…`,
    /// `Capacity is unavailable…`) counts as [`AwsErrorKind::Throttled`], because it passes.
    pub async fn run_task(&self, task: &RunTask) -> Result<String, AwsError> {
        let target = "AmazonEC2ContainerServiceV20141113.RunTask";
        let body = serde_json::to_value(Body::from(task)).unwrap_or_default();
        let question = Question::json(AwsService::Ecs, "RunTask", target, &body);
        let answer: Answer = self.ask(&question).await?;
        if let Some(task) = answer.tasks.into_iter().next() {
            return Ok(task.task_arn);
        }
        let passing = |f: &Failure| f.reason.starts_with("RESOURCE") || f.reason.starts_with("Capacity");
        let kind = match answer.failures.iter().any(passing) {
            true => AwsErrorKind::Throttled,
            false => AwsErrorKind::Invalid,
        };
        let say = |f: &Failure| format!("{} {}", f.reason, f.detail.as_deref().unwrap_or_default());
        let why: Vec<String> = answer.failures.iter().map(say).collect();
        Err(question.error(kind, format!("no task was started: {}", why.join("; "))))
    }
}
