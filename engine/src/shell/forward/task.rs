//! Handing a payload to an ECS task of its own, once however often it comes.

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_lc_rs::digest::{SHA256, digest};
use tokio::sync::Mutex;

use crate::shell::aws::{Aws, AwsOptions, ConfigError, ContainerOverride, RunTask, TaskNetwork, sdk_config};
use crate::shell::clock;
use crate::shell::payload::Payload;
use crate::time::{Span, Time};

use super::Forwarded;
use super::error::{ForwardError, ForwardSetupError};
use super::options::ForwardOptions;

/// Variable of the task's environment that holds the payload.
const EVENT: &str = "KVSCRIBE_EVENT";
/// What the task runs; its image's entry point is `transcribe`.
const COMMAND: [&str; 2] = ["call", "env:KVSCRIBE_EVENT"];
/// Characters of all overrides of a task. Source: Amazon ECS, RunTask, `overrides`.
const MAX_OVERRIDE: usize = 8192;
/// Lambda freezes the process between invocations: a connection not used for so long may be dead.
const FRESH: Span = Span::from_s(20);

/// Starts tasks.
#[derive(Debug)]
pub(super) struct Tasks {
    options: AwsOptions,
    keys: SharedCredentialsProvider,
    client: Mutex<Client>,
    task: RunTask,
    container: String,
}

#[derive(Debug)]
struct Client {
    aws: std::sync::Arc<Aws>,
    used: Time,
}

impl Tasks {
    pub(super) async fn new(
        options: &ForwardOptions,
        mut aws: AwsOptions,
    ) -> Result<Self, ForwardSetupError> {
        // A try that hangs leaves time for another.
        aws.request_timeout_ms = aws.request_timeout_ms.min(options.timeout_ms);
        aws.connect_timeout_ms = aws.connect_timeout_ms.min(options.timeout_ms / 2);
        let sdk = Box::pin(sdk_config(&aws)).await?;
        aws.region = Some(sdk.region().ok_or(ConfigError::NoRegion)?.to_string());
        let keys = sdk.credentials_provider().ok_or(ConfigError::NoCredentials)?;
        let client = std::sync::Arc::new(Aws::new(aws.clone(), keys.clone())?);
        let client = Mutex::new(Client { aws: client, used: clock::now() });

        let mut task = RunTask::new(options.ecs_task_definition.clone().unwrap_or_default(), "");
        task.cluster.clone_from(&options.ecs_cluster);
        task.launch_type = Some(options.ecs_launch_type.clone()).filter(|t| !t.is_empty());
        task.network = (!options.ecs_subnets.is_empty()).then(|| TaskNetwork {
            subnets: options.ecs_subnets.clone(),
            security_groups: options.ecs_security_groups.clone(),
            assign_public_ip: options.ecs_assign_public_ip,
        });
        Ok(Self { options: aws, keys, client, task, container: options.ecs_container.clone() })
    }

    pub(super) async fn hand_on(&self, order: &Payload, payload: &str) -> Result<Forwarded, ForwardError> {
        let mut task = self.task.clone();
        task.client_token = client_token(order);
        task.started_by = Some(started_by(&order.contact_id));
        task.container = Some(self.container(payload)?);
        let contact_id = order.contact_id.clone();
        match self.client().await?.run_task(&task).await {
            // The same token gives the same task; which of the two it was, ECS does not say.
            Ok(arn) => Ok(Forwarded { contact_id, already_running: false, by: Some(arn) }),
            // The token has started a task with another request: the same call with other wishes.
            Err(error) if error.code.as_deref() == Some("ConflictException") => {
                tracing::warn!(%error, "the call has a task already, started by another payload");
                Ok(Forwarded { contact_id, already_running: true, by: None })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn container(&self, payload: &str) -> Result<ContainerOverride, ForwardError> {
        let shape = serde_json::json!({"containerOverrides": [{
            "name": self.container, "command": COMMAND, "environment": [{"name": EVENT, "value": payload}],
        }]});
        let found = shape.to_string().chars().count();
        if found > MAX_OVERRIDE {
            return Err(ForwardError::TooLarge { found, limit: MAX_OVERRIDE });
        }
        Ok(ContainerOverride {
            name: self.container.clone(),
            command: COMMAND.map(str::to_owned).to_vec(),
            environment: vec![(EVENT.to_owned(), payload.to_owned())],
        })
    }

    /// The client, with connections of its own where the last ones may be dead.
    async fn client(&self) -> Result<std::sync::Arc<Aws>, ForwardError> {
        let mut client = self.client.lock().await;
        let now = clock::now();
        if now - client.used > FRESH
            && let Ok(fresh) = Aws::new(self.options.clone(), self.keys.clone())
        {
            client.aws = std::sync::Arc::new(fresh);
        }
        client.used = now;
        Ok(std::sync::Arc::clone(&client.aws))
    }
}

/// One task per contact, stream and start fragment, which is what a worker tells starts apart by. 64
/// characters, as many as ECS takes.
fn client_token(order: &Payload) -> String {
    let segment = &order.segment;
    let start = segment.start_fragment.as_deref().unwrap_or_default();
    let text = format!("{}\0{}\0{start}", order.contact_id, segment.stream);
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Letters, digits, `-`, `/` and `_`, at most 128. Source: Amazon ECS, RunTask, `startedBy`.
fn started_by(contact: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    "kvscribe/".chars().chain(contact.chars().map(plain)).take(128).collect()
}
