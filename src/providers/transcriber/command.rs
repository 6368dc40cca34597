//! A recogniser that is a program on this machine, such as pocketsphinx or whisper.cpp's `whisper-cli`.
//!
//! It is started for one piece of one channel after the other, 16 kHz mono, and writes the words to its standard output.
//! It is not run by a shell. Its work is its own process's: no thread that carries calls waits for it.

use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::engine::transcript::{RecogniserCommand, Transcript, Words};

use super::recording::{Recording, off_this_thread};
use super::workplace::Workplace;
use super::{Sound, TranscribeError, Transcriber, primary};

/// The most that is read of what the program writes, in bytes: the words of ten hours.
const MOST_OUTPUT: u64 = 4 << 20;

/// A program, and what it is given.
#[derive(Clone, Debug)]
pub struct CommandSettings {
    /// How it is called.
    pub command: RecogniserCommand,
    /// The longest piece of sound that it is given.
    pub longest_piece: Duration,
    /// For one piece.
    pub time_limit: Duration,
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
        let name = self.program().rsplit('/').next().unwrap_or_default();
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
            let text = text.map_err(|_| failed("it took too long"))??;
            transcript.add(piece.stretch, piece.speaker, vec![Words::filling(piece.stretch, text, None)]);
        }
        transcript.sort();
        Ok(transcript)
    }

    fn program(&self) -> &str {
        self.settings.command.program()
    }

    /// Runs the program; its end is this future's, whoever comes first.
    async fn run(&self, file: &str, language: &str) -> Result<String, TranscribeError> {
        let mut child = Command::new(self.program())
            .args(self.settings.command.arguments(file, language))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => failed(&format!("{} is not installed", self.program())),
                other => failed(&format!("{} can't be run: {other}", self.program())),
            })?;
        let mut output = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(MOST_OUTPUT).read_to_end(&mut output).await?;
        }
        let status = child.wait().await?;
        if !status.success() {
            return Err(failed(&format!("{} failed ({status})", self.program())));
        }
        Ok(String::from_utf8_lossy(&output).into_owned())
    }
}

impl Transcriber for CommandTranscriber {
    fn transcribe<'a>(&'a self, sound: &'a Sound<'a>) -> LocalBoxFuture<'a, Result<Transcript, TranscribeError>> {
        Box::pin(self.words(sound))
    }
}

fn failed(what: &str) -> TranscribeError {
    TranscribeError::Program(what.to_owned())
}
