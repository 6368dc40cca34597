//! The spool: where records wait, on this node's own disk, while the database is away.
//!
//! ```text
//! spool/
//! ├── lock                        held while a process uses the directory
//! ├── probe                       there for a moment, to see whether the directory can be written
//! ├── 00000000000000000017.spool  sealed: being written to the database, removed after the commit
//! ├── 00000000000000000018.spool  active: appended to
//! └── rejected/                   what the database will never take, one file per process start
//! ```
//!
//! A segment is a sequence of `line`s. An append returns when the lines are on the disk (`fdatasync`), one
//! sync for the whole batch. A process never appends to the segments of an earlier one, so a torn line can
//! only be the last of its segment, and such a line was never acknowledged. Order is kept; a segment goes
//! only after everything in it is committed, so a crash at any moment writes records twice and loses none.

mod line;
mod segment;

use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::error::StoreError;
use super::record::Record;
use segment::Active;
pub(super) use segment::{Contents, Sealed};

/// The durable queue of one process.
pub(super) struct Spool {
    dir: PathBuf,
    /// Past this size a segment is sealed and the next one begun.
    segment_bytes: u64,
    state: Mutex<State>,
    /// How many records wait; beside the state, so that nobody waits for a disk to read it.
    waiting: AtomicU64,
    rejected: Mutex<Option<File>>,
    /// Held for as long as the spool is open; the system frees it with the process.
    _lock: File,
}

struct State {
    active: Option<Active>,
    sealed: VecDeque<Sealed>,
    next: u64,
}

impl Spool {
    /// Opens the directory for this process alone, and makes it if needed. What earlier processes left is
    /// there to be read.
    pub fn open(dir: &Path, segment_bytes: u64) -> Result<Self, StoreError> {
        let failed = |error: io::Error| StoreError::Spool(format!("{}: {error}", dir.display()));
        // Records hold conversations: nobody else may read them.
        DirBuilder::new().recursive(true).mode(0o700).create(dir.join("rejected")).map_err(failed)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(dir.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::SpoolInUse { dir: dir.display().to_string() }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let sealed = segment::leftovers(dir).map_err(failed)?;
        let next = sealed.back().map_or(1, |last| last.number + 1);
        let waiting = AtomicU64::new(sealed.iter().map(|sealed| sealed.records).sum());
        let state = Mutex::new(State { active: None, sealed, next });
        Ok(Self { dir: dir.to_owned(), segment_bytes, state, waiting, rejected: Mutex::new(None), _lock: lock })
    }

    /// Keeps records; they are on the disk when this returns.
    pub fn append(&self, records: &[Record]) -> Result<(), StoreError> {
        let mut lines = Vec::new();
        for record in records {
            let json = serde_json::to_string(record).map_err(|error| StoreError::Spool(error.to_string()))?;
            line::encode(&json, &mut lines);
        }
        let mut state = self.state();
        let appended = self.append_lines(&mut state, &lines, records.len() as u64);
        appended.map_err(|error| StoreError::Spool(format!("{}: {error}", self.dir.display())))?;
        self.waiting.fetch_add(records.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Whether a record could be kept now.
    pub fn probe(&self) -> Result<(), StoreError> {
        let path = self.dir.join("probe");
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path)?;
            file.write_all(b"a disk that is full takes an empty file\n")?;
            file.sync_data()
        };
        let written = write();
        // One that is left behind is overwritten next time.
        std::fs::remove_file(&path).ok();
        written.map_err(|error| StoreError::Spool(format!("{}: {error}", self.dir.display())))
    }

    /// How many records wait.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The segment to be written next, if any record waits: it is sealed, and stays until it is removed.
    pub fn oldest(&self) -> Option<Sealed> {
        let mut state = self.state();
        if state.sealed.is_empty() {
            seal(&mut state);
        }
        state.sealed.front().cloned()
    }

    /// What a segment holds.
    pub fn read(&self, sealed: &Sealed) -> Result<Contents, StoreError> {
        segment::read(&sealed.path).map_err(|error| StoreError::Spool(format!("{}: {error}", sealed.path.display())))
    }

    /// Forgets a segment whose records are all committed or set aside.
    pub fn remove(&self, sealed: &Sealed) -> Result<(), StoreError> {
        match std::fs::remove_file(&sealed.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::Spool(format!("{}: {error}", sealed.path.display())));
            }
            Ok(()) | Err(_) => {}
        }
        let mut state = self.state();
        let before = state.sealed.len();
        state.sealed.retain(|other| other.number != sealed.number);
        if state.sealed.len() < before {
            self.waiting.fetch_sub(sealed.records, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Every segment that waits, oldest first, without taking any.
    pub fn sealed(&self) -> Vec<Sealed> {
        self.state().sealed.iter().cloned().collect()
    }

    /// Sets something aside that the database will never take, with the reason, for a person to look at.
    pub fn set_aside(&self, what: &impl Serialize, why: &str) -> Result<(), StoreError> {
        #[derive(Serialize)]
        struct Rejected<'a, T> {
            error: &'a str,
            record: &'a T,
        }
        let failed = |error: String| StoreError::Spool(format!("{}: {error}", self.dir.join("rejected").display()));
        let mut line = serde_json::to_vec(&Rejected { error: why, record: what }).map_err(|e| failed(e.to_string()))?;
        line.push(b'\n');
        // Taken before the file is looked at: numbers of files and of segments come from one counter.
        let number = self.state().next;
        let mut file = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        let mut append = || -> io::Result<()> {
            let open = match file.take() {
                Some(open) => open,
                None => OpenOptions::new()
                    .create(true)
                    .append(true)
                    .mode(0o600)
                    .open(self.dir.join("rejected").join(format!("{number:020}.jsonl")))?,
            };
            let open = file.insert(open);
            open.write_all(&line)?;
            open.sync_data()
        };
        append().map_err(|error| failed(error.to_string()))
    }

    fn append_lines(&self, state: &mut State, lines: &[u8], records: u64) -> io::Result<()> {
        if state.active.is_none() {
            let number = state.next;
            state.next += 1;
            state.active = Some(Active::create(&self.dir, number)?);
        }
        let active = state.active.as_mut().expect("made just above");
        let appended = active.append(lines, records);
        // After a failure nothing more is added behind what may be half a line; after a failed sync the kernel
        // has given up on the pages, and only another file can be trusted.
        if appended.is_err() || active.bytes >= self.segment_bytes {
            seal(state);
        }
        appended
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seal(state: &mut State) {
    let Some(active) = state.active.take() else { return };
    let empty = active.records == 0;
    let sealed = active.sealed();
    if empty {
        // Nothing in it was acknowledged; if it stays it is read as empty and removed later.
        std::fs::remove_file(&sealed.path).ok();
    } else {
        state.sealed.push_back(sealed);
    }
}

#[cfg(test)]
mod tests;
