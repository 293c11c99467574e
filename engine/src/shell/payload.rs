//! What starts a call: the payload of kvsConsumerTrigger, or the contact-flow event.
