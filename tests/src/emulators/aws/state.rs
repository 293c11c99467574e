//! The state machine: contacts, secrets, parameters, tasks, and what was asked.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use engine::time::Time;
use serde_json::{Value, json};

use super::request::{self, Operation};
use super::script::{Exception, Fault};
use crate::emulators::sigv4::{self, Credentials};

/// How the services behave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Every request must be signed with these; absent: signatures are not looked at.
    pub credentials: Option<Credentials>,
}

/// A contact as Connect knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contact {
    /// `InitialContactId`.
    pub initial: Option<String>,
    /// `PreviousContactId`.
    pub previous: Option<String>,
    /// `RelatedContactId`.
    pub related: Option<String>,
    /// `InitiationMethod`; empty: `INBOUND`.
    pub initiation_method: String,
    /// `AgentInfo`: id and `ConnectedToAgentTimestamp`.
    pub agent: Option<(String, Time)>,
    /// `DisconnectTimestamp`.
    pub disconnected: Option<Time>,
}

/// A task as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// `clientToken`.
    pub client_token: String,
    /// Its ARN.
    pub arn: String,
    /// The whole request.
    pub request: Value,
}

/// A request that was understood, whatever became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// When.
    pub at: Time,
    /// What for.
    pub operation: Operation,
}

/// What a request meets.
#[derive(Debug, Clone)]
pub enum Answer {
    /// This answer.
    Reply(http::Response<Bytes>),
    /// Nothing, ever.
    Silence,
    /// The connection breaks.
    Cut,
}

/// The four services.
#[derive(Debug, Clone, Default)]
pub struct Aws {
    options: Options,
    contacts: BTreeMap<String, Contact>,
    secrets: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
    retention_h: Option<u32>,
    attributes: BTreeMap<String, BTreeMap<String, String>>,
    tasks: Vec<Task>,
    task_failure: Option<String>,
    plans: VecDeque<(String, Fault)>,
    asked: Vec<Asked>,
    denials: Vec<(Time, String)>,
}

impl Aws {
    /// Without anything in it.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// Adds a contact, in any instance.
    pub fn add_contact(&mut self, id: &str, contact: Contact) {
        self.contacts.insert(id.to_owned(), contact);
    }

    /// Adds a secret.
    pub fn add_secret(&mut self, name: &str, value: &str) {
        self.secrets.insert(name.to_owned(), value.to_owned());
    }

    /// Adds an encrypted parameter.
    pub fn add_parameter(&mut self, name: &str, value: &str) {
        self.parameters.insert(name.to_owned(), value.to_owned());
    }

    /// Live media streaming is on and keeps audio for so many hours.
    pub fn stream_media(&mut self, retention_h: u32) {
        self.retention_h = Some(retention_h);
    }

    /// From now on no task is started, for this reason.
    pub fn fail_tasks(&mut self, reason: Option<&str>) {
        self.task_failure = reason.map(str::to_owned);
    }

    /// The next request of this operation, by name, meets a fault. Several are met in turn.
    pub fn script(&mut self, operation: &str, fault: Fault) {
        self.plans.push_back((operation.to_owned(), fault));
    }

    /// Every request that was understood, in order.
    #[must_use]
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// How often an operation was asked for, by its name.
    #[must_use]
    pub fn count(&self, operation: &str) -> usize {
        self.asked.iter().filter(|asked| asked.operation.name() == operation).count()
    }

    /// Requests whose signature was not taken: when, and what was wrong.
    #[must_use]
    pub fn denials(&self) -> &[(Time, String)] {
        &self.denials
    }

    /// Attributes of a contact.
    #[must_use]
    pub fn attributes(&self, contact: &str) -> Option<&BTreeMap<String, String>> {
        self.attributes.get(contact)
    }

    /// Tasks that were started.
    #[must_use]
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// Takes a request with its whole body.
    pub fn handle(&mut self, now: Time, request: &http::Request<Bytes>) -> Answer {
        let (parts, _) = request.clone().into_parts();
        let operation = match request::read(&parts) {
            Ok(operation) => operation,
            Err(exception) => return refusal(exception, "no such operation"),
        };
        if let Some(credentials) = &self.options.credentials {
            let hash = sigv4::payload_hash(request.body());
            let checked = sigv4::verify(&parts, &hash, credentials, now).map(|_| ());
            let checked = checked.and_then(|()| match request::signed_service(&parts) {
                Some(service) if service == operation.service() => Ok(()),
                other => Err(format!("signed for {other:?}, not for {}", operation.service())),
            });
            if let Err(why) = checked {
                self.denials.push((now, why.clone()));
                return refusal(Exception::SIGNATURE, &why);
            }
        }
        self.asked.push(Asked { at: now, operation: operation.clone() });
        let planned = self.plans.iter().position(|(name, _)| name == operation.name());
        match planned.and_then(|n| self.plans.remove(n)) {
            Some((_, Fault::Refuse(exception))) => return refusal(exception, "by script"),
            Some((_, Fault::Silence)) => return Answer::Silence,
            Some((_, Fault::Cut)) => return Answer::Cut,
            Some((_, Fault::Garbage)) => {
                return Answer::Reply(http::Response::new(Bytes::from_static(b"<html>")));
            }
            None => {}
        }
        let body = serde_json::from_slice(request.body()).unwrap_or_default();
        match self.perform(&operation, &body) {
            Ok(answer) => Answer::Reply(http::Response::new(Bytes::from(answer.to_string()))),
            Err((exception, why)) => refusal(exception, &why),
        }
    }

    fn perform(&mut self, operation: &Operation, body: &Value) -> Result<Value, (Exception, String)> {
        let text =
            |name: &str| request::text(body, name).map_err(|e| (e, format!("{name} is missing or no text")));
        let missing = |name| (Exception { name, status: 400 }, "it does not exist".to_owned());
        match operation {
            Operation::DescribeContact(_, id) => {
                let none = || (Exception::NOT_FOUND, "no such contact".to_owned());
                Ok(json!({"Contact": describe(id, self.contacts.get(id).ok_or_else(none)?)}))
            }
            Operation::UpdateContactAttributes => {
                text("InstanceId")?;
                let contact = self.attributes.entry(text("InitialContactId")?).or_default();
                for (name, value) in body["Attributes"].as_object().into_iter().flatten() {
                    contact.insert(name.clone(), value.as_str().unwrap_or_default().to_owned());
                }
                Ok(json!({}))
            }
            Operation::ListInstanceStorageConfigs(_) => {
                let config = |hours: &u32| {
                    json!({"AssociationId": "a", "StorageType": "KINESIS_VIDEO_STREAM",
                        "KinesisVideoStreamConfig": {"Prefix": "acme", "RetentionPeriodHours": hours}})
                };
                let configs: Vec<Value> = self.retention_h.iter().map(config).collect();
                Ok(json!({ "StorageConfigs": configs }))
            }
            Operation::GetSecretValue => {
                let name = text("SecretId")?;
                let value = self.secrets.get(&name).ok_or_else(|| missing("ResourceNotFoundException"))?;
                Ok(json!({"Name": name, "SecretString": value}))
            }
            Operation::GetParameter => {
                let name = text("Name")?;
                let value = self.parameters.get(&name).ok_or_else(|| missing("ParameterNotFound"))?;
                // Without decryption the service hands out the cipher text.
                let clear = body["WithDecryption"] == json!(true);
                let value = if clear { value.as_str() } else { "AQICAHh…" };
                Ok(json!({"Parameter": {"Name": name, "Type": "SecureString", "Value": value}}))
            }
            Operation::RunTask => Ok(self.run_task(&text("clientToken")?, body)),
        }
    }

    /// The same token starts the same task once.
    fn run_task(&mut self, token: &str, body: &Value) -> Value {
        if let Some(reason) = &self.task_failure {
            return json!({"tasks": [], "failures": [{"reason": reason}]});
        }
        let found = self.tasks.iter().position(|task| task.client_token == token);
        let n = found.unwrap_or_else(|| {
            let arn = format!("arn:aws:ecs:eu-west-2:123456789012:task/default/{}", self.tasks.len());
            self.tasks.push(Task { client_token: token.to_owned(), arn, request: body.clone() });
            self.tasks.len() - 1
        });
        json!({"tasks": [{"taskArn": self.tasks[n].arn}], "failures": []})
    }
}

/// A contact as DescribeContact writes it: times are epoch seconds.
fn describe(id: &str, contact: &Contact) -> Value {
    let seconds = |at: Time| at.ms() as f64 / 1000.0;
    let method = if contact.initiation_method.is_empty() { "INBOUND" } else { &contact.initiation_method };
    let mut value = json!({"Id": id, "Channel": "VOICE", "InitiationMethod": method});
    for (name, other) in [
        ("InitialContactId", &contact.initial),
        ("PreviousContactId", &contact.previous),
        ("RelatedContactId", &contact.related),
    ] {
        if let Some(other) = other {
            value[name] = json!(other);
        }
    }
    if let Some((agent, connected)) = &contact.agent {
        value["AgentInfo"] = json!({"Id": agent, "ConnectedToAgentTimestamp": seconds(*connected)});
    }
    if let Some(at) = contact.disconnected {
        value["DisconnectTimestamp"] = json!(seconds(at));
    }
    value
}

/// An exception as both protocols write it: the type in a header and, with a name space, in the body.
fn refusal(exception: Exception, message: &str) -> Answer {
    let kind = format!("com.amazonaws#{}", exception.name);
    let body = json!({"__type": kind, "Message": message}).to_string();
    let mut response = http::Response::new(Bytes::from(body));
    *response.status_mut() =
        http::StatusCode::from_u16(exception.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let name = http::HeaderValue::from_static(exception.name);
    response.headers_mut().insert("x-amzn-errortype", name);
    Answer::Reply(response)
}
