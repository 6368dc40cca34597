//! The caller's voice: three recordings, µ-law at 8 kHz without a header; `voices/lines.txt` has the words.

use std::time::Duration;

use super::script::Scenario;

/// What the caller of the demo says, and when.
pub const SCENARIO: Scenario<'static> = Scenario {
    message: include_bytes!("voices/message.ulaw"),
    interruption: include_bytes!("voices/interruption.ulaw"),
    goodbye: include_bytes!("voices/goodbye.ulaw"),
    // Late enough to be in the middle of the answer, early enough that its question is still to come.
    interrupt_after: Duration::from_millis(1_200),
};

#[cfg(test)]
mod tests {
    use super::super::twilio::{Heard, sounds};
    use super::*;

    #[test]
    fn each_recording_begins_and_ends_with_its_words_and_has_no_pause_that_ends_a_turn() {
        let Scenario { message, interruption, goodbye, .. } = SCENARIO;
        for (audio, seconds) in [(message, 3.0..5.0), (interruption, 1.5..3.0), (goodbye, 1.5..3.0)] {
            let heard = Heard { at: Duration::ZERO, audio: audio.to_vec() };
            let spoken = sounds(&[heard], Duration::from_millis(400));
            assert_eq!(spoken.len(), 1, "{spoken:?}");
            assert!(spoken[0].from < Duration::from_millis(200), "{spoken:?}");
            assert!(seconds.contains(&spoken[0].length().as_secs_f64()), "{spoken:?}");
        }
    }
}
