//! TLS as the doors speak it.
//!
//! Promises: a client certificate is proven at the handshake against the CA of
//! this moment; certificates and CA are replaced without a restart. Nothing is
//! resumed: a resumed connection would carry yesterday's verdict.
//!
//! Left out on purpose: refusing peers without a certificate. They get a 401
//! that says so, and the probes.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::{
    DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::{
        ClientHello, NoServerSessionStorage, ResolvesServerCert,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
};

use super::trust::{Trust, TrustError};

/// The front proxy's description of this moment; none shuts the door.
pub(in crate::gateway) type TrustCell = ArcSwapOption<Trust>;

/// The certificate that is served at this moment.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Presented(pub(in crate::gateway) ArcSwapOption<CertifiedKey>);

impl ResolvesServerCert for Presented {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

/// Says whether a client's certificate is worth anything at this moment.
pub(in crate::gateway) trait Judge: std::fmt::Debug + Send + Sync {
    /// Of the certificate first in `chain`.
    fn judge(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), TrustError>;
}

impl Judge for TrustCell {
    fn judge(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), TrustError> {
        let trust = self.load_full().ok_or_else(TrustError::unread)?;
        trust.believes(Some(chain), now)
    }
}

/// The TLS side of a door, where certificates are judged by `judge`; none is asked for without.
pub(in crate::gateway) fn configure(
    presented: Arc<Presented>,
    judge: Option<Arc<dyn Judge>>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder =
        ServerConfig::builder_with_provider(provider as Arc<CryptoProvider>).with_safe_default_protocol_versions()?;
    let builder = match judge {
        Some(judge) => builder.with_client_cert_verifier(Arc::new(Verifier { judge, algorithms })),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(presented);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Proves client certificates against the judge of the moment.
#[derive(Debug)]
struct Verifier {
    judge: Arc<dyn Judge>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let chain: Vec<_> = std::iter::once(own).chain(between).cloned().collect();
        match self.judge.judge(&chain, now) {
            Ok(()) => Ok(ClientCertVerified::assertion()),
            Err(error) => Err(rustls::Error::General(error.to_string())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
