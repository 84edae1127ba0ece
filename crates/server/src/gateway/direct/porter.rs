//! The porter of the direct door: one credential, proven, becomes a user.
//!
//! Promises: exactly one credential counts, and two are none; it is read from the
//! client's certificate or the one `Authorization` header, never from a query, a
//! subprotocol or a header of another proxy. What was proven is remembered for
//! its connection alone, no longer than it is valid and its keys are believed.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use http::{HeaderMap, header::AUTHORIZATION};
use rustls::pki_types::UnixTime;
use sha2::{Digest as _, Sha256};

use super::{
    certificate::{self, Clients},
    claims::{Accounts, Oidc, Proven},
    jwt::Token,
    keys::{Keys, Known},
};
use crate::{
    clock,
    gateway::{
        door::{
            Visitor,
            porter::{Chain, Porter, Turned},
            tls::Judge as _,
        },
        limits,
    },
};

/// Lets in whoever has one of the credentials that the operator named.
pub(super) struct DirectPorter {
    clients: Option<Arc<Clients>>,
    authorities: Authorities,
}

/// Whose tokens are believed.
#[derive(Default)]
pub(super) struct Authorities {
    pub(super) oidc: Option<Oidc>,
    pub(super) accounts: Option<Accounts>,
}

/// One connection.
pub(super) struct Peer {
    chain: Option<Chain>,
    last: Mutex<Option<Last>>,
}

/// What was proven last.
struct Last {
    visitor: Visitor,
    proof: Proof,
}

enum Proof {
    /// The connection's certificate, at this moment.
    Certificate(Instant),
    /// The token with this digest, under these keys, until this second.
    Token { digest: [u8; 32], under: Arc<Known>, keys: Arc<Keys>, until: i64 },
}

impl Authorities {
    /// Whether nobody's are.
    pub(super) fn is_empty(&self) -> bool {
        self.oidc.is_none() && self.accounts.is_none()
    }

    /// The keys of each.
    pub(super) fn keys(&self) -> impl Iterator<Item = Arc<Keys>> + use<> {
        let oidc = self.oidc.as_ref().map(|oidc| oidc.keys.clone());
        oidc.into_iter().chain(self.accounts.as_ref().map(|accounts| accounts.keys.clone()))
    }

    async fn prove(&self, text: &str) -> Result<(Proven, Arc<Keys>), Turned> {
        let token = Token::read(text)?;
        let issuer = token.claims.text("iss")?.ok_or_else(|| Turned::Away("the token names no issuer".to_owned()))?;
        if let Some(oidc) = self.oidc.as_ref().filter(|oidc| oidc.issuer == issuer) {
            return Ok((oidc.prove(&token, clock::now()).await?, oidc.keys.clone()));
        }
        if let Some(accounts) = &self.accounts
            && accounts.keys.issuer().await? == issuer
        {
            return Ok((accounts.prove(&token, clock::now()).await?, accounts.keys.clone()));
        }
        Err(Turned::Away("the token's issuer is not believed here".to_owned()))
    }
}

impl DirectPorter {
    /// Believes certificates under `clients`, and tokens of `authorities`.
    pub(super) fn new(clients: Option<Arc<Clients>>, authorities: Authorities) -> Self {
        Self { clients, authorities }
    }

    async fn find(&self, peer: &Peer, headers: &HeaderMap) -> Result<Visitor, Turned> {
        match (&peer.chain, bearer(headers)?) {
            (Some(_), Some(_)) => Err(Turned::Away("two credentials were shown, a certificate and a token".to_owned())),
            (None, None) => Err(Turned::Away("no credential was shown".to_owned())),
            (Some(chain), None) => self.certified(peer, chain),
            (None, Some(token)) => self.with_token(peer, token).await,
        }
    }

    fn certified(&self, peer: &Peer, chain: &Chain) -> Result<Visitor, Turned> {
        if let Some(Last { visitor, proof: Proof::Certificate(at) }) = &*peer.last()
            && at.elapsed() < limits::CERTIFICATE_RECHECK
        {
            return Ok(visitor.clone());
        }
        let away = |error: &dyn std::fmt::Display| Turned::Away(error.to_string());
        let clients = self.clients.as_ref().ok_or_else(|| away(&"certificates are not believed here"))?;
        clients.judge(chain, UnixTime::now()).map_err(|error| away(&error))?;
        let visitor = certificate::visitor(chain).map_err(|error| away(&error))?;
        *peer.last() = Some(Last { visitor: visitor.clone(), proof: Proof::Certificate(Instant::now()) });
        Ok(visitor)
    }

    async fn with_token(&self, peer: &Peer, text: &str) -> Result<Visitor, Turned> {
        let shown: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        if let Some(Last { visitor, proof: Proof::Token { digest, under, keys, until } }) = &*peer.last()
            && *digest == shown
            && clock::now().as_second() < *until
            && keys.still_believes(under)
        {
            return Ok(visitor.clone());
        }
        let (Proven { visitor, under, until }, keys) = self.authorities.prove(text).await?;
        let proof = Proof::Token { digest: shown, under, keys, until };
        *peer.last() = Some(Last { visitor: visitor.clone(), proof });
        Ok(visitor)
    }
}

impl Porter for DirectPorter {
    const IS_BEHIND_PROXY: bool = false;

    type Peer = Peer;

    fn meet(&self, chain: Option<Chain>) -> Peer {
        Peer { chain, last: Mutex::default() }
    }

    async fn admit(&self, peer: &Peer, headers: &HeaderMap) -> Result<Visitor, Turned> {
        // Anybody may knock here: no warning, or a stranger could fill the log with them.
        self.find(peer, headers).await.inspect_err(|why| tracing::info!(%why, "a caller was not let in"))
    }
}

impl Peer {
    fn last(&self) -> std::sync::MutexGuard<'_, Option<Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one bearer token, if there is one.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Turned> {
    let away = |why: &str| Turned::Away(why.to_owned());
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(away("more than one Authorization header"));
    }
    let text = value.to_str().map_err(|_| away("an Authorization header that is no text"))?;
    let (scheme, token) = text.split_once(' ').ok_or_else(|| away("an Authorization header without a token"))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(away("only bearer tokens are believed here"));
    }
    let token = token.trim_matches(' ');
    if token.is_empty() {
        return Err(away("an empty bearer token"));
    }
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(values: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        bearer(&headers).unwrap().map(str::to_owned)
    }

    #[test]
    fn one_bearer_token_counts() {
        assert_eq!(read(&["Bearer a.b.c"]).as_deref(), Some("a.b.c"));
        assert_eq!(read(&["bearer  a.b.c"]).as_deref(), Some("a.b.c"));
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn anything_else_in_the_header_is_nobody() {
        for values in [&["Bearer a", "Bearer a"][..], &["Bearer"], &["Bearer  "], &["Basic YTpi"], &["a.b.c"], &[""]] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            assert!(matches!(bearer(&headers), Err(Turned::Away(_))), "{values:?}");
        }
    }
}
