//! Recordings in a bucket: of two real S3 servers, of which one checks signatures, and of one that fails.

#[path = "support/fake_recordings.rs"]
mod fake_recordings;
#[path = "support/moto.rs"]
mod moto;
#[path = "support/python.rs"]
mod python;
#[path = "support/s3_server.rs"]
mod s3_server;
#[path = "support/skip.rs"]
mod skip;

use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fake_recordings::{Answer, FakeRecordings};
use futures_util::TryStreamExt as _;
use moto::Moto;
use s3_server::S3Server;
use trunkline::providers::recording_store::{KeepError, RecordingStore, S3, S3Settings};

const KEY: &str = "2026/11/RE00000000000000000000000000000003.wav";
/// As AWS makes them: with letters that mean something in an address.
const SECRET: &str = "wJalr/XUtn+FEMI=K7MDENG";
/// Three parts, the last of which is short.
const LARGE: usize = (32 << 20) + 12_345;

fn settings(url: &str, prefix: &str) -> S3Settings {
    S3Settings {
        bucket: "sound".to_owned(),
        prefix: prefix.to_owned(),
        endpoint: Some(url.parse().unwrap()),
        region: "us-east-1".to_owned(),
        access_key_id: "id".to_owned(),
        secret_access_key: SECRET.to_owned().into(),
        session_token: None,
    }
}

fn bucket(url: &str, prefix: &str) -> S3 {
    S3::new(settings(url, prefix)).unwrap()
}

/// Makes the bucket, which is not ours to do.
async fn make_bucket(moto: &Moto) {
    let made = awc::Client::new().put(format!("{}/sound", moto.url)).send().await.unwrap();
    assert!(made.status().is_success());
}

fn file(folder: &Path, content: &[u8]) -> PathBuf {
    let file = folder.join("incoming.wav");
    std::fs::write(&file, content).unwrap();
    file
}

async fn read(store: &S3, key: &str, bytes: Range<u64>) -> Result<Vec<u8>, KeepError> {
    let pieces: Vec<Bytes> = store.read(key, bytes).await?.try_collect().await?;
    Ok(pieces.concat())
}

#[actix_rt::test]
async fn what_is_put_into_a_bucket_can_be_read_in_parts_copied_and_deleted() {
    let Some(moto) = Moto::start() else { return };
    make_bucket(&moto).await;
    everything_works(&bucket(&moto.url, "")).await;
    everything_works(&bucket(&moto.url, "calls/of-2026")).await;
}

#[actix_rt::test]
async fn a_service_that_checks_signatures_takes_ours_whatever_is_signed() {
    let server = S3Server::start("id", SECRET);
    for prefix in ["", "calls of 2026/+é~(1)!*'&=$@,;:%41"] {
        let store = bucket(&server.url, prefix);
        everything_works(&store).await;
        large_files_work(&store).await;
    }
}

async fn everything_works(store: &S3) {
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..5_000_000u32).map(|n| (n / 7) as u8).collect();
    assert!(matches!(store.size(KEY).await, Err(KeepError::Absent)));
    let incoming = file(folder.path(), &content);
    store.put(KEY, &incoming).await.unwrap();
    assert!(!incoming.exists(), "it was moved");
    assert_eq!(store.size(KEY).await.unwrap(), 5_000_000);
    for range in [0..5_000_000, 0..1, 65_535..65_537, 4_999_999..5_000_000, 9..9] {
        let expected = &content[range.start as usize..range.end as usize];
        assert!(read(store, KEY, range.clone()).await.unwrap() == expected, "{range:?}");
    }
    let copy = folder.path().join("copy.wav");
    store.copy_to(KEY, &copy).await.unwrap();
    assert!(std::fs::read(&copy).unwrap() == content);
    store.put(KEY, &file(folder.path(), b"another")).await.unwrap();
    assert_eq!(read(store, KEY, 0..7).await.unwrap(), b"another");
    store.delete(KEY).await.unwrap();
    store.delete(KEY).await.unwrap();
    assert!(matches!(read(store, KEY, 0..1).await, Err(KeepError::Absent)));
    assert!(matches!(store.copy_to(KEY, &folder.path().join("none")).await, Err(KeepError::Absent)));
    assert!(!folder.path().join("none").exists());
}

async fn large_files_work(store: &S3) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.wav");
    let large: Vec<u8> = (0..LARGE as u32).map(|n| (n / 65_537 + n) as u8).collect();
    let incoming = file(folder.path(), &large);
    store.put(KEY, &incoming).await.unwrap();
    assert!(!incoming.exists(), "it was moved");
    store.copy_to(KEY, &copy).await.unwrap();
    assert!(std::fs::read(&copy).unwrap() == large, "its parts are in order");
    store.delete(KEY).await.unwrap();
}

#[actix_rt::test]
async fn wrong_keys_are_refused_with_what_to_check() {
    let server = S3Server::start("id", SECRET);
    let folder = tempfile::tempdir().unwrap();
    let wrong_secret = S3Settings { secret_access_key: "secret".to_owned().into(), ..settings(&server.url, "") };
    let wrong_id = S3Settings { access_key_id: "another".to_owned(), ..settings(&server.url, "") };
    for (settings, expected, remedy) in [
        (wrong_secret, "SignatureDoesNotMatch", "check AWS_SECRET_ACCESS_KEY"),
        (wrong_id, "NotSignedUp", "check AWS_ACCESS_KEY_ID"),
    ] {
        let store = S3::new(settings).unwrap();
        let incoming = file(folder.path(), b"sound");
        let put = store.put(KEY, &incoming).await.unwrap_err();
        assert!(incoming.exists(), "it stays here");
        std::fs::File::create(&incoming).unwrap().set_len(LARGE as u64).unwrap();
        let large = store.put(KEY, &incoming).await.unwrap_err();
        assert!(incoming.exists(), "it stays here");
        let deleted = store.delete(KEY).await.unwrap_err();
        let got = store.read(KEY, 0..1).await.err().unwrap();
        for error in [put, large, deleted, got] {
            let KeepError::Refused { status: 403, code } = &error else { panic!("{error:?}") };
            assert_eq!(code, expected);
            assert!(error.to_string().contains(remedy), "{error}");
        }
        // A `HEAD` has no words.
        assert!(matches!(store.size(KEY).await, Err(KeepError::Refused { status: 403, .. })));
    }
    assert_eq!(std::fs::read_dir(server.folder.path().join("sound")).unwrap().count(), 0);
}

#[actix_rt::test]
async fn a_bucket_that_is_not_there_is_said_and_is_no_recording_that_is_gone() {
    let Some(moto) = Moto::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = bucket(&moto.url, "");
    let put = store.put(KEY, &file(folder.path(), b"sound")).await.unwrap_err();
    let got = store.read(KEY, 0..1).await.err().unwrap();
    for error in [put, got] {
        assert!(error.to_string().ends_with("check the bucket in recordings.store_url"), "{error}");
    }
}

/// What moto says of an address, which is signed by nobody: it does not look.
async fn asked(method: &str, url: String) -> String {
    let mut answer = awc::Client::new().request(method.parse().unwrap(), url).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    match answer.headers().get("etag") {
        Some(tag) => tag.to_str().unwrap().to_owned(),
        None => String::from_utf8(answer.body().await.unwrap().to_vec()).unwrap(),
    }
}

#[actix_rt::test]
async fn a_large_file_goes_up_in_parts_and_what_a_crash_left_of_one_is_swept() {
    let Some(moto) = Moto::start() else { return };
    make_bucket(&moto).await;
    let folder = tempfile::tempdir().unwrap();
    let store = bucket(&moto.url, "calls");
    let incoming = folder.path().join("incoming.wav");
    std::fs::File::create(&incoming).unwrap().set_len(LARGE as u64).unwrap();
    store.put(KEY, &incoming).await.unwrap();
    let tag = asked("HEAD", format!("{}/sound/calls/{KEY}", moto.url)).await;
    assert!(tag.ends_with("-3\""), "three parts: {tag}");

    let begun = |object: String| asked("POST", format!("{}/sound/{object}?uploads", moto.url));
    begun(format!("calls/{KEY}")).await;
    begun("calls/own/CA00000000000000000000000000000003.wav".to_owned()).await;
    for others in ["calls/backup.tar", "RE00000000000000000000000000000003.wav"] {
        begun(others.to_owned()).await;
    }
    let unended = || async { asked("GET", format!("{}/sound?uploads", moto.url)).await.matches("<UploadId>").count() };
    let (past, future) = (1, 4_000_000_000_000_000);
    assert_eq!((store.sweep(past).await.unwrap(), unended().await), (0, 4), "they may be on their way");
    assert_eq!((store.sweep(future).await.unwrap(), unended().await), (2, 2), "nobody else's is touched");
    assert_eq!(store.sweep(future).await.unwrap(), 0);
    assert_eq!(store.size(KEY).await.unwrap(), LARGE as u64);
}

#[actix_rt::test]
async fn a_part_that_fails_is_sent_again_and_an_upload_that_can_not_be_ended_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let incoming = folder.path().join("incoming.wav");
    std::fs::File::create(&incoming).unwrap().set_len(LARGE as u64).unwrap();
    let began =
        |id: &str| format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
    let refused = "<Error><Code>InvalidPart</Code></Error>";
    for (second_part, end) in [
        (vec![Answer::new(500, ""), Answer::new(200, "").with("etag", "\"2\"")], Answer::new(200, refused)),
        (vec![Answer::new(403, "<Error><Code>AccessDenied</Code></Error>")], Answer::new(200, "")),
    ] {
        let service = FakeRecordings::start("id", "secret");
        let second_part = std::sync::Mutex::new(std::collections::VecDeque::from(second_part));
        let begun = began("a b&amp;c");
        service.otherwise_by(move |method, path| match method {
            "POST" if path.contains("uploads=") => Answer::new(200, begun.clone()),
            "POST" => end.clone(),
            "PUT" if path.contains("partNumber=2&") => second_part.lock().unwrap().pop_front().unwrap(),
            "PUT" => Answer::new(200, "").with("etag", "\"1\""),
            _ => Answer::new(204, ""),
        });
        let outcome = bucket(&service.url, "").put(KEY, &incoming).await;
        assert!(outcome.is_err() && incoming.exists(), "{outcome:?}");
        let requests = service.requests();
        let given_up = requests.last().unwrap();
        assert_eq!(given_up.method, "DELETE", "{requests:?}");
        assert!(given_up.path.contains("uploadId=a%20b%26c"), "{given_up:?}");
    }
}

#[actix_rt::test]
async fn what_was_not_taken_whole_stays_here() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |answer: Answer| async {
        let service = FakeRecordings::start("id", "secret");
        service.otherwise(answer);
        let store = bucket(&service.url, "");
        let incoming = file(folder.path(), &[7; 100_000]);
        let outcome = store.put(KEY, &incoming).await;
        assert_eq!(std::fs::read(&incoming).unwrap().len(), 100_000);
        outcome.unwrap_err()
    };
    assert!(matches!(refused(Answer::new(403, "")).await, KeepError::Refused { status: 403, .. }));
    assert!(matches!(refused(Answer::new(503, "")).await, KeepError::Away(_)));
    // It says yes, and has something else afterwards.
    assert!(matches!(refused(Answer::new(200, "")).await, KeepError::Away(_)));
    let nobody = bucket("http://127.0.0.1:1", "");
    let outcome = nobody.put(KEY, &file(folder.path(), b"sound")).await;
    assert!(matches!(outcome, Err(KeepError::Away(_))), "{outcome:?}");
}

#[actix_rt::test]
async fn other_bytes_than_those_that_were_asked_for_are_not_played() {
    let folder = tempfile::tempdir().unwrap();
    for (answer, is_told_at_once) in [
        (Answer::new(200, "0123456789"), true),
        (Answer::new(206, "0123"), true),
        (Answer::new(206, "0123456789").cut_after(4), false),
        (Answer::new(403, ""), true),
    ] {
        let service = FakeRecordings::start("id", "secret");
        service.otherwise(answer.clone());
        let store = bucket(&service.url, "");
        match store.read(KEY, 0..10).await {
            Err(_) => assert!(is_told_at_once, "{answer:?}"),
            Ok(pieces) => {
                assert!(!is_told_at_once, "{answer:?}");
                assert!(pieces.try_collect::<Vec<Bytes>>().await.is_err());
            }
        }
        let copy = folder.path().join("copy.wav");
        let is_whole = answer.status == 200;
        assert_eq!(store.copy_to(KEY, &copy).await.is_ok(), is_whole, "{answer:?}");
        assert_eq!(copy.exists(), is_whole, "{answer:?}");
        std::fs::remove_file(&copy).ok();
    }
}
