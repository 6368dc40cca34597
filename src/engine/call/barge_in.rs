//! When the caller may interrupt: one table, so that it can be tested as one.
//!
//! | situation | the vendor's detector | our own detector |
//! |---|---|---|
//! | interruptions are off, or nothing is playing or being generated | nothing | nothing |
//! | the agent is about to greet, nothing was played (callers say "hello?" into the quiet) | nothing | nothing |
//! | the agent thinks, nothing of the response was played | at once | after `min_speech_ms` |
//! | first `initial_protection_ms` of a response (`greeting_protection_ms` of the greeting) | when it ends, if the caller still speaks | the same, and not before `min_speech_ms` |
//! | first `cooldown_ms` after an interruption | when it ends, if the caller still speaks | the same, and not before `min_speech_ms` |
//! | otherwise | at once | after `min_speech_ms` |
//!
//! Our own detector waits longer for the end of speech than most vendors': what it still hears when the vendor has heard the
//! end, and answers, interrupts nothing.
//!
//! A vendor's detector has already judged speech by a model of its own; ours is quick and may hear line
//! echo or a cough, so it has to hear speech for a while.

use std::time::Duration;

use crate::engine::time::CallTime;

use super::event::Detector;
use super::settings::BargeInSettings;

/// What the caller's speech does to the agent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Stop the agent now.
    Interrupt,
    /// Look again at this time, if the caller still speaks then.
    WaitUntil(CallTime),
    /// Let the agent go on.
    Ignore,
}

/// The agent's side of the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Floor {
    /// Nothing is playing, nothing is being generated.
    Free,
    /// A response is being generated; nothing of it was played.
    Thinking,
    /// A response is heard since then.
    Speaking { since: CallTime, is_greeting: bool },
}

/// Decides, for speech that began at `onset` and still goes on `now`.
pub(super) fn decide(
    settings: &BargeInSettings,
    now: CallTime,
    detector: Detector,
    onset: CallTime,
    floor: Floor,
    last_barge_in: Option<CallTime>,
) -> Decision {
    let ms = |value: u32| Duration::from_millis(value.into());
    let protected_until = match floor {
        _ if !settings.enabled => return Decision::Ignore,
        Floor::Free => return Decision::Ignore,
        Floor::Thinking => CallTime::START,
        Floor::Speaking { since, is_greeting: true } => since + ms(settings.greeting_protection_ms),
        Floor::Speaking { since, is_greeting: false } => since + ms(settings.initial_protection_ms),
    };
    let cool_at = last_barge_in.map_or(CallTime::START, |last| last + ms(settings.cooldown_ms));
    let believed_at = match detector {
        Detector::Vendor => onset,
        Detector::Own => onset + ms(settings.min_speech_ms),
    };
    match protected_until.max(cool_at).max(believed_at) {
        due if due <= now => Decision::Interrupt,
        due => Decision::WaitUntil(due),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> CallTime {
        CallTime::from_millis(millis)
    }

    #[test]
    fn the_table_holds() {
        use Decision::*;
        use Detector::*;
        let speaking = |since| Floor::Speaking { since: at(since), is_greeting: false };
        let greeting = |since| Floor::Speaking { since: at(since), is_greeting: true };
        let rows = [
            // detector, onset, now, floor, last barge-in → decision
            (Vendor, 5_000, 5_000, Floor::Free, None, Ignore),
            (Own, 5_000, 5_400, Floor::Free, None, Ignore),
            (Vendor, 5_000, 5_000, Floor::Thinking, None, Interrupt),
            (Own, 5_000, 5_000, Floor::Thinking, None, WaitUntil(at(5_250))),
            (Vendor, 5_000, 5_000, speaking(4_000), None, Interrupt),
            (Own, 5_000, 5_000, speaking(4_000), None, WaitUntil(at(5_250))),
            (Own, 5_000, 5_250, speaking(4_000), None, Interrupt),
            (Vendor, 5_000, 5_000, speaking(4_900), None, WaitUntil(at(5_100))),
            (Own, 5_000, 5_000, speaking(4_900), None, WaitUntil(at(5_250))),
            (Vendor, 5_000, 5_000, greeting(4_900), None, WaitUntil(at(5_400))),
            (Vendor, 5_000, 5_400, greeting(4_900), None, Interrupt),
            (Own, 5_000, 5_250, greeting(4_900), None, WaitUntil(at(5_400))),
            (Vendor, 5_000, 5_000, speaking(4_000), Some(4_700), WaitUntil(at(5_200))),
            (Vendor, 5_000, 5_000, speaking(4_000), Some(4_500), Interrupt),
        ];
        for (detector, onset, now, floor, last, expected) in rows {
            let decided = decide(&BargeInSettings::default(), at(now), detector, at(onset), floor, last.map(at));
            assert_eq!(decided, expected, "{detector:?} onset {onset} now {now} {floor:?} {last:?}");
        }
    }

    #[test]
    fn nobody_interrupts_where_it_is_switched_off() {
        let off = BargeInSettings { enabled: false, ..BargeInSettings::default() };
        let floor = Floor::Speaking { since: at(0), is_greeting: false };
        assert_eq!(decide(&off, at(9_000), Detector::Vendor, at(9_000), floor, None), Decision::Ignore);
    }
}
