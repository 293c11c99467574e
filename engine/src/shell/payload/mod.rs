//! What starts a call: the payload of kvsConsumerTrigger, or the contact-flow event it is made from.
//!
//! This room turns untrusted JSON into a valid [`Payload`] or an error that names the key. It knows no
//! network, no configuration, and not what becomes of the call.

mod event;
mod phone;
mod read;
#[cfg(test)]
mod tests;
mod trigger;

use std::fmt;
use std::sync::Arc;

use crate::call::MediaSegment;
use crate::recogniser::{Channels, Party};

pub use phone::PhoneNumber;

use read::{Fields, Object};

/// Largest payload taken, bytes. Amazon Connect's events and asynchronous Lambda payloads are no larger.
pub const MAX_PAYLOAD_BYTES: usize = 256 * 1024;

/// Everything a call is told when it is triggered. Optional keys that are absent, null or empty are `None`.
///
/// Source: kvsTranscriber's input (Service Cloud Voice for Amazon Connect); Amazon Connect, Lambda
/// function event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Payload {
    /// The contact: `voiceCallId`, or `ContactId`.
    pub contact_id: String,
    /// Stream, start time and start fragment.
    pub segment: MediaSegment,
    /// The customer's number; absent where it was withheld.
    pub customer_phone: Option<PhoneNumber>,
    /// ARN of the Amazon Connect instance.
    pub instance_arn: Option<String>,
    /// Last part of [`Self::instance_arn`], as Connect's API takes it.
    pub instance_id: Option<String>,
    /// First contact of the transfer chain. Only the contact-flow event says it.
    pub initial_contact_id: Option<String>,
    /// The contact before this one. Only the contact-flow event says it.
    pub previous_contact_id: Option<String>,
    /// Key of the Salesforce call, given by `vendorCallKey`: an extension of the payload, which wins over
    /// [`Self::initial_contact_id`].
    pub vendor_call_key: Option<String>,
    /// The agent's Salesforce user id (005…), given by `agentUserId`: an extension of the payload.
    pub agent_user_id: Option<String>,
    /// Language code as Transcribe spells it; `None`: the configured one.
    pub language_code: Option<String>,
    /// The parties wanted.
    pub channels: Channels,
    /// Which Transcribe.
    pub engine: Engine,
    /// Vocabularies, `vocabularyName` split at commas.
    pub vocabularies: Vec<String>,
    /// Vocabulary filters, `vocabularyFilterName` split at commas.
    pub vocabulary_filters: Vec<String>,
    /// What the filters do; `None`: the configured way.
    pub vocabulary_filter_method: Option<FilterMethod>,
    /// Secret with the reference's keys, in Secrets Manager.
    pub secret_name: Option<String>,
    /// Keys nobody knows, for the log.
    pub ignored: Vec<String>,
    /// The payload as it came.
    pub text: PayloadText,
}

/// The text of a payload. It prints as `…`, because it names telephone numbers.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PayloadText(Arc<[u8]>);

impl PayloadText {
    /// The text itself: JSON.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PayloadText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Which Transcribe recognises the call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Engine {
    /// Amazon Transcribe.
    #[default]
    Standard,
    /// Amazon Transcribe Medical.
    Medical {
        /// `specialty`, for example `PRIMARYCARE`; `None`: the configured one.
        specialty: Option<String>,
    },
}

/// What a vocabulary filter does with the words it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterMethod {
    /// `***` takes the word's place.
    Mask,
    /// The word is left out.
    Remove,
    /// The word stays and is marked.
    Tag,
}

impl FilterMethod {
    /// Transcribe's spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Remove => "remove",
            Self::Tag => "tag",
        }
    }
}

/// Why a payload starts no call. The text names the key and says what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Larger than [`MAX_PAYLOAD_BYTES`].
    #[error("the payload has {0} bytes; at most {MAX_PAYLOAD_BYTES} are taken")]
    TooLarge(usize),
    /// Not a JSON object.
    #[error("the payload is not a JSON object: {0}")]
    Syntax(String),
    /// Neither of the two shapes.
    #[error(
        "the payload is neither that of kvsConsumerTrigger (it has `streamARN` and `voiceCallId`) nor a contact-flow event (it has `Details`)"
    )]
    Shape,
    /// A key without which no call can be started.
    #[error("`{key}` is missing or empty: it should be {expected}")]
    Missing {
        /// The key, with its path.
        key: String,
        /// What it should be.
        expected: String,
    },
    /// A key whose value makes no sense.
    #[error("`{key}` is {found}: it should be {expected}")]
    Invalid {
        /// The key, with its path.
        key: String,
        /// What is there, shortened; never a phone number.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// Keys that cannot all be true.
    #[error("{0}")]
    Contradiction(String),
}

impl PayloadError {
    /// The key it is about, with its path, where it is about one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Missing { key, .. } | Self::Invalid { key, .. } => Some(key),
            _ => None,
        }
    }
}

impl Payload {
    /// Reads either shape. Numbers may be strings and strings numbers; of a key given twice the last counts.
    ///
    /// # Errors
    /// The text is too large, no JSON object, of neither shape, or a key is missing, odd or contradicted.
    pub fn parse(json: &[u8]) -> Result<Self, PayloadError> {
        if json.len() > MAX_PAYLOAD_BYTES {
            return Err(PayloadError::TooLarge(json.len()));
        }
        let object: Object<'_> =
            serde_json::from_slice(json).map_err(|e| PayloadError::Syntax(syntax(&e)))?;
        let trigger = ["streamARN", "voiceCallId"].into_iter().find(|k| object.contains_key(*k));
        match (trigger, object.contains_key("Details")) {
            (Some(key), true) => Err(PayloadError::Contradiction(format!(
                "the payload has both `{key}` (kvsConsumerTrigger) and `Details` (contact-flow event): send one of the two"
            ))),
            (Some(_), false) => trigger::read(object),
            (None, true) => event::read(object),
            (None, false) => Err(PayloadError::Shape),
        }
        .map(|payload| Self { text: PayloadText(json.into()), ..payload })
    }

    /// The key that the call's messages go under, as far as the payload says it.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.vendor_call_key.as_deref().or(self.initial_contact_id.as_deref())
    }
}

/// What is wrong with the text, without any of it.
fn syntax(error: &serde_json::Error) -> String {
    if error.is_data() { "it is JSON of another kind".to_owned() } else { error.to_string() }
}

/// The keys that both shapes know under the same names: options of the recognition and our extensions.
struct Wishes {
    language_code: Option<String>,
    channels: Channels,
    engine: Engine,
    vocabularies: Vec<String>,
    vocabulary_filters: Vec<String>,
    vocabulary_filter_method: Option<FilterMethod>,
    secret_name: Option<String>,
    vendor_call_key: Option<String>,
    agent_user_id: Option<String>,
}

impl Wishes {
    fn read(from: &mut Fields<'_>) -> Result<Self, PayloadError> {
        let channels = channels(from)?;
        let engine = engine(from)?;
        let filter_method = from.choice("vocabularyFilterMethod", "`mask`, `remove` or `tag`", |name| {
            [FilterMethod::Mask, FilterMethod::Remove, FilterMethod::Tag]
                .into_iter()
                .find(|m| m.as_str() == name)
        })?;
        Ok(Self {
            language_code: from.text("languageCode", "a language code such as `en-US`")?,
            channels,
            engine,
            vocabularies: from.list("vocabularyName")?,
            vocabulary_filters: from.list("vocabularyFilterName")?,
            vocabulary_filter_method: filter_method,
            secret_name: from.text("secretName", "the name of a secret in Secrets Manager")?,
            vendor_call_key: from.id("vendorCallKey")?,
            agent_user_id: from.checked(
                "agentUserId",
                "a Salesforce user id: 15 or 18 letters and digits that begin with 005",
                |id| crate::call::SenderPolicy::human_agent(id).is_ok(),
            )?,
        })
    }
}

fn engine(from: &mut Fields<'_>) -> Result<Engine, PayloadError> {
    let medical = from.choice("engine", "`standard` or `medical`", |name| match name {
        "standard" => Some(false),
        "medical" => Some(true),
        _ => None,
    })?;
    let specialty = from.text("specialty", "a specialty of Transcribe Medical such as `PRIMARYCARE`")?;
    Ok(match medical {
        Some(true) => Engine::Medical { specialty },
        _ => {
            if specialty.is_some() {
                from.ignore("specialty (engine is not medical)");
            }
            Engine::Standard
        }
    })
}

fn channels(from: &mut Fields<'_>) -> Result<Channels, PayloadError> {
    let customer = side(from, "streamAudioFromCustomer", "from_customer")?;
    let agent = side(from, "streamAudioToCustomer", "to_customer")?;
    match (customer, agent) {
        (true, true) => Ok(Channels::Both),
        (true, false) => Ok(Channels::Only(Party::Customer)),
        (false, true) => Ok(Channels::Only(Party::Agent)),
        (false, false) => Err(PayloadError::Contradiction(
            "`streamAudioFromCustomer` and `streamAudioToCustomer` are both false: nothing would be transcribed; make one of them true".into(),
        )),
    }
}

/// One side of the call: wanted unless said otherwise, under the trigger's name or the event sample's.
fn side(from: &mut Fields<'_>, name: &str, short: &str) -> Result<bool, PayloadError> {
    let (long, brief) = (from.flag(name)?, from.flag(short)?);
    match (long, brief) {
        (Some(a), Some(b)) if a != b => Err(PayloadError::Contradiction(format!(
            "`{name}` is {a} and `{short}` is {b}: give one of the two"
        ))),
        (a, b) => Ok(a.or(b).unwrap_or(true)),
    }
}
