//! What is found after a kill, whenever it came.

use std::ops::Range;

use futures_util::future::LocalBoxFuture;

use super::*;
use crate::providers::recording_store::SoundBytes;
use crate::store::{self, StoreSettings};

/// A store that takes files away, and has nothing else asked of it.
struct Taking(PathBuf);

impl RecordingStore for Taking {
    fn put<'a>(&'a self, _: &'a str, file: &'a Path) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async move { Ok(fs::rename(file, &self.0)?) })
    }

    fn size<'a>(&'a self, _: &'a str) -> LocalBoxFuture<'a, Result<u64, KeepError>> {
        unreachable!()
    }

    fn read<'a>(&'a self, _: &'a str, _: Range<u64>) -> LocalBoxFuture<'a, Result<SoundBytes, KeepError>> {
        unreachable!()
    }

    fn copy_to<'a>(&'a self, _: &'a str, _: &'a Path) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        unreachable!()
    }

    fn delete<'a>(&'a self, _: &'a str) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        unreachable!()
    }
}

#[actix_rt::test]
async fn a_file_keeps_its_name_until_the_database_knows_where_it_was_moved() {
    let folder = tempfile::tempdir().unwrap();
    let call: CallSid = format!("CA{:032x}", 7).parse().unwrap();
    let path = folder.path().join(format!("{call}.wav"));
    let sample_format = hound::SampleFormat::Int;
    let spec = hound::WavSpec { channels: 2, sample_rate: 8_000, bits_per_sample: 16, sample_format };
    let mut wav = hound::WavWriter::create(&path, spec).unwrap();
    (0..16_000).for_each(|_| wav.write_sample(0i16).unwrap());
    wav.finalize().unwrap();
    let database = format!("sqlite:{}", folder.path().join("db").display());
    let (store, _writer) = store::open(StoreSettings::new(&database, folder.path().join("spool"))).unwrap();
    let taken = folder.path().join("taken");
    let parts = OwnRecordingParts {
        folder: folder.path().to_owned(),
        kept: KeptWhere::InTheStore,
        recordings: Arc::new(|| unreachable!()),
        store: store.clone(),
        instead: None,
        telemetry: Telemetry::silent(),
    };
    let done = RecordingDone { call: call.clone(), error: None };
    let report = parts.moved(&Taking(taken.clone()), &done).await.unwrap();
    // Killed now, it would be found.
    assert!(path.exists() && taken.exists());
    let known = spawn_blocking({
        let store = store.clone();
        move || while store.ping().is_err() {}
    });
    known.await.unwrap();
    let untold = || untold(folder.path(), KeptWhere::InTheStore, &store, i64::MAX);
    let found: Vec<CallSid> = untold().unwrap().into_iter().map(|done| done.call).collect();
    assert_eq!(found, [call]);

    let mut waiting = Waiting { done, report: Some(report) };
    assert!(parts.keep(&Taking(taken.clone()), &mut waiting).await);
    assert!(store.flush(Duration::from_secs(30)));
    assert!(!path.exists() && taken.exists());
    assert!(untold().unwrap().is_empty());
}
#[test]
fn what_was_told_loses_its_first_name_only_where_it_has_another() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", folder.path().join("db").display());
    let (store, _writer) = store::open(StoreSettings::new(&database, folder.path().join("spool"))).unwrap();
    while store.ping().is_err() {}
    let call = |n: u32| -> CallSid { format!("CA{n:032x}").parse().unwrap() };
    let path = |n: u32| folder.path().join(format!("{}.wav", call(n)));
    for (n, key) in [(1, format!("own/{}.wav", call(1))), (2, format!("own/{}.wav", call(2))), (3, "3.wav".into())] {
        fs::write(path(n), "sound").unwrap();
        let file = KeptFile { key, content_type: String::new(), bytes: 5, sha256: String::new() };
        let report = RecordingReport::new(RecordingId::Own(call(n)), call(n), RecordingState::Fetched);
        store.hear_of_recording(&RecordingReport { file: Some(file), ..report }, 1).unwrap();
    }
    assert!(store.flush(Duration::from_secs(30)));
    assert!(store.expire_recording(&RecordingId::Own(call(2)), 2).unwrap());
    let untold = |kept| untold(folder.path(), kept, &store, i64::MAX).unwrap().len();
    assert_eq!(untold(KeptWhere::InPlace), 0);
    assert!([1, 2, 3].into_iter().all(|n| path(n).exists()), "they are in the store itself");
    assert_eq!(untold(KeptWhere::InTheStore), 0);
    assert_eq!([1, 2, 3].map(|n| path(n).exists()), [false, false, true]);
}
