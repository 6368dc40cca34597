//! Recordings in a directory of this machine, or of one that several nodes share.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::try_unfold;

use super::{KeepError, PIECE, RecordingStore, SoundBytes, blocking, key};

/// The end of the name of a file that is being copied in.
const MOVING: &str = "moving";

/// A directory. Only its owner can read what is in it.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// The directory at `root`; it is made when something is put there.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where a file lies, or would.
    fn place(&self, key: &str) -> Result<PathBuf, KeepError> {
        Ok(self.root.join(key::check(key)?))
    }
}

impl RecordingStore for Directory {
    fn put<'a>(&'a self, key: &'a str, file: &'a Path) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        let (place, file) = (self.place(key), file.to_owned());
        Box::pin(async move {
            let place = place?;
            blocking(move || move_in(&file, &place)).await
        })
    }

    fn size<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<u64, KeepError>> {
        let place = self.place(key);
        Box::pin(async move {
            let place = place?;
            blocking(move || Ok(fs::metadata(place).map_err(absent)?.len())).await
        })
    }

    fn read<'a>(&'a self, key: &'a str, bytes: Range<u64>) -> LocalBoxFuture<'a, Result<SoundBytes, KeepError>> {
        let place = self.place(key);
        Box::pin(async move {
            let place = place?;
            let file = blocking(move || File::open(place).map_err(absent)).await?;
            Ok(pieces(file, bytes))
        })
    }

    fn copy_to<'a>(&'a self, key: &'a str, file: &'a Path) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        let (place, file) = (self.place(key), file.to_owned());
        Box::pin(async move {
            let place = place?;
            blocking(move || copy(&place, &file)).await
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        let place = self.place(key);
        Box::pin(async move {
            let place = place?;
            blocking(move || match fs::remove_file(&place) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
                // A folder that is gone has nothing in it.
                _ => sync_folder(&place).or_else(|error| match error.kind() {
                    io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error.into()),
                }),
            })
            .await
        })
    }

    fn sweep<'a>(&'a self, before: i64) -> LocalBoxFuture<'a, Result<usize, KeepError>> {
        let root = self.root.clone();
        let before = UNIX_EPOCH + Duration::from_micros(u64::try_from(before).unwrap_or(0));
        Box::pin(blocking(move || sweep(&root, before)))
    }
}

/// Deletes the copies in a folder and those below that were not finished, and were written to last before a time. It looks into no
/// folder that a key can't name, such as `lost+found`.
fn sweep(folder: &Path, before: SystemTime) -> Result<usize, KeepError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other?,
    };
    let mut swept = 0;
    for entry in entries {
        let path = entry?.path();
        let is_key = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| key::check(name).is_ok());
        if is_key && path.extension().is_some_and(|end| end == MOVING) {
            swept += usize::from(delete_if_older(&path, before)?);
        } else if is_key && path.extension().is_none() && path.is_dir() {
            swept += sweep(&path, before)?;
        }
    }
    Ok(swept)
}

/// Whether it did; one that is in its place meanwhile is none.
fn delete_if_older(file: &Path, before: SystemTime) -> io::Result<bool> {
    let deleted = fs::metadata(file).and_then(|found| found.modified()).and_then(|at| match at < before {
        true => fs::remove_file(file).map(|()| true),
        false => Ok(false),
    });
    match deleted {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        other => other,
    }
}

/// The bytes of a range, a piece after the other.
fn pieces(file: File, bytes: Range<u64>) -> SoundBytes {
    let next = |(file, bytes): (File, Range<u64>)| async move {
        if bytes.is_empty() {
            return Ok(None);
        }
        let read = move || {
            let length = usize::try_from(bytes.end - bytes.start).unwrap_or(PIECE).min(PIECE);
            let mut piece = vec![0; length];
            file.read_exact_at(&mut piece, bytes.start)?;
            Ok(Some((Bytes::from(piece), (file, bytes.start + length as u64..bytes.end))))
        };
        blocking(read).await
    };
    try_unfold((file, bytes), next).boxed_local()
}

/// Moves a file to its place: whole or not at all, and on the disk.
fn move_in(file: &Path, place: &Path) -> Result<(), KeepError> {
    let folder = place.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    File::open(file)?.sync_all()?;
    match fs::rename(file, place) {
        // On another file system it has to be copied, and that may take a while: beside its place, first.
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let beside = place.with_extension(MOVING);
            copy(file, &beside).and_then(|()| Ok(fs::rename(&beside, place)?)).inspect_err(|_| {
                // What can't be deleted either is written over the next time.
                fs::remove_file(&beside).ok();
            })?;
            fs::remove_file(file)?;
        }
        other => other?,
    }
    Ok(sync_folder(place)?)
}

/// Copies a file: whole and on the disk, or not at all.
fn copy(from: &Path, to: &Path) -> Result<(), KeepError> {
    let mut source = File::open(from).map_err(absent)?;
    let mut copy = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(to)?;
    let copied = io::copy(&mut source, &mut copy).and_then(|_| copy.sync_all());
    copied.inspect_err(|_| {
        // It is told that there is no copy, whatever lies there.
        fs::remove_file(to).ok();
    })?;
    Ok(())
}

/// Makes a folder and those above it, so that they are still there after a power cut.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.try_exists()? {
        return Ok(());
    }
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_folder(above)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_folder(folder),
    }
}

/// Puts on the disk that a file of this name is there, or is not.
fn sync_folder(of: &Path) -> io::Result<()> {
    let folder = of.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn absent(error: io::Error) -> KeepError {
    match error.kind() {
        io::ErrorKind::NotFound => KeepError::Absent,
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use futures_util::TryStreamExt;

    use super::*;

    fn file(folder: &Path, content: &[u8]) -> PathBuf {
        let file = folder.join("incoming.wav");
        fs::write(&file, content).unwrap();
        file
    }

    async fn read(store: &Directory, key: &str, bytes: Range<u64>) -> Result<Vec<u8>, KeepError> {
        let pieces: Vec<Bytes> = store.read(key, bytes).await?.try_collect().await?;
        Ok(pieces.concat())
    }

    #[actix_rt::test]
    async fn what_is_put_in_can_be_read_in_parts_copied_and_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let store = Directory::new(folder.path().join("store"));
        let content: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
        let incoming = file(folder.path(), &content);
        store.put("2026/11/RE1.wav", &incoming).await.unwrap();
        assert!(!incoming.exists());
        assert_eq!(store.size("2026/11/RE1.wav").await.unwrap(), 300_000);
        for range in [0..300_000, 0..1, 65_535..65_537, 299_999..300_000, 5..5] {
            let expected = &content[range.start as usize..range.end as usize];
            assert_eq!(read(&store, "2026/11/RE1.wav", range.clone()).await.unwrap(), expected, "{range:?}");
        }
        let copy = folder.path().join("copy.wav");
        store.copy_to("2026/11/RE1.wav", &copy).await.unwrap();
        assert_eq!(fs::read(&copy).unwrap(), content);
        store.put("2026/11/RE1.wav", &file(folder.path(), b"another")).await.unwrap();
        assert_eq!(read(&store, "2026/11/RE1.wav", 0..7).await.unwrap(), b"another");
        store.delete("2026/11/RE1.wav").await.unwrap();
        store.delete("2026/11/RE1.wav").await.unwrap();
        store.delete("1999/01/RE1.wav").await.unwrap();
        assert!(matches!(store.size("2026/11/RE1.wav").await, Err(KeepError::Absent)));
    }

    #[actix_rt::test]
    async fn what_is_not_there_is_absent_and_what_is_too_short_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let store = Directory::new(folder.path().join("store"));
        assert!(matches!(read(&store, "a.wav", 0..1).await, Err(KeepError::Absent)));
        assert!(matches!(store.copy_to("a.wav", &folder.path().join("b")).await, Err(KeepError::Absent)));
        assert!(!folder.path().join("b").exists());
        store.put("a.wav", &file(folder.path(), b"sound")).await.unwrap();
        assert!(matches!(read(&store, "a.wav", 0..6).await, Err(KeepError::Disk(_))));
        assert!(matches!(store.put("../a.wav", &file(folder.path(), b"x")).await, Err(KeepError::Disk(_))));
        assert!(!folder.path().join("a.wav").exists());
    }

    #[actix_rt::test]
    async fn what_a_crash_left_of_a_copy_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = Directory::new(folder.path().join("store"));
        assert_eq!(store.sweep(4_000_000_000_000_000).await.unwrap(), 0, "there is nothing yet");
        store.put("2026/11/RE1.wav", &file(folder.path(), b"sound")).await.unwrap();
        let left = folder.path().join("store/2026/11/RE2.moving");
        fs::write(&left, "so").unwrap();
        assert_eq!(store.sweep(1).await.unwrap(), 0, "it may be on its way");
        assert_eq!(store.sweep(4_000_000_000_000_000).await.unwrap(), 1);
        assert!(!left.exists());
        assert_eq!(store.size("2026/11/RE1.wav").await.unwrap(), 5);
    }

    #[actix_rt::test]
    async fn only_the_owner_can_look_in() {
        let folder = tempfile::tempdir().unwrap();
        let store = Directory::new(folder.path().join("store"));
        store.put("own/CA1.wav", &file(folder.path(), b"sound")).await.unwrap();
        for made in ["store", "store/own"] {
            let mode = fs::metadata(folder.path().join(made)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{made}");
        }
    }
}
