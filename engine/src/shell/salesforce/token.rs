//! Tokens: JWT, RS256, as the Telephony Integration API wants them. Time is an argument.

use std::sync::{Arc, Mutex, PoisonError};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use uuid::{Builder, Uuid};

use crate::time::{Span, Time};

use super::options::TokenUse;

/// What every token says. Source: Service Cloud Voice Implementation Guide, "Generate a JWT".
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
}

/// A token and when to stop using it.
#[derive(Clone)]
struct Held {
    text: Arc<str>,
    until: Time,
}

/// Signs tokens, and keeps one where they are used again.
pub(super) struct Tokens {
    issuer: String,
    subject: String,
    audience: Option<String>,
    lifetime_s: i64,
    key: EncodingKey,
    token_use: TokenUse,
    held: Mutex<Option<Held>>,
}

impl Tokens {
    pub(super) fn new(
        (issuer, subject): (String, String),
        audience: &str,
        lifetime_s: u32,
        token_use: TokenUse,
        key: EncodingKey,
    ) -> Self {
        let audience = (!audience.is_empty()).then(|| audience.to_owned());
        let (lifetime_s, held) = (i64::from(lifetime_s), Mutex::new(None));
        Self { issuer, subject, audience, lifetime_s, key, token_use, held }
    }

    /// The tokens' `iss`.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The token for a request that goes out now.
    pub(super) fn get(&self, now: Time) -> Result<Arc<str>, String> {
        if self.token_use == TokenUse::PerRequest {
            return self.sign(now, Some(random_id()?)).map(Into::into);
        }
        // Whoever comes while it is signed, a millisecond, gets the same one.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = held.as_ref()
            && now < held.until
        {
            return Ok(Arc::clone(&held.text));
        }
        let text: Arc<str> = self.sign(now, None)?.into();
        // A third of its life, a minute at most, is left to requests under way and to clocks that differ.
        let margin = Span::from_s((self.lifetime_s / 3).min(60));
        let until = now + Span::from_s(self.lifetime_s) - margin;
        *held = Some(Held { text: Arc::clone(&text), until });
        Ok(text)
    }

    /// This token was not taken: the next one is a fresh one.
    pub(super) fn reject(&self, token: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_some_and(|held| *held.text == *token) {
            *held = None;
        }
    }

    fn sign(&self, now: Time, jti: Option<String>) -> Result<String, String> {
        let now_s = now.us().div_euclid(1_000_000);
        let claims = Claims {
            iss: &self.issuer,
            sub: &self.subject,
            aud: self.audience.as_deref(),
            iat: now_s,
            exp: now_s.saturating_add(self.lifetime_s),
            jti,
        };
        let header = Header::new(Algorithm::RS256);
        jsonwebtoken::encode(&header, &claims, &self.key)
            .map_err(|error| format!("{error}; an RSA key of at least 2048 bits is needed"))
    }
}

/// A random UUID, version 4.
fn random_id() -> Result<String, String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system gives no randomness".to_owned())?;
    let id: Uuid = Builder::from_random_bytes(bytes).into_uuid();
    Ok(id.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};

    use super::*;

    /// A key made for the test. Its PKCS#1 lies behind the 26 bytes that PKCS#8 puts before it.
    fn tokens(token_use: TokenUse) -> Tokens {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let key = EncodingKey::from_rsa_der(&der.as_ref()[26..]);
        Tokens::new(("00D".into(), "HVCC".into()), "", 180, token_use, key)
    }

    #[test]
    fn a_token_is_kept_until_a_minute_before_it_expires_or_until_it_is_rejected() {
        let tokens = tokens(TokenUse::Cached);
        let at = |s: i64| Time::from_ms(1_571_360_000_000) + Span::from_s(s);
        let first = tokens.get(at(0)).unwrap();
        assert_eq!(first, tokens.get(at(119)).unwrap());
        let second = tokens.get(at(120)).unwrap();
        assert_ne!(first, second);
        tokens.reject(&first);
        assert_eq!(second, tokens.get(at(121)).unwrap(), "a late refusal of the old one costs nothing");
        tokens.reject(&second);
        assert_ne!(second, tokens.get(at(122)).unwrap());
    }

    #[test]
    fn a_token_for_one_request_is_never_used_again() {
        let tokens = tokens(TokenUse::PerRequest);
        let now = Time::from_ms(1_571_360_000_000);
        assert_ne!(tokens.get(now).unwrap(), tokens.get(now).unwrap());
    }
}
