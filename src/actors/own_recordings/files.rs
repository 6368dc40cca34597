//! The file of a recording that was made here: what it is, and its names.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// How much of a file is read at once.
const PIECE: usize = 64 * 1_024;

/// Gives a file another name beside its own, under which it can be moved: the name of a file that is not looked for. Where the file
/// system knows no second names, it is a copy.
pub(super) fn second_name(path: &Path) -> io::Result<PathBuf> {
    let moving = path.with_extension("moving");
    removed(&moving)?;
    match fs::hard_link(path, &moving) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => fs::copy(path, &moving).map(|_| ())?,
        other => other?,
    }
    Ok(moving)
}

/// Deletes a file; one that is gone is no error.
pub(super) fn removed(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What a recording is, by its content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sound {
    pub bytes: u64,
    pub sha256: String,
    pub length_ms: u32,
    pub channels: u16,
}

/// Reads a recording to its end and sees to it that it is on the disk; `None` if there is no sound.
pub(super) fn look_at(path: &Path) -> io::Result<Option<Sound>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    file.sync_all()?;
    let (mut hash, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; PIECE]);
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => {
                hash.update(&piece[..read]);
                bytes += read as u64;
            }
        }
    }
    io::Seek::rewind(&mut file)?;
    // All of it was read just now: what can't be taken for a WAV is none, and not a disk that fails.
    let Ok(wav) = hound::WavReader::new(io::BufReader::new(&mut file)) else { return Ok(None) };
    let (spec, samples) = (wav.spec(), wav.duration());
    if samples == 0 || spec.sample_rate == 0 {
        return Ok(None);
    }
    let length_ms = u64::from(samples) * 1_000 / u64::from(spec.sample_rate);
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let length_ms = u32::try_from(length_ms).unwrap_or(u32::MAX);
    Ok(Some(Sound { bytes, sha256, length_ms, channels: spec.channels }))
}
