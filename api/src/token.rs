//! Access tokens: JWT, HS256 and nothing else, signed with the first key and read with any of them, so
//! that keys can be changed without logging anybody out. Only the API reads tokens.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Once;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use jsonwebtoken::crypto::aws_lc;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ordermill_common::id::{MessageId, UserId};
use ordermill_common::user::Role;
use serde::{Deserialize, Serialize};

/// The shortest key that HS256 deserves, in bytes.
const SHORTEST_KEY: usize = 32;
/// How far two clocks may differ, in seconds.
const LEEWAY: u64 = 30;

/// The keys, each with its name; the first one signs. Written `kid:base64[,kid:base64...]`.
#[derive(Clone)]
pub struct Keys(Vec<(String, Vec<u8>)>);

/// Why keys cannot be used. Says which, never what it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// Not of the form `kid:base64`.
    #[error("key {0} is not of the form name:base64")]
    Form(usize),
    /// The secret is not base64.
    #[error("key {0}: the part after the colon is not base64")]
    Base64(usize),
    /// The secret is too short to be one.
    #[error("key {0} has fewer than 32 bytes (make one with: openssl rand -base64 32)")]
    Short(usize),
    /// Two keys have one name.
    #[error("key {0} has the name of an earlier one")]
    Twice(usize),
}

impl FromStr for Keys {
    type Err = BadKeys;

    fn from_str(text: &str) -> Result<Self, BadKeys> {
        let mut keys: Vec<(String, Vec<u8>)> = Vec::new();
        for (place, key) in text.trim().split(',').enumerate() {
            let place = place + 1;
            let (kid, secret) = key.trim().split_once(':').ok_or(BadKeys::Form(place))?;
            if kid.is_empty() || !kid.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(BadKeys::Form(place));
            }
            let secret = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
                .iter()
                .find_map(|base64| base64.decode(secret).ok())
                .ok_or(BadKeys::Base64(place))?;
            if secret.len() < SHORTEST_KEY {
                return Err(BadKeys::Short(place));
            }
            if keys.iter().any(|(earlier, _)| earlier == kid) {
                return Err(BadKeys::Twice(place));
            }
            keys.push((kid.to_owned(), secret));
        }
        Ok(Self(keys))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(kid, _)| kid)).finish()
    }
}

/// Who a token was issued for, by whom, for what use, and for how long.
#[derive(Debug, Clone)]
pub struct Terms {
    /// `iss`
    pub issuer: String,
    /// `aud`
    pub audience: String,
    /// From issue to expiry.
    pub lifetime: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    role: Role,
    iat: i64,
    exp: i64,
    jti: String,
}

/// The account that a valid token names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer {
    /// Whose token it is.
    pub id: UserId,
    /// What the account may do.
    pub role: Role,
}

/// The token is forged, expired, not for us, or not a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid access token")]
pub struct BadToken;

/// Signs and reads access tokens.
pub struct Tokens {
    sign: (Header, EncodingKey),
    read: HashMap<String, DecodingKey>,
    validation: Validation,
    terms: Terms,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("terms", &self.terms).finish_non_exhaustive()
    }
}

static PROVIDER: Once = Once::new();

impl Tokens {
    /// Signs with the first of the keys and reads with all.
    pub fn new(keys: &Keys, terms: Terms) -> Self {
        PROVIDER.call_once(|| {
            // Somebody else's choice of the same provider is as good.
            let _ = aws_lc::DEFAULT_PROVIDER.install_default();
        });
        let (kid, secret) = keys.0.first().expect("keys parse to at least one");
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(kid.clone());
        let read = keys.0.iter().map(|(kid, key)| (kid.clone(), DecodingKey::from_secret(key)));
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[&terms.issuer]);
        validation.set_audience(&[&terms.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = LEEWAY;
        Self {
            sign: (header, EncodingKey::from_secret(secret)),
            read: read.collect(),
            validation,
            terms,
        }
    }

    /// A token for the account, issued now.
    pub fn issue(&self, bearer: Bearer, now: DateTime<Utc>) -> String {
        let lifetime = i64::try_from(self.terms.lifetime.as_secs()).unwrap_or(i64::MAX / 2);
        let claims = Claims {
            iss: self.terms.issuer.clone(),
            aud: self.terms.audience.clone(),
            sub: bearer.id.to_string(),
            role: bearer.role,
            iat: now.timestamp(),
            exp: now.timestamp().saturating_add(lifetime),
            jti: MessageId::mint().hex(),
        };
        jsonwebtoken::encode(&self.sign.0, &claims, &self.sign.1)
            .expect("HS256 signs any claims that are strings and integers")
    }

    /// Whom the token names, when it is ours, for us and not expired.
    pub fn read(&self, token: &str) -> Result<Bearer, BadToken> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| BadToken)?;
        let key = header.kid.and_then(|kid| self.read.get(&kid)).ok_or(BadToken)?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation)
            .map_err(|_| BadToken)?
            .claims;
        let id = claims.sub.parse().map_err(|_| BadToken)?;
        Ok(Bearer { id, role: claims.role })
    }

    /// For how many seconds a fresh token is valid.
    pub fn lifetime_seconds(&self) -> u64 {
        self.terms.lifetime.as_secs()
    }
}
