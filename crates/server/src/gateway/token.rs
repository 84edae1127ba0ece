//! The tokens of elevation identities: one for each live grant, in memory only.
//!
//! One for each grant, not for each identity: grants with equal rules share an
//! identity, and the token's id in kube-apiserver's audit log must name one of
//! them.
//!
//! Promises: a token is only ever kept for the identity whose uid the grant
//! names; it is bound to the identity's anchor Secret, lives ten minutes, and is
//! minted by one caller at a time while the others wait or use the last one.
//! Nothing here can be printed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use brevet_core::{
    audit::event::{ObjectRef, TokenMinted},
    grant::IdentityRef,
};
use k8s_openapi::{
    api::{
        authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
        core::v1::ServiceAccount,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, api::PostParams};
use secrecy::{ExposeSecret as _, SecretString};

use super::limits;
use crate::record::{Recorder, Refused};

/// Where elevation identities live.
const ELEVATIONS: &str = "brevet-elevations";

/// Every grant's token.
pub(super) struct Tokens {
    accounts: Api<ServiceAccount>,
    recorder: Recorder,
    by_grant: Mutex<HashMap<String, Arc<Slot>>>,
}

/// The token of one grant.
#[derive(Default)]
struct Slot {
    last: Mutex<Option<Arc<Minted>>>,
    /// Held while minting.
    minting: tokio::sync::Mutex<()>,
}

/// A token, for one identity, until it is old.
pub(super) struct Minted {
    identity_uid: String,
    /// Names the token without being one.
    id: String,
    secret: SecretString,
    old_at: Instant,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// kube-apiserver did not answer, or not in time.
    #[error("kube-apiserver did not mint a token in time")]
    Late,
    /// It refused: the identity is gone, or we may not.
    #[error("kube-apiserver did not mint a token")]
    Refused(#[source] Box<kube::Error>),
    /// The token is of another identity of that name, or cannot be read.
    #[error("the minted token is not for the identity that the grant names")]
    Stranger,
    /// Nobody could join its use to the grant.
    #[error("the minted token could not be recorded")]
    Unrecorded(#[source] Refused),
}

impl Tokens {
    /// No tokens yet.
    pub(super) fn new(client: Client, recorder: Recorder) -> Self {
        Self { accounts: Api::namespaced(client, ELEVATIONS), recorder, by_grant: Mutex::default() }
    }

    /// The grant's token, minted if there is none or it is old.
    pub(super) async fn of(&self, grant_uid: &str, identity: &IdentityRef) -> Result<Arc<Minted>, TokenError> {
        let slot = self.slot(grant_uid);
        let serves = |least: Duration| slot.last().filter(|minted| minted.serves(identity, least));
        if let Some(minted) = serves(limits::TOKEN_RENEW_LEFT) {
            return Ok(minted);
        }
        let _minting = match (slot.minting.try_lock(), serves(limits::TOKEN_LEAST_LEFT)) {
            (Ok(ours), _) => ours,
            // Somebody is renewing it, and this one still serves.
            (Err(_), Some(minted)) => return Ok(minted),
            (Err(_), None) => slot.minting.lock().await,
        };
        if let Some(minted) = serves(limits::TOKEN_RENEW_LEFT) {
            return Ok(minted);
        }
        match self.mint_recorded(grant_uid, identity).await {
            Ok(minted) => {
                let minted = Arc::new(minted);
                *slot.lock() = Some(minted.clone());
                tracing::info!(grant_uid, identity = identity.name, token_id = minted.id, "minted a token");
                Ok(minted)
            }
            Err(error) => serves(limits::TOKEN_LEAST_LEFT).ok_or(error),
        }
    }

    /// Forgets a token that kube-apiserver did not accept.
    pub(super) fn forget(&self, grant_uid: &str, refused: &Arc<Minted>) {
        let slot = self.slot(grant_uid);
        let mut last = slot.lock();
        if last.as_ref().is_some_and(|minted| Arc::ptr_eq(minted, refused)) {
            *last = None;
        }
    }

    /// Forgets everything of a grant that is over.
    pub(super) fn remove(&self, grant_uid: &str) {
        self.lock().remove(grant_uid);
    }

    fn slot(&self, grant_uid: &str) -> Arc<Slot> {
        self.lock().entry(grant_uid.to_owned()).or_default().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Slot>>> {
        self.by_grant.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new token, once the log says whose calls it will carry: its id is the second key of an
    /// inner event, which kube-apiserver's audit log names.
    async fn mint_recorded(&self, grant_uid: &str, identity: &IdentityRef) -> Result<Minted, TokenError> {
        let minted = self.mint(identity).await?;
        let event = TokenMinted {
            grant_uid: grant_uid.into(),
            identity: ObjectRef::from(identity),
            token_id: minted.id.as_str().into(),
        };
        let pending = self.recorder.append(event.into()).map_err(TokenError::Unrecorded)?;
        pending.written().await.map_err(TokenError::Unrecorded)?;
        Ok(minted)
    }

    async fn mint(&self, identity: &IdentityRef) -> Result<Minted, TokenError> {
        let asked_at = Instant::now();
        let request = TokenRequest {
            // Enforced from Kubernetes 1.34 on; below, the token itself is read.
            metadata: ObjectMeta { uid: Some(identity.uid.clone()), ..ObjectMeta::default() },
            spec: TokenRequestSpec {
                audiences: Vec::new(),
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Secret".to_owned()),
                    name: Some(identity.name.clone()),
                    uid: None,
                }),
                expiration_seconds: Some(limits::TOKEN_SECONDS),
            },
            status: None,
        };
        let params = PostParams::default();
        let minting = self.accounts.create_token_request(&identity.name, &params, &request);
        let answer = tokio::time::timeout(limits::OWN_CALL_TIMEOUT, minting)
            .await
            .map_err(|_| TokenError::Late)?
            .map_err(|error| TokenError::Refused(Box::new(error)))?;
        let secret = SecretString::from(answer.status.ok_or(TokenError::Stranger)?.token);
        let claims = Claims::read(&secret).ok_or(TokenError::Stranger)?;
        if claims.uid != identity.uid {
            return Err(TokenError::Stranger);
        }
        let life = Duration::from_secs(limits::TOKEN_SECONDS.unsigned_abs());
        Ok(Minted { identity_uid: claims.uid, id: claims.id, secret, old_at: asked_at + life })
    }
}

impl Slot {
    fn last(&self) -> Option<Arc<Minted>> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Minted>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Minted {
    /// For the Authorization header.
    pub(super) fn secret(&self) -> &SecretString {
        &self.secret
    }

    fn serves(&self, identity: &IdentityRef, least: Duration) -> bool {
        self.identity_uid == identity.uid && self.old_at.saturating_duration_since(Instant::now()) > least
    }
}

/// What a token says of itself. It came from kube-apiserver over TLS, so its
/// signature is not checked again.
struct Claims {
    /// The ServiceAccount's.
    uid: String,
    /// Empty below Kubernetes 1.30.
    id: String,
}

impl Claims {
    fn read(token: &SecretString) -> Option<Self> {
        let payload = token.expose_secret().split('.').nth(1)?;
        let claims: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let uid = claims.get("kubernetes.io")?.pointer("/serviceaccount/uid")?.as_str()?.to_owned();
        let id = claims.get("jti").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        Some(Self { uid, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &serde_json::Value) -> SecretString {
        format!("x.{}.y", URL_SAFE_NO_PAD.encode(claims.to_string())).into()
    }

    #[test]
    fn uid_and_id_are_read_from_the_token() {
        let account = serde_json::json!({"serviceaccount": {"name": "e-1", "uid": "u-1"}});
        let claims = Claims::read(&token(&serde_json::json!({"kubernetes.io": account, "jti": "j-1"}))).unwrap();
        assert_eq!((claims.uid.as_str(), claims.id.as_str()), ("u-1", "j-1"));
        assert!(Claims::read(&token(&serde_json::json!({"sub": "u-1"}))).is_none());
        assert!(Claims::read(&"nonsense".into()).is_none());
    }

    #[test]
    fn a_token_serves_its_own_identity_while_it_is_young() {
        let identity = |uid: &str| IdentityRef { name: "e-1".to_owned(), uid: uid.to_owned() };
        let minted = Minted {
            identity_uid: "u-1".to_owned(),
            id: String::new(),
            secret: "t".into(),
            old_at: Instant::now() + Duration::from_secs(60),
        };
        assert!(minted.serves(&identity("u-1"), Duration::from_secs(30)));
        assert!(!minted.serves(&identity("u-1"), Duration::from_secs(90)));
        assert!(!minted.serves(&identity("u-2"), Duration::from_secs(30)));
    }
}
