//! A recogniser that is a program on this machine, such as pocketsphinx or whisper.cpp's `whisper-cli`.
//!
//! It is started for one piece of one channel after the other, 16 kHz mono, and writes the words to its standard output.
//! It is not run by a shell. Its work is its own process's: no thread that carries calls waits for it.

use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::engine::transcript::{Transcript, Words};

use super::recording::{Recording, off_this_thread};
use super::workplace::Workplace;
use super::{Sound, TranscribeError, Transcriber, primary};

/// What stands for the piece's WAV file in a command.
const FILE: &str = "{file}";
/// What stands for the language, as in `en`.
const LANGUAGE: &str = "{language}";
/// The most that is read of what the program writes, in bytes: the words of ten hours.
const MOST_OUTPUT: u64 = 4 << 20;

/// A program, and how it is called.
#[derive(Clone, Debug)]
pub struct CommandSettings {
    words: Vec<String>,
    longest_piece: Duration,
    time_limit: Duration,
}

/// What is wrong with a command.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandFault {
    /// A quote without its partner.
    #[error("a quote is not closed")]
    OpenQuote,
    /// No program.
    #[error("it names no program")]
    Empty,
    /// The program would not know what to listen to.
    #[error("it does not say {{file}}, which stands for the recording")]
    NoFile,
}

impl CommandSettings {
    /// Reads a command as a shell would split it into words. `{file}` and `{language}` in it are filled in. A piece is
    /// no longer than `longest_piece`, and the program may take `time_limit` for it.
    pub fn new(command: &str, longest_piece: Duration, time_limit: Duration) -> Result<Self, CommandFault> {
        let words = shlex::split(command).ok_or(CommandFault::OpenQuote)?;
        if words.is_empty() {
            return Err(CommandFault::Empty);
        }
        if !words[1..].iter().any(|word| word.contains(FILE)) {
            return Err(CommandFault::NoFile);
        }
        Ok(Self { words, longest_piece, time_limit })
    }

    /// The program's name or path.
    pub fn program(&self) -> &str {
        &self.words[0]
    }
}

pub(super) struct CommandTranscriber {
    settings: CommandSettings,
    place: Workplace,
}

impl CommandTranscriber {
    pub(super) const fn new(settings: CommandSettings, place: Workplace) -> Self {
        Self { settings, place }
    }

    async fn words(&self, sound: &Sound<'_>) -> Result<Transcript, TranscribeError> {
        let recording = Recording::open(sound.file, &self.place).await?;
        let name = self.settings.program().rsplit('/').next().unwrap_or_default();
        let (mut transcript, language) = (Transcript::by(name), primary(sound.language));
        for piece in recording.pieces(self.settings.longest_piece) {
            let (wav, place) = (recording.wav(piece).await?, self.place.clone());
            let file = off_this_thread(move || {
                let mut file = place.file()?;
                file.write(&wav)?;
                Ok(file)
            })
            .await?;
            let path = file.path().to_string_lossy();
            let run = self.run(&path, &language);
            let text = timeout(self.settings.time_limit, run).await;
            let text = text.map_err(|_| program("it took too long"))??;
            transcript.add(piece.stretch, piece.speaker, vec![Words::filling(piece.stretch, text, None)]);
        }
        transcript.sort();
        Ok(transcript)
    }

    /// Runs the program; its end is this future's, whoever comes first.
    async fn run(&self, file: &str, language: &str) -> Result<String, TranscribeError> {
        let filled = |word: &String| word.replace(FILE, file).replace(LANGUAGE, language);
        let mut child = Command::new(self.settings.program())
            .args(self.settings.words[1..].iter().map(filled))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => program(&format!("{} is not installed", self.settings.program())),
                other => program(&format!("{} can't be run: {other}", self.settings.program())),
            })?;
        let mut output = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(MOST_OUTPUT).read_to_end(&mut output).await?;
        }
        let status = child.wait().await?;
        if !status.success() {
            return Err(program(&format!("{} failed ({status})", self.settings.program())));
        }
        Ok(String::from_utf8_lossy(&output).into_owned())
    }
}

impl Transcriber for CommandTranscriber {
    fn transcribe<'a>(&'a self, sound: &'a Sound<'a>) -> LocalBoxFuture<'a, Result<Transcript, TranscribeError>> {
        Box::pin(self.words(sound))
    }
}

fn program(what: &str) -> TranscribeError {
    TranscribeError::Program(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_as_a_shell_would_and_must_name_the_file() {
        let parse = |command: &str| CommandSettings::new(command, Duration::from_secs(60), Duration::from_secs(60));
        let settings = parse("nice -n 10 recognise --model '/srv/my models/en.bin' --in={file}").unwrap();
        assert_eq!(settings.program(), "nice");
        assert_eq!(settings.words[4..], ["--model", "/srv/my models/en.bin", "--in={file}"]);
        assert_eq!(parse("  ").unwrap_err(), CommandFault::Empty);
        assert_eq!(parse("recognise 'it").unwrap_err(), CommandFault::OpenQuote);
        for without in ["recognise", "{file}", "recognise file"] {
            assert_eq!(parse(without).unwrap_err(), CommandFault::NoFile, "{without}");
        }
    }
}
