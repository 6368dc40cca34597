//! Files that live as long as somebody works on them, and are swept after a crash: they hold what callers said.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory for such files. Several processes may share one: a file in use is locked.
#[derive(Clone, Debug)]
pub(super) struct Workplace(PathBuf);

/// Makes names that no other file of this process has.
static NEXT: AtomicU64 = AtomicU64::new(0);

impl Workplace {
    /// This directory; it need not be there yet.
    pub(super) const fn at(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// Makes the directory if it is missing, and deletes what a crash left in it.
    pub(super) fn sweep(&self) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "wav") && is_left(&path) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// A new file, readable by this user alone.
    pub(super) fn file(&self) -> io::Result<TemporaryFile> {
        let name = format!("{}-{}.wav", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        fs::create_dir_all(&self.0)?;
        let path = self.0.join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        let temporary = TemporaryFile { path, file };
        temporary.file.lock()?;
        Ok(temporary)
    }
}

/// A file that is deleted when this is dropped.
#[derive(Debug)]
pub(super) struct TemporaryFile {
    path: PathBuf,
    file: File,
}

impl TemporaryFile {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file, to be written.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Writes all of it.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // What can't be deleted now is swept at the next start.
        remove(&self.path).ok();
    }
}

/// Whether nobody works on a file: whoever does has locked it.
fn is_left(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_left_is_swept_and_what_is_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let place = Workplace::at(folder.path().join("work"));
        let mut used = place.file().unwrap();
        used.write(b"RIFF").unwrap();
        let [left, notes] = ["1-1.wav", "notes.txt"].map(|name| folder.path().join("work").join(name));
        fs::write(&left, b"left").unwrap();
        fs::write(&notes, b"not ours").unwrap();

        place.sweep().unwrap();
        let other = place.file().unwrap();
        assert!(!left.exists() && notes.exists());
        assert_eq!(fs::read(used.path()).unwrap(), b"RIFF");
        assert_ne!(used.path(), other.path());
        drop((used, other));
        assert_eq!(fs::read_dir(folder.path().join("work")).unwrap().count(), 1);
    }
}
