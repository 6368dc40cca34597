//! The files that calls write: recordings, callers' messages, journals.
//!
//! One thread of the process writes them all, so a disk that stalls or is full moves no frame of any call:
//! what is handed in waits in a queue of bounded size, and what doesn't fit is dropped and counted.
//!
//! | file | holds | where |
//! |---|---|---|
//! | recording | the call at the wire: stereo WAV, caller left, agent right | `recordings/<call_sid>.wav` |
//! | message | what a caller left: mono WAV, complete or absent | `messages/<call_sid>-<n>.wav` |
//! | journal | each input of the call machine, one line each | `journals/<call_sid>.txt` |
//!
//! No recording is begun while the disk has less room than it must keep. A recording is a valid WAV at any time: if the process is killed, at most its last two and a half seconds are
//! missing.
//! Files have mode 0600, their directories 0700. A file that exists is never overwritten. A file that fails
//! (full disk, missing directory) is given up: told once, its later frames counted as lost; the next call
//! tries anew.

mod handle;
mod sound;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use thiserror::Error;

use crate::engine::audio::{Rate, WavError};
use crate::engine::ids::CallSid;

use writer::{Job, Writer};

pub use handle::{JournalHandle, RecordingHandle};

/// Where files go and how much may wait for the disk.
#[derive(Clone, Debug)]
pub struct CallFilesSettings {
    /// The directory under which `recordings`, `messages` and `journals` are made.
    pub data_dir: PathBuf,
    /// How many bytes of audio and text may wait for the disk, over all calls.
    ///
    /// A recorded call at 8 kHz makes 32 kB each second: 16 MiB bridge a stall of 8 s with 64 calls.
    pub queue_bytes: usize,
    /// No recording is begun while the disk has less room than this: the database needs it more. 0: whatever it has.
    pub min_free_bytes: u64,
}

impl CallFilesSettings {
    /// Files under `data_dir`, with a queue of 16 MiB, whatever room the disk has.
    pub fn under(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), queue_bytes: 16 << 20, min_free_bytes: 0 }
    }
}

/// A kind of file that a call writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallFile {
    /// The call's audio, both sides.
    Recording,
    /// A message of the caller.
    Message,
    /// The inputs of the call machine.
    Journal,
}

impl CallFile {
    /// The word for it in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Message => "message",
            Self::Journal => "journal",
        }
    }

    const fn folder(self) -> &'static str {
        match self {
            Self::Recording => "recordings",
            Self::Message => "messages",
            Self::Journal => "journals",
        }
    }
}

/// A recording to which nothing is added any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingDone {
    /// Of which call.
    pub call: CallSid,
    /// Why it stops before its call does, or was not begun; `None` if it is whole.
    pub error: Option<String>,
}

/// Who is told of recordings that are done.
type OnRecording = Arc<OnceLock<Box<dyn Fn(RecordingDone) + Send + Sync>>>;

/// Why a file can't be written.
#[derive(Debug, Error)]
pub enum FileError {
    /// It can't be made, written or moved to its place.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// Its sound can't be written.
    #[error(transparent)]
    Sound(#[from] WavError),
}

/// A file that can't be written. The call goes on without it.
#[derive(Debug)]
pub struct CallFileFailure<'a> {
    /// Whose.
    pub call: &'a CallSid,
    /// Which file.
    pub file: CallFile,
    /// What the system said.
    pub error: &'a FileError,
}

/// The way to the thread that writes calls' files. Cheap to clone.
#[derive(Clone)]
pub struct CallFiles {
    queue: Arc<Queue>,
    next_id: Arc<AtomicU64>,
    data_dir: Arc<Path>,
    on_recording: OnRecording,
}

impl CallFiles {
    /// Makes the directories and starts the writing thread.
    ///
    /// `on_failure` is called on that thread, once for each file that is given up.
    pub fn open(
        settings: CallFilesSettings,
        on_failure: impl Fn(CallFileFailure<'_>) + Send + 'static,
    ) -> io::Result<Self> {
        for file in [CallFile::Recording, CallFile::Message, CallFile::Journal] {
            make_private_folder(&settings.data_dir.join(file.folder()))?;
        }
        let mut writer = Writer::new(settings.data_dir.clone(), Box::new(on_failure), Box::new(writer::create_private));
        writer.min_free_bytes = settings.min_free_bytes;
        Self::with_writer(settings, writer)
    }

    fn with_writer(settings: CallFilesSettings, writer: Writer) -> io::Result<Self> {
        let (jobs, receiver) = mpsc::channel();
        let (backlog, on_recording) = (Arc::clone(&writer.backlog), Arc::clone(&writer.on_recording));
        let queue = Arc::new(Queue { jobs, backlog, limit_bytes: settings.queue_bytes });
        thread::Builder::new().name("call-files".into()).spawn(move || writer.run(&receiver))?;
        Ok(Self { queue, next_id: Arc::default(), data_dir: settings.data_dir.into(), on_recording })
    }

    /// `tell` is called for each recording to which nothing is added any more, on the thread that writes: whole at the end
    /// of its call, or broken as soon as that is known. Only the first who asks is told; recordings that were done before are
    /// found in [`CallFiles::recordings_dir`].
    pub fn on_recording(&self, tell: impl Fn(RecordingDone) + Send + Sync + 'static) {
        // A second one would tell of the same thing.
        self.on_recording.set(Box::new(tell)).ok();
    }

    /// Where recordings are made.
    pub fn recordings_dir(&self) -> PathBuf {
        self.data_dir.join(CallFile::Recording.folder())
    }

    /// Begins the recording of a call.
    pub fn recording<R: Rate>(&self, call: &CallSid) -> RecordingHandle<R> {
        RecordingHandle::begin(Arc::clone(&self.queue), self.next_id(), call)
    }

    /// Where the recording of a call is, once there is one.
    pub fn recording_path(&self, call: &CallSid) -> PathBuf {
        self.data_dir.join(recording_name(call))
    }

    /// Keeps the `number`th message of a call's caller: whether it was queued. A message that doesn't fit is
    /// counted as lost.
    pub fn message<R: Rate>(&self, call: &CallSid, number: u32, samples: Vec<i16>) -> bool {
        let bytes = samples.len() * 2;
        let job = Job::Message { call: call.clone(), number, samples, write: sound::write_message::<R> };
        let is_queued = self.queue.offer(bytes, job);
        if !is_queued {
            self.queue.backlog.lose(1);
        }
        is_queued
    }

    /// Where the `number`th message of a call is, once it is complete.
    pub fn message_path(&self, call: &CallSid, number: u32) -> PathBuf {
        self.data_dir.join(message_name(call, number))
    }

    /// Begins the journal of a call.
    pub fn journal(&self, call: &CallSid) -> JournalHandle {
        JournalHandle::begin(Arc::clone(&self.queue), self.next_id(), call)
    }

    /// Where the journal of a call is, once there is one.
    pub fn journal_path(&self, call: &CallSid) -> PathBuf {
        self.data_dir.join(journal_name(call))
    }

    /// How many frames, lines and messages of all calls are in no file, since the start.
    pub fn lost(&self) -> u64 {
        self.queue.backlog.lost.load(Ordering::Relaxed)
    }

    /// Waits until everything handed in so far was dealt with and all dropped handles' files are complete, at
    /// most `limit`; whether they are. For the orderly stop, after the calls: it blocks.
    pub fn settle(&self, limit: Duration) -> bool {
        let (settled, wait) = mpsc::channel();
        self.queue.order(Job::Settle(settled));
        wait.recv_timeout(limit).is_ok()
    }

    fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}

impl fmt::Debug for CallFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallFiles({})", self.data_dir.display())
    }
}

/// What waits for the writing thread.
struct Queue {
    jobs: Sender<Job>,
    backlog: Arc<Backlog>,
    limit_bytes: usize,
}

/// The queue's figures, which both ends keep.
#[derive(Default)]
struct Backlog {
    waiting_bytes: AtomicUsize,
    lost: AtomicU64,
}

impl Backlog {
    fn lose(&self, pushes: u64) {
        self.lost.fetch_add(pushes, Ordering::Relaxed);
    }
}

impl Queue {
    /// Queues a job that carries `bytes` of audio or text, if there is room.
    fn offer(&self, bytes: usize, job: Job) -> bool {
        let waiting = self.backlog.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        if waiting + bytes <= self.limit_bytes && self.jobs.send(job).is_ok() {
            return true;
        }
        self.backlog.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        false
    }

    /// Queues a job that must not be lost and carries nothing: a few per call.
    fn order(&self, job: Job) {
        // Refused only once the thread has ended, which it does when nobody can send any more.
        self.jobs.send(job).ok();
    }
}

fn recording_name(call: &CallSid) -> PathBuf {
    PathBuf::from(format!("{}/{call}.wav", CallFile::Recording.folder()))
}

fn message_name(call: &CallSid, number: u32) -> PathBuf {
    PathBuf::from(format!("{}/{call}-{number}.wav", CallFile::Message.folder()))
}

fn journal_name(call: &CallSid) -> PathBuf {
    PathBuf::from(format!("{}/{call}.txt", CallFile::Journal.folder()))
}

fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}
