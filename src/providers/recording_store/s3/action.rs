//! Requests about uploads in parts, of which the library has none that signs a checksum into them.

use std::marker::PhantomData;
use std::time::Duration;

use jiff::Timestamp;
use rusty_s3::{Map, Method, S3Action, signing};
use url::Url;

use super::request::Requests;

/// Which verb a request has.
pub(super) trait Verb {
    const METHOD: Method;
}

/// Asks.
pub(super) struct Get;
/// Changes something.
pub(super) struct Post;

impl Verb for Get {
    const METHOD: Method = Method::Get;
}

impl Verb for Post {
    const METHOD: Method = Method::Post;
}

/// A request about uploads, which its query says in full.
pub(super) struct OnUploads<'a, V> {
    requests: &'a Requests,
    url: Url,
    query: Map<'a>,
    headers: Map<'a>,
    verb: PhantomData<V>,
}

impl<'a, V: Verb> OnUploads<'a, V> {
    /// About one object.
    pub(super) fn new(requests: &'a Requests, object: &str) -> Self {
        Self::at(requests, requests.bucket().object_url(object))
    }

    /// About the whole bucket.
    pub(super) fn of_bucket(requests: &'a Requests) -> Self {
        Self::at(requests, requests.bucket().base_url().clone())
    }

    fn at(requests: &'a Requests, url: Url) -> Self {
        Self { requests, url, query: Map::new(), headers: Map::new(), verb: PhantomData }
    }

    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        self.query.insert(name, value.to_owned());
    }

    /// A header that is sent with it, too.
    pub(super) fn say(&mut self, (name, value): (&'static str, &'static str)) {
        self.headers.insert(name, value);
    }
}

impl<'a, V: Verb> S3Action<'a> for OnUploads<'a, V> {
    const METHOD: Method = V::METHOD;

    fn query_mut(&mut self) -> &mut Map<'a> {
        &mut self.query
    }

    fn headers_mut(&mut self) -> &mut Map<'a> {
        &mut self.headers
    }

    fn sign_with_time(&self, expires_in: Duration, time: &Timestamp) -> Url {
        let credentials = self.requests.credentials();
        signing::sign(
            time,
            V::METHOD,
            self.url.clone(),
            credentials.key(),
            credentials.secret(),
            credentials.token(),
            self.requests.bucket().region(),
            expires_in.as_secs(),
            self.query.iter(),
            self.headers.iter(),
        )
    }
}
