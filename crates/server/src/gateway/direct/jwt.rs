//! A JSON web token: taken apart, its claims read strictly.
//!
//! Promises: the header chooses nothing but among the keys of its issuer: `jku`,
//! `x5u` and `jwk` are not looked at, `crit` is refused; a claim that stands there
//! twice, or has another type than it must, makes the token worthless. Nothing is
//! believed before [`Token::is_signed_by`] says so.
//!
//! Left out on purpose: encrypted tokens, and leeway at the end of a token.

use std::fmt;

use anyhow::{Context as _, bail};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use crate::gateway::{door::porter::Turned, limits};

/// What may sign. No shared secrets: a public key is none.
const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// A token that nobody has proven yet.
pub(super) struct Token<'a> {
    /// How it says that it is signed.
    pub(super) algorithm: Algorithm,
    /// With which of its issuer's keys.
    pub(super) kid: Option<String>,
    /// What it says.
    pub(super) claims: Claims,
    signed: &'a str,
    signature: &'a str,
}

/// Claims by name.
#[derive(Debug)]
pub(super) struct Claims(Map<String, Value>);

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// The algorithm of that name, if it may sign at all.
pub(super) fn algorithm(name: &str) -> anyhow::Result<Algorithm> {
    let known = ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm);
    if known.is_none() && name.starts_with("HS") {
        bail!("`{name}` (--oidc-signing-algs) signs with a shared secret, which an issuer's published keys are not");
    }
    known.with_context(|| format!("`{name}` (--oidc-signing-algs) is not an algorithm that is known here"))
}

impl<'a> Token<'a> {
    /// Takes `text` apart.
    pub(super) fn read(text: &'a str) -> Result<Self, Turned> {
        if text.len() > limits::BEARER_BYTES_MAX {
            return Err(away("the token is too long"));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or_else(malformed)?;
        let (header, payload) = signed.split_once('.').filter(|(_, rest)| !rest.contains('.')).ok_or_else(malformed)?;
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| malformed())?;
        if header.crit.is_some() {
            return Err(away("the token's header demands what is not known here"));
        }
        let claims: Claims = serde_json::from_slice(&decode(payload)?).map_err(|_| malformed())?;
        let algorithm = algorithm(&header.alg).map_err(|_| away("the token's algorithm is not believed here"))?;
        Ok(Self { algorithm, kid: header.kid, claims, signed, signature })
    }

    /// Whether `key` made the signature.
    pub(super) fn is_signed_by(&self, key: &DecodingKey) -> bool {
        jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), key, self.algorithm).unwrap_or(false)
    }
}

impl Claims {
    /// A text, where the claim is there.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Turned> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(mistyped(name)),
        }
    }

    /// One text or a list of them; empty where the claim is not there.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<&str>, Turned> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text]),
            Some(Value::Array(items)) => items.iter().map(|item| item.as_str().ok_or_else(|| mistyped(name))).collect(),
            Some(_) => Err(mistyped(name)),
        }
    }

    /// A moment in whole seconds since 1970, where the claim is there.
    pub(super) fn second(&self, name: &str) -> Result<Option<i64>, Turned> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => {
                number.as_i64().filter(|second| *second > 0).map(Some).ok_or_else(|| mistyped(name))
            }
            Some(_) => Err(mistyped(name)),
        }
    }

    /// Anything below the claim, by JSON pointer.
    pub(super) fn below(&self, name: &str, pointer: &str) -> Option<&str> {
        self.0.get(name)?.pointer(pointer)?.as_str()
    }

    /// The claim as it is.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Whether `audience` is among those the token is for.
    pub(super) fn check_audience(&self, audience: &str) -> Result<(), Turned> {
        if self.texts("aud")?.contains(&audience) { Ok(()) } else { Err(away("the token is for another audience")) }
    }

    /// When it ends, if it counts now.
    pub(super) fn check_times(&self, now: Timestamp) -> Result<i64, Turned> {
        let until = self.second("exp")?.ok_or_else(|| away("the token never ends"))?;
        if now.as_second() >= until {
            return Err(away("the token has expired"));
        }
        for begins in ["nbf", "iat"] {
            let at = self.second(begins)?;
            if at.is_some_and(|at| at > now.as_second().saturating_add(limits::CLOCK_SKEW_SECONDS)) {
                return Err(away("the token is not valid yet"));
            }
        }
        Ok(until)
    }
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;

        impl<'de> de::Visitor<'de> for Once {
            type Value = Claims;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("claims")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
                let mut claims = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if claims.insert(name, value).is_some() {
                        return Err(de::Error::custom("a claim twice"));
                    }
                }
                Ok(Claims(claims))
            }
        }

        deserializer.deserialize_map(Once)
    }
}

fn decode(text: &str) -> Result<Vec<u8>, Turned> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())
}

pub(super) fn away(why: &str) -> Turned {
    Turned::Away(why.to_owned())
}

fn malformed() -> Turned {
    away("the bearer token is not a signed JSON web token")
}

fn mistyped(name: &str) -> Turned {
    Turned::Away(format!("the token's claim `{name}` has the wrong type"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(header: &str, claims: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
    }

    fn claims(text: &str) -> Claims {
        serde_json::from_str(text).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_is_three_parts_with_an_algorithm_that_is_known() {
        let good = text(r#"{"alg":"RS256","kid":"1","jku":"https://evil"}"#, r#"{"iss":"x"}"#);
        let token = Token::read(&good).unwrap();
        assert_eq!((token.algorithm, token.kid.as_deref()), (Algorithm::RS256, Some("1")));
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"None"}"#,
            r#"{"alg":"HS256"}"#,
            r#"{"alg":"RS256","alg":"none"}"#,
            r#"{"alg":"RS256","crit":["exp"]}"#,
            r#"{"alg":["RS256"]}"#,
            r#"{"kid":"1"}"#,
            "[]",
            "",
        ] {
            assert!(Token::read(&text(header, "{}")).is_err(), "{header}");
        }
        for broken in ["", ".", "..", "a.b", "a.b.c.d", &format!("{good}.x"), &format!(" {good}")] {
            assert!(Token::read(broken).is_err(), "{broken}");
        }
        let long = text(r#"{"alg":"RS256"}"#, &format!(r#"{{"a":"{}"}}"#, "a".repeat(limits::BEARER_BYTES_MAX)));
        assert!(Token::read(&long).is_err());
    }

    #[test]
    fn a_claim_counts_once_and_with_its_own_type() {
        for broken in [r#"{"exp":1,"exp":2}"#, r#"{"sub":"a","sub":"a"}"#, "[]", "null", "{"] {
            assert!(serde_json::from_str::<Claims>(broken).is_err(), "{broken}");
        }
        for exp in ["1.5", "1e3", "\"2000\"", "-1", "0", "9223372036854775808", "null", "[2000]", "true"] {
            let claims = claims(&format!(r#"{{"exp":{exp}}}"#));
            assert!(claims.check_times(at(1)).is_err(), "{exp}");
        }
        assert!(claims("{}").check_times(at(1)).is_err(), "a token that never ends");
        for nbf in ["\"1\"", "1.0", "-5", "null"] {
            assert!(claims(&format!(r#"{{"exp":2000,"nbf":{nbf}}}"#)).check_times(at(100)).is_err(), "{nbf}");
        }
    }

    #[test]
    fn times_are_compared_without_leeway_at_the_end() {
        let claims = claims(r#"{"exp":2000,"nbf":1000,"iat":1000}"#);
        assert_eq!(claims.check_times(at(1999)), Ok(2000));
        assert!(claims.check_times(at(2000)).is_err());
        assert!(claims.check_times(at(1000 - limits::CLOCK_SKEW_SECONDS)).is_ok());
        assert!(claims.check_times(at(999 - limits::CLOCK_SKEW_SECONDS)).is_err());
    }

    #[test]
    fn an_audience_is_one_of_those_named_and_not_a_part_of_one() {
        assert!(claims(r#"{"aud":"brevet"}"#).check_audience("brevet").is_ok());
        assert!(claims(r#"{"aud":["a","brevet"]}"#).check_audience("brevet").is_ok());
        for aud in [r#""brevet2""#, r#"["a"]"#, "[]", "null", r#"{"brevet":1}"#, r#"["brevet",1]"#] {
            assert!(claims(&format!(r#"{{"aud":{aud}}}"#)).check_audience("brevet").is_err(), "{aud}");
        }
        assert!(claims("{}").check_audience("brevet").is_err());
    }

    #[test]
    fn shared_secrets_cannot_be_allowed() {
        assert!(algorithm("HS256").unwrap_err().to_string().contains("shared secret"));
        assert!(algorithm("none").is_err());
        assert_eq!(algorithm("ES256").unwrap(), Algorithm::ES256);
    }
}
