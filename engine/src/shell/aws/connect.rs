//! Amazon Connect: what a contact is, its attributes, and how long its streams keep their audio.

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::call::ContactFacts;
use crate::time::Time;

use super::client::{Aws, Question};
use super::error::{AwsError, AwsErrorKind, AwsService};

/// What DescribeContact says of a contact, as far as it matters here. Times are Connect's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contact {
    /// `Id`.
    pub id: String,
    /// `InitialContactId`: the first contact of the transfer chain; absent for the first itself.
    pub initial_contact_id: Option<String>,
    /// `PreviousContactId`.
    pub previous_contact_id: Option<String>,
    /// `RelatedContactId`.
    pub related_contact_id: Option<String>,
    /// `InitiationMethod`: `INBOUND`, `TRANSFER`, `QUEUE_TRANSFER`, `MONITOR`, …
    pub initiation_method: Option<String>,
    /// `Channel`: `VOICE`, …
    pub channel: Option<String>,
    /// `AgentInfo.Id`.
    pub agent_id: Option<String>,
    /// `AgentInfo.ConnectedToAgentTimestamp`.
    pub agent_connected: Option<Time>,
    /// `InitiationTimestamp`.
    pub initiated: Option<Time>,
    /// `DisconnectTimestamp`.
    pub disconnected: Option<Time>,
}

impl From<Contact> for ContactFacts {
    fn from(contact: Contact) -> Self {
        Self {
            initial_contact_id: contact.initial_contact_id,
            previous_contact_id: contact.previous_contact_id,
            related_contact_id: contact.related_contact_id,
            initiation_method: contact.initiation_method,
            disconnected: contact.disconnected,
        }
    }
}

/// Where an instance's live media goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaStreamStorage {
    /// Prefix of the streams' names.
    pub prefix: String,
    /// Hours that streams keep their audio; 0: late starts and reconnects have nothing to read.
    pub retention_h: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    contact: Wire,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wire {
    #[serde(default)]
    id: String,
    initial_contact_id: Option<String>,
    previous_contact_id: Option<String>,
    related_contact_id: Option<String>,
    initiation_method: Option<String>,
    channel: Option<String>,
    agent_info: Option<Agent>,
    initiation_timestamp: Option<f64>,
    disconnect_timestamp: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Agent {
    id: Option<String>,
    connected_to_agent_timestamp: Option<f64>,
}

/// Epoch seconds; `None` where the number is none.
fn time(seconds: Option<f64>) -> Option<Time> {
    seconds.filter(|s| s.is_finite()).map(|s| Time::from_us((s * 1e6).round() as i64))
}

impl From<Wire> for Contact {
    fn from(wire: Wire) -> Self {
        let agent = wire.agent_info.unwrap_or_default();
        Self {
            id: wire.id,
            initial_contact_id: wire.initial_contact_id,
            previous_contact_id: wire.previous_contact_id,
            related_contact_id: wire.related_contact_id,
            initiation_method: wire.initiation_method,
            channel: wire.channel,
            agent_id: agent.id,
            agent_connected: time(agent.connected_to_agent_timestamp),
            initiated: time(wire.initiation_timestamp),
            disconnected: time(wire.disconnect_timestamp),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StorageConfigs {
    #[serde(default)]
    storage_configs: Vec<StorageConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StorageConfig {
    kinesis_video_stream_config: Option<StreamConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamConfig {
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    retention_period_hours: u32,
}

impl Aws {
    /// What a contact is. `instance` is an id or an ARN; an ARN also says the region. Source: Amazon Connect,
    /// DescribeContact; needs `connect:DescribeContact`.
    ///
    /// # Errors
    /// When Connect does not say, or the ids are none.
    pub async fn describe_contact(&self, instance: &str, contact: &str) -> Result<Contact, AwsError> {
        let instance = Instance::read("DescribeContact", instance)?;
        let contact = id("DescribeContact", "contact", contact)?;
        let path = format!("/contacts/{}/{contact}", instance.id);
        let question = instance.question("DescribeContact", Method::GET, path, Bytes::new());
        let described: Described = self.ask(&question).await?;
        Ok(described.contact.into())
    }

    /// Sets attributes of a contact, in place of those of the same names; the others stay. Source: Amazon
    /// Connect, UpdateContactAttributes (names of letters, digits, `-` and `_`; 32 KiB of all together); needs
    /// `connect:UpdateContactAttributes`.
    ///
    /// # Errors
    /// When Connect does not take them, or the ids are none.
    pub async fn update_contact_attributes(
        &self,
        instance: &str,
        initial_contact: &str,
        attributes: &[(&str, &str)],
    ) -> Result<(), AwsError> {
        let instance = Instance::read("UpdateContactAttributes", instance)?;
        let contact = id("UpdateContactAttributes", "contact", initial_contact)?;
        let attributes: Map<String, Value> =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let body = json!({
            "InitialContactId": contact, "InstanceId": instance.id, "Attributes": attributes,
        });
        let path = "/contact/attributes".to_owned();
        let body = Bytes::from(body.to_string());
        let question = instance.question("UpdateContactAttributes", Method::POST, path, body);
        let _: Value = self.ask(&question).await?;
        Ok(())
    }

    /// Where the instance's live media goes; `None` where live media streaming is off. Source: Amazon Connect,
    /// ListInstanceStorageConfigs with `resourceType=MEDIA_STREAMS`; needs
    /// `connect:ListInstanceStorageConfigs`.
    ///
    /// # Errors
    /// When Connect does not say, or the id is none.
    pub async fn media_stream_storage(&self, instance: &str) -> Result<Option<MediaStreamStorage>, AwsError> {
        let operation = "ListInstanceStorageConfigs";
        let instance = Instance::read(operation, instance)?;
        let path = format!("/instance/{}/storage-configs?resourceType=MEDIA_STREAMS", instance.id);
        let question = instance.question(operation, Method::GET, path, Bytes::new());
        let listed: StorageConfigs = self.ask(&question).await?;
        let streams = listed.storage_configs.into_iter().find_map(|c| c.kinesis_video_stream_config);
        Ok(streams.map(|s| MediaStreamStorage { prefix: s.prefix, retention_h: s.retention_period_hours }))
    }
}

/// An instance of Connect.
#[derive(Debug, PartialEq, Eq)]
struct Instance<'a> {
    id: &'a str,
    region: Option<&'a str>,
}

impl<'a> Instance<'a> {
    /// From an id, or an ARN such as `arn:aws:connect:eu-west-2:123456789012:instance/9999…`.
    fn read(operation: &'static str, text: &'a str) -> Result<Self, AwsError> {
        let region = text.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2));
        let last = text.rsplit('/').next().unwrap_or_default();
        let region = region.filter(|r| !r.is_empty() && plain(r));
        Ok(Self { id: id(operation, "instance", last)?, region })
    }

    fn question(&self, operation: &'static str, method: Method, path: String, body: Bytes) -> Question {
        let (service, region) = (AwsService::Connect, self.region.map(str::to_owned));
        Question { service, operation, method, path, target: None, body, region }
    }
}

fn plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Ids come from streams and payloads: what is none never reaches a path.
fn id<'a>(operation: &'static str, what: &str, text: &'a str) -> Result<&'a str, AwsError> {
    if (1..=256).contains(&text.len()) && plain(text) {
        return Ok(text);
    }
    let why = format!("the {what} id is not one of letters, digits and dashes");
    Err(AwsError::new(AwsService::Connect, operation, AwsErrorKind::Invalid, why))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_named_by_id_or_arn_and_nothing_else() {
        let read = |text| Instance::read("DescribeContact", text);
        let arn = "arn:aws:connect:eu-west-2:123456789012:instance/99999999-8888-4777-8666-555555555555";
        let id = "99999999-8888-4777-8666-555555555555";
        assert_eq!(read(arn).unwrap(), Instance { id, region: Some("eu-west-2") });
        assert_eq!(read(id).unwrap(), Instance { id, region: None });
        for odd in
            ["", "arn:aws:connect:eu-west-2:123456789012:instance/", "a?b", "a b", "..", &"a".repeat(257)]
        {
            assert_eq!(read(odd).unwrap_err().kind, AwsErrorKind::Invalid, "{odd}");
        }
    }
}
