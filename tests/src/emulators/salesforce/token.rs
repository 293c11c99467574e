//! The bearer token: a JWT signed with RS256, checked against the public key and the guide's rules.

use std::collections::HashMap;
use std::io;

use engine::time::{Span, Time};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde::Deserialize;

/// What a token must say. The defaults are the stricter of the documents that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRules {
    /// Public key of the call centre, PEM (`BEGIN PUBLIC KEY`).
    pub public_key_pem: String,
    /// `iss`: the organisation's id.
    pub issuer: String,
    /// `sub`: the call centre's API name.
    pub subject: String,
    /// `aud`; absent: not looked at.
    pub audience: Option<String>,
    /// `exp` may lie so far ahead of now at most.
    pub max_lifetime: Span,
    /// Clocks may differ so much.
    pub skew: Span,
    /// A `jti` is good for one request.
    pub single_use: bool,
}

impl TokenRules {
    /// The rules for a key: organisation and call centre as in the guide's samples, audience
    /// `https://scrt.salesforce.com`, 3 minutes, 5 seconds of skew, each `jti` once.
    #[must_use]
    pub fn new(public_key_pem: &str) -> Self {
        Self {
            public_key_pem: public_key_pem.to_owned(),
            issuer: "00DRM00000GuTE".to_owned(),
            subject: "HVCC".to_owned(),
            audience: Some("https://scrt.salesforce.com".to_owned()),
            max_lifetime: Span::from_s(180),
            skew: Span::from_s(5),
            single_use: true,
        }
    }
}

/// A throw-away pair of keys for a call centre.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// PKCS#8, PEM.
    pub private_pem: String,
    /// `BEGIN PUBLIC KEY`, PEM.
    pub public_pem: String,
}

impl Keys {
    /// Makes a pair of RSA keys of 2048 bits.
    ///
    /// # Errors
    /// When the keys cannot be made.
    pub fn new() -> io::Result<Self> {
        let pair =
            KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(io::Error::other)?;
        Ok(Self { private_pem: pair.serialize_pem(), public_pem: pair.public_key_pem() })
    }
}

/// The claims; unknown ones are ignored.
#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Option<String>,
    exp: i64,
    iat: Option<i64>,
    jti: Option<String>,
}

/// Checks tokens and remembers their ids until they expire.
#[derive(Debug, Clone)]
pub(super) struct Gatekeeper {
    rules: TokenRules,
    /// `jti` to `exp`, epoch seconds.
    used: HashMap<String, i64>,
}

impl Gatekeeper {
    pub(super) fn new(rules: TokenRules) -> Self {
        Self { rules, used: HashMap::new() }
    }

    /// Checks the value of an `Authorization` header; the error says what is wrong.
    pub(super) fn check(&mut self, now: Time, authorization: Option<&str>) -> Result<(), String> {
        let token = authorization.and_then(|a| a.strip_prefix("Bearer ")).ok_or("no bearer token")?;
        let claims = self.decode(token)?;
        let (rules, now_s, skew_s) = (&self.rules, now.ms().div_euclid(1000), self.rules.skew.ms() / 1000);
        if claims.iss != rules.issuer {
            return Err(format!("iss is {}", claims.iss));
        }
        if claims.sub != rules.subject {
            return Err(format!("sub is {}", claims.sub));
        }
        if rules.audience.is_some() && claims.aud != rules.audience {
            return Err(format!("aud is {:?}", claims.aud));
        }
        if claims.exp.saturating_add(skew_s) <= now_s {
            return Err("expired".to_owned());
        }
        if claims.exp > now_s.saturating_add(rules.max_lifetime.ms() / 1000).saturating_add(skew_s) {
            return Err("exp lies too far ahead".to_owned());
        }
        if claims.iat.is_some_and(|iat| iat > now_s.saturating_add(skew_s)) {
            return Err("iat lies ahead".to_owned());
        }
        self.used.retain(|_, exp| exp.saturating_add(skew_s) > now_s);
        if let Some(jti) = claims.jti
            && self.rules.single_use
            && self.used.insert(jti, claims.exp).is_some()
        {
            return Err("jti was used before".to_owned());
        }
        Ok(())
    }

    fn decode(&self, token: &str) -> Result<Claims, String> {
        let key =
            DecodingKey::from_rsa_pem(self.rules.public_key_pem.as_bytes()).map_err(|e| e.to_string())?;
        let mut rules = Validation::new(Algorithm::RS256);
        // Times and names are checked above, against the emulated time.
        rules.validate_exp = false;
        rules.validate_aud = false;
        rules.required_spec_claims.clear();
        let data = jsonwebtoken::decode::<Claims>(token, &key, &rules).map_err(|e| e.to_string())?;
        match data.header.typ.as_deref() {
            Some("JWT") => Ok(data.claims),
            other => Err(format!("typ is {other:?}")),
        }
    }
}
