//! Recordings in a bucket: of a real S3 server, and of one that fails.

#[path = "support/fake_recordings.rs"]
mod fake_recordings;
#[path = "support/moto.rs"]
mod moto;
#[path = "support/python.rs"]
mod python;
#[path = "support/skip.rs"]
mod skip;

use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fake_recordings::{Answer, FakeRecordings};
use futures_util::TryStreamExt as _;
use moto::Moto;
use trunkline::providers::recording_store::{KeepError, RecordingStore, S3, S3Settings};

const KEY: &str = "2026/11/RE00000000000000000000000000000003.wav";

fn bucket(url: &str, prefix: &str) -> S3 {
    let settings = S3Settings {
        bucket: "sound".to_owned(),
        prefix: prefix.to_owned(),
        endpoint: Some(url.parse().unwrap()),
        region: "us-east-1".to_owned(),
        access_key_id: "id".to_owned(),
        secret_access_key: "secret".to_owned().into(),
        session_token: None,
    };
    S3::new(settings).unwrap()
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
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..5_000_000u32).map(|n| (n / 7) as u8).collect();
    for prefix in ["", "calls/of-2026"] {
        let store = bucket(&moto.url, prefix);
        assert!(matches!(store.size(KEY).await, Err(KeepError::Absent)));
        let incoming = file(folder.path(), &content);
        store.put(KEY, &incoming).await.unwrap();
        assert!(!incoming.exists(), "it was moved");
        assert_eq!(store.size(KEY).await.unwrap(), 5_000_000);
        for range in [0..5_000_000, 0..1, 65_535..65_537, 4_999_999..5_000_000, 9..9] {
            let expected = &content[range.start as usize..range.end as usize];
            assert!(read(&store, KEY, range.clone()).await.unwrap() == expected, "{range:?}");
        }
        let copy = folder.path().join("copy.wav");
        store.copy_to(KEY, &copy).await.unwrap();
        assert!(std::fs::read(&copy).unwrap() == content);
        store.put(KEY, &file(folder.path(), b"another")).await.unwrap();
        assert_eq!(read(&store, KEY, 0..7).await.unwrap(), b"another");
        store.delete(KEY).await.unwrap();
        store.delete(KEY).await.unwrap();
        assert!(matches!(read(&store, KEY, 0..1).await, Err(KeepError::Absent)));
        assert!(matches!(store.copy_to(KEY, &folder.path().join("none")).await, Err(KeepError::Absent)));
        assert!(!folder.path().join("none").exists());
    }
}

#[actix_rt::test]
async fn a_file_that_is_too_large_for_one_request_is_named_and_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("incoming.wav");
    // It takes no place on the disk: it has one byte more than fits, and none was written.
    std::fs::File::create(&path).unwrap().set_len((5 << 30) + 1).unwrap();
    let outcome = bucket("http://127.0.0.1:1", "").put(KEY, &path).await;
    assert!(matches!(outcome, Err(KeepError::TooLarge { bytes: 5_368_709_121, most: 5_368_709_120 })), "{outcome:?}");
    assert!(path.exists());
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
    assert!(matches!(refused(Answer::new(403, "")).await, KeepError::Refused(403)));
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
