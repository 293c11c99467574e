//! Amazon Transcribe streaming: sessions, options, errors.
