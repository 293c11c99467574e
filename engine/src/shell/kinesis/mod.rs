//! Kinesis Video Streams as a live call reads it: GetDataEndpoint and GetMedia.
//!
//! Connects, reads, and says what went wrong as the call's own [`MediaError`]. When to reconnect, from where,
//! and when to give up is the call's business: nothing here retries, except once with an expired token.

mod body;
mod endpoints;
mod error;
mod options;

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_kinesisvideo as control;
use aws_sdk_kinesisvideo::types::ApiName;
use aws_sdk_kinesisvideomedia as media;
use aws_sdk_kinesisvideomedia::types::{StartSelector, StartSelectorType};
use aws_smithy_types::DateTime;

use crate::call::{MediaAction, MediaCause, MediaError, MediaFrom, MediaRequest};
use crate::shell::connector::{Trust, TrustError};
use endpoints::Endpoints;
use error::{Refused, Target};

pub use body::MediaBody;
pub use options::KinesisOptions;

/// The reader of all calls of a process; clones share their connections' settings and cached endpoints.
#[derive(Debug, Clone)]
pub struct Kinesis {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    control: control::Client,
    media: media::Client,
    endpoints: Endpoints,
    options: KinesisOptions,
}

impl Kinesis {
    /// A reader in the region and with the credentials of `sdk`, trusting the authorities in `ca` (PEM) as well
    /// as the system's.
    ///
    /// # Errors
    /// `ca` holds no certificate.
    pub fn new(sdk: &SdkConfig, ca: Option<&[u8]>, options: &KinesisOptions) -> Result<Self, TrustError> {
        // GetMedia occupies its connection for as long as the call lasts, and KVS speaks HTTP/1.1.
        let http = Trust::new(ca)?.http1(Duration::from_millis(options.connect_timeout_ms));
        let control = control::config::Builder::from(sdk)
            .http_client(http.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled());
        let control = match &options.endpoint_url {
            Some(url) => control.endpoint_url(url),
            None => control,
        };
        let media = media::config::Builder::from(sdk)
            .http_client(http)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            // A stream in which nobody speaks for a while is in good order; the call has a watchdog.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        let inner = Inner {
            control: control::Client::from_conf(control.build()),
            media: media::Client::from_conf(media.build()),
            endpoints: Endpoints::default(),
            options: options.clone(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens the stream where the request says; the stream is an ARN, of any shape, or a name.
    ///
    /// # Errors
    /// What went wrong and what to do: see [`MediaCause`]. A data endpoint that may be stale is forgotten, so
    /// that the next try asks for it again.
    pub async fn open(&self, request: &MediaRequest) -> Result<MediaBody, MediaError> {
        let target = Target::new(request);
        let within = Duration::from_millis(self.inner.options.open_timeout_ms);
        let opened = Box::pin(tokio::time::timeout(within, self.inner.connect(request, &target))).await;
        let opened = opened.unwrap_or_else(|_| Err(self.inner.too_late(&target)));
        if let Err(error) = &opened
            && matches!(error.cause, MediaCause::Endpoint | MediaCause::Connection)
        {
            self.inner.endpoints.forget(&request.stream);
        }
        opened
    }
}

impl Kinesis {
    /// Where the stream's media is read: the configured address, or what the service names. Asks afresh, and
    /// reads nothing.
    ///
    /// # Errors
    /// As [`Kinesis::open`].
    pub async fn data_endpoint(&self, stream: &str) -> Result<String, MediaError> {
        let request = MediaRequest::new(0, stream, MediaFrom::Now);
        self.inner.endpoints.forget(stream);
        let within = Duration::from_millis(self.inner.options.open_timeout_ms);
        let target = Target::new(&request);
        let asked = Box::pin(tokio::time::timeout(within, self.inner.endpoint(&request, &target))).await;
        match asked {
            Ok(answer) => answer.map_err(|refused| refused.error),
            Err(_) => Err(self.inner.too_late(&target)),
        }
    }
}

impl Inner {
    /// Nothing came in time.
    fn too_late(&self, target: &Target) -> MediaError {
        let message = format!(
            "{target} did not answer within {} ms; check the network, or raise open_timeout_ms",
            self.options.open_timeout_ms
        );
        MediaError::new(MediaCause::Connection, MediaAction::Retry, message)
    }

    /// Connects; a second time where the token had expired, since the credentials may have been renewed.
    async fn connect(&self, request: &MediaRequest, target: &Target) -> Result<MediaBody, MediaError> {
        match self.attempt(request, target).await {
            Err(refused) if refused.expired => self.attempt(request, target).await,
            other => other,
        }
        .map_err(|refused| refused.error)
    }

    async fn attempt(&self, request: &MediaRequest, target: &Target) -> Result<MediaBody, Refused> {
        let endpoint = self.endpoint(request, target).await?;
        let (arn, name) = named(&request.stream);
        let selector = selector(&request.from).map_err(|message| Refused::selector(target, &message))?;
        let call = self
            .media
            .get_media()
            .set_stream_arn(arn)
            .set_stream_name(name)
            .start_selector(selector)
            .customize()
            .config_override(media::config::Builder::default().endpoint_url(endpoint));
        let sent = Box::pin(call.send()).await;
        let output = sent.map_err(|error| Refused::by("GetMedia", target, &error))?;
        Ok(MediaBody::new(output.payload, target.clone()))
    }

    /// The stream's data endpoint: the configured one, the one known, or the one the service names.
    async fn endpoint(&self, request: &MediaRequest, target: &Target) -> Result<String, Refused> {
        if let Some(url) = &self.options.media_endpoint_url {
            return Ok(url.clone());
        }
        if let Some(known) = self.endpoints.get(&request.stream) {
            return Ok(known);
        }
        let (arn, name) = named(&request.stream);
        let call = self.control.get_data_endpoint().set_stream_arn(arn).set_stream_name(name);
        let sent = Box::pin(call.api_name(ApiName::GetMedia).send()).await;
        let output = sent.map_err(|error| Refused::by("GetDataEndpoint", target, &error))?;
        let endpoint = output.data_endpoint.ok_or_else(|| Refused::no_endpoint(target))?;
        self.endpoints.put(&request.stream, &endpoint);
        Ok(endpoint)
    }
}

/// A stream as (ARN, name). Connect's ARNs are odd at times (an empty region, one field too many), so that
/// nothing but the first word is looked at.
fn named(stream: &str) -> (Option<String>, Option<String>) {
    let stream_owned = Some(stream.to_owned());
    if stream.starts_with("arn:") { (stream_owned, None) } else { (None, stream_owned) }
}

/// The selector in the service's words.
///
/// Source: Kinesis Video Streams, GetMedia, `StartSelector`.
fn selector(from: &MediaFrom) -> Result<StartSelector, String> {
    let builder = StartSelector::builder();
    let builder = match from {
        MediaFrom::Earliest => builder.start_selector_type(StartSelectorType::Earliest),
        MediaFrom::Now => builder.start_selector_type(StartSelectorType::Now),
        MediaFrom::ServerTime(time) => builder
            .start_selector_type(StartSelectorType::ServerTimestamp)
            .start_timestamp(DateTime::from_millis(time.ms())),
        MediaFrom::ProducerTime(time) => builder
            .start_selector_type(StartSelectorType::ProducerTimestamp)
            .start_timestamp(DateTime::from_millis(time.ms())),
        MediaFrom::AfterFragment(number) => {
            builder.start_selector_type(StartSelectorType::FragmentNumber).after_fragment_number(number)
        }
    };
    builder.build().map_err(|error| error.to_string())
}
