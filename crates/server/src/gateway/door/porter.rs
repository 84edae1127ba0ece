//! Who stands at a door and says who is calling.
//!
//! Promises: whoever is not let in is told why; "could not be found out" is
//! never "no" and never "yes", but an answer that may be asked for again.

use brevet_core::reason::Reason;
use http::{HeaderMap, Response, StatusCode};
use rustls::pki_types::CertificateDer;

use super::Visitor;
use crate::gateway::reply::{self, Body};

/// A certificate and those between it and its CA, as they were shown and proven at the handshake.
pub(in crate::gateway) type Chain = Vec<CertificateDer<'static>>;

/// Lets people in.
pub(in crate::gateway) trait Porter: Send + Sync + 'static {
    /// Whether the caller is a proxy that says truly for whom it speaks.
    const IS_BEHIND_PROXY: bool;

    /// What is remembered of one connection.
    type Peer: Send + Sync + 'static;

    /// A connection begins.
    fn meet(&self, chain: Option<Chain>) -> Self::Peer;

    /// Who makes the request with these headers.
    fn admit(&self, peer: &Self::Peer, headers: &HeaderMap) -> impl Future<Output = Result<Visitor, Turned>> + Send;
}

/// Why somebody was not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::gateway) enum Turned {
    /// They are nobody.
    #[error("{0}")]
    Away(String),
    /// Whoever knows them could not be asked.
    #[error("{0}")]
    Undecided(String),
}

impl Turned {
    /// The answer they get.
    pub(super) fn answer(&self) -> Response<Body> {
        let (code, reason) = match self {
            Self::Away(_) => (StatusCode::UNAUTHORIZED, Reason::Unauthenticated),
            Self::Undecided(_) => (StatusCode::SERVICE_UNAVAILABLE, Reason::Stale),
        };
        reply::status(code, Some(reason), &self.to_string())
    }
}
