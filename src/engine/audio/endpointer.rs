//! Where the caller's utterances begin and end.
//!
//! One [`Voice`] per frame of 20 ms comes in; now and then an [`Edge`] goes out:
//!
//! ```
//! use trunkline::engine::audio::{Edge, EndpointSettings, Endpointer, Voice};
//!
//! let mut endpointer = Endpointer::new(&EndpointSettings { start_ms: 60, hangover_ms: 200, max_utterance_ms: 30_000 });
//! let speech = Voice { is_speech: true, confidence: 1.0, level: 2_000 };
//! assert_eq!(endpointer.hear(&speech), None);
//! assert_eq!(endpointer.hear(&speech), None);
//! assert_eq!(endpointer.hear(&speech), Some(Edge::Started));
//! assert_eq!(endpointer.onset_age().as_millis(), 60);
//! ```

use std::time::Duration;

use super::frame::{FRAME, FRAME_MS};
use super::settings::EndpointSettings;
use super::vad::Voice;

/// A boundary of an utterance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The caller speaks, and has for [`Endpointer::onset_age`].
    Started,
    /// The caller has been silent for [`Endpointer::silence_age`], or the utterance is as long as one may be.
    Ended,
}

/// Finds utterances in the judgements of one call's frames.
#[derive(Clone, Debug)]
pub struct Endpointer {
    /// Frames of speech in a row that begin an utterance.
    start: u32,
    /// Frames of silence in a row that end it.
    hangover: u32,
    /// Frames from onset at which it is cut.
    longest: u32,
    is_speaking: bool,
    /// Frames since the onset of the utterance, or of the speech that may become one; the present one counts.
    age: u32,
    /// Frames of silence at the end of it.
    silence: u32,
}

impl Endpointer {
    /// An endpointer in silence. Times are rounded up to frames, and each is at least one frame.
    pub fn new(settings: &EndpointSettings) -> Self {
        let frames = |ms: u32| ms.div_ceil(FRAME_MS).max(1);
        Self {
            start: frames(settings.start_ms),
            hangover: frames(settings.hangover_ms),
            longest: frames(settings.max_utterance_ms),
            is_speaking: false,
            age: 0,
            silence: 0,
        }
    }

    /// Takes the judgement of the next frame.
    ///
    /// Outside an utterance one frame of silence starts the count anew: a click is not speech. An utterance that
    /// is cut for its length begins anew if the speech goes on for as long as any beginning takes.
    pub fn hear(&mut self, voice: &Voice) -> Option<Edge> {
        match (self.is_speaking, voice.is_speech) {
            (false, false) => {
                self.age = 0;
                self.silence = self.silence.saturating_add(1);
                None
            }
            (false, true) => {
                self.age += 1;
                self.silence = 0;
                (self.age >= self.start).then(|| self.turn(Edge::Started))
            }
            (true, is_speech) => {
                self.age += 1;
                self.silence = if is_speech { 0 } else { self.silence + 1 };
                (self.silence >= self.hangover || self.age >= self.longest).then(|| self.turn(Edge::Ended))
            }
        }
    }

    /// Whether an utterance is open.
    pub const fn is_speaking(&self) -> bool {
        self.is_speaking
    }

    /// How long before the end of the last frame the speech began. Right after [`Edge::Started`] it is the time
    /// that a beginning takes; zero in silence.
    pub fn onset_age(&self) -> Duration {
        FRAME * self.age
    }

    /// How long before the end of the last frame the last speech ended; zero while somebody speaks. Right after
    /// [`Edge::Ended`] it is the hangover, or less if the utterance was cut.
    pub fn silence_age(&self) -> Duration {
        FRAME * self.silence
    }

    /// Forgets what was heard, an open utterance too, without an edge.
    pub fn reset(&mut self) {
        self.is_speaking = false;
        self.age = 0;
        self.silence = 0;
    }

    fn turn(&mut self, edge: Edge) -> Edge {
        self.is_speaking = edge == Edge::Started;
        if edge == Edge::Ended {
            self.age = 0;
        }
        edge
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SETTINGS: EndpointSettings = EndpointSettings { start_ms: 60, hangover_ms: 100, max_utterance_ms: 400 };

    /// What is heard, one letter per frame (`#` speech, `.` silence); and what is said, in the frame in which it is:
    /// `S` started, `E` ended.
    #[test]
    fn utterances_begin_and_end_where_they_should() {
        for (case, heard, said) in [
            ("silence", "..........", "          "),
            ("a beginning takes 60 ms", "..###..", "    S  "),
            ("a click is not one", ".##.#.##.#.", "           "),
            ("it ends after 100 ms of silence", "###......", "  S    E "),
            ("a pause within a sentence does not end it", "###....#....#.....", "  S              E"),
            ("150 ms, seven frames, are an utterance", ".#######.......", "   S        E  "),
            ("two of them", "####.....####.....", "  S     E  S     E"),
            (
                "a long one is cut, and goes on as another",
                "########################.....",
                "  S                E  S     E",
            ),
            ("a long one that ends where it is cut", "####################.........", "  S                E         "),
            ("the cut comes during the hangover", "#################............", "  S                E         "),
        ] {
            assert_eq!(edges(&SETTINGS, heard), said, "{case}");
        }
    }

    #[test]
    fn times_are_rounded_up_to_frames_and_never_nothing() {
        let odd = EndpointSettings { start_ms: 41, hangover_ms: 99, max_utterance_ms: 381 };
        assert_eq!(edges(&odd, "###.....#"), edges(&SETTINGS, "###.....#"));
        let none = EndpointSettings { start_ms: 0, hangover_ms: 0, max_utterance_ms: 0 };
        assert_eq!(edges(&none, "#.#."), "SESE");
    }

    #[test]
    fn it_tells_how_long_ago_speech_began_and_ended() {
        let mut endpointer = Endpointer::new(&SETTINGS);
        let ages = |endpointer: &Endpointer| (endpointer.onset_age().as_millis(), endpointer.silence_age().as_millis());
        hear(&mut endpointer, "..##");
        assert_eq!((ages(&endpointer), endpointer.is_speaking()), ((40, 0), false));
        assert_eq!(hear(&mut endpointer, "#"), "S");
        assert_eq!((ages(&endpointer), endpointer.is_speaking()), ((60, 0), true));
        hear(&mut endpointer, "##..");
        assert_eq!(ages(&endpointer), (140, 40));
        assert_eq!(hear(&mut endpointer, "..."), "  E");
        assert_eq!((ages(&endpointer), endpointer.is_speaking()), ((0, 100), false));
    }

    #[test]
    fn after_a_reset_it_is_silent() {
        let mut endpointer = Endpointer::new(&SETTINGS);
        hear(&mut endpointer, "####");
        endpointer.reset();
        assert!(!endpointer.is_speaking());
        assert_eq!(hear(&mut endpointer, "......"), "      ");
    }

    proptest! {
        #[test]
        fn edges_alternate_and_no_utterance_is_too_long(heard in "[#.]{0,400}") {
            let mut open = None;
            for (frame, edge) in edges(&SETTINGS, &heard).chars().enumerate() {
                match edge {
                    'S' => {
                        prop_assert!(open.is_none());
                        prop_assert!(heard[..=frame].ends_with("###"));
                        open = Some(frame);
                    }
                    'E' => {
                        let started = open.take().expect("an utterance is open");
                        prop_assert!(frame - started + 3 <= 20);
                    }
                    _ => {}
                }
            }
        }
    }

    fn edges(settings: &EndpointSettings, heard: &str) -> String {
        hear(&mut Endpointer::new(settings), heard)
    }

    fn hear(endpointer: &mut Endpointer, heard: &str) -> String {
        let say = |frame| match endpointer.hear(&Voice { is_speech: frame == '#', confidence: 0.5, level: 1 }) {
            Some(Edge::Started) => 'S',
            Some(Edge::Ended) => 'E',
            None => ' ',
        };
        heard.chars().map(say).collect()
    }
}
