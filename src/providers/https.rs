//! HTTP/1.1 with the services that we call, over TLS where the address says so.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};

/// Says who asks.
pub(super) const AGENT: &str = concat!("Trunkline/", env!("CARGO_PKG_VERSION"));

/// What a client is made with; read once, because it is some hundred files.
static TLS: OnceLock<Option<Arc<ClientConfig>>> = OnceLock::new();

/// A client for the thread that it is made on. It follows no redirect, sets no header and waits for an answer for as long
/// as its user does.
///
/// `None` where the authorities that this machine trusts can't be read (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others).
pub(super) fn client(connect_within: Duration) -> Option<awc::Client> {
    let tls = tls()?;
    let connector = awc::Connector::new().timeout(connect_within).handshake_timeout(connect_within).rustls_0_23(tls);
    Some(
        awc::Client::builder().connector(connector).disable_redirects().disable_timeout().no_default_headers().finish(),
    )
}

/// What a connection over TLS is made with; `None` as for [`client`].
pub(super) fn tls() -> Option<Arc<ClientConfig>> {
    TLS.get_or_init(config).clone()
}

fn config() -> Option<Arc<ClientConfig>> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    // awc reads them too, whether they are used or not, and panics where it can't.
    if !found.errors.is_empty() {
        return None;
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Some(Arc::new(config))
}
