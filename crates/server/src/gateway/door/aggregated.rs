//! The porter of the aggregated door: kube-apiserver's front proxy speaks for
//! everybody, and nobody else for anybody.
//!
//! Promises: a connection that was believed is judged again when the description
//! of the front proxy changes, and every [`limits::CERTIFICATE_RECHECK`].

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use http::HeaderMap;
use rustls::pki_types::UnixTime;

use super::{
    Visitor,
    porter::{Chain, Porter, Turned},
    tls::TrustCell,
    trust::{Trust, TrustError},
};
use crate::gateway::limits;

/// Knows the front proxy.
pub(in crate::gateway) struct FrontProxy {
    trust: Arc<TrustCell>,
}

/// The other end of one connection.
pub(in crate::gateway) struct Peer {
    chain: Option<Chain>,
    /// What it was last believed under, and when.
    believed: Mutex<Option<(Arc<Trust>, Instant)>>,
}

impl FrontProxy {
    /// Believes whoever `trust` describes at the moment.
    pub(in crate::gateway) fn new(trust: Arc<TrustCell>) -> Self {
        Self { trust }
    }
}

impl Porter for FrontProxy {
    const IS_BEHIND_PROXY: bool = true;

    type Peer = Peer;

    fn meet(&self, chain: Option<Chain>) -> Peer {
        Peer { chain, believed: Mutex::new(None) }
    }

    async fn admit(&self, peer: &Peer, headers: &HeaderMap) -> Result<Visitor, Turned> {
        let read = peer
            .trust(&self.trust)
            .map_err(|error| error.to_string())
            .and_then(|trust| Visitor::read(headers, &trust.headers).map_err(|error| error.to_string()));
        read.map_err(|why| {
            // Only kube-apiserver has any business here.
            tracing::warn!(why, "a caller could not be authenticated");
            Turned::Away(why)
        })
    }
}

impl Peer {
    /// The trust under which this peer is believed at this moment.
    fn trust(&self, current: &TrustCell) -> Result<Arc<Trust>, TrustError> {
        let trust = current.load_full().ok_or_else(TrustError::unread)?;
        let mut believed = self.believed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((under, at)) = &*believed
            && Arc::ptr_eq(under, &trust)
            && at.elapsed() < limits::CERTIFICATE_RECHECK
        {
            return Ok(trust);
        }
        *believed = None;
        trust.believes(self.chain.as_deref(), UnixTime::now())?;
        *believed = Some((trust.clone(), Instant::now()));
        Ok(trust)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::trusting, *};
    use crate::gateway::door::trust::tests::Ca;

    #[test]
    fn an_open_connection_is_judged_again_when_the_ca_changes() {
        let ca = Ca::new();
        let porter = FrontProxy::new(Arc::new(TrustCell::new(Some(Arc::new(trusting(&ca))))));
        let peer = porter.meet(Some(vec![ca.issue(&["front-proxy-client"]).0]));
        assert!(peer.trust(&porter.trust).is_ok());
        assert!(peer.trust(&porter.trust).is_ok());
        porter.trust.store(Some(Arc::new(trusting(&Ca::new()))));
        assert!(matches!(peer.trust(&porter.trust), Err(TrustError::Chain(_))));
        porter.trust.store(None);
        assert!(peer.trust(&porter.trust).is_err());
    }
}
