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
use super::sound::{Piece, Recorder};
use super::{
    Backlog, CallFile, CallFileFailure, FileError, journal_name, make_private_folder, message_name, recording_name,
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
    Sound { id: u64, piece: Piece },
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
            Self::Sound { piece, .. } => piece.samples.len() * 2,
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
    data_dir: PathBuf,
    on_failure: OnFailure,
    create: CreateFile,
    recordings: HashMap<u64, Recording>,
    journals: HashMap<u64, Journal>,
}

struct Recording {
    call: CallSid,
    fate: Arc<Fate>,
    /// `None` once the file was given up.
    recorder: Option<Box<dyn Recorder>>,
}

struct Journal {
    call: CallSid,
    fate: Arc<Fate>,
    file: Option<File>,
}

impl Writer {
    pub(super) fn new(data_dir: PathBuf, on_failure: OnFailure, create: CreateFile) -> Self {
        Self {
            backlog: Arc::default(),
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
            Job::Sound { id, piece } => self.record(id, &piece),
            Job::AgentCleared { id, at } => {
                if let Some(recorder) = self.recordings.get_mut(&id).and_then(|recording| recording.recorder.as_mut()) {
                    recorder.agent_cleared(at);
                }
            }
            Job::FinishRecording { id, length } => self.finish_recording(id, length),
            Job::OpenJournal { id, call, fate } => self.open_journal(id, call, fate),
            Job::Line { id, text } => self.write_line(id, text),
            Job::FinishJournal { id } => drop(self.journals.remove(&id)),
            Job::Message { call, number, samples, write } => self.keep_message(&call, number, &samples, write),
            Job::Settle(settled) => {
                // Nobody waits any more: nothing to tell.
                settled.send(()).ok();
            }
        }
    }

    fn open_recording(&mut self, id: u64, call: CallSid, fate: Arc<Fate>, record: Record) {
        let opened = self.create(&recording_name(&call)).map_err(FileError::from).and_then(record);
        let recorder = self.kept_or_told(opened, &call, CallFile::Recording, &fate);
        self.recordings.insert(id, Recording { call, fate, recorder });
    }

    fn record(&mut self, id: u64, piece: &Piece) {
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        let error = match recording.recorder.as_mut().map(|recorder| recorder.push(piece)) {
            Some(Ok(())) => return,
            Some(Err(error)) => Some(error),
            None => None,
        };
        recording.recorder = None;
        recording.fate.lose(1, &self.backlog);
        if let Some(error) = error {
            recording.fate.fail();
            (self.on_failure)(CallFileFailure { call: &recording.call, file: CallFile::Recording, error: &error });
        }
    }

    fn finish_recording(&mut self, id: u64, length: Option<CallTime>) {
        let Some(recording) = self.recordings.remove(&id) else { return };
        let Some(recorder) = recording.recorder else { return };
        if let Err(error) = recorder.finish(length) {
            recording.fate.fail();
            (self.on_failure)(CallFileFailure { call: &recording.call, file: CallFile::Recording, error: &error });
        }
    }

    fn open_journal(&mut self, id: u64, call: CallSid, fate: Arc<Fate>) {
        let opened = self.create(&journal_name(&call)).map_err(FileError::from);
        let file = self.kept_or_told(opened, &call, CallFile::Journal, &fate);
        self.journals.insert(id, Journal { call, fate, file });
    }

    /// One write per line, so that a journal is whole up to the last line even after a kill.
    fn write_line(&mut self, id: u64, text: String) {
        let Some(journal) = self.journals.get_mut(&id) else { return };
        let mut line = text.replace(['\n', '\r'], " ");
        line.push('\n');
        let error = match journal.file.as_mut().map(|file| file.write_all(line.as_bytes())) {
            Some(Ok(())) => return,
            Some(Err(error)) => Some(error),
            None => None,
        };
        journal.file = None;
        journal.fate.lose(1, &self.backlog);
        if let Some(error) = error {
            journal.fate.fail();
            let error = error.into();
            (self.on_failure)(CallFileFailure { call: &journal.call, file: CallFile::Journal, error: &error });
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

    fn kept_or_told<T>(&self, opened: Result<T, FileError>, call: &CallSid, file: CallFile, fate: &Fate) -> Option<T> {
        match opened {
            Ok(opened) => Some(opened),
            Err(error) => {
                fate.fail();
                (self.on_failure)(CallFileFailure { call, file, error: &error });
                None
            }
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

/// A new file that only we can read.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
