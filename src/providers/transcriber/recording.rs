//! A recording made ready for recognisers: where in its channels somebody speaks, and the pieces of it as WAV of one
//! channel at 16 kHz, which is what every recogniser takes.
//!
//! Everything here runs on threads for blocking work: an hour of sound is read in seconds, not in moments.

use std::fs::File;
use std::io::{self, BufReader, Cursor};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use tokio::task::spawn_blocking;

use crate::engine::audio::Level;
use crate::engine::call::Speaker;
use crate::engine::transcript::{Stretch, stretches};
use crate::providers::convert::convert;

use super::TranscribeError;
use super::mp3;
use super::workplace::{TemporaryFile, Workplace};

/// The rate that recognisers are given, in hertz.
const RECOGNISERS_HZ: u32 = 16_000;
/// The rates that a recording may have, in hertz.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// The most channels that are looked through: a call has two, and a header that speaks of thousands is a broken one.
const MOST_CHANNELS: u16 = 8;

/// A recording that was looked through.
#[derive(Debug)]
pub(super) struct Recording {
    wav: PathBuf,
    hz: u32,
    /// For each channel the level of each 20 ms.
    levels: Vec<Vec<u16>>,
    /// Where it was decoded to, if it was no WAV file.
    _decoded: Option<TemporaryFile>,
}

/// A stretch of speech in one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    channel: u16,
    /// Who speaks; with two channels the first is the caller's, the second the agent's.
    pub(super) speaker: Option<Speaker>,
    /// Where it lies.
    pub(super) stretch: Stretch,
}

impl Recording {
    /// Looks through a file.
    pub(super) async fn open(file: &Path, place: &Workplace) -> Result<Self, TranscribeError> {
        let (file, place) = (file.to_owned(), place.clone());
        off_this_thread(move || Self::survey(file, &place)).await
    }

    fn survey(file: PathBuf, place: &Workplace) -> Result<Self, TranscribeError> {
        if is_wav(&file)? {
            let (hz, levels) = levels(&file)?;
            return Ok(Self { wav: file, hz, levels, _decoded: None });
        }
        let decoded = place.file()?;
        mp3::decode(&file, decoded.file())?;
        let (hz, levels) = levels(decoded.path())?;
        Ok(Self { wav: decoded.path().to_owned(), hz, levels, _decoded: Some(decoded) })
    }

    /// The pieces in which somebody speaks, none longer than `longest`, channel after channel.
    pub(super) fn pieces(&self, longest: Duration) -> Vec<Piece> {
        let of = |(channel, levels): (usize, &Vec<u16>)| {
            let speaker = match (self.levels.len(), channel) {
                (2, 0) => Some(Speaker::Caller),
                (2, _) => Some(Speaker::Agent),
                _ => None,
            };
            let piece = move |stretch| Piece { channel: channel as u16, speaker, stretch };
            stretches(levels, longest).into_iter().map(piece).collect::<Vec<_>>()
        };
        self.levels.iter().enumerate().flat_map(of).collect()
    }

    /// A piece as a WAV file of one channel at 16 kHz.
    pub(super) async fn wav(&self, piece: Piece) -> Result<Vec<u8>, TranscribeError> {
        let (wav, hz) = (self.wav.clone(), self.hz);
        off_this_thread(move || cut_out(&wav, hz, piece)).await
    }
}

/// Does what takes the processor or the disk for long.
pub(super) async fn off_this_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TranscribeError> + Send + 'static,
) -> Result<T, TranscribeError> {
    let torn_down = |_| TranscribeError::Disk(io::Error::other("the thread for blocking work was torn down"));
    spawn_blocking(work).await.map_err(torn_down)?
}

/// Whether the file is RIFF/WAVE, by its first bytes.
pub(super) fn is_wav(file: &Path) -> io::Result<bool> {
    let mut head = [0; 12];
    match io::Read::read_exact(&mut File::open(file)?, &mut head) {
        Ok(()) => Ok(&head[..4] == b"RIFF" && &head[8..] == b"WAVE"),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn open(wav: &Path) -> Result<WavReader<BufReader<File>>, TranscribeError> {
    let reader = WavReader::open(wav).map_err(unusable)?;
    let WavSpec { channels, sample_rate, bits_per_sample, sample_format } = reader.spec();
    let is_pcm = bits_per_sample == 16 && sample_format == SampleFormat::Int;
    if !is_pcm || !(1..=MOST_CHANNELS).contains(&channels) || !RATES.contains(&sample_rate) {
        let what = format!(
            "its WAV is {channels} × {bits_per_sample} bits at {sample_rate} Hz, not 16 bits of up to {MOST_CHANNELS} channels"
        );
        return Err(TranscribeError::Unusable(what));
    }
    Ok(reader)
}

/// The rate, and for each channel the level of each 20 ms. A file that was cut short ends where it ends.
fn levels(wav: &Path) -> Result<(u32, Vec<Vec<u16>>), TranscribeError> {
    let mut reader = open(wav)?;
    let WavSpec { channels, sample_rate: hz, .. } = reader.spec();
    let channels = usize::from(channels);
    let mut levels = vec![Vec::new(); channels];
    let mut window = vec![Vec::with_capacity(hz as usize / 50 + 1); channels];
    let mut frames = 0u64;
    for (nth, sample) in reader.samples::<i16>().enumerate() {
        let sample = match sample {
            Ok(sample) => sample,
            Err(hound::Error::IoError(error)) if error.raw_os_error().is_some() => return Err(error.into()),
            Err(_) => break,
        };
        window[nth % channels].push(sample);
        if nth % channels + 1 < channels {
            continue;
        }
        frames += 1;
        if frames * 50 / u64::from(hz) > (frames - 1) * 50 / u64::from(hz) {
            for (levels, window) in levels.iter_mut().zip(&mut window) {
                levels.push(level(window));
                window.clear();
            }
        }
    }
    if !window[0].is_empty() {
        levels.iter_mut().zip(&window).for_each(|(levels, window)| levels.push(level(window)));
    }
    Ok((hz, levels))
}

fn level(samples: &[i16]) -> u16 {
    u16::try_from(Level::of_samples(samples).rms).unwrap_or(u16::MAX)
}

fn cut_out(wav: &Path, hz: u32, piece: Piece) -> Result<Vec<u8>, TranscribeError> {
    let mut reader = open(wav)?;
    let channels = usize::from(reader.spec().channels);
    let frame = |ms: u32| u64::from(ms) * u64::from(hz) / 1_000;
    let (start, end) = (frame(piece.stretch.start_ms), frame(piece.stretch.end_ms));
    let start_frame = u32::try_from(start).map_err(|_| TranscribeError::Unusable("it is too long".to_owned()))?;
    reader.seek(start_frame)?;
    let samples = reader.samples::<i16>().map_while(Result::ok).skip(piece.channel.into()).step_by(channels);
    let samples: Vec<i16> = samples.take((end - start) as usize).collect();
    let spec =
        WavSpec { channels: 1, sample_rate: RECOGNISERS_HZ, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).map_err(unusable)?;
    for sample in convert(&samples, hz, RECOGNISERS_HZ) {
        writer.write_sample(sample).map_err(unusable)?;
    }
    writer.finalize().map_err(unusable)?;
    Ok(bytes.into_inner())
}

fn unusable(error: hound::Error) -> TranscribeError {
    match error {
        // A file that is too short is an error of hound's own; the disk's are the system's.
        hound::Error::IoError(error) if error.raw_os_error().is_some() => TranscribeError::Disk(error),
        other => TranscribeError::Unusable(format!("its WAV can't be read: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(60);

    #[actix_web::test]
    async fn each_channel_is_cut_by_itself_and_given_at_16_khz() {
        let folder = tempfile::tempdir().unwrap();
        // Two seconds of silence; the caller for one; two seconds; the agent for one; two seconds.
        let file = folder.path().join("call.wav");
        stereo(&file, 8_000, &[(2_000, 0, 0), (1_000, 5_000, 0), (2_000, 0, 0), (1_000, 0, 5_000), (2_000, 0, 0)]);
        let recording = Recording::open(&file, &Workplace::at(folder.path().to_owned())).await.unwrap();
        let pieces = recording.pieces(LONGEST);
        let piece =
            |channel, speaker, start_ms, end_ms| Piece { channel, speaker, stretch: Stretch { start_ms, end_ms } };
        let expected = [piece(0, Some(Speaker::Caller), 1_800, 3_200), piece(1, Some(Speaker::Agent), 4_800, 6_200)];
        assert_eq!(pieces, expected);
        for piece in pieces {
            let wav = WavReader::new(Cursor::new(recording.wav(piece).await.unwrap())).unwrap();
            assert_eq!((wav.spec().channels, wav.spec().sample_rate, wav.duration()), (1, 16_000, 22_400));
            let samples: Vec<i16> = wav.into_samples().map(Result::unwrap).collect();
            assert!(
                Level::of_samples(&samples[3_600..18_800]).rms > 3_000,
                "it is the channel in which somebody speaks"
            );
            assert_eq!(Level::of_samples(&samples[..2_800]).rms, 0);
        }
    }

    #[actix_web::test]
    async fn windows_of_an_odd_rate_stay_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("call.wav");
        stereo(&file, 11_025, &[(60_000, 0, 0), (1_000, 5_000, 5_000), (2_000, 0, 0)]);
        let recording = Recording::open(&file, &Workplace::at(folder.path().to_owned())).await.unwrap();
        let stretch = recording.pieces(LONGEST)[0].stretch;
        assert!(stretch.start_ms.abs_diff(59_800) <= 20 && stretch.end_ms.abs_diff(61_200) <= 20, "{stretch:?}");
    }

    #[actix_web::test]
    async fn one_channel_has_no_known_speaker_and_a_file_cut_short_ends_where_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let place = Workplace::at(folder.path().to_owned());
        let file = folder.path().join("call.bin");
        let spec = WavSpec { channels: 1, sample_rate: 8_000, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::create(&file, spec).unwrap();
        (0..80_000).for_each(|n| writer.write_sample(if n % 8 < 4 { 3_000i16 } else { -3_000 }).unwrap());
        writer.finalize().unwrap();
        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[..44 + 64_001]).unwrap();
        let recording = Recording::open(&file, &place).await.unwrap();
        let pieces = recording.pieces(Duration::from_secs(3));
        assert!(pieces.iter().all(|piece| piece.speaker.is_none()));
        assert_eq!(pieces.last().unwrap().stretch.end_ms, 4_000);
    }

    #[actix_web::test]
    async fn what_is_no_sound_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let place = Workplace::at(folder.path().to_owned());
        let file = folder.path().join("x");
        let headless = b"RIFF\x24\0\0\0WAVE".as_slice();
        for content in [&b""[..], b"<html>no such recording</html>", headless] {
            fs::write(&file, content).unwrap();
            let error = Recording::open(&file, &place).await.unwrap_err();
            assert!(matches!(error, TranscribeError::Unusable(_)), "{error}");
        }
        // Each of so many channels would take memory of its own.
        let spec =
            WavSpec { channels: 1_000, sample_rate: 192_000, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::create(&file, spec).unwrap();
        (0..2_000).for_each(|_| writer.write_sample(0i16).unwrap());
        writer.finalize().unwrap();
        let error = Recording::open(&file, &place).await.unwrap_err();
        assert!(matches!(error, TranscribeError::Unusable(_)), "{error}");
        let missing = Recording::open(&folder.path().join("y"), &place).await.unwrap_err();
        assert!(matches!(missing, TranscribeError::Disk(_)), "{missing}");
    }

    /// Parts in milliseconds, with the amplitudes of the two channels.
    fn stereo(file: &Path, hz: u32, parts: &[(u32, i16, i16)]) {
        let spec = WavSpec { channels: 2, sample_rate: hz, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::create(file, spec).unwrap();
        for &(ms, left, right) in parts {
            for n in 0..u64::from(ms) * u64::from(hz) / 1_000 {
                let sign = if n % 8 < 4 { 1 } else { -1 };
                writer.write_sample(left * sign).unwrap();
                writer.write_sample(right * sign).unwrap();
            }
        }
        writer.finalize().unwrap();
    }
}
