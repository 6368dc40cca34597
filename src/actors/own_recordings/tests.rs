//! What is found after a kill, whenever it came.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::LocalBoxFuture;

use super::looks::untold;
use super::*;
use crate::providers::recording_store::SoundBytes;
use crate::store::{self, StoreSettings};

/// A store that refuses so many files, then takes each away to that place, and has nothing else asked of it.
struct Taking(PathBuf, Arc<AtomicU32>);

impl RecordingStore for Taking {
    fn put<'a>(&'a self, _: &'a str, file: &'a Path) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async move {
            let refusals = self.1.load(Ordering::SeqCst);
            if refusals > 0 {
                self.1.store(refusals - 1, Ordering::SeqCst);
                return Err(KeepError::Refused { status: 400, code: "QuotaExceeded".to_owned() });
            }
            Ok(fs::rename(file, &self.0)?)
        })
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
    let (call, path) = sound_in(folder.path());
    let store = open(folder.path());
    let taken = folder.path().join("taken");
    let parts = parts(folder.path(), &store);
    let taking = Taking(taken.clone(), Arc::default());
    let done = RecordingDone { call: call.clone(), error: None };
    let report = parts.moved(&taking, &done).await.unwrap();
    // Killed now, it would be found.
    assert!(path.exists() && taken.exists());
    let untold = || untold(folder.path(), KeptWhere::InTheStore, &store, i64::MAX).unwrap().untold;
    let found: Vec<CallSid> = untold().into_iter().map(|done| done.call).collect();
    assert_eq!(found, [call]);

    let mut waiting = Waiting { report: Some(report), ..Waiting::from(done) };
    assert_eq!(parts.keep(&taking, &mut waiting).await, Outcome::Told);
    assert!(store.flush(Duration::from_secs(30)));
    assert!(!path.exists() && taken.exists());
    assert!(untold().is_empty());
}

#[test]
fn what_was_told_loses_its_first_name_only_where_it_has_another() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
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
    let untold = |kept| untold(folder.path(), kept, &store, i64::MAX).unwrap().untold.len();
    assert_eq!(untold(KeptWhere::InPlace), 0);
    assert!([1, 2, 3].into_iter().all(|n| path(n).exists()), "they are in the store itself");
    assert_eq!(untold(KeptWhere::InTheStore), 0);
    assert_eq!([1, 2, 3].map(|n| path(n).exists()), [false, false, true]);
}

#[actix_rt::test]
async fn what_the_store_refuses_is_given_up_with_its_reason_and_comes_when_somebody_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    let (call, path) = sound_in(folder.path());
    let store = open(folder.path());
    let taken = folder.path().join("taken");
    // Three tries, and the first of three more.
    let refusals = Arc::new(AtomicU32::new(4));
    let (to, left) = (taken.clone(), Arc::clone(&refusals));
    let recordings: Arc<dyn Fn() -> Rc<dyn RecordingStore> + Send + Sync> =
        Arc::new(move || Rc::new(Taking(to.clone(), Arc::clone(&left))));
    let telemetry = Telemetry::for_tests();
    let parts = OwnRecordingParts { recordings, telemetry: telemetry.clone(), ..parts(folder.path(), &store) };
    // It is found as what an earlier process left.
    OwnRecordings::start(parts, &actix_rt::Arbiter::current());
    let state = || store.recording(&RecordingId::Own(call.clone())).unwrap().map(|told| told.state);
    until(|| state() == Some(RecordingState::Unkept)).await;
    assert_eq!(refusals.load(Ordering::SeqCst), 1, "it was tried three times, and no more");
    let told = store.recording(&RecordingId::Own(call.clone())).unwrap().unwrap();
    assert!(told.error.as_ref().is_some_and(|error| error.contains("400 QuotaExceeded")), "{told:?}");
    assert!(path.exists() && !taken.exists());
    let counts = |result: &str, times: u32| {
        let line = format!("trunkline_own_recordings_total{{result=\"{result}\"}} {times}\n");
        telemetry.render().contains(&line)
    };
    until(|| counts("unkept", 1)).await;
    assert!(counts("delayed", 2), "{}", telemetry.render());
    let said = telemetry.logged().into_iter().filter(|line| line.starts_with("ERRO recording given up")).count();
    assert_eq!(said, 1, "{:#?}", telemetry.logged());

    store.want_recordings(&call, 1).unwrap();
    until(|| state() == Some(RecordingState::Fetched)).await;
    until(|| !path.exists()).await;
    assert!(counts("unkept", 1) && counts("kept", 1) && counts("delayed", 3), "{}", telemetry.render());
    assert!(taken.exists());
    assert_eq!(store.recording(&RecordingId::Own(call.clone())).unwrap().unwrap().error, None);
}

#[actix_rt::test]
async fn a_store_that_is_away_costs_no_try() {
    let folder = tempfile::tempdir().unwrap();
    let (call, _path) = sound_in(folder.path());
    let store = open(folder.path());
    let parts = parts(folder.path(), &store);
    let mut waiting = Waiting::from(RecordingDone { call: call.clone(), error: None });
    for _ in 0..9 {
        assert_eq!(parts.keep(&Away, &mut waiting).await, Outcome::Away);
    }
    assert_eq!((waiting.tries, waiting.is_announced), (0, true));
    let told = store.recording(&RecordingId::Own(call)).unwrap().unwrap();
    assert_eq!(told.state, RecordingState::Started, "its words are waited for");
    let found = untold(folder.path(), KeptWhere::InTheStore, &store, i64::MAX).unwrap();
    assert_eq!(found.untold.len(), 1, "a process that dies now finds it at its next start");
}

#[test]
fn what_was_given_up_is_found_by_the_next_start_and_loses_its_file_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let (call, path) = sound_in(folder.path());
    let store = open(folder.path());
    let id = RecordingId::Own(call.clone());
    let report = RecordingReport::new(id.clone(), call.clone(), RecordingState::Unkept);
    store.hear_of_recording(&report, 1).unwrap();
    let found = untold(folder.path(), KeptWhere::InTheStore, &store, i64::MAX).unwrap();
    assert_eq!((found.untold.len(), found.unkept.as_slice()), (0, &[call.clone()][..]));
    assert_eq!(settled(folder.path(), &store, vec![call.clone()]).unwrap(), []);
    assert!(store.expire_recording(&id, 2).unwrap());
    assert_eq!(settled(folder.path(), &store, vec![call.clone()]).unwrap(), [(call, false)]);
    assert!(!path.exists());
}

#[actix_rt::test]
async fn a_recording_that_is_long_on_its_way_is_known_to_come() {
    let folder = tempfile::tempdir().unwrap();
    let (call, _path) = sound_in(folder.path());
    let store = open(folder.path());
    let recordings: Arc<dyn Fn() -> Rc<dyn RecordingStore> + Send + Sync> = Arc::new(|| Rc::new(Slow));
    let parts = OwnRecordingParts { recordings, ..parts(folder.path(), &store) };
    let own = OwnRecordings::start(parts, &actix_rt::Arbiter::current());
    own.send(OwnRecordingDone(RecordingDone { call: call.clone(), error: None })).await.unwrap();
    let state = || store.recording(&RecordingId::Own(call.clone())).unwrap().map(|told| told.state);
    until(|| state() == Some(RecordingState::Started)).await;
}

/// A store that takes hours.
struct Slow;

impl RecordingStore for Slow {
    fn put<'a>(&'a self, _: &'a str, _: &'a Path) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        Box::pin(std::future::pending())
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

struct Away;

impl RecordingStore for Away {
    fn put<'a>(&'a self, _: &'a str, _: &'a Path) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async { Err(KeepError::Away("it answered 503".to_owned())) })
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

/// One second of a recording that was made here.
fn sound_in(folder: &Path) -> (CallSid, PathBuf) {
    let call: CallSid = format!("CA{:032x}", 7).parse().unwrap();
    let path = folder.join(format!("{call}.wav"));
    let sample_format = hound::SampleFormat::Int;
    let spec = hound::WavSpec { channels: 2, sample_rate: 8_000, bits_per_sample: 16, sample_format };
    let mut wav = hound::WavWriter::create(&path, spec).unwrap();
    (0..16_000).for_each(|_| wav.write_sample(0i16).unwrap());
    wav.finalize().unwrap();
    (call, path)
}

fn open(folder: &Path) -> Store {
    let database = format!("sqlite:{}", folder.join("db").display());
    let (store, _writer) = store::open(StoreSettings::new(&database, folder.join("spool"))).unwrap();
    while store.ping().is_err() {}
    store
}

fn parts(folder: &Path, store: &Store) -> OwnRecordingParts {
    let moment = Duration::from_millis(1);
    OwnRecordingParts {
        folder: folder.to_owned(),
        kept: KeptWhere::InTheStore,
        recordings: Arc::new(|| unreachable!()),
        store: store.clone(),
        retry: Backoff { first: moment, longest: moment, tries: 3 },
        look_every: Duration::from_millis(10),
        instead: None,
        telemetry: Telemetry::silent(),
    }
}

async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("not within a minute");
}
