//! One file of the spool.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::line;
use crate::store::record::Record;

/// How a segment's name ends.
const SUFFIX: &str = "spool";

/// The segment that is appended to.
pub(super) struct Active {
    file: File,
    path: PathBuf,
    number: u64,
    /// How much of it is whole, synced lines.
    pub bytes: u64,
    /// How many of them.
    pub records: u64,
}

/// A segment that only waits to be read.
#[derive(Clone, Debug)]
pub(in crate::store) struct Sealed {
    /// Its place in the order.
    pub number: u64,
    /// Where it is.
    pub path: PathBuf,
    /// How many records it holds.
    pub records: u64,
}

/// What was read from a segment.
#[derive(Debug, Default)]
pub(in crate::store) struct Contents {
    /// The records, in order.
    pub records: Vec<Record>,
    /// Lines that are damaged, or whole and yet no record that this version knows.
    pub unreadable: Vec<String>,
}

impl Active {
    /// Begins a segment. Its name is on the disk too when this returns.
    pub fn create(dir: &Path, number: u64) -> io::Result<Self> {
        let path = dir.join(format!("{number:020}.{SUFFIX}"));
        let file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(&path)?;
        File::open(dir)?.sync_all()?;
        Ok(Self { file, path, number, bytes: 0, records: 0 })
    }

    /// Appends whole lines and waits until they are on the disk. If that fails, the segment is cut back to
    /// what was acknowledged, and must not be appended to any more.
    pub fn append(&mut self, lines: &[u8], records: u64) -> io::Result<()> {
        match self.file.write_all(lines).and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                self.bytes += lines.len() as u64;
                self.records += records;
                Ok(())
            }
            Err(error) => {
                // If even this fails, the reader finds the torn line by its checksum.
                self.file.set_len(self.bytes).ok();
                Err(error)
            }
        }
    }

    /// The same segment, closed.
    pub fn sealed(self) -> Sealed {
        Sealed { number: self.number, path: self.path, records: self.records }
    }
}

/// The segments that earlier processes left, oldest first.
pub(super) fn leftovers(dir: &Path) -> io::Result<VecDeque<Sealed>> {
    let mut found = vec![];
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != SUFFIX) {
            continue;
        }
        let Some(number) = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok()) else {
            continue;
        };
        let contents = read(&path)?;
        let records = (contents.records.len() + contents.unreadable.len()) as u64;
        found.push(Sealed { number, path, records });
    }
    found.sort_by_key(|sealed| sealed.number);
    Ok(found.into())
}

/// Reads a segment. A last line without its line feed was being written when the process died: nobody was told
/// that it is kept, and it is left out unless it is whole.
pub(super) fn read(path: &Path) -> io::Result<Contents> {
    let bytes = std::fs::read(path)?;
    let mut contents = Contents::default();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (line, is_whole) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                let line = &rest[..end];
                rest = &rest[end + 1..];
                (line, true)
            }
            None => (std::mem::take(&mut rest), false),
        };
        match line::decode(line).map(serde_json::from_str) {
            Some(Ok(record)) => contents.records.push(record),
            None if !is_whole => {}
            Some(Err(_)) | None => contents.unreadable.push(String::from_utf8_lossy(line).into_owned()),
        }
    }
    Ok(contents)
}

#[cfg(test)]
impl Active {
    /// A segment in a file that is there already.
    pub(in crate::store) fn on(path: PathBuf) -> Self {
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        Self { file, path, number: 0, bytes: 0, records: 0 }
    }
}
