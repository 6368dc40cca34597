//! Receivers that want nothing, hang, or are where no webhook may go.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::receiver::{Deed, Receiver};
use crate::{api, delivery_in, listen_at, service};
use rustls::RootCertStore;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use trunkline::engine::business::Profile;
use trunkline::providers::webhook_receiver::{HttpReceiver, Post, PostError, Reach, Receiver as _};
use trunkline::store::businesses::Editor;

#[tokio::test]
async fn a_receiver_that_answers_410_is_left_alone() {
    let (service, receiver) = (service(|_| {}), Receiver::start([Deed::Answer(410, None)]).await);
    listen_at(&service, &receiver.url).await;
    api(&service, "POST", "/businesses/Reception/webhook/test", None).await;
    receiver.next().await;
    let delivery = delivery_in(&service, "stopped").await;
    assert_eq!((&delivery["tries"], &delivery["last_status"]), (&json!(1), &json!(410)));
}

#[tokio::test]
async fn a_receiver_that_hangs_is_given_up_and_holds_up_nobody() {
    let patient = service(|config| {
        config.webhooks.timeout_ms = 1_000;
        config.webhooks.give_up_after_s = 1;
    });
    let hanging = Receiver::start(std::iter::repeat_n(Deed::Stall, 100)).await;
    let quick = Receiver::start([]).await;
    listen_at(&patient, &hanging.url).await;
    for _ in 0..8 {
        api(&patient, "POST", "/businesses/Reception/webhook/test", None).await;
    }
    hanging.next().await;
    let profile = Profile { webhook_url: Some(quick.url.clone()), ..Profile::named("Quick") };
    let store = patient.store();
    let id = "Quick".parse().unwrap();
    store.business_writer().create(&id, &profile, Editor { by: "test", at: 1 }).unwrap();
    api(&patient, "POST", "/businesses/Quick/webhook/secret", None).await;
    api(&patient, "POST", "/businesses/Quick/webhook/test", None).await;
    assert_eq!(quick.next().await.json()["business"], "Quick");
    let waiting = store.deliveries(&"Reception".parse().unwrap(), None, None, 100).unwrap();
    assert!(waiting.iter().any(|delivery| delivery.settled_at.is_none()), "the others still wait");

    let given_up = delivery_in(&patient, "given_up").await;
    assert_eq!(given_up["last_error"], "no answer within 1000 ms");
    assert!(!patient.telemetry.render().contains("outgoing_webhooks_given_up_total 0"));
}

#[tokio::test]
async fn without_a_secret_nothing_is_sent() {
    let (service, receiver) = (service(|_| {}), Receiver::start([]).await);
    let reception = api(&service, "GET", "/businesses/Reception", None).await.json();
    let edit = json!({ "version": reception["version"], "webhook_url": receiver.url });
    api(&service, "PATCH", "/businesses/Reception", Some(edit)).await;
    api(&service, "POST", "/businesses/Reception/webhook/test", None).await;
    loop {
        let delivery = delivery_in(&service, "waiting").await;
        if delivery["last_error"].as_str().is_some_and(|error| error.contains("no webhook secret")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(receiver.is_quiet().await);
    api(&service, "POST", "/businesses/Reception/webhook/secret", None).await;
    receiver.next().await;
}

#[tokio::test]
async fn an_address_inside_is_refused_when_it_is_typed_in_and_when_it_is_sent_to() {
    let closed = service(|config| config.webhooks.allow_private = String::new());
    let receiver = Receiver::start([]).await;
    let reception = api(&closed, "GET", "/businesses/Reception", None).await.json();
    for url in [&receiver.url, "https://127.1/", "https://[::ffff:7f00:1]/", "https://169.254.169.254/latest"] {
        let edit = json!({ "version": reception["version"], "webhook_url": url });
        let refused = api(&closed, "PATCH", "/businesses/Reception", Some(edit)).await;
        assert_eq!(refused.status, 422, "{url}: {refused:?}");
    }
    // A name tells nothing before it is resolved: localhost leads inside.
    let url = receiver.url.replace("http://127.0.0.1", "https://localhost");
    listen_at(&closed, &url).await;
    api(&closed, "POST", "/businesses/Reception/webhook/test", None).await;
    loop {
        let delivery = delivery_in(&closed, "waiting").await;
        if let Some(error) = delivery["last_error"].as_str() {
            assert!(error.starts_with("localhost at ") && error.contains("is not allowed"), "{error}");
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(receiver.is_quiet().await);
}

/// A server with a certificate for `localhost` alone: where it listens, and who has vouched for it.
async fn tls_server() -> (u16, RootCertStore) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    actix_rt::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(connection).await else { continue };
            let mut raw = Vec::new();
            while !String::from_utf8_lossy(&raw).ends_with("{}") {
                stream.read_buf(&mut raw).await.unwrap();
            }
            let is_named =
                String::from_utf8_lossy(&raw).to_ascii_lowercase().contains(&format!("host: localhost:{port}"));
            let status = if is_named && stream.get_ref().1.server_name() == Some("localhost") { 204 } else { 421 };
            stream.write_all(format!("HTTP/1.1 {status} So\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
            stream.shutdown().await.ok();
        }
    });
    (port, roots)
}

#[actix_rt::test]
async fn the_address_that_was_judged_is_connected_to_and_the_name_is_verified() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let (port, roots) = tls_server().await;
    let post = |url: String| Post { url, event_id: "evt_1".into(), signature: "t=1".into(), body: b"{}".to_vec() };
    let sent = |allowed: &'static str, roots: RootCertStore, url: String| {
        let reach = Reach::new(vec![allowed.parse().unwrap()]);
        async move { HttpReceiver::new(reach, Duration::from_secs(20), roots).post(post(url)).await }
    };
    let url = format!("https://localhost:{port}/");
    assert_eq!(sent("127.0.0.0/8", roots.clone(), url.clone()).await, Ok(204), "the network is allowed");
    assert_eq!(sent("localhost", roots.clone(), url.clone()).await, Ok(204), "the name is allowed");
    let other = sent("10.0.0.0/8", roots.clone(), url.clone()).await;
    assert!(matches!(&other, Err(PostError::Forbidden(what)) if what.starts_with("localhost at ")), "{other:?}");
    let stranger = sent("localhost", RootCertStore::empty(), url).await;
    assert!(matches!(stranger, Err(PostError::Unreachable(_))), "nobody vouches for it: {stranger:?}");
    let address: IpAddr = "127.0.0.1".parse().unwrap();
    let by_address = sent("127.0.0.1", roots, format!("https://{address}:{port}/")).await;
    assert!(matches!(by_address, Err(PostError::Unreachable(_))), "the certificate is localhost's: {by_address:?}");
}
