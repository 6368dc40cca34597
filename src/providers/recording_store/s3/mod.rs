//! Recordings in a bucket of an S3-compatible service.
//!
//! Requests carry their signature in the address (AWS Signature Version 4, by `rusty-s3`), valid for some minutes. A file
//! goes up in one `PUT`, a large one in parts (`multipart`), with the SHA-256 of what each holds, so that the service refuses
//! what was changed on the way; it is there whole or not at all. Buckets of AWS itself are named in the host, those of others in the path.
//!
//! Rules: docs.aws.amazon.com/AmazonS3/latest/API (`PutObject`, `GetObject`, `HeadObject`, `DeleteObject`).

mod action;
mod multipart;
mod refusal;
mod request;

use std::ops::Range;
use std::path::Path;

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use rusty_s3::{Bucket, Credentials, UrlStyle};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use url::Url;

use super::{KeepError, RecordingStore, SoundBytes, key};
use request::Requests;

/// Where a bucket is, and who may use it.
#[derive(Clone, Debug)]
pub struct S3Settings {
    /// The bucket's name.
    pub bucket: String,
    /// What each key begins with, without a `/` at its end; may be empty.
    pub prefix: String,
    /// The service, as in `https://minio.example:9000`; without one it is AWS.
    pub endpoint: Option<Url>,
    /// As in `eu-central-1`.
    pub region: String,
    /// Who we are.
    pub access_key_id: String,
    /// … and what proves it.
    pub secret_access_key: SecretString,
    /// For credentials that last only for some hours.
    pub session_token: Option<SecretString>,
}

/// What can't be the address of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no bucket can be reached there: {0}")]
pub struct BadBucket(String);

/// A bucket, for the thread that it is made on.
pub struct S3 {
    prefix: String,
    requests: Requests,
}

impl S3 {
    /// The bucket of these settings. Nothing is asked yet.
    ///
    /// # Errors
    /// They make no address.
    pub fn new(settings: S3Settings) -> Result<Self, BadBucket> {
        let S3Settings { bucket, prefix, endpoint, region, access_key_id, secret_access_key, session_token } = settings;
        let bad = |error: &dyn std::fmt::Display| BadBucket(error.to_string());
        let (endpoint, style) = match endpoint {
            Some(endpoint) => (endpoint, UrlStyle::Path),
            // The certificate of AWS holds for one more name in front, not for two.
            None if bucket.contains('.') => (aws(&region)?, UrlStyle::Path),
            None => (aws(&region)?, UrlStyle::VirtualHost),
        };
        let bucket = Bucket::new(endpoint, style, bucket, region).map_err(|error| bad(&error))?;
        let secret = secret_access_key.expose_secret();
        let credentials = match &session_token {
            Some(token) => Credentials::new_with_token(access_key_id, secret, token.expose_secret()),
            None => Credentials::new(access_key_id, secret),
        };
        Ok(Self { prefix, requests: Requests::new(bucket, credentials) })
    }

    /// The key of the object behind a recording's key.
    fn object(&self, key: &str) -> Result<String, KeepError> {
        let key = key::check(key)?;
        Ok(if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) })
    }
}

fn aws(region: &str) -> Result<Url, BadBucket> {
    let url = format!("https://s3.{region}.amazonaws.com");
    url.parse().map_err(|error: url::ParseError| BadBucket(error.to_string()))
}

impl RecordingStore for S3 {
    fn put<'a>(&'a self, key: &'a str, file: &'a Path) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async move { self.requests.put(&self.object(key)?, file).await })
    }

    fn size<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<u64, KeepError>> {
        Box::pin(async move { self.requests.size(&self.object(key)?).await })
    }

    fn read<'a>(&'a self, key: &'a str, bytes: Range<u64>) -> LocalBoxFuture<'a, Result<SoundBytes, KeepError>> {
        Box::pin(async move {
            let object = self.object(key)?;
            match bytes.is_empty() {
                // HTTP has no word for a range of nothing.
                true => self.requests.size(&object).await.map(|_| futures_util::stream::empty().boxed_local()),
                false => self.requests.get(&object, Some(bytes)).await,
            }
        })
    }

    fn copy_to<'a>(&'a self, key: &'a str, file: &'a Path) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async move {
            let bytes = self.requests.get(&self.object(key)?, None).await?;
            request::to_file(bytes, file).await
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async move { self.requests.delete(&self.object(key)?).await })
    }

    fn sweep<'a>(&'a self, before: i64) -> LocalBoxFuture<'a, Result<usize, KeepError>> {
        Box::pin(async move {
            let prefix = if self.prefix.is_empty() { String::new() } else { format!("{}/", self.prefix) };
            multipart::sweep(&self.requests, &prefix, before).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(bucket: &str, endpoint: Option<&str>) -> S3Settings {
        S3Settings {
            bucket: bucket.to_owned(),
            prefix: "calls".to_owned(),
            endpoint: endpoint.map(|url| url.parse().unwrap()),
            region: "eu-central-1".to_owned(),
            access_key_id: "id".to_owned(),
            secret_access_key: "secret".to_owned().into(),
            session_token: None,
        }
    }

    #[test]
    fn a_bucket_of_aws_is_named_in_the_host_and_others_in_the_path() {
        for (bucket, endpoint, expected) in [
            ("sound", None, "https://sound.s3.eu-central-1.amazonaws.com/calls/a.wav"),
            ("sound.example", None, "https://s3.eu-central-1.amazonaws.com/sound.example/calls/a.wav"),
            ("sound", Some("http://127.0.0.1:9000"), "http://127.0.0.1:9000/sound/calls/a.wav"),
        ] {
            let store = S3::new(settings(bucket, endpoint)).unwrap();
            let url = store.requests.bucket().object_url(&store.object("a.wav").unwrap());
            assert_eq!(url.as_str(), expected);
        }
        assert!(S3::new(settings("sound", Some("ftp://127.0.0.1"))).is_err());
        assert!(S3::new(settings("sound", None)).unwrap().object("../a.wav").is_err());
    }
}
