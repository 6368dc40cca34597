//! The thread that writes.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};

use super::handle::Fate;
use super::sound::{Batch, Recorder};
use super::{
    Backlog, CallFile, CallFileFailure, FileError, OnRecording, RecordingDone, journal_name, make_private_folder,
    message_name, recording_name,
};
use crate::engine::ids::CallSid;
use crate::engine::time::CallTime;

/// Begins a recording of some rate.
type Record = fn(File) -> Result<Box<dyn Recorder>, FileError>;
/// Writes a message of some rate.
type WriteMessage = fn(&File, &[i16]) -> Result<(), FileError>;

/// What is asked of the thread.
pub(super) enum Job {
    OpenRecording { id: u64, call: CallSid, fate: Arc<Fate>, record: Record },
    Sound { id: u64, batch: Batch },
    AgentCleared { id: u64, at: CallTime },
    FinishRecording { id: u64, length: Option<CallTime> },
    OpenJournal { id: u64, call: CallSid, fate: Arc<Fate> },
    Line { id: u64, text: String },
    FinishJournal { id: u64 },
    Message { call: CallSid, number: u32, samples: Vec<i16>, write: WriteMessage },
    Settle(Sender<()>),
}

impl Job {
    /// What it weighs in the queue.
    fn bytes(&self) -> usize {
        match self {
            Self::Sound { batch, .. } => batch.bytes(),
            Self::Line { text, .. } => text.len(),
            Self::Message { samples, .. } => samples.len() * 2,
            _ => 0,
        }
    }
}

type OnFailure = Box<dyn Fn(CallFileFailure<'_>) + Send>;
type CreateFile = Box<dyn Fn(&Path) -> io::Result<File> + Send>;

/// Owns all files that are being written.
pub(super) struct Writer {
    pub(super) backlog: Arc<Backlog>,
    pub(super) on_recording: OnRecording,
    pub(super) min_free_bytes: u64,
    data_dir: PathBuf,
    on_failure: OnFailure,
    create: CreateFile,
    recordings: HashMap<u64, OpenFile<Box<dyn Recorder>>>,
    journals: HashMap<u64, OpenFile<File>>,
}

/// A file that is being written.
struct OpenFile<F> {
    call: CallSid,
    kind: CallFile,
    fate: Arc<Fate>,
    /// `None` once it was given up.
    file: Option<F>,
}

impl Writer {
    pub(super) fn new(data_dir: PathBuf, on_failure: OnFailure, create: CreateFile) -> Self {
        Self {
            backlog: Arc::default(),
            on_recording: OnRecording::default(),
            min_free_bytes: 0,
            data_dir,
            on_failure,
            create,
            recordings: HashMap::new(),
            journals: HashMap::new(),
        }
    }

    /// Works until nobody can ask any more. What is open then is completed by its drop.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            let bytes = job.bytes();
            self.perform(job);
            self.backlog.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    fn perform(&mut self, job: Job) {
        match job {
            Job::OpenRecording { id, call, fate, record } => self.open_recording(id, call, fate, record),
            Job::Sound { id, batch } => self.record(id, &batch),
            Job::AgentCleared { id, at } => {
                if let Some(recorder) = self.recordings.get_mut(&id).and_then(|recording| recording.file.as_mut()) {
                    recorder.agent_cleared(at);
                }
            }
            Job::FinishRecording { id, length } => self.finish_recording(id, length),
            Job::OpenJournal { id, call, fate } => self.open_journal(id, call, fate),
            Job::Line { id, text } => self.write_line(id, &text),
            Job::FinishJournal { id } => drop(self.journals.remove(&id)),
            Job::Message { call, number, samples, write } => self.keep_message(&call, number, &samples, write),
            Job::Settle(settled) => {
                // Nobody waits any more: nothing to tell.
                settled.send(()).ok();
            }
        }
    }

    fn open_recording(&mut self, id: u64, call: CallSid, fate: Arc<Fate>, record: Record) {
        let opened = self.has_room().and_then(|()| self.create(&recording_name(&call)));
        let opened = opened.map_err(FileError::from).and_then(record);
        let error = opened.as_ref().err().map(FileError::to_string);
        let recording = OpenFile::new(opened, call, CallFile::Recording, fate, &self.on_failure);
        if error.is_some() {
            self.done(recording.call.clone(), error);
        }
        self.recordings.insert(id, recording);
    }

    /// Whether a recording may be begun.
    fn has_room(&self) -> io::Result<()> {
        if self.min_free_bytes == 0 {
            return Ok(());
        }
        let disk = rustix::fs::statvfs(&self.data_dir)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < self.min_free_bytes {
            let megabytes = self.min_free_bytes / 1_000_000;
            let error = format!("the disk has less room than recording.min_free_mb, which is {megabytes}");
            return Err(io::Error::new(ErrorKind::StorageFull, error));
        }
        Ok(())
    }

    /// Tells that nothing is added to a recording any more.
    fn done(&self, call: CallSid, error: Option<String>) {
        if let Some(tell) = self.on_recording.get() {
            tell(RecordingDone { call, error });
        }
    }

    fn record(&mut self, id: u64, batch: &Batch) {
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        let (call, was_open) = (recording.call.clone(), recording.file.is_some());
        let broken = recording.add(batch.frames(), &self.backlog, &self.on_failure, |recorder| recorder.push(batch));
        if was_open && broken.is_some() {
            self.done(call, broken);
        }
    }

    fn finish_recording(&mut self, id: u64, length: Option<CallTime>) {
        let Some(mut recording) = self.recordings.remove(&id) else { return };
        // One that broke was told of then.
        let Some(recorder) = recording.file.take() else { return };
        let error = recorder.finish(length).inspect_err(|error| recording.failed(error, &self.on_failure)).err();
        self.done(recording.call, error.map(|error| error.to_string()));
    }

    fn open_journal(&mut self, id: u64, call: CallSid, fate: Arc<Fate>) {
        let opened = self.create(&journal_name(&call)).map_err(FileError::from);
        let journal = OpenFile::new(opened, call, CallFile::Journal, fate, &self.on_failure);
        self.journals.insert(id, journal);
    }

    /// One write per line, so that a journal is whole up to the last line even after a kill.
    fn write_line(&mut self, id: u64, text: &str) {
        let mut line = text.replace(['\n', '\r'], " ");
        line.push('\n');
        if let Some(journal) = self.journals.get_mut(&id) {
            journal.add(1, &self.backlog, &self.on_failure, |file| Ok(file.write_all(line.as_bytes())?));
        }
    }

    /// Written beside its place and moved there once it is whole and on the disk.
    fn keep_message(&self, call: &CallSid, number: u32, samples: &[i16], write: WriteMessage) {
        let name = message_name(call, number);
        let unfinished = name.with_extension("part");
        let (place, beside) = (self.data_dir.join(name), self.data_dir.join(&unfinished));
        let kept = self.create(&unfinished).map_err(FileError::from).and_then(|file| {
            write(&file, samples)?;
            if place.exists() {
                return Err(io::Error::from(ErrorKind::AlreadyExists).into());
            }
            Ok(fs::rename(&beside, &place)?)
        });
        if let Err(error) = kept {
            self.backlog.lose(1);
            (self.on_failure)(CallFileFailure { call, file: CallFile::Message, error: &error });
        }
    }

    /// Creates a file, and its directory if somebody removed that.
    fn create(&self, name: &Path) -> io::Result<File> {
        let path = self.data_dir.join(name);
        if let Some(folder) = path.parent() {
            make_private_folder(folder)?;
        }
        (self.create)(&path)
    }
}

impl<F> OpenFile<F> {
    /// A file that was just made, or could not be.
    fn new(
        opened: Result<F, FileError>,
        call: CallSid,
        kind: CallFile,
        fate: Arc<Fate>,
        on_failure: &OnFailure,
    ) -> Self {
        let mut new = Self { call, kind, fate, file: None };
        match opened {
            Ok(file) => new.file = Some(file),
            Err(error) => new.failed(&error, on_failure),
        }
        new
    }

    /// Writes what was handed in with so many pushes. A file that can't take it is given up; that is told once, and
    /// what comes after it is lost. Gives the reason, if it is given up now.
    fn add(
        &mut self,
        pushes: u64,
        backlog: &Backlog,
        on_failure: &OnFailure,
        write: impl FnOnce(&mut F) -> Result<(), FileError>,
    ) -> Option<String> {
        let written = self.file.as_mut().map(write);
        if matches!(written, Some(Ok(()))) {
            return None;
        }
        self.file = None;
        self.fate.lose(pushes, backlog);
        let error = written?.err()?;
        self.failed(&error, on_failure);
        Some(error.to_string())
    }

    fn failed(&self, error: &FileError, on_failure: &OnFailure) {
        self.fate.fail();
        on_failure(CallFileFailure { call: &self.call, file: self.kind, error });
    }
}

/// A new file that only we can read.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
