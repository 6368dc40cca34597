//! An S3 server that checks the signature of every request: s3s, over a folder of its own.
#![allow(dead_code, reason = "each test binary uses its own part")]

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// The server; its bucket `sound` goes with this.
pub struct S3Server {
    pub url: String,
    pub folder: TempDir,
}

impl S3Server {
    /// Knows these keys and no others. Serves on a thread of its own, so that the test's may be as busy as it likes.
    pub fn start(access_key_id: &str, secret_access_key: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sound")).unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(access_key_id, secret_access_key));
        let service = builder.build();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                let http = Builder::new(TokioExecutor::new());
                while let Ok((connection, _)) = listener.accept().await {
                    let served = http.serve_connection(TokioIo::new(connection), service.clone()).into_owned();
                    // A client that has seen enough hangs up, which is no fault.
                    tokio::spawn(async move { served.await.ok() });
                }
            });
        });
        Self { url, folder }
    }
}
