//! The timers of a call, each with a name, so that "why did it wake up?" has an answer.

use crate::engine::time::CallTime;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The agent should have confirmed its settings.
    AgentReady,
    /// The agent owes speech; the ladder's next step is due.
    OwedSpeech,
    /// The agent is in the middle of a response, and there is nothing of it left to be heard.
    RanDry,
    /// Both sides have been silent; the caller is asked.
    CallerSilent,
    /// The caller may still be speaking; the interruption is decided again.
    BargeIn,
    /// The caller's words should have arrived.
    Transcript,
    /// No further key was pressed.
    DtmfPause,
    /// The carrier has answered no mark for long, though all audio was sent.
    LostMark,
    /// The vendor's detector has reported no end of the caller's utterance.
    Utterance,
    /// The last mark before the hang-up should have come back.
    Drain,
    /// The longest allowed call is over.
    MaxCall,
}

const ALL: [Timer; 11] = [
    Timer::AgentReady,
    Timer::OwedSpeech,
    Timer::RanDry,
    Timer::CallerSilent,
    Timer::BargeIn,
    Timer::Transcript,
    Timer::DtmfPause,
    Timer::LostMark,
    Timer::Utterance,
    Timer::Drain,
    Timer::MaxCall,
];

/// All timers of one call.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines([Option<CallTime>; ALL.len()]);

impl Deadlines {
    /// Sets a timer, whatever it was.
    pub fn set(&mut self, timer: Timer, at: CallTime) {
        self.0[timer as usize] = Some(at);
    }

    /// Stops a timer.
    pub fn clear(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    /// Whether a timer runs.
    pub fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize].is_some()
    }

    /// When the next timer is due.
    pub fn next(&self) -> Option<CallTime> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes the timer that is due longest, if any is.
    pub fn take_due(&mut self, now: CallTime) -> Option<Timer> {
        let (at, timer) = ALL
            .into_iter()
            .filter_map(|timer| self.0[timer as usize].map(|at| (at, timer)))
            .min_by_key(|(at, _)| *at)?;
        if at > now {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_in_the_order_in_which_they_are_due() {
        let mut deadlines = Deadlines::default();
        deadlines.set(Timer::MaxCall, CallTime::from_millis(30));
        deadlines.set(Timer::BargeIn, CallTime::from_millis(10));
        deadlines.set(Timer::Drain, CallTime::from_millis(20));
        deadlines.clear(Timer::Drain);
        assert_eq!(deadlines.next(), Some(CallTime::from_millis(10)));
        assert_eq!(deadlines.take_due(CallTime::from_millis(9)), None);
        assert_eq!(deadlines.take_due(CallTime::from_millis(40)), Some(Timer::BargeIn));
        assert_eq!(deadlines.take_due(CallTime::from_millis(40)), Some(Timer::MaxCall));
        assert_eq!(deadlines.next(), None);
    }
}
