//! A recording on its way to the disk: a partial file beside its place, which it takes when it is whole.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::engine::recording::ContentCheck;

use super::{FetchError, Fetched};

/// What the names of partial files end with.
const ENDING: &str = ".part";
/// Fewer bytes are no recording but the words of somebody who has none.
const LEAST_BYTES: u64 = 1_000;

/// A partial file. Dropped before it is whole, it is deleted.
///
/// Every method blocks for as long as the disk does.
#[derive(Debug)]
pub(super) struct Landing {
    file: File,
    partial: PathBuf,
    place: PathBuf,
    most_bytes: u64,
    bytes: u64,
    check: ContentCheck,
    hash: Sha256,
}

impl Landing {
    /// Begins a file that is to be at `place`, where none is, and may have so many bytes.
    pub(super) fn begin(place: &Path, most_bytes: u64) -> Result<Self, FetchError> {
        if place.try_exists()? {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is such a file already").into());
        }
        let folder = place.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let partial = partial_name(place)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        let (check, hash) = (ContentCheck::new(), Sha256::new());
        Ok(Self { file, partial, place: place.to_owned(), most_bytes, bytes: 0, check, hash })
    }

    /// Appends a piece.
    pub(super) fn write(&mut self, piece: &[u8]) -> Result<(), FetchError> {
        self.bytes += piece.len() as u64;
        if self.bytes > self.most_bytes {
            return Err(too_large(self.most_bytes));
        }
        self.check.feed(piece);
        self.hash.update(piece);
        Ok(self.file.write_all(piece)?)
    }

    /// Looks at what came, and puts it in its place: on the disk, or not at all.
    pub(super) fn finish(mut self) -> Result<Fetched, FetchError> {
        if self.bytes < LEAST_BYTES {
            return Err(FetchError::NotSound(format!("it has {} bytes", self.bytes)));
        }
        let content = std::mem::take(&mut self.check).finish();
        let content = content.map_err(|wrong| FetchError::NotSound(wrong.to_string()))?;
        self.file.sync_all()?;
        fs::rename(&self.partial, &self.place)?;
        let folder = self.place.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
        Ok(Fetched {
            format: content.format,
            bytes: self.bytes,
            sha256: self.hash.finalize_reset().into(),
            length: Some(content.length),
            channels: content.channels,
        })
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        // After it took its place there is none; what else keeps it there is found by the next sweep.
        fs::remove_file(&self.partial).ok();
    }
}

/// It has more bytes than a recording may.
pub(super) fn too_large(most_bytes: u64) -> FetchError {
    FetchError::NotSound(format!("it has more than the {most_bytes} bytes that recordings.max_bytes allows"))
}

/// Deletes the partial files of a folder that were last written before `before`: what a crash left. How many they were.
///
/// Blocks for as long as the disk does. A folder that is not there has none.
pub fn sweep_partial(folder: &Path, before: SystemTime) -> io::Result<usize> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut swept = 0;
    for entry in entries {
        let entry = entry?;
        let is_partial = entry.file_name().as_encoded_bytes().ends_with(ENDING.as_bytes());
        // One that has just been finished is gone, and none of ours.
        let is_old = || entry.metadata().is_ok_and(|it| it.is_file() && it.modified().is_ok_and(|at| at < before));
        if is_partial && is_old() {
            match fs::remove_file(entry.path()) {
                Ok(()) => swept += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(swept)
}

/// A name that no other attempt has, on whatever node.
fn partial_name(place: &Path) -> io::Result<PathBuf> {
    let number = getrandom::u64().map_err(io::Error::from)?;
    let mut name = OsString::from(place);
    name.push(format!(".{number:016x}{ENDING}"));
    Ok(name.into())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn wav(samples: u32) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data".to_vec();
        file.extend((2 * samples).to_le_bytes());
        file.resize(44 + 2 * samples as usize, 0);
        file
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_recording_is_there_when_it_is_whole_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("below/RE1.wav");
        let whole = wav(8_000);
        let mut landing = Landing::begin(&place, 1 << 20).unwrap();
        for piece in whole.chunks(999) {
            landing.write(piece).unwrap();
            assert!(!place.exists());
        }
        let fetched = landing.finish().unwrap();
        assert_eq!((fetched.bytes, fetched.length), (16_044, Some(Duration::from_secs(1))));
        assert_eq!(fetched.channels, 1);
        assert_eq!(fetched.sha256, <[u8; 32]>::from(Sha256::digest(&whole)));
        assert_eq!(fs::read(&place).unwrap(), whole);
        assert_eq!(names(place.parent().unwrap()), ["RE1.wav"]);
        let again = Landing::begin(&place, 1 << 20).unwrap_err();
        assert!(matches!(again, FetchError::Disk(error) if error.kind() == io::ErrorKind::AlreadyExists));
    }

    #[test]
    fn what_is_no_recording_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("RE1.wav");
        let whole = wav(8_000);
        for (answer, most_bytes) in [
            (&whole[..whole.len() - 1], 1 << 20),
            (&whole[..], whole.len() as u64 - 1),
            (&wav(400)[..], 1 << 20),
            (&[b'{'; 2_000][..], 1 << 20),
        ] {
            let mut landing = Landing::begin(&place, most_bytes).unwrap();
            let outcome = landing.write(answer).and_then(|()| landing.finish());
            assert!(matches!(outcome, Err(FetchError::NotSound(_))), "{outcome:?}");
            assert!(names(folder.path()).is_empty());
        }
        drop(Landing::begin(&place, 1 << 20).unwrap());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn two_attempts_do_not_write_to_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("RE1.wav");
        let first = Landing::begin(&place, 1 << 20).unwrap();
        let second = Landing::begin(&place, 1 << 20).unwrap();
        assert_eq!(names(folder.path()).len(), 2);
        drop((first, second));
    }

    #[test]
    fn old_partial_files_are_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |hours: u64| UNIX_EPOCH + Duration::from_secs(1_700_000_000 + 3_600 * hours);
        for (name, hours) in [("a.wav.1.part", 0), ("b.wav.2.part", 5), ("c.wav", 0), ("part", 0)] {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(at(hours)).unwrap();
        }
        fs::create_dir(folder.path().join("d.part")).unwrap();
        assert_eq!(sweep_partial(folder.path(), at(3)).unwrap(), 1);
        assert_eq!(names(folder.path()), ["b.wav.2.part", "c.wav", "d.part", "part"]);
        assert_eq!(sweep_partial(&folder.path().join("absent"), at(3)).unwrap(), 0);
    }
}
