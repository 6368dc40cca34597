//! Any text as speech, through a program that is installed: `flite`, `espeak-ng` or `piper`.
//!
//! The program gets the text as argument or on its standard input, never through a shell, and writes a WAV
//! file to its standard output. What it said is kept for the life of the process: a greeting is spoken
//! once, not once per call.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{Cursor, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::engine::audio::Level;
use crate::providers::convert::convert;

use super::{LocalSettings, Sound, SpeechChoice};

/// How long a program may take. A greeting takes flite 0.1 s, piper 1 s.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest text, in bytes: a minute of speech.
const LONGEST_TEXT: usize = 1_000;
/// The most that a program may write, in bytes: 90 s at 44.1 kHz.
const LONGEST_SOUND: u64 = 8_000_000;
/// The rates that are understood, in hertz: those that programs have. The filter grows with odd ratios.
const RATES: [u32; 9] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];
/// Failures in a row after which the programs are left alone until the next start, so that a broken one
/// doesn't make every caller wait.
const FAILURES: u32 = 3;
/// The level of speech, root mean square: -20 dBFS, as the clips.
const LEVEL: f64 = 3_277.0;
/// The highest peak: -1 dBFS.
const PEAK: f64 = 29_204.0;

/// What is to be spoken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    /// The words.
    pub text: String,
    /// As a BCP 47 tag.
    pub language: String,
    /// A voice of the program, by its name there.
    pub voice: Option<String>,
    /// Samples per second.
    pub hz: u32,
}

/// Why a text was not spoken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum SpeechError {
    #[error("the program {0:?} is not installed")]
    Missing(PathBuf),
    #[error("the text is {0} bytes long, the limit is {LONGEST_TEXT}")]
    TooLong(usize),
    #[error("the program can't be run: {0:?}")]
    Unusable(ErrorKind),
    #[error("the program failed")]
    Failed,
    #[error("the program took too long")]
    TooSlow,
    #[error("what the program wrote is no WAV file of 16-bit samples at a usual rate")]
    NotSound,
    #[error("the speaking task was torn down")]
    Crashed,
}

/// The installed programs, and what they said.
#[derive(Debug)]
pub(super) struct Speech {
    programs: Vec<Program>,
    /// Whether the operator chose the program, so that it is a fault if it isn't there.
    is_chosen: bool,
    kept: Mutex<HashMap<Wanted, Arc<OnceCell<Sound>>>>,
    failures: AtomicU32,
    limit: Duration,
}

impl Speech {
    /// How many texts are kept at most: 64 greetings of 10 s at 8 kHz are 10 MB.
    pub(super) const KEPT: usize = 64;

    /// The programs that `settings` allow, best first.
    pub(super) fn new(settings: &LocalSettings) -> Self {
        let model = settings.piper_model.clone().filter(|model| !model.as_os_str().is_empty());
        let piper = || model.clone().map(|model| Program::new("piper", Kind::Piper { model }));
        let flite = || Program::new("flite", Kind::Flite);
        let espeak_ng = || Program::new("espeak-ng", Kind::EspeakNg);
        let programs = match settings.speech {
            SpeechChoice::Auto => piper().into_iter().chain([flite(), espeak_ng()]).collect(),
            SpeechChoice::Clips => vec![],
            SpeechChoice::Flite => vec![flite()],
            SpeechChoice::EspeakNg => vec![espeak_ng()],
            SpeechChoice::Piper => piper().into_iter().collect(),
        };
        Self::with(programs, settings.speech != SpeechChoice::Auto)
    }

    fn with(programs: Vec<Program>, is_chosen: bool) -> Self {
        Self { programs, is_chosen, kept: Mutex::default(), failures: AtomicU32::new(0), limit: PATIENCE }
    }

    /// Whether there is a program to be tried.
    pub(super) fn has_program(&self) -> bool {
        !self.programs.is_empty() && self.failures.load(Ordering::Relaxed) < FAILURES
    }

    /// Speaks a text, or gives what was spoken before. `None`: no program for it is installed, and none
    /// was chosen.
    pub(super) async fn speak(&self, wanted: Wanted) -> Result<Option<Sound>, SpeechError> {
        if wanted.text.len() > LONGEST_TEXT {
            return Err(SpeechError::TooLong(wanted.text.len()));
        }
        let place = self.place(&wanted);
        match place.get_or_try_init(|| self.try_programs(&wanted)).await {
            Ok(spoken) => {
                self.failures.store(0, Ordering::Relaxed);
                Ok(Some(Arc::clone(spoken)))
            }
            Err(SpeechError::Missing(_)) if !self.is_chosen => Ok(None),
            Err(error) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    fn place(&self, wanted: &Wanted) -> Arc<OnceCell<Sound>> {
        // A poisoned lock still guards a whole map: places are put in one by one.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= Self::KEPT && !kept.contains_key(wanted) {
            kept.clear();
        }
        Arc::clone(kept.entry(wanted.clone()).or_default())
    }

    /// The first program that is installed and knows the language.
    async fn try_programs(&self, wanted: &Wanted) -> Result<Sound, SpeechError> {
        let mut missing = SpeechError::Missing(PathBuf::new());
        for program in self.programs.iter().filter(|program| self.is_chosen || program.knows(&wanted.language)) {
            match program.speak(wanted, self.limit).await {
                Err(error @ SpeechError::Missing(_)) => missing = error,
                other => return other,
            }
        }
        Err(missing)
    }
}

/// A program that speaks.
#[derive(Debug)]
struct Program {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Flite,
    EspeakNg,
    Piper { model: PathBuf },
}

impl Program {
    fn new(path: impl AsRef<Path>, kind: Kind) -> Self {
        Self { path: path.as_ref().to_owned(), kind }
    }

    /// Whether it speaks this language. A piper model speaks the one that the operator chose it for.
    fn knows(&self, language: &str) -> bool {
        match self.kind {
            Kind::Flite => primary(language) == "en",
            Kind::EspeakNg | Kind::Piper { .. } => true,
        }
    }

    /// Its arguments, and the text where it is read from standard input.
    fn arguments<'a>(&self, wanted: &'a Wanted) -> (Vec<OsString>, Option<&'a str>) {
        let voice = wanted.voice.as_deref().filter(|voice| is_name(voice));
        match &self.kind {
            Kind::Flite => {
                // Anything else would be taken for a file or an address to load a voice from.
                let voice = voice.filter(|voice| FLITE_VOICES.contains(voice)).unwrap_or("slt");
                (words(&["-voice", voice, "-t", &wanted.text, "-o", "/dev/stdout"]), None)
            }
            Kind::EspeakNg => {
                let language = primary(&wanted.language);
                let voice = voice.unwrap_or(if is_name(&language) { &language } else { "en" });
                (words(&["-v", voice, "--stdin", "--stdout"]), Some(&wanted.text))
            }
            Kind::Piper { model } => {
                let mut arguments = words(&["--output_file", "-", "--model"]);
                arguments.push(model.into());
                (arguments, Some(&wanted.text))
            }
        }
    }

    async fn speak(&self, wanted: &Wanted, limit: Duration) -> Result<Sound, SpeechError> {
        let wav = tokio::time::timeout(limit, self.run(wanted)).await.map_err(|_| SpeechError::TooSlow)??;
        let hz = wanted.hz;
        tokio::task::spawn_blocking(move || understand(&wav, hz)).await.map_err(|_| SpeechError::Crashed)?
    }

    /// Runs the program; its end is this future's, whoever comes first.
    async fn run(&self, wanted: &Wanted) -> Result<Vec<u8>, SpeechError> {
        let (arguments, text) = self.arguments(wanted);
        let mut child = Command::new(&self.path)
            .args(arguments)
            .stdin(if text.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => SpeechError::Missing(self.path.clone()),
                other => SpeechError::Unusable(other),
            })?;
        if let (Some(text), Some(mut stdin)) = (text, child.stdin.take()) {
            // Shorter than a pipe holds, so that nobody waits for anybody; closed when it is dropped here.
            let line = format!("{}\n", text.replace(['\n', '\r'], " "));
            stdin.write_all(line.as_bytes()).await.map_err(|_| SpeechError::Failed)?;
        }
        let mut wav = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(LONGEST_SOUND).read_to_end(&mut wav).await.map_err(|_| SpeechError::Failed)?;
        }
        match child.wait().await {
            Ok(status) if status.success() => Ok(wav),
            _ => Err(SpeechError::Failed),
        }
    }
}

/// The voices inside of flite.
const FLITE_VOICES: [&str; 5] = ["slt", "awb", "rms", "kal", "kal16"];

/// The first part of a language tag: `de` of `de-AT`.
fn primary(language: &str) -> String {
    language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

/// Whether a voice's name is just that: no option, no path, no address.
fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_+".contains(c);
    (1..=40).contains(&name.len()) && !name.starts_with('-') && name.chars().all(is_plain)
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// The speech in a WAV file, at `hz` samples per second and at the level of the clips.
fn understand(wav: &[u8], hz: u32) -> Result<Sound, SpeechError> {
    let mut reader = hound::WavReader::new(Cursor::new(wav)).map_err(|_| SpeechError::NotSound)?;
    let spec = reader.spec();
    let is_pcm16 = spec.bits_per_sample == 16 && spec.sample_format == hound::SampleFormat::Int;
    if !is_pcm16 || !RATES.contains(&spec.sample_rate) {
        return Err(SpeechError::NotSound);
    }
    // A program that writes to a pipe can't know the length that the header wants: the sound ends where it ends.
    let channels = usize::from(spec.channels.max(1));
    let samples: Vec<i16> = reader.samples::<i16>().map_while(Result::ok).step_by(channels).collect();
    let mut speech = convert(trim(&samples, spec.sample_rate), spec.sample_rate, hz);
    if speech.is_empty() {
        return Err(SpeechError::NotSound);
    }
    set_level(&mut speech);
    Ok(speech.into())
}

/// The samples without the silence before and after, of which 60 ms are left. Nothing is left of silence.
fn trim(samples: &[i16], hz: u32) -> &[i16] {
    let quiet = Level::of_samples(samples).peak / 100;
    let is_sound = |sample: &i16| u32::from(sample.unsigned_abs()) > quiet;
    let (Some(first), Some(last)) = (samples.iter().position(is_sound), samples.iter().rposition(is_sound)) else {
        return &[];
    };
    let left = hz as usize * 60 / 1_000;
    &samples[first.saturating_sub(left)..(last + 1 + left).min(samples.len())]
}

fn set_level(samples: &mut [i16]) {
    let Level { rms, peak } = Level::of_samples(samples);
    let gain = (LEVEL / f64::from(rms.max(1))).min(PEAK / f64::from(peak.max(1)));
    samples.iter_mut().for_each(|s| *s = (f64::from(*s) * gain).round() as i16);
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::scripted;
