//! The carrier's REST interface over TLS, as it is in service.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use trunkline::providers::carrier::{Carrier, CarrierError, TwilioRest};

const CALL: &str = "CA00000000000000000000000000000001";
const ACCOUNT: &str = "AC00000000000000000000000000000002";

/// A REST interface behind a certificate of its own.
struct Rest {
    url: String,
    certificate: String,
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Rest {
    async fn listen() -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        Self { url, certificate: cert.pem(), listener, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}

/// Answers one request over TLS; the request as it came.
async fn serve(listener: TcpListener, acceptor: TlsAcceptor, answer: &'static str) -> Option<String> {
    let (socket, _) = listener.accept().await.unwrap();
    let mut socket = acceptor.accept(socket).await.ok()?;
    let mut request = Vec::new();
    while !String::from_utf8_lossy(&request).contains("Status=completed") {
        let mut piece = [0; 4_096];
        match socket.read(&mut piece).await.unwrap() {
            0 => break,
            read => request.extend_from_slice(&piece[..read]),
        }
    }
    socket.write_all(answer.as_bytes()).await.unwrap();
    socket.shutdown().await.ok();
    Some(String::from_utf8(request).unwrap())
}

/// Runs in a process of its own, because the trusted certificates are read from the environment.
#[actix_web::test]
#[ignore = "started by the_hang_up_goes_over_tls with a certificate of its own"]
async fn hang_up_with_the_certificate_of_the_environment() {
    let url = std::fs::read_to_string("/proc/self/environ").unwrap();
    let url = url.split('\0').find_map(|entry| entry.strip_prefix("REST_URL=")).unwrap().to_owned();
    let carrier = TwilioRest::new(&url, ACCOUNT.parse().unwrap(), "secret".to_owned().into());
    carrier.hang_up(&CALL.parse().unwrap()).await.unwrap();
}

#[tokio::test]
async fn the_hang_up_goes_over_tls() {
    let Rest { url, certificate, listener, acceptor } = Rest::listen().await;
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, certificate).unwrap();
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    let served = tokio::spawn(serve(listener, acceptor, answer));

    let client = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "hang_up_with_the_certificate_of_the_environment"])
        .env("SSL_CERT_FILE", &roots)
        .env("REST_URL", &url)
        .output()
        .await
        .unwrap();
    assert!(client.status.success(), "{}", String::from_utf8_lossy(&client.stdout));
    let request = served.await.unwrap().expect("the handshake succeeds");
    assert!(request.starts_with(&format!("POST /2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json ")), "{request}");
    assert!(request.to_ascii_lowercase().contains("authorization: basic "), "{request}");
}

#[actix_web::test]
async fn a_carrier_that_nobody_certified_is_not_told_the_password() {
    let Rest { url, listener, acceptor, .. } = Rest::listen().await;
    let served = tokio::spawn(serve(listener, acceptor, ""));
    let carrier = TwilioRest::new(&url, ACCOUNT.parse().unwrap(), "secret".to_owned().into());
    let refused = carrier.hang_up(&CALL.parse().unwrap()).await;
    assert!(matches!(refused, Err(CarrierError::Unreachable(_))), "{refused:?}");
    assert_eq!(served.await.unwrap(), None, "no request was made");
}
