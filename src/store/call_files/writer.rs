//! The thread that writes.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};

use super::handle::Fate;
use super::tape::{Tape, write_mono};
use super::{Backlog, CallFile, CallFileFailure, journal_name, make_private_folder, message_name, recording_name};
use crate::engine::call::Speaker;
use crate::engine::ids::CallSid;
use crate::engine::time::CallTime;

/// What is asked of the thread.
pub(super) enum Job {
    OpenRecording { id: u64, call: CallSid, rate_hz: u32, fate: Arc<Fate> },
    Samples { id: u64, side: Speaker, at: CallTime, samples: Box<[i16]> },
    FinishRecording { id: u64, length: Option<CallTime> },
    OpenJournal { id: u64, call: CallSid, fate: Arc<Fate> },
    Line { id: u64, text: String },
    FinishJournal { id: u64 },
    Message { call: CallSid, number: u32, rate_hz: u32, samples: Vec<i16> },
    Settle(Sender<()>),
}

impl Job {
    /// What it weighs in the queue.
    fn bytes(&self) -> usize {
        match self {
            Self::Samples { samples, .. } => samples.len() * 2,
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
    tape: Option<Tape<BufWriter<File>>>,
    /// Pushes since the file was last known to be whole.
    at_risk: u64,
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
            Job::OpenRecording { id, call, rate_hz, fate } => self.open_recording(id, call, rate_hz, fate),
            Job::Samples { id, side, at, samples } => {
                self.with_recording(id, 1, |tape| tape.push(side, at, &samples));
            }
            Job::FinishRecording { id, length } => self.finish_recording(id, length),
            Job::OpenJournal { id, call, fate } => self.open_journal(id, call, fate),
            Job::Line { id, text } => self.write_line(id, text),
            Job::FinishJournal { id } => drop(self.journals.remove(&id)),
            Job::Message { call, number, rate_hz, samples } => self.keep_message(&call, number, rate_hz, &samples),
            Job::Settle(settled) => {
                self.flush_all();
                // Nobody waits any more: nothing to tell.
                settled.send(()).ok();
            }
        }
    }

    fn open_recording(&mut self, id: u64, call: CallSid, rate_hz: u32, fate: Arc<Fate>) {
        let opened = self.create(&recording_name(&call)).and_then(|file| Tape::new(BufWriter::new(file), rate_hz));
        let tape = self.kept_or_told(opened, &call, CallFile::Recording, &fate);
        self.recordings.insert(id, Recording { call, fate, tape, at_risk: 0 });
    }

    /// Does something with a tape that adds `pushes`; gives the file up if that fails.
    fn with_recording(
        &mut self,
        id: u64,
        pushes: u64,
        write: impl FnOnce(&mut Tape<BufWriter<File>>) -> io::Result<bool>,
    ) {
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        recording.at_risk += pushes;
        let error = match recording.tape.as_mut().map(write) {
            Some(Ok(is_whole)) => {
                if is_whole {
                    recording.at_risk = 0;
                }
                return;
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        recording.tape = None;
        let lost = std::mem::take(&mut recording.at_risk);
        recording.fate.lose(lost, &self.backlog);
        if let Some(error) = error {
            recording.fate.fail();
            (self.on_failure)(CallFileFailure { call: &recording.call, file: CallFile::Recording, error: &error });
        }
    }

    fn finish_recording(&mut self, id: u64, length: Option<CallTime>) {
        let Some(recording) = self.recordings.remove(&id) else { return };
        let Some(tape) = recording.tape else { return };
        if let Err(error) = tape.finish(length) {
            recording.fate.fail();
            recording.fate.lose(recording.at_risk, &self.backlog);
            (self.on_failure)(CallFileFailure { call: &recording.call, file: CallFile::Recording, error: &error });
        }
    }

    fn open_journal(&mut self, id: u64, call: CallSid, fate: Arc<Fate>) {
        let opened = self.create(&journal_name(&call));
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
            (self.on_failure)(CallFileFailure { call: &journal.call, file: CallFile::Journal, error: &error });
        }
    }

    /// Written beside its place and moved there once it is whole and on the disk.
    fn keep_message(&self, call: &CallSid, number: u32, rate_hz: u32, samples: &[i16]) {
        let name = message_name(call, number);
        let (place, beside) = (self.data_dir.join(&name), self.data_dir.join(name.with_extension("part")));
        let kept = self.create(&name.with_extension("part")).and_then(|file| {
            write_mono(BufWriter::new(&file), rate_hz, samples)?;
            file.sync_all()?;
            if place.exists() { Err(ErrorKind::AlreadyExists.into()) } else { fs::rename(&beside, &place) }
        });
        if let Err(error) = kept {
            self.backlog.lose(1);
            (self.on_failure)(CallFileFailure { call, file: CallFile::Message, error: &error });
        }
    }

    fn flush_all(&mut self) {
        let open: Vec<u64> = self.recordings.keys().copied().collect();
        for id in open {
            self.with_recording(id, 0, |tape| tape.flush().map(|()| true));
        }
    }

    fn kept_or_told<T>(&self, opened: io::Result<T>, call: &CallSid, file: CallFile, fate: &Fate) -> Option<T> {
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
