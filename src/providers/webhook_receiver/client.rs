//! Sends webhooks over HTTP/1.1, to addresses that were looked at.
//!
//! A name is resolved here, each of its addresses is judged, and the connection is made to one that was found good: a
//! name that leads elsewhere a moment later changes nothing. The name stays the one that TLS verifies and that `Host`
//! has. Each webhook has a connection of its own, so that none is made on the strength of an earlier answer.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_tls::connect::{Connector as TcpConnector, Resolve, Resolver};
use awc::http::header::{CONTENT_TYPE, USER_AGENT};
use futures_util::future::LocalBoxFuture;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use super::{Post, PostError, Reach, Receiver};

/// Says who asks.
const AGENT: &str = concat!("Trunkline/", env!("CARGO_PKG_VERSION"));

/// Sends webhooks over the network, from one thread.
pub struct HttpReceiver {
    reach: Reach,
    time_limit: Duration,
    client: Option<awc::Client>,
}

impl HttpReceiver {
    /// Sends to what is in reach, and waits for an answer no longer than this. `roots` are the authorities that a
    /// receiver's certificate may come from.
    pub fn new(reach: Reach, time_limit: Duration, roots: RootCertStore) -> Self {
        let mut tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        // awc reads them too, whether they are used or not, and panics where it can't.
        let is_machine_whole = rustls_native_certs::load_native_certs().errors.is_empty();
        let client = is_machine_whole.then(|| client(reach.clone(), time_limit, Arc::new(tls)));
        Self { reach, time_limit, client }
    }

    /// The authorities that this machine trusts.
    pub fn system_roots() -> RootCertStore {
        let mut roots = RootCertStore::empty();
        // What can't be read there is not trusted; without any, every https receiver is refused with that reason.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    }

    async fn send(&self, post: Post) -> Result<u16, PostError> {
        let url = self.reach.admit(&post.url)?;
        let no_roots = || PostError::Unreachable("this machine's certificate authorities can't be read".to_owned());
        let sent = self
            .client
            .as_ref()
            .ok_or_else(no_roots)?
            .post(url.as_str())
            .force_close()
            .insert_header((CONTENT_TYPE, "application/json"))
            .insert_header((USER_AGENT, AGENT))
            .insert_header(("Trunkline-Event-Id", post.event_id))
            .insert_header(("Trunkline-Signature", post.signature))
            .send_body(post.body)
            .await;
        Ok(sent.map_err(fault)?.status().as_u16())
    }
}

fn client(reach: Reach, time_limit: Duration, tls: Arc<ClientConfig>) -> awc::Client {
    let connector = awc::Connector::new()
        .connector(TcpConnector::new(Resolver::custom(Names(reach))).service())
        .timeout(time_limit)
        .handshake_timeout(time_limit)
        .rustls_0_23(tls);
    awc::Client::builder().connector(connector).disable_redirects().disable_timeout().no_default_headers().finish()
}

impl Receiver for HttpReceiver {
    fn post(&self, post: Post) -> LocalBoxFuture<'_, Result<u16, PostError>> {
        Box::pin(async move {
            match timeout(self.time_limit, self.send(post)).await {
                Ok(answer) => answer,
                Err(_) => Err(PostError::TimedOut(self.time_limit.as_millis())),
            }
        })
    }
}

/// Finds the addresses of names, and forgets those that no webhook may go to.
struct Names(Reach);

impl Resolve for Names {
    fn lookup<'a>(&'a self, host: &'a str, port: u16) -> LocalBoxFuture<'a, Result<Vec<SocketAddr>, Box<dyn Error>>> {
        Box::pin(async move {
            // An IPv6 address stands in brackets in a URL.
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            let found = tokio::net::lookup_host((bare, port)).await;
            let found: Vec<SocketAddr> = found.map_err(|error| PostError::Unresolved(error.to_string()))?.collect();
            let good: Vec<SocketAddr> =
                found.iter().copied().filter(|address| self.0.leads_to(host, address.ip())).collect();
            match (good.is_empty(), found.first()) {
                (false, _) => Ok(good),
                (true, Some(address)) => Err(PostError::Forbidden(format!("{host} at {}", address.ip())).into()),
                (true, None) => Err(PostError::Unresolved("it has no address".to_owned()).into()),
            }
        })
    }
}

fn fault(error: awc::error::SendRequestError) -> PostError {
    use awc::error::{ConnectError, SendRequestError};
    match error {
        SendRequestError::Connect(ConnectError::Resolver(error)) => match error.downcast::<PostError>() {
            Ok(own) => *own,
            Err(error) => PostError::Unresolved(error.to_string()),
        },
        SendRequestError::Url(error) => PostError::BadUrl(error.to_string()),
        other => PostError::Unreachable(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix::test]
    async fn an_ipv6_address_is_found_and_judged_in_its_brackets() {
        let names = Names(Reach::new(vec!["::1".parse().unwrap()]));
        assert_eq!(names.lookup("[::1]", 80).await.unwrap(), ["[::1]:80".parse().unwrap()]);
        assert_eq!(names.lookup("[2606:4700::1111]", 443).await.unwrap(), ["[2606:4700::1111]:443".parse().unwrap()]);
        for inside in ["[::2]", "[::ffff:7f00:1]", "[fe80::1]", "127.0.0.1"] {
            let refused = names.lookup(inside, 80).await.unwrap_err();
            assert!(matches!(refused.downcast_ref(), Some(PostError::Forbidden(_))), "{inside}: {refused}");
        }
    }
}
