//! The payload that kvsConsumerTrigger sends to kvsTranscriber.

use super::read::{Fields, Object};
use super::{Payload, PayloadError, PayloadText, PhoneNumber, Wishes};

pub(super) fn read(object: Object<'_>) -> Result<Payload, PayloadError> {
    let mut fields = Fields::new("", object);
    let contact = fields
        .id("voiceCallId")?
        .ok_or_else(|| fields.missing("voiceCallId", "the contact id of the call in Amazon Connect"))?;
    let segment = fields.segment(["streamARN", "audioStartTimestamp", "startFragmentNum"])?;
    let customer_phone =
        fields.text("customerPhoneNumber", "a telephone number as text")?.map(PhoneNumber::new);
    let instance = fields.instance("instanceARN")?;
    let wishes = Wishes::read(&mut fields)?;
    let (instance_arn, instance_id) = instance.unzip();
    Ok(Payload {
        contact_id: contact,
        segment,
        customer_phone,
        instance_arn,
        instance_id,
        initial_contact_id: None,
        previous_contact_id: None,
        vendor_call_key: wishes.vendor_call_key,
        agent_user_id: wishes.agent_user_id,
        language_code: wishes.language_code,
        channels: wishes.channels,
        engine: wishes.engine,
        vocabularies: wishes.vocabularies,
        vocabulary_filters: wishes.vocabulary_filters,
        vocabulary_filter_method: wishes.vocabulary_filter_method,
        secret_name: wishes.secret_name,
        ignored: fields.rest(),
        text: PayloadText::default(),
    })
}
