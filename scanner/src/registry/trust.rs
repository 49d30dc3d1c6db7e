//! Which certificate authorities vouch for a registry.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::RegistryError;

/// Roots for TLS.
#[derive(Debug, Clone)]
pub struct Trust(RootCertStore);

impl Trust {
    /// The system's bundle (`SSL_CERT_FILE`, `/etc/ssl/certs`), or Mozilla's as built in where there is none, as in an image from scratch.
    #[must_use]
    pub fn system() -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Self(roots)
    }

    /// Nobody yet.
    #[must_use]
    pub fn nobody() -> Self {
        Self(RootCertStore::empty())
    }

    /// Also those in this PEM text.
    ///
    /// # Errors
    /// [`RegistryError::CredentialsInvalid`] if it holds no certificate, or one that cannot be read.
    pub fn and_pem(mut self, pem: &[u8]) -> Result<Self, RegistryError> {
        let invalid = |why: String| RegistryError::CredentialsInvalid(format!("the CA bundle: {why}"));
        let mut count = 0;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
            self.0.add(certificate).map_err(|error| invalid(error.to_string()))?;
            count += 1;
        }
        if count == 0 { Err(invalid("it holds no certificate".into())) } else { Ok(self) }
    }

    /// TLS 1.2 and 1.3 by ring, HTTP/1.1: a layer is one long body, for which HTTP/2's flow control is only a brake.
    ///
    /// # Errors
    /// [`RegistryError::CredentialsInvalid`] if the provider lacks a protocol version (it does not).
    pub fn client_config(&self) -> Result<ClientConfig, RegistryError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| RegistryError::CredentialsInvalid(error.to_string()))?;
        let mut config = config.with_root_certificates(self.0.clone()).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}
