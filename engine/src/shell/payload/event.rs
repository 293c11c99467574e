//! The event that a contact flow's "Invoke Lambda function" block sends.
//!
//! Source: Amazon Connect, invoke AWS Lambda functions; contact attributes, media streams.

use super::read::{Fields, Object};
use super::{Payload, PayloadError, PayloadText, PhoneNumber, Wishes};

/// Attributes of a contact that concern transcription.
const KNOWN: [&str; 13] = [
    "agentUserId",
    "engine",
    "from_customer",
    "languageCode",
    "secretName",
    "specialty",
    "streamAudioFromCustomer",
    "streamAudioToCustomer",
    "to_customer",
    "vendorCallKey",
    "vocabularyFilterMethod",
    "vocabularyFilterName",
    "vocabularyName",
];

pub(super) fn read(object: Object<'_>) -> Result<Payload, PayloadError> {
    let mut top = Fields::new("", object);
    top.skip(&["Name"]);
    let mut details = need(&mut top, "Details")?;
    let mut data = need(&mut details, "ContactData")?;

    let contact = data
        .id("ContactId")?
        .ok_or_else(|| data.missing("ContactId", "the contact id of the call in Amazon Connect"))?;
    voice(&mut data)?;
    let initial_contact_id = data.id("InitialContactId")?;
    let previous_contact_id = data.id("PreviousContactId")?;
    let instance = data.instance("InstanceARN")?;
    let customer_phone = match data.object("CustomerEndpoint")? {
        Some(mut endpoint) => endpoint.text("Address", "a telephone number as text")?.map(PhoneNumber::new),
        None => None,
    };
    let segment = audio(&mut data)?.segment(["StreamARN", "StartTimestamp", "StartFragmentNumber"])?;

    let mut wishes = details.object("Parameters")?.unwrap_or_default();
    if let Some(mut attributes) = data.object("Attributes")? {
        // Attributes belong to the whole contact and most concern somebody else: not knowing one is no news.
        attributes.keep(&KNOWN);
        wishes.underlay(attributes);
    }
    let read = Wishes::read(&mut wishes)?;
    let mut ignored = top.rest();
    ignored.extend(details.rest());
    ignored.extend(wishes.rest());
    let (instance_arn, instance_id) = instance.unzip();
    Ok(Payload {
        contact_id: contact,
        segment,
        customer_phone,
        instance_arn,
        instance_id,
        initial_contact_id,
        previous_contact_id,
        vendor_call_key: read.vendor_call_key,
        agent_user_id: read.agent_user_id,
        language_code: read.language_code,
        channels: read.channels,
        engine: read.engine,
        vocabularies: read.vocabularies,
        vocabulary_filters: read.vocabulary_filters,
        vocabulary_filter_method: read.vocabulary_filter_method,
        secret_name: read.secret_name,
        ignored,
        text: PayloadText::default(),
    })
}

fn need<'a>(fields: &mut Fields<'a>, key: &str) -> Result<Fields<'a>, PayloadError> {
    fields.object(key)?.ok_or_else(|| fields.missing(key, "an object, as in every contact-flow event"))
}

/// `Channel` must be a call's, where it is given.
fn voice(data: &mut Fields<'_>) -> Result<(), PayloadError> {
    data.checked("Channel", "`VOICE`: other contacts have no audio", |c| c.eq_ignore_ascii_case("VOICE"))
        .map(|_| ())
}

/// `MediaStreams.Customer.Audio`, which is null until the flow has started media streaming.
fn audio<'a>(data: &mut Fields<'a>) -> Result<Fields<'a>, PayloadError> {
    const NOT_STARTED: &str = "filled: media streaming had not been started before this block; \
        place \"Start media streaming\" before it in the contact flow";
    let key = "MediaStreams.Customer.Audio";
    let streams = data.object("MediaStreams")?;
    let customer = streams.map(|mut s| s.object("Customer")).transpose()?.flatten();
    let audio = customer.map(|mut c| c.object("Audio")).transpose()?.flatten();
    let mut audio = audio.ok_or_else(|| data.missing(key, NOT_STARTED))?;
    audio.skip(&["StopTimestamp"]);
    Ok(audio)
}
