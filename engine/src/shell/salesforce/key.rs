//! The private key and who it stands for: from a file, the settings, a secret or a parameter.

use jsonwebtoken::EncodingKey;
use serde_json::{Map, Value};

use crate::shell::secrets::{SecretSource, SecretText};

use super::error::SetupError;
use super::options::SalesforceOptions;

/// Everything a token and an address are made of.
pub(super) struct Identity {
    pub(super) endpoint_base: String,
    pub(super) org_id: String,
    pub(super) call_center: String,
    pub(super) key: EncodingKey,
    /// The setting the key comes from, for messages.
    pub(super) setting: &'static str,
}

impl Identity {
    /// Fetches the key, and what else the secret supplies.
    pub(super) async fn fetch(
        options: &SalesforceOptions,
        secrets: &impl SecretSource,
    ) -> Result<Self, SetupError> {
        let mut found = Found {
            endpoint_base: options.endpoint_base.clone(),
            org_id: options.org_id.clone(),
            call_center: options.call_center.clone(),
        };
        let setting = only_key(options)?;
        let pem = if let Some(path) = &options.private_key_file {
            let read = std::fs::read_to_string(path);
            SecretText::new(read.map_err(|source| SetupError::File { path: path.clone(), source })?)
        } else if let Some(pem) = &options.private_key {
            pem.clone()
        } else if let Some(name) = &options.private_key_parameter {
            secrets.parameter(name).await.map_err(|source| SetupError::Secret { setting, source })?
        } else {
            let name = options.secret_name.as_deref().unwrap_or_default();
            let secret = secrets.secret(name).await;
            let secret = secret.map_err(|source| SetupError::Secret { setting, source })?;
            found.read_secret(name, secret.reveal())?
        };
        let key = read_key(pem.reveal()).map_err(|what| SetupError::Key { setting, what })?;
        let missing = |name, advice| SetupError::Missing { name, advice };
        Ok(Self {
            endpoint_base: endpoint_base(&found.endpoint_base.ok_or_else(|| {
                missing("endpoint_base", "it is https://{MyDomain}.my.salesforce-scrt.com/telephony/v1")
            })?)?,
            org_id: found.org_id.ok_or_else(|| missing("org_id", "it is the organisation's id, 00D…"))?,
            call_center: found
                .call_center
                .ok_or_else(|| missing("call_center", "it is the API name of the call centre"))?,
            key,
            setting,
        })
    }
}

/// The one setting that leads to the key.
fn only_key(options: &SalesforceOptions) -> Result<&'static str, SetupError> {
    let set = [
        ("private_key_file", options.private_key_file.is_some()),
        ("private_key", options.private_key.is_some()),
        ("secret_name", options.secret_name.is_some()),
        ("private_key_parameter", options.private_key_parameter.is_some()),
    ];
    let set: Vec<&'static str> = set.into_iter().filter(|(_, set)| *set).map(|(name, _)| name).collect();
    match set[..] {
        [one] => Ok(one),
        [] => Err(SetupError::Missing {
            name: "private_key_file",
            advice: "the key may also come from private_key, secret_name or private_key_parameter",
        }),
        _ => Err(SetupError::Contradiction(set)),
    }
}

/// The address without a slash at the end.
fn endpoint_base(text: &str) -> Result<String, SetupError> {
    let text = text.trim().trim_end_matches('/');
    let invalid = |what: String| SetupError::Invalid { name: "endpoint_base", what };
    let url = reqwest::Url::parse(text).map_err(|error| invalid(format!("{text} is no address: {error}")))?;
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => Ok(text.to_owned()),
        "http" if loopback => Ok(text.to_owned()),
        _ => Err(invalid(format!("{text} does not begin with https://"))),
    }
}

/// What is known so far of the way to Salesforce.
struct Found {
    endpoint_base: Option<String>,
    org_id: Option<String>,
    call_center: Option<String>,
}

impl Found {
    /// Reads the secret of Service Cloud Voice and returns the key. Source: the reference Lambdas, which keep
    /// `SCRT_ENDPOINT_BASE`, `SALESFORCE_ORG_ID`, `CALL_CENTER_API_NAME` and
    /// `{CALL_CENTER_API_NAME}-scrt-jwt-auth-private-key` in it.
    fn read_secret(&mut self, name: &str, text: &str) -> Result<SecretText, SetupError> {
        let wrong = |what: String| SetupError::SecretShape { name: name.to_owned(), what };
        // The parser's own message could show a part of the secret.
        let object: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| wrong("it is not a JSON object".to_owned()))?;
        let value = |key: &str| {
            object
                .get(key)
                .and_then(Value::as_str)
                .map(str::trim)
                .filter(|v| !v.is_empty())
                .map(str::to_owned)
        };
        self.endpoint_base = self.endpoint_base.take().or_else(|| value("SCRT_ENDPOINT_BASE"));
        self.org_id = self.org_id.take().or_else(|| value("SALESFORCE_ORG_ID"));
        self.call_center = self.call_center.take().or_else(|| value("CALL_CENTER_API_NAME"));
        let Some(call_center) = &self.call_center else {
            return Err(wrong("it has no CALL_CENTER_API_NAME; add it or set call_center".to_owned()));
        };
        let key = format!("{call_center}-scrt-jwt-auth-private-key");
        value(&key).map(SecretText::new).ok_or_else(|| {
            let names: Vec<&str> = object.keys().map(String::as_str).collect();
            wrong(format!("it has no {key}, only {}; check call_center", names.join(", ")))
        })
    }
}

/// Reads a private key in PEM, PKCS#1 or PKCS#8. Secrets and variables often lose the line ends or keep them
/// as `\n`: what lies between the marks is put back into lines.
fn read_key(pem: &str) -> Result<EncodingKey, String> {
    let (kind, body) = frame(pem).ok_or("it is not PEM: no -----BEGIN … PRIVATE KEY----- and its END")?;
    let body = body.replace("\\r", "").replace("\\n", "");
    let base64: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    if kind.starts_with("ENCRYPTED") || base64.starts_with("Proc-Type") {
        return Err("it is encrypted; store it without a pass phrase".to_owned());
    }
    if !matches!(kind, "RSA PRIVATE KEY" | "PRIVATE KEY") {
        return Err(format!("it is a {kind}, not an RSA private key (PKCS#1 or PKCS#8)"));
    }
    let mut clean = format!("-----BEGIN {kind}-----\n");
    for (n, c) in base64.chars().enumerate() {
        if n > 0 && n % 64 == 0 {
            clean.push('\n');
        }
        clean.push(c);
    }
    clean.push_str(&format!("\n-----END {kind}-----\n"));
    // The library's errors name no reason that helps.
    EncodingKey::from_rsa_pem(clean.as_bytes()).map_err(|_| "it is not an RSA key".to_owned())
}

/// Kind and content of the first PEM block.
fn frame(pem: &str) -> Option<(&str, &str)> {
    let (_, rest) = pem.split_once("-----BEGIN ")?;
    let (kind, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    Some((kind, body))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn keys_that_cannot_sign_say_what_they_are() {
        let say = |pem: &str| match read_key(pem) {
            Err(why) => why,
            Ok(_) => panic!("{pem} passes"),
        };
        assert!(say("hello").contains("not PEM"));
        assert!(
            say("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA\n-----END ENCRYPTED PRIVATE KEY-----")
                .contains("encrypted")
        );
        assert!(say("-----BEGIN PUBLIC KEY-----\nAA\n-----END PUBLIC KEY-----").contains("a PUBLIC KEY"));
        assert!(
            say("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----").contains("not an RSA key")
        );
    }

    #[test]
    fn a_secret_of_another_call_centre_names_what_it_has_and_shows_nothing() {
        let text = r#"{"CALL_CENTER_API_NAME":"HVCC","Other-scrt-jwt-auth-private-key":"xyzzy"}"#;
        let mut found = Found { endpoint_base: None, org_id: None, call_center: None };
        let error = found.read_secret("scv", text).unwrap_err().to_string();
        assert!(error.contains("HVCC-scrt-jwt-auth-private-key"), "{error}");
        assert!(error.contains("Other-scrt") && !error.contains("xyzzy"), "{error}");
    }

    #[test]
    fn plain_http_is_for_loopback_alone() {
        assert_eq!(
            endpoint_base("https://a.example/telephony/v1/").unwrap(),
            "https://a.example/telephony/v1"
        );
        assert!(endpoint_base("http://localhost:1/telephony/v1").is_ok());
        assert!(endpoint_base("http://a.example/telephony/v1").is_err());
        assert!(endpoint_base("a.example").is_err());
    }
}
