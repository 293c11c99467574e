//! Opens a stream of either engine and reads its events alike. It knows the SDK's shapes and nothing of time.

use aws_sdk_transcribestreaming::Client;
use aws_sdk_transcribestreaming::config;
use aws_sdk_transcribestreaming::operation::start_medical_stream_transcription::StartMedicalStreamTranscriptionOutput;
use aws_sdk_transcribestreaming::operation::start_stream_transcription::StartStreamTranscriptionOutput;
use aws_sdk_transcribestreaming::primitives::event_stream::EventStreamSender;
use aws_sdk_transcribestreaming::types::{
    ContentIdentificationType, ContentRedactionType, LanguageCode, MediaEncoding,
    MedicalContentIdentificationType, MedicalTranscriptResultStream, TranscriptResultStream,
};

use super::audio::AudioInput;
use super::error;
use super::results;
use super::session_options::{Engine, Language, Medical, SessionOptions, Standard};
use crate::recogniser::{Channels, RecogniserError, RecogniserEvent, SessionSpec};

/// A stream that was accepted.
pub(super) enum Opened {
    Standard(Box<StartStreamTranscriptionOutput>),
    Medical(Box<StartMedicalStreamTranscriptionOutput>),
}

/// What a request needs beside its audio.
pub(super) struct Request<'a> {
    pub(super) client: &'a Client,
    /// Settings of the connection.
    pub(super) config: config::Builder,
    pub(super) spec: &'a SessionSpec,
    pub(super) options: &'a SessionOptions,
    /// Of its own for each session.
    pub(super) session_id: String,
}

impl Request<'_> {
    /// Asks for the stream. Audio is taken from `input` at once: the service's head may come later.
    pub(super) async fn open(self, input: AudioInput) -> Result<Opened, RecogniserError> {
        match &self.options.engine {
            Engine::Standard(standard) => self.standard(standard, input).await,
            Engine::Medical(medical) => self.medical(medical, input).await,
        }
    }

    fn rate_hz(&self) -> i32 {
        i32::try_from(self.options.sent_rate_hz(self.spec.rate_hz)).unwrap_or(i32::MAX)
    }

    /// (channel identification, number of channels), where there are two.
    fn channels(&self) -> (Option<bool>, Option<i32>) {
        match self.spec.channels {
            Channels::Both => (Some(true), Some(2)),
            Channels::Only(_) => (None, None),
        }
    }

    async fn standard(&self, asked: &Standard, input: AudioInput) -> Result<Opened, RecogniserError> {
        let (identify_channels, channels) = self.channels();
        let stabilised = asked.stability.is_some().then_some(true);
        let (filter, method) = asked.filter.clone().unzip();
        let redact = asked.pii.as_ref().is_some_and(|pii| pii.redact);
        let identify = asked.pii.as_ref().is_some_and(|pii| !pii.redact);
        let call = self
            .client
            .start_stream_transcription()
            .media_encoding(MediaEncoding::Pcm)
            .media_sample_rate_hertz(self.rate_hz())
            .session_id(&self.session_id)
            .set_enable_channel_identification(identify_channels)
            .set_number_of_channels(channels)
            .set_vocabulary_filter_method(method)
            .set_language_model_name(asked.language_model.clone())
            .set_enable_partial_results_stabilization(stabilised)
            .set_partial_results_stability(asked.stability.clone())
            .set_content_identification_type(identify.then_some(ContentIdentificationType::Pii))
            .set_content_redaction_type(redact.then_some(ContentRedactionType::Pii))
            .set_pii_entity_types(asked.pii.as_ref().and_then(|pii| pii.types.clone()))
            .set_session_resume_window(asked.resume_window_min)
            .audio_stream(EventStreamSender::from(input));
        let vocabulary = self.options.vocabulary.clone();
        let call = match &asked.language {
            Language::Code(code) => call
                .language_code(LanguageCode::from(code.as_str()))
                .set_vocabulary_name(vocabulary)
                .set_vocabulary_filter_name(filter),
            Language::Identify { several, options, preferred } => call
                .set_identify_language((!several).then_some(true))
                .set_identify_multiple_languages(several.then_some(true))
                .language_options(options)
                .set_preferred_language(preferred.as_deref().map(LanguageCode::from))
                .set_vocabulary_names(vocabulary)
                .set_vocabulary_filter_names(filter),
        };
        let sent = Box::pin(call.customize().config_override(self.config.clone()).send()).await;
        sent.map(|output| Opened::Standard(Box::new(output))).map_err(|e| error::opening(&e))
    }

    async fn medical(&self, asked: &Medical, input: AudioInput) -> Result<Opened, RecogniserError> {
        let (identify_channels, channels) = self.channels();
        let phi = asked.identify_phi.then_some(MedicalContentIdentificationType::Phi);
        let call = self
            .client
            .start_medical_stream_transcription()
            .language_code(LanguageCode::EnUs)
            .media_encoding(MediaEncoding::Pcm)
            .media_sample_rate_hertz(self.rate_hz())
            .session_id(&self.session_id)
            .specialty(asked.specialty.clone())
            .r#type(asked.speech_type.clone())
            .set_vocabulary_name(self.options.vocabulary.clone())
            .set_content_identification_type(phi)
            .set_enable_channel_identification(identify_channels)
            .set_number_of_channels(channels)
            .audio_stream(EventStreamSender::from(input));
        let sent = Box::pin(call.customize().config_override(self.config.clone()).send()).await;
        sent.map(|output| Opened::Medical(Box::new(output))).map_err(|e| error::opening(&e))
    }
}

impl Opened {
    /// What the next event says, nothing where it is of an unknown type; `None` at the end of the stream,
    /// whoever ended it. A call that is dropped while it waits loses nothing.
    pub(super) async fn next(
        &mut self,
        spec: &SessionSpec,
        options: &SessionOptions,
    ) -> Result<Option<Vec<RecogniserEvent>>, RecogniserError> {
        match self {
            Self::Standard(output) => {
                let event = output.transcript_result_stream.recv().await.map_err(|e| error::streaming(&e))?;
                Ok(event.map(|event| match event {
                    TranscriptResultStream::TranscriptEvent(event) => {
                        results::standard(spec, options.language(), &event)
                    }
                    _ => Vec::new(),
                }))
            }
            Self::Medical(output) => {
                let event = output.transcript_result_stream.recv().await.map_err(|e| error::streaming(&e))?;
                Ok(event.map(|event| match event {
                    MedicalTranscriptResultStream::TranscriptEvent(event) => results::medical(spec, &event),
                    _ => Vec::new(),
                }))
            }
        }
    }
}
