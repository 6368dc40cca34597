use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use hound::WavReader;
use tempfile::TempDir;

use super::*;
use crate::engine::audio::{Hz8k, Hz16k, PcmFrame};
use crate::engine::call::Speaker::{Agent, Caller};
use crate::engine::time::CallTime;

const SOON: Duration = Duration::from_secs(20);
const FRAME_MS: u64 = 20;

#[test]
fn a_recording_has_the_caller_left_and_the_agent_right_at_their_times() {
    let disk = Disk::new();
    let recording = disk.files.recording::<Hz8k>(&call(1));
    for n in 0..100 {
        recording.push(Caller, at(n), &frame(1_000));
        if (50..75).contains(&n) {
            recording.push(Agent, at(n), &frame(-3_000));
        }
    }
    recording.finish(at(100));
    disk.settle();

    let sound = sound(&disk.files.recording_path(&call(1)));
    assert_eq!(sound.len(), 16_000, "two seconds");
    assert!(sound.iter().all(|frame| frame[0] == 1_000));
    let spoken = |frame: usize| if (8_000..12_000).contains(&frame) { -3_000 } else { 0 };
    assert!(sound.iter().enumerate().all(|(n, frame)| frame[1] == spoken(n)));
    assert_eq!((disk.files.lost(), disk.failures()), (0, vec![]));
}

#[test]
fn a_recording_is_as_long_as_its_call_whatever_was_lost_or_late() {
    let disk = Disk::new();
    for (number, jitter_ms, missing) in [(1, 0, 0..0), (2, 15, 0..0), (3, 0, 30..60), (4, 15, 95..100)] {
        let recording = disk.files.recording::<Hz8k>(&call(number));
        for n in (0..100).filter(|n| !missing.contains(n)) {
            let late = Duration::from_millis(n * 7 % (jitter_ms + 1));
            recording.push(Caller, at(n) + late, &frame(500));
            recording.push(Agent, at(n), &frame(500));
        }
        recording.finish(at(100));
        disk.settle();
        let length_ms = sound(&disk.files.recording_path(&call(number))).len() / 8;
        assert!((1_980..=2_020).contains(&length_ms), "call {number}: {length_ms} ms");
    }
}

#[test]
fn a_recording_that_is_dropped_is_complete() {
    let disk = Disk::new();
    let recording = disk.files.recording::<Hz8k>(&call(1));
    recording.push(Caller, at(0), &frame(7));
    drop(recording);
    disk.settle();
    assert_eq!(sound(&disk.files.recording_path(&call(1))), [[7, 0]; 160]);
}

#[test]
fn a_recording_under_way_can_be_listened_to_as_after_a_kill() {
    let disk = Disk::new();
    let recording = disk.files.recording::<Hz8k>(&call(1));
    for n in 0..200 {
        recording.push(Caller, at(n), &frame(7));
        recording.push(Agent, at(n), &frame(9));
    }
    // The journal's fate shows that the thread came so far; nothing asked it to complete the recording.
    let journal = disk.files.journal(&call(2));
    journal.line("here".into());
    while fs::read(disk.files.journal_path(&call(2))).unwrap_or_default().is_empty() {
        thread::yield_now();
    }
    let heard = sound(&disk.files.recording_path(&call(1)));
    assert!(heard.len() >= 3 * 8_000, "{} of 32,000 frames", heard.len());
    assert!(heard.iter().all(|frame| *frame == [7, 9]));
    drop(recording);
}

#[test]
fn a_message_is_whole_or_absent() {
    let disk = Disk::new();
    let spoken: Vec<i16> = (0..8_000).collect();
    assert!(disk.files.message::<Hz16k>(&call(1), 1, spoken.clone()));
    disk.settle();
    let path = disk.files.message_path(&call(1), 1);
    let mut wav = WavReader::open(&path).unwrap();
    assert_eq!((wav.spec().channels, wav.spec().sample_rate), (1, 16_000));
    assert_eq!(wav.samples::<i16>().map(Result::unwrap).collect::<Vec<_>>(), spoken);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing unfinished stays");
}

#[test]
fn a_journal_has_one_line_per_input() {
    let disk = Disk::new();
    let journal = disk.files.journal(&call(1));
    journal.line("0.000 Answered".into());
    journal.line("0.020 CallerText first\nsecond".into());
    drop(journal);
    disk.settle();
    let written = fs::read_to_string(disk.files.journal_path(&call(1))).unwrap();
    assert_eq!(written, "0.000 Answered\n0.020 CallerText first second\n");
}

#[test]
fn nobody_else_may_read_what_a_caller_said() {
    let disk = Disk::new();
    drop((disk.files.recording::<Hz8k>(&call(1)), disk.files.journal(&call(1))));
    disk.files.message::<Hz8k>(&call(1), 1, vec![0; 160]);
    disk.settle();
    let paths =
        [disk.files.recording_path(&call(1)), disk.files.message_path(&call(1), 1), disk.files.journal_path(&call(1))];
    for path in paths {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        assert_eq!(mode(path.parent().unwrap()), 0o700, "{}", path.display());
    }
}

#[test]
fn a_file_that_exists_is_not_overwritten() {
    let disk = Disk::new();
    let paths = [disk.files.recording_path(&call(1)), disk.files.message_path(&call(1), 1)];
    paths.iter().for_each(|path| fs::write(path, "kept").unwrap());
    let recording = disk.files.recording::<Hz8k>(&call(1));
    disk.files.message::<Hz8k>(&call(1), 1, vec![0; 160]);
    disk.settle();
    assert!(recording.has_failed());
    assert_eq!(disk.failures(), [(call(1), CallFile::Recording), (call(1), CallFile::Message)]);
    paths.iter().for_each(|path| assert_eq!(fs::read(path).unwrap(), b"kept"));
}

#[test]
fn a_full_disk_costs_the_file_and_is_told_once() {
    let disk = Disk::with_files_made_by(|_| OpenOptions::new().write(true).open("/dev/full"));
    let (recording, journal) = (disk.files.recording::<Hz8k>(&call(1)), disk.files.journal(&call(1)));
    for n in 0..300 {
        recording.push(Caller, at(n), &frame(1));
    }
    journal.line("lost".into());
    disk.files.message::<Hz8k>(&call(1), 1, vec![0; 160]);
    disk.settle();
    assert!(recording.has_failed());
    assert_eq!((recording.lost(), journal.lost(), disk.files.lost()), (300, 1, 302));

    recording.push(Caller, at(300), &frame(1));
    assert_eq!((recording.lost(), disk.files.lost()), (301, 303));
    drop((recording, journal));
    disk.settle();
    let told = [CallFile::Recording, CallFile::Journal, CallFile::Message].map(|file| (call(1), file));
    assert_eq!(disk.failures(), told);
}

#[test]
fn a_disk_that_stands_still_keeps_nobody_waiting_and_the_rest_is_in_its_place() {
    let (let_go, stalled) = mpsc::channel::<()>();
    let disk = Disk::with_queue_of(100 * 320, move |path| {
        stalled.recv().ok();
        writer::create_private(path)
    });
    let recording = disk.files.recording::<Hz8k>(&call(1));
    for n in 0..240 {
        recording.push(Caller, at(n), &frame(5));
    }
    assert_eq!((recording.lost(), disk.files.lost()), (140, 140), "the queue holds 100 frames");
    assert!(!disk.files.settle(Duration::ZERO));

    drop(let_go);
    disk.settle();
    recording.push(Caller, at(240), &frame(6));
    recording.finish(at(241));
    disk.settle();
    let sound = sound(&disk.files.recording_path(&call(1)));
    assert_eq!(sound.len(), 241 * 160);
    assert_eq!((sound[99 * 160][0], sound[100 * 160][0], sound[240 * 160][0]), (5, 0, 6));
    assert_eq!(disk.failures(), []);
}

#[test]
fn no_recording_is_begun_on_a_disk_that_is_nearly_full_and_the_call_writes_the_rest() {
    let (folder, failures) = (TempDir::new().unwrap(), Failures::default());
    let settings =
        CallFilesSettings { min_free_bytes: u64::MAX, ..CallFilesSettings::under(folder.path().join("data")) };
    let files = CallFiles::open(settings, note(&failures)).unwrap();
    let disk = Disk { folder, files, failures };
    let told = disk.recordings_told();
    let (recording, journal) = (disk.files.recording::<Hz8k>(&call(1)), disk.files.journal(&call(1)));
    journal.line("kept".into());
    drop(journal);
    disk.settle();
    assert!(recording.has_failed() && !disk.files.recording_path(&call(1)).exists());
    assert!(disk.files.journal_path(&call(1)).exists());
    assert_eq!(disk.failures(), [(call(1), CallFile::Recording)]);
    drop(recording);
    disk.settle();
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 1, "told once: {told:?}");
    assert!(told[0].error.as_ref().unwrap().contains("recording.min_free_mb"), "{told:?}");
}

#[test]
fn that_a_recording_is_done_is_told_once_whole_or_broken() {
    let disk = Disk::new();
    let told = disk.recordings_told();
    let recording = disk.files.recording::<Hz8k>(&call(1));
    recording.push(Caller, at(0), &frame(7));
    disk.settle();
    assert_eq!(*told.lock().unwrap(), [], "the call goes on");
    recording.finish(at(1));
    disk.settle();
    assert_eq!(*told.lock().unwrap(), [RecordingDone { call: call(1), error: None }]);

    let disk = Disk::with_files_made_by(|_| OpenOptions::new().write(true).open("/dev/full"));
    let told = disk.recordings_told();
    let recording = disk.files.recording::<Hz8k>(&call(2));
    for n in 0..300 {
        recording.push(Caller, at(n), &frame(1));
    }
    recording.finish(at(300));
    disk.settle();
    let told = told.lock().unwrap();
    assert!(told.len() == 1 && told[0].call == call(2) && told[0].error.is_some(), "{told:?}");
}

#[test]
fn a_directory_that_was_removed_is_made_again_for_the_next_call() {
    let disk = Disk::new();
    fs::remove_dir_all(disk.folder.path().join("data")).unwrap();
    drop(disk.files.recording::<Hz8k>(&call(1)));
    disk.settle();
    assert!(sound(&disk.files.recording_path(&call(1))).is_empty());
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_at_start_and_a_lost_file_later() {
    let folder = TempDir::new().unwrap();
    let in_the_way = folder.path().join("data");
    fs::write(&in_the_way, "").unwrap();
    assert!(CallFiles::open(CallFilesSettings::under(&in_the_way), |_| {}).is_err());

    let disk = Disk::new();
    fs::remove_dir_all(disk.folder.path().join("data")).unwrap();
    fs::write(disk.folder.path().join("data"), "").unwrap();
    let recording = disk.files.recording::<Hz8k>(&call(1));
    disk.settle();
    recording.push(Caller, at(0), &frame(1));
    assert_eq!((recording.lost(), disk.failures()), (1, vec![(call(1), CallFile::Recording)]));
}

type Failures = Arc<Mutex<Vec<(CallSid, CallFile)>>>;

/// A place to write to, and what was said about it.
struct Disk {
    folder: TempDir,
    files: CallFiles,
    failures: Failures,
}

impl Disk {
    fn new() -> Self {
        let (folder, failures) = (TempDir::new().unwrap(), Failures::default());
        let settings = CallFilesSettings::under(folder.path().join("data"));
        let files = CallFiles::open(settings, note(&failures)).unwrap();
        Self { folder, files, failures }
    }

    fn with_files_made_by(create: impl Fn(&Path) -> io::Result<fs::File> + Send + 'static) -> Self {
        Self::with_queue_of(16 << 20, create)
    }

    fn with_queue_of(queue_bytes: usize, create: impl Fn(&Path) -> io::Result<fs::File> + Send + 'static) -> Self {
        let (folder, failures) = (TempDir::new().unwrap(), Failures::default());
        let settings = CallFilesSettings { queue_bytes, ..CallFilesSettings::under(folder.path().join("data")) };
        let writer = Writer::new(settings.data_dir.clone(), Box::new(note(&failures)), Box::new(create));
        let files = CallFiles::with_writer(settings, writer).unwrap();
        Self { folder, files, failures }
    }

    fn settle(&self) {
        assert!(self.files.settle(SOON), "the disk stands still");
    }

    /// Which recordings are told to be done, from now on.
    fn recordings_told(&self) -> Arc<Mutex<Vec<RecordingDone>>> {
        let told = Arc::<Mutex<Vec<_>>>::default();
        let tell = Arc::clone(&told);
        self.files.on_recording(move |done| tell.lock().unwrap().push(done));
        told
    }

    fn failures(&self) -> Vec<(CallSid, CallFile)> {
        self.failures.lock().unwrap().clone()
    }
}

fn note(failures: &Failures) -> impl Fn(CallFileFailure<'_>) + Send + 'static {
    let failures = Arc::clone(failures);
    move |failure| failures.lock().unwrap().push((failure.call.clone(), failure.file))
}

fn call(number: u32) -> CallSid {
    format!("CA{number:032x}").parse().unwrap()
}

/// When the `frame`th frame of a call begins.
fn at(frame: u64) -> CallTime {
    CallTime::from_millis(frame * FRAME_MS)
}

fn frame(value: i16) -> PcmFrame<Hz8k> {
    PcmFrame::from_samples(&[value; 160]).unwrap()
}

fn sound(path: &Path) -> Vec<[i16; 2]> {
    let mut wav = WavReader::open(path).unwrap();
    assert_eq!(wav.spec().channels, 2);
    let samples: Vec<i16> = wav.samples().map(Result::unwrap).collect();
    samples.chunks_exact(2).map(|frame| [frame[0], frame[1]]).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
