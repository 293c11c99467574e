//! The outside as all calls of a process share it: clients, limits, caches.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use aws_config::SdkConfig;
use tokio::sync::Mutex;

use crate::call::Config as CallConfig;

use super::aws::{Aws, AwsOptions, ConfigError, ContactDirectory, sdk_config};
use super::config::{CallOptions, Config, LiveOptions};
use super::custody::Custody;
use super::http::read_authorities;
use super::kinesis::Kinesis;
use super::payload::{Engine, Payload};
use super::salesforce::{Salesforce, SalesforceOptions};
use super::sink::{Shadow, Sink};
use super::store::{self, StoreKind, StoreOptions};
use super::transcribe::{RawSessionOptions, SessionOptions, Transcriber};

/// Why the outside cannot be prepared, or a call not be made for a payload: what, where, what to do.
pub type SetupError = Box<dyn std::error::Error + Send + Sync>;

/// Clients and options that every call of the process shares.
#[derive(Debug)]
pub struct Services {
    /// Media.
    pub kinesis: Kinesis,
    /// Words.
    pub transcriber: Transcriber,
    /// What is known of contacts.
    pub directory: ContactDirectory,
    /// The AWS services that are asked rarely.
    pub aws: Arc<Aws>,
    /// Who has which call.
    pub custody: Custody,
    sinks: Sinks,
    call: CallOptions,
    live: LiveOptions,
    session: RawSessionOptions,
}

/// A payload made into what a driver needs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Order {
    /// The contact.
    pub contact: String,
    /// The Connect instance, where the payload named it.
    pub instance: Option<String>,
    /// What the core is told.
    pub call: CallConfig,
    /// What Transcribe is told.
    pub session: Arc<SessionOptions>,
    /// The payload's secret, where it named one.
    pub secret: Option<String>,
}

/// Where the messages of calls go.
#[derive(Debug)]
enum Sinks {
    /// All to the same place.
    One(Sink),
    /// Configuration names no key: each payload names its secret, as the reference's do.
    BySecret { options: Box<SalesforceOptions>, known: Mutex<HashMap<String, Arc<Salesforce>>> },
}

/// Call centres of one process. Each has a secret of its own.
const MAX_SECRETS: usize = 256;

impl Services {
    /// Prepares everything. With `shadow`, messages go to that file, Salesforce is not asked for, and calls are
    /// kept nowhere: whoever posts them may keep them in the same store.
    ///
    /// # Errors
    /// An option is wrong or missing, the key of the tokens cannot be had, the store cannot be used, or a file
    /// cannot be opened.
    pub async fn new(config: &Config, shadow: Option<&Path>) -> Result<Self, SetupError> {
        let sdk = Box::pin(sdk_config(&config.section("aws")?)).await?;
        Box::pin(Self::with_sdk(config, shadow, &sdk)).await
    }

    /// The same, with region and credentials as this configuration of the SDK has them.
    ///
    /// # Errors
    /// As [`Services::new`].
    pub async fn with_sdk(
        config: &Config,
        shadow: Option<&Path>,
        sdk: &SdkConfig,
    ) -> Result<Self, SetupError> {
        let options: AwsOptions = config.section("aws")?;
        let ca = options.ca_file.as_deref().map(read_authorities).transpose()?;
        let region = sdk.region().ok_or(ConfigError::NoRegion)?.to_string();
        let provider = sdk.credentials_provider().ok_or(ConfigError::NoCredentials)?;
        let aws = Arc::new(Aws::new(AwsOptions { region: Some(region), ..options }, provider)?);
        let sinks = match shadow {
            Some(path) => {
                let opened = Shadow::open(path).await;
                let opened =
                    opened.map_err(|e| format!("cannot write to the shadow file {}: {e}", path.display()))?;
                Sinks::One(Sink::Shadow(Arc::new(opened)))
            }
            None => {
                let mut options: SalesforceOptions = config.section("salesforce")?;
                options.ca_file = options.ca_file.or_else(|| aws.options().ca_file.clone());
                Self::salesforce(options, aws.as_ref()).await?
            }
        };
        let call: CallOptions = config.section("call")?;
        call.check()?;
        let live: LiveOptions = config.section("live")?;
        live.check()?;
        live.check_beside(&call)?;
        let mut kept: StoreOptions = config.section("store")?;
        if shadow.is_some() {
            kept.kind = StoreKind::None;
        }
        let lasting = kept.kind != StoreKind::None;
        let custody = Custody::new(Box::pin(store::open(&kept, &aws)).await?, kept, lasting);
        Ok(Self {
            kinesis: Kinesis::new(sdk, ca.as_deref(), &config.section("kinesis")?)?,
            transcriber: Transcriber::new(sdk, ca.as_deref(), &config.section("transcribe")?)?,
            directory: ContactDirectory::new(Arc::clone(&aws)),
            aws,
            custody,
            sinks,
            call,
            live,
            session: config.section("session")?,
        })
    }

    async fn salesforce(options: SalesforceOptions, aws: &Aws) -> Result<Sinks, SetupError> {
        if options.names_a_key() {
            let salesforce = Salesforce::connect(&options, aws).await?;
            return Ok(Sinks::One(Sink::Salesforce(Arc::new(salesforce))));
        }
        Ok(Sinks::BySecret { options: Box::new(options), known: Mutex::default() })
    }

    /// Where the messages of this call go.
    ///
    /// # Errors
    /// Nobody says where the key is, or the payload's secret cannot be read.
    pub async fn sink(&self, order: &Order) -> Result<Sink, SetupError> {
        let (options, known) = match &self.sinks {
            Sinks::One(sink) => return Ok(sink.clone()),
            Sinks::BySecret { options, known } => (options, known),
        };
        let Some(secret) = &order.secret else {
            return Err("[salesforce] names no key, and the payload has no `secretName`: set \
                        salesforce.secret_name, or private_key_file"
                .into());
        };
        let mut known = known.lock().await;
        if let Some(salesforce) = known.get(secret) {
            return Ok(Sink::Salesforce(Arc::clone(salesforce)));
        }
        if known.len() >= MAX_SECRETS {
            return Err(format!("payloads have named {MAX_SECRETS} secrets already").into());
        }
        let mut options = options.as_ref().clone();
        options.secret_name = Some(secret.clone());
        let salesforce = Arc::new(Salesforce::connect(&options, self.aws.as_ref()).await?);
        known.insert(secret.clone(), Arc::clone(&salesforce));
        Ok(Sink::Salesforce(salesforce))
    }

    /// What a driver needs for the call that this payload starts.
    ///
    /// # Errors
    /// The payload asks Transcribe for what cannot be had, or options contradict each other.
    pub fn order(&self, payload: &Payload) -> Result<Order, SetupError> {
        let mut call = self.call.config(payload)?;
        let mut live = self.live.config(payload.segment.clone());
        // Without the instance nobody can be asked.
        live.resolve_key &= payload.instance_id.is_some();
        call.live = Some(live);
        call.store = self.custody.is_lasting();
        Ok(Order {
            contact: payload.contact_id.clone(),
            instance: payload.instance_id.clone(),
            call,
            session: Arc::new(SessionOptions::new(&session_of(&self.session, payload))?),
            secret: payload.secret_name.clone(),
        })
    }
}

/// The configured options of a session with what the payload says of this call. Where languages are to be
/// identified, the payload's language, which kvsConsumerTrigger always sends, is not meant.
fn session_of(configured: &RawSessionOptions, payload: &Payload) -> RawSessionOptions {
    let mut raw = configured.clone();
    let said = |flag: &Option<String>| flag.as_deref().is_some_and(|f| f.eq_ignore_ascii_case("true"));
    let identified = said(&raw.identify_language) || said(&raw.identify_multiple_languages);
    let list = |names: &[String]| (!names.is_empty()).then(|| names.join(","));
    if !identified && payload.language_code.is_some() {
        raw.language_code.clone_from(&payload.language_code);
    }
    if let Some(names) = list(&payload.vocabularies) {
        let slot = if identified { &mut raw.vocabulary_names } else { &mut raw.vocabulary_name };
        *slot = Some(names);
    }
    if let Some(names) = list(&payload.vocabulary_filters) {
        let slot =
            if identified { &mut raw.vocabulary_filter_names } else { &mut raw.vocabulary_filter_name };
        *slot = Some(names);
    }
    if let Some(method) = payload.vocabulary_filter_method {
        raw.vocabulary_filter_method = Some(method.as_str().to_owned());
    }
    if let Engine::Medical { specialty } = &payload.engine {
        raw.engine = Some("medical".to_owned());
        if specialty.is_some() {
            raw.specialty.clone_from(specialty);
        }
    }
    raw
}
