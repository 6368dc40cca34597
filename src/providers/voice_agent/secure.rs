//! Who is trusted to be the vendor, and where a key may travel in the clear: the same for every vendor's WebSocket.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use url::{Host, Url};

/// Why nobody can be trusted.
#[derive(Debug, Error)]
pub enum TlsFault {
    /// There is nobody to vouch for a vendor.
    #[error("no root certificates: install ca-certificates, or set SSL_CERT_FILE")]
    NoRoots,
    /// TLS can't be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// What a connection is made with. Certificates are those of the system (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others)
/// unless `roots` are given.
pub(super) fn tls(roots: Option<RootCertStore>) -> Result<ClientConfig, TlsFault> {
    let roots = roots.unwrap_or_else(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    });
    if roots.is_empty() {
        return Err(TlsFault::NoRoots);
    }
    // The provider is named, so that nothing depends on who installed a default first.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Whether what is sent there does not leave this machine.
pub(super) fn is_this_machine(address: &Url) -> bool {
    match address.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}
