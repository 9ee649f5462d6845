//! TLS for every outgoing call: AWS-LC's cryptography, and the trusted authorities.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};

/// The roots of AWS's own endpoints. Parsing the system's some 140 would take longer than the rest of a cold start.
static AMAZON_ROOTS: &str = include_str!("../certificates/amazon-roots.pem");

/// The reason why roots cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RootsError {
    /// The file, or its form.
    #[error("the certificates cannot be read")]
    Pem(#[from] pem::Error),
    /// A certificate's content.
    #[error("a certificate cannot be used")]
    Certificate(#[from] rustls::Error),
}

/// Returns a client's settings.
///
/// # Errors
/// The cryptography has no version of TLS in common with the library.
pub fn client(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Returns the authorities that sign the certificates of AWS's endpoints.
pub(crate) fn amazon_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // A test checks that all of them can be read.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(AMAZON_ROOTS.as_bytes()).flatten());
    roots
}

/// Returns the authorities that the system trusts. Some of them cannot be read on some machines; the rest are good.
#[must_use]
pub fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Returns the authorities of a file.
///
/// # Errors
/// It, or one of its certificates, cannot be read.
pub(crate) fn roots_of(file: &Path) -> Result<RootCertStore, RootsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file)? {
        roots.add(certificate?)?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_amazons_roots_is_read() {
        assert_eq!(AMAZON_ROOTS.matches("BEGIN CERTIFICATE").count(), 5);
        assert_eq!(amazon_roots().len(), 5);
        assert!(client(amazon_roots()).is_ok());
    }
}
