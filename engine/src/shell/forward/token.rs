//! The bearer token for the worker: from the configuration, or from Secrets Manager and then kept.

use tokio::sync::Mutex;

use crate::shell::aws::{Aws, AwsOptions};
use crate::shell::secrets::SecretText;

use super::error::{ForwardError, ForwardSetupError};
use super::options::ForwardOptions;

/// Where the token comes from.
#[derive(Debug)]
pub(super) enum TokenSource {
    /// The worker asks for none.
    None,
    /// It is known.
    Fixed(SecretText),
    /// It is in Secrets Manager; what was read last is kept.
    Secret { name: String, aws: Box<AwsOptions>, read: Mutex<Option<SecretText>> },
}

impl TokenSource {
    pub(super) fn new(options: &ForwardOptions, aws: AwsOptions) -> Result<Self, ForwardSetupError> {
        let wrong = |key, what: String| ForwardSetupError::Option { key, what };
        let checked = |key, token: &SecretText| {
            clean(token).ok_or_else(|| wrong(key, "a token is visible ASCII characters".to_owned()))
        };
        match (&options.token, &options.token_env, &options.token_secret) {
            (Some(token), ..) => Ok(Self::Fixed(checked("token", token)?)),
            (_, Some(variable), _) => {
                let unset =
                    |_| wrong("token_env", format!("the environment variable {variable} is not set; set it"));
                let token = SecretText::new(std::env::var(variable).map_err(unset)?);
                Ok(Self::Fixed(checked("token_env", &token)?))
            }
            (.., Some(name)) => {
                Ok(Self::Secret { name: name.clone(), aws: Box::new(aws), read: Mutex::default() })
            }
            (None, None, None) => Ok(Self::None),
        }
    }

    /// The token, read where it has not been yet.
    pub(super) async fn get(&self) -> Result<Option<SecretText>, ForwardError> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(token) => Ok(Some(token.clone())),
            Self::Secret { name, aws, read } => {
                let mut read = read.lock().await;
                if read.is_none() {
                    *read = Some(fetch(name, aws).await?);
                }
                Ok(read.clone())
            }
        }
    }

    /// The worker refuses this one. True: there may be a newer one.
    pub(super) async fn refused(&self, token: Option<&SecretText>) -> bool {
        let Self::Secret { read, .. } = self else { return false };
        let mut read = read.lock().await;
        if read.as_ref() == token {
            *read = None;
        }
        true
    }
}

/// Reads the secret. The client is made for this one question: it comes once in the life of a process.
async fn fetch(name: &str, options: &AwsOptions) -> Result<SecretText, ForwardError> {
    let failed = |why: String| ForwardError::Token(why);
    let aws = Box::pin(Aws::connect(options.clone())).await.map_err(|e| failed(e.to_string()))?;
    let text = Box::pin(aws.secret_value(name)).await.map_err(|e| failed(e.to_string()))?;
    clean(&text).ok_or_else(|| failed(format!("the secret {name} is not a token: visible ASCII characters")))
}

fn clean(token: &SecretText) -> Option<SecretText> {
    let text = token.reveal().trim();
    let good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    good.then(|| SecretText::new(text))
}
