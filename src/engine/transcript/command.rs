//! How a program is called that puts a recording into words.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// What stands for the recording's file.
const FILE: &str = "{file}";
/// What stands for the language.
const LANGUAGE: &str = "{language}";

/// A program and its arguments, in which `{file}` stands for a recording and `{language}` for its language. It is split
/// into words as a shell would do it, but no shell runs it.
///
/// ```
/// use trunkline::engine::transcript::RecogniserCommand;
///
/// let command: RecogniserCommand = "whisper-cli -m '/srv/my models/base.bin' -l {language} -f {file}".parse().unwrap();
/// assert_eq!(command.program(), "whisper-cli");
/// let arguments: Vec<String> = command.arguments("/tmp/1.wav", "he").collect();
/// assert_eq!(arguments, ["-m", "/srv/my models/base.bin", "-l", "he", "-f", "/tmp/1.wav"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecogniserCommand {
    text: String,
    words: Vec<String>,
}

/// What is wrong with a command.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecogniserCommandError {
    /// A quote without its partner.
    #[error("it has a quote that is not closed")]
    OpenQuote,
    /// No program.
    #[error("it names no program")]
    Empty,
    /// The program would not know what to listen to.
    #[error("it does not say {{file}} behind the program, which stands for the recording")]
    NoFile,
}

impl RecogniserCommand {
    /// The program, by its name or its path.
    pub fn program(&self) -> &str {
        &self.words[0]
    }

    /// What it is given for this file and this language.
    pub fn arguments(&self, file: &str, language: &str) -> impl Iterator<Item = String> {
        self.words[1..].iter().map(move |word| word.replace(LANGUAGE, language).replace(FILE, file))
    }
}

impl FromStr for RecogniserCommand {
    type Err = RecogniserCommandError;

    fn from_str(text: &str) -> Result<Self, RecogniserCommandError> {
        let words = shlex::split(text).ok_or(RecogniserCommandError::OpenQuote)?;
        let Some((_, arguments)) = words.split_first() else { return Err(RecogniserCommandError::Empty) };
        if !arguments.iter().any(|word| word.contains(FILE)) {
            return Err(RecogniserCommandError::NoFile);
        }
        Ok(Self { text: text.trim().to_owned(), words })
    }
}

impl fmt::Display for RecogniserCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_command_that_cannot_be_run_is_told() {
        for (text, error) in [
            ("  ", RecogniserCommandError::Empty),
            ("recognise 'it", RecogniserCommandError::OpenQuote),
            ("recognise", RecogniserCommandError::NoFile),
            ("{file}", RecogniserCommandError::NoFile),
            ("recognise file", RecogniserCommandError::NoFile),
        ] {
            assert_eq!(text.parse::<RecogniserCommand>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_word_with_a_space_in_its_place_stays_one() {
        let command: RecogniserCommand = " nice recognise --in={file} ".parse().unwrap();
        assert_eq!(command.to_string(), "nice recognise --in={file}");
        let arguments: Vec<String> = command.arguments("/srv/my calls/{language}.wav", "en").collect();
        assert_eq!(arguments, ["recognise", "--in=/srv/my calls/{language}.wav"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}", file in ".{0,10}") {
            if let Ok(command) = text.parse::<RecogniserCommand>() {
                prop_assert!(command.arguments(&file, "en").count() >= 1);
            }
        }
    }
}
