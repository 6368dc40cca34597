//! The spoken lines that come with the crate, and their words.
//!
//! Each is a headerless µ-law file at 16 kHz, so that a wideband call gets a wideband voice, made by
//! `clips/make.sh` from `clips/lines.txt`; docs/voices.md names the voice and its licence. A line is decoded and
//! converted once per process and rate, at the start if [`warm_up`](super::warm_up) is called, else when it is first spoken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::audio::{Hz16k, Rate, Resampler, g711};
use crate::engine::call::Phrase;

use super::Sound;

macro_rules! clips {
    ($($(#[$doc:meta])* $name:ident = $file:literal, $text:expr;)*) => {
        /// One spoken line.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Clip {
            $($(#[$doc])* $name,)*
        }

        impl Clip {
            /// Every line.
            pub(super) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The words.
            pub(super) const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The file's name, without its ending.
            #[cfg(test)]
            const fn file(self) -> &'static str {
                match self {
                    $(Self::$name => $file,)*
                }
            }

            /// The file, as it lies in the tree.
            const fn ulaw(self) -> &'static [u8] {
                match self {
                    $(Self::$name => include_bytes!(concat!("clips/", $file, ".ulaw")),)*
                }
            }
        }
    };
}

clips! {
    /// The greeting of a business whose own can't be spoken.
    Hello = "hello", "Hello. Thank you for calling.";
    /// The first question.
    HowCanIHelp = "how_can_i_help", "Please tell me how I can help you.";
    /// The keys.
    Menu = "menu", "Or press one to leave a message, two to be called back.";
    /// One key more, where the caller can be handed over.
    MenuPerson = "menu_person", "Press zero to speak to a person.";
    /// After key 1.
    LeaveMessage = "leave_message", "Please say your message now.";
    /// How a message ends.
    WhenFinished = "when_finished", "When you have finished, press pound.";
    /// A message was kept.
    Noted = "noted", "Thank you. I have noted that.";
    /// The question after a message.
    AnythingElse = "anything_else", "Is there anything else?";
    /// How the call ends.
    Otherwise = "otherwise", "If not, press pound, or just hang up.";
    /// After key 2.
    CallBack = "call_back", "I have noted that you would like to be called back.";
    /// The last words.
    Goodbye = "goodbye", "Thank you for your call. Goodbye.";
    /// The last words before somebody else takes over.
    Connecting = "connecting", "I am connecting you.";
    /// Nobody else takes over.
    NobodyFree = "nobody_free", "I am sorry, nobody is free now.";
    /// A key without a meaning.
    UnknownKey = "unknown_key", "I do not know that key.";
    /// The caller is silent.
    NotHeard = "not_heard", "I did not hear anything.";
    /// The engine's [`Phrase::Filler`].
    Filler = "filler", Phrase::Filler.text();
    /// The engine's [`Phrase::Apology`].
    Apology = "apology", Phrase::Apology.text();
    /// The engine's [`Phrase::SilentGoodbye`].
    SilentGoodbye = "silent_goodbye", Phrase::SilentGoodbye.text();
    /// The engine's [`Phrase::TimeIsUp`].
    TimeIsUp = "time_is_up", Phrase::TimeIsUp.text();
}

/// What was decoded already, by line and rate in hertz.
static DECODED: Mutex<BTreeMap<(Clip, u32), Sound>> = Mutex::new(BTreeMap::new());

impl Clip {
    /// The line that has the words of `phrase`.
    pub(super) const fn of_phrase(phrase: Phrase) -> Self {
        match phrase {
            Phrase::Filler => Self::Filler,
            Phrase::Apology => Self::Apology,
            Phrase::SilentGoodbye => Self::SilentGoodbye,
            Phrase::TimeIsUp => Self::TimeIsUp,
        }
    }

    /// The sound at rate `R`.
    pub(super) fn samples<R: Rate>(self) -> Sound {
        // A poisoned lock still guards a whole map: an entry is put in at once or not at all.
        let mut decoded = DECODED.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(decoded.entry((self, R::HZ)).or_insert_with(|| self.convert::<R>().into()))
    }

    fn convert<R: Rate>(self) -> Vec<i16> {
        let mut resampler = Resampler::<Hz16k, R>::new();
        let mut samples = Vec::new();
        resampler.process(&self.decode(), &mut samples);
        resampler.finish(&mut samples);
        samples
    }

    /// The sound at the files' rate.
    fn decode(self) -> Vec<i16> {
        let mut samples = Vec::new();
        g711::append_ulaw(self.ulaw(), &mut samples);
        samples
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::engine::audio::{Hz8k, Hz24k, Hz48k};

    fn rms(samples: &[i16]) -> f64 {
        (samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
    }

    #[test]
    fn the_file_of_each_line_was_made_from_its_words() {
        let lines: HashMap<&str, &str> =
            include_str!("clips/lines.txt").lines().map(|line| line.split_once('|').unwrap()).collect();
        assert_eq!(lines.len(), Clip::ALL.len());
        for clip in Clip::ALL {
            assert_eq!(lines.get(clip.file()), Some(&clip.text()), "{clip:?}");
        }
    }

    #[test]
    fn each_line_is_speech_at_telephone_level() {
        for clip in Clip::ALL {
            let samples = clip.decode();
            let seconds = samples.len() as f64 / f64::from(Hz16k::HZ);
            assert!((0.3..10.0).contains(&seconds), "{clip:?} lasts {seconds} s");
            let words_per_second = clip.text().split_whitespace().count() as f64 / seconds;
            assert!((1.5..6.0).contains(&words_per_second), "{clip:?}: {words_per_second} words per second");
            let level = 20.0 * (rms(&samples) / 32_768.0).log10();
            assert!((-22.0..-18.0).contains(&level), "{clip:?} is at {level} dBFS");
            let peak = samples.iter().map(|s| s.unsigned_abs()).max();
            assert!(peak < Some(31_000), "{clip:?} peaks at {peak:?}");
        }
    }

    #[test]
    fn each_phrase_of_the_engine_has_its_line() {
        for phrase in Phrase::ALL {
            assert_eq!(Clip::of_phrase(phrase).text(), phrase.text());
        }
    }

    #[test]
    fn all_files_together_stay_below_700_kilobytes() {
        let bytes: usize = Clip::ALL.iter().map(|clip| clip.ulaw().len()).sum();
        assert!(bytes < 700_000, "{bytes} bytes");
    }

    #[test]
    fn a_line_lasts_as_long_and_is_as_loud_at_every_rate() {
        let clip = Clip::Noted;
        let file = clip.decode();
        let seconds = file.len() as f64 / f64::from(Hz16k::HZ);
        for (samples, hz) in [
            (clip.samples::<Hz8k>(), 8_000.0),
            (clip.samples::<Hz16k>(), 16_000.0),
            (clip.samples::<Hz24k>(), 24_000.0),
            (clip.samples::<Hz48k>(), 48_000.0),
        ] {
            assert!((samples.len() as f64 / hz - seconds).abs() < 0.003, "{hz} Hz");
            assert!((rms(&samples) / rms(&file) - 1.0).abs() < 0.1, "{hz} Hz");
        }
        assert!(Arc::ptr_eq(&clip.samples::<Hz8k>(), &clip.samples::<Hz8k>()), "decoded once only");
    }
}
