//! The keys of one issuer: asked for ahead of time, and at once when a token
//! names one that is not known.
//!
//! Promises: an issuer is asked at most once in [`limits::KEYS_LOOK_EVERY_MIN`],
//! whatever tokens come; keys that it no longer publishes are believed for no
//! longer than [`limits::KEYS_LOOK_EVERY`]; while it does not answer, those last
//! seen are believed for [`limits::KEYS_BELIEVED`], then nobody is. A key signs
//! with its own kind of algorithm alone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    issuer::{Issuer, Published},
    jwt::{Token, away},
};
use crate::gateway::{door::porter::Turned, limits};

/// An issuer and what is known of it.
pub(super) struct Keys {
    issuer: Issuer,
    allowed: Vec<Algorithm>,
    known: ArcSwapOption<Known>,
    /// When it was last asked, and whether it answered. Held while asking.
    asked: Mutex<Option<(Instant, bool)>>,
}

/// What an issuer said once.
pub(super) struct Known {
    issuer: String,
    keys: Vec<Key>,
    at: Instant,
}

struct Key {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// What the keys at hand say of a token.
enum Verdict {
    Signed,
    /// The key is known, and did not sign it.
    Forged,
    /// No key of that name.
    Unknown,
}

impl Keys {
    /// Of `issuer`, who signs with one of `allowed`.
    pub(super) fn new(issuer: Issuer, allowed: &[Algorithm]) -> Self {
        Self { issuer, allowed: allowed.to_vec(), known: ArcSwapOption::empty(), asked: Mutex::default() }
    }

    /// The issuer's name.
    pub(super) async fn issuer(&self) -> Result<String, Turned> {
        if self.fresh().is_none() {
            self.ask(limits::KEYS_LOOK_EVERY_MIN).await;
        }
        Ok(self.fresh().ok_or_else(silent)?.issuer.clone())
    }

    /// The keys under which `token` is proven.
    pub(super) async fn prove(&self, token: &Token<'_>) -> Result<Arc<Known>, Turned> {
        if !self.allowed.contains(&token.algorithm) {
            return Err(away("the token's algorithm is not believed here"));
        }
        let forged = || away("the token's signature does not hold");
        if let Some(known) = self.fresh() {
            match known.judge(token) {
                Verdict::Signed => return Ok(known),
                Verdict::Forged => return Err(forged()),
                Verdict::Unknown => {}
            }
        }
        let has_answered = self.ask(limits::KEYS_LOOK_EVERY_MIN).await;
        let known = self.fresh().ok_or_else(silent)?;
        match known.judge(token) {
            Verdict::Signed => Ok(known),
            Verdict::Forged => Err(forged()),
            Verdict::Unknown if has_answered => {
                Err(away("the token is signed with a key that its issuer does not publish"))
            }
            Verdict::Unknown => Err(silent()),
        }
    }

    /// Whether what was proven under `known` still is.
    pub(super) fn still_believes(&self, known: &Arc<Known>) -> bool {
        self.fresh().is_some_and(|fresh| Arc::ptr_eq(&fresh, known))
    }

    /// Keeps in step until `stop`.
    pub(super) async fn keep(self: Arc<Self>, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            let pause = match self.ask(limits::KEYS_LOOK_EVERY_MIN).await {
                true => limits::KEYS_LOOK_EVERY,
                false => limits::KEYS_LOOK_EVERY_MIN,
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    fn fresh(&self) -> Option<Arc<Known>> {
        self.known.load_full().filter(|known| known.at.elapsed() < limits::KEYS_BELIEVED)
    }

    /// Asks the issuer, unless that was done less than `pause` ago. Whether it answered last.
    async fn ask(&self, pause: Duration) -> bool {
        let mut asked = self.asked.lock().await;
        if let Some((at, has_answered)) = *asked
            && at.elapsed() < pause
        {
            return has_answered;
        }
        let answer = tokio::time::timeout(limits::ISSUER_TIMEOUT, self.issuer.publishes()).await;
        let answer = answer.map_err(|_| anyhow::anyhow!("no answer in time")).and_then(|answer| answer);
        let has_answered = match answer {
            Ok(published) => {
                self.known.store(Some(Arc::new(Known::read(published))));
                true
            }
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "the keys of a token issuer cannot be read");
                false
            }
        };
        *asked = Some((Instant::now(), has_answered));
        has_answered
    }
}

impl Known {
    fn read(published: Published) -> Self {
        let keys = published.keys.into_iter().filter_map(Key::read).take(limits::KEYS_MAX).collect();
        Self { issuer: published.issuer, keys, at: Instant::now() }
    }

    fn judge(&self, token: &Token<'_>) -> Verdict {
        let mut verdict = Verdict::Unknown;
        for key in &self.keys {
            // A token without a key's name may be of any.
            let is_named = token.kid.is_none() || key.kid == token.kid;
            if is_named && key.algorithms.contains(&token.algorithm) {
                if token.is_signed_by(&key.key) {
                    return Verdict::Signed;
                }
                verdict = Verdict::Forged;
            }
        }
        // Without a name, a key that is not known yet may have signed it.
        if token.kid.is_none() { Verdict::Unknown } else { verdict }
    }
}

impl Key {
    /// `None` for what signs nothing here.
    fn read(jwk: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(jwk).ok()?;
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        let mut algorithms = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => vec![
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ],
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => vec![Algorithm::ES256],
                EllipticCurve::P384 => vec![Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(_) => vec![Algorithm::EdDSA],
            // A secret that is published is none.
            _ => return None,
        };
        if let Some(own) = &jwk.common.key_algorithm {
            let own = own.to_string();
            algorithms.retain(|algorithm| format!("{algorithm:?}") == own);
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { kid: jwk.common.key_id, algorithms, key })
    }
}

fn silent() -> Turned {
    Turned::Undecided("the token's issuer cannot be asked for its keys; try again in a moment".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_signs_with_its_own_kind_of_algorithm_alone() {
        let rsa = |more: serde_json::Value| {
            let mut key = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "1"});
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            Key::read(key).map(|key| key.algorithms)
        };
        assert_eq!(rsa(json!({})).unwrap().len(), 6);
        assert_eq!(rsa(json!({"alg": "RS256", "use": "sig"})).unwrap(), [Algorithm::RS256]);
        assert_eq!(rsa(json!({"alg": "HS256"})).unwrap(), []);
        assert!(rsa(json!({"use": "enc"})).is_none());
        assert!(Key::read(json!({"kty": "oct", "k": "c2VjcmV0", "kid": "1"})).is_none());
        assert!(Key::read(json!({"kty": "RSA"})).is_none());
        assert!(Key::read(json!("nonsense")).is_none());
    }
}
