//! The Telephony Integration API of Salesforce: tokens, posts, outcomes.
