//! `[forward]`: where payloads go.

use serde::Deserialize;

use crate::shell::secrets::SecretText;

use super::error::ForwardSetupError;

/// Shortest and longest time for one payload, ms.
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 50..=60_000;

/// `[forward]`: what `transcribe lambda` does with a payload.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForwardOptions {
    /// To a worker, or into a task of its own. Default `worker`.
    pub mode: ForwardMode,
    /// Addresses of workers, `http(s)://host[:port]`. Payloads of one contact prefer the same one, so that a
    /// repeated or further trigger finds its call; the others are asked when it is full, about to end or
    /// cannot be connected. Default none; needed in mode `worker`.
    pub worker_urls: Vec<String>,
    /// Bearer token with the scope `calls`. Better one of the other two. Default none.
    pub token: Option<SecretText>,
    /// Environment variable that holds it. Default none.
    pub token_env: Option<String>,
    /// Secret in Secrets Manager that holds it as plain text, by name or ARN. It is read again when the
    /// worker refuses it, so that it can be rotated. Default none.
    pub token_secret: Option<String>,
    /// Cluster of the tasks, name or ARN. Default: the account's default cluster.
    pub ecs_cluster: Option<String>,
    /// Task definition whose container runs `transcribe`: family, family and revision, or ARN. Default none;
    /// needed in mode `ecs`.
    pub ecs_task_definition: Option<String>,
    /// Name of that container. Default `kvscribe`.
    pub ecs_container: String,
    /// `FARGATE`, `EC2` or `EXTERNAL`; empty: the cluster's capacity provider decides. Default `FARGATE`.
    pub ecs_launch_type: String,
    /// Subnets of the tasks. Default none; needed on Fargate.
    pub ecs_subnets: Vec<String>,
    /// Security groups of the tasks. Default: that of the network.
    pub ecs_security_groups: Vec<String>,
    /// Tasks get a public address. Default false.
    pub ecs_assign_public_ip: bool,
    /// Time for one payload, everything included, ms: 50 to 60,000. Default 900. ECS itself often needs longer
    /// to accept a task.
    pub timeout_ms: u64,
}

/// Who takes payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForwardMode {
    /// A worker, over HTTP.
    #[default]
    Worker,
    /// One ECS task per call.
    Ecs,
}

impl Default for ForwardOptions {
    fn default() -> Self {
        Self {
            mode: ForwardMode::Worker,
            worker_urls: Vec::new(),
            token: None,
            token_env: None,
            token_secret: None,
            ecs_cluster: None,
            ecs_task_definition: None,
            ecs_container: "kvscribe".to_owned(),
            ecs_launch_type: "FARGATE".to_owned(),
            ecs_subnets: Vec::new(),
            ecs_security_groups: Vec::new(),
            ecs_assign_public_ip: false,
            timeout_ms: 900,
        }
    }
}

impl ForwardOptions {
    /// Whether the options make sense together.
    ///
    /// # Errors
    /// The first that does not, with what to do.
    pub fn check(&self) -> Result<(), ForwardSetupError> {
        let wrong = |key, what: &str| Err(ForwardSetupError::Option { key, what: what.to_owned() });
        if !TIMEOUT_MS.contains(&self.timeout_ms) {
            return wrong("timeout_ms", "it should be 50 to 60,000");
        }
        match self.mode {
            ForwardMode::Worker if self.worker_urls.is_empty() => {
                wrong("worker_urls", "name at least one worker, as http://host:8080")
            }
            ForwardMode::Worker => {
                let places = [self.token.is_some(), self.token_env.is_some(), self.token_secret.is_some()];
                if places.into_iter().filter(|there| *there).count() > 1 {
                    return wrong("token", "give one of token, token_env and token_secret");
                }
                Ok(())
            }
            ForwardMode::Ecs if self.ecs_task_definition.is_none() => {
                wrong("ecs_task_definition", "name the task definition whose container runs `transcribe`")
            }
            ForwardMode::Ecs if self.ecs_launch_type == "FARGATE" && self.ecs_subnets.is_empty() => {
                wrong("ecs_subnets", "tasks on Fargate need at least one subnet")
            }
            ForwardMode::Ecs => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_said() {
        let ecs = ForwardOptions {
            mode: ForwardMode::Ecs,
            ecs_task_definition: Some("kvscribe-call".into()),
            ..ForwardOptions::default()
        };
        let worker = ForwardOptions { worker_urls: vec!["http://w".into()], ..ForwardOptions::default() };
        for (bad, key) in [
            (ForwardOptions::default(), "worker_urls"),
            (
                ForwardOptions {
                    token: Some(SecretText::new("a")),
                    token_env: Some("B".into()),
                    ..worker.clone()
                },
                "token",
            ),
            (ForwardOptions { timeout_ms: 5, ..worker.clone() }, "timeout_ms"),
            (ecs.clone(), "ecs_subnets"),
            (ForwardOptions { ecs_task_definition: None, ..ecs.clone() }, "ecs_task_definition"),
        ] {
            let said = bad.check().unwrap_err().to_string();
            assert!(said.starts_with(&format!("[forward] {key}: ")), "{said}");
        }
        worker.check().unwrap();
        ForwardOptions { ecs_launch_type: String::new(), ..ecs }.check().unwrap();
    }

    #[test]
    fn the_token_is_not_printed() {
        let options = ForwardOptions { token: Some(SecretText::new("s3cret")), ..ForwardOptions::default() };
        assert!(!format!("{options:?}").contains("s3cret"));
    }
}
