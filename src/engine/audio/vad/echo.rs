//! What of the caller's line is the agent's own voice, come back.
//!
//! A telephone without an echo canceller returns the agent, quieter and later. The line is then never quieter than that
//! echo, so for each delay there is a greatest return that agrees with everything heard in the last seconds: the least
//! ratio of the line to what the agent said so long ago. At the delay of the echo this is how much it returns; at every
//! other delay the gaps of the line meet the agent's words, and the ratio is near nothing, as it is at all delays on a line
//! without echo. A caller who speaks only makes the line louder than that, and is heard by it.

use crate::engine::audio::frame::PcmFrame;
use crate::engine::audio::level::mean_square;
use crate::engine::audio::rate::Rate;

/// How much the caller's line returns of the agent's voice, and at which delay.
#[derive(Clone, Debug)]
pub(super) struct EchoGuard {
    /// The agent's mean squares, a quarter of a frame each, in a ring.
    said: [u32; HISTORY],
    /// … over [`WINDOW`] quarters, the least of three such windows, each a quarter later: no onset that lies across their end
    /// counts. In two rings one behind the other, so that any stretch of it is one slice.
    windows: [f32; 2 * HISTORY],
    /// … over the last frame, dying away like a room; laid likewise.
    tails: [f32; 2 * HISTORY],
    window: u64,
    last_windows: [f32; 2],
    frame: u64,
    tail: f32,
    /// Up to which quarter the agent's voice is known, and up to which the caller's line was heard.
    until: usize,
    now: usize,
    /// Since when the agent is silent.
    silent_since: usize,
    /// The mean squares of the line's last frames.
    line: [f32; WINDOW / QUARTERS],
    /// The most that the line can return at each delay, the longest first: by the present stretch of the agent's speech, and by
    /// the one before.
    present: [f32; LAGS],
    before: [f32; LAGS],
    /// Frames of the present stretch.
    learnt: u32,
}

/// Quarters of a frame: 5 ms, to which a delay is told.
const QUARTERS: usize = 4;
/// 80 ms, over which line and agent are compared: less is torn by where its frames begin.
const WINDOW: usize = 16;
/// The delays that are looked at: 20 to 460 ms from when a frame is sent.
const SHORTEST: usize = 4;
const LONGEST: usize = 92;
const LAGS: usize = LONGEST - SHORTEST + 1;
/// What the longest delay and the largest lead of the playout need.
const HISTORY: usize = 160;
const FURTHEST_AHEAD: usize = HISTORY - LONGEST - WINDOW;
/// So many frames of the agent's speech, a second, make a stretch.
const STRETCH: u32 = 50;
/// No line returns more: −4 dB. As long as nothing is known, a line may return as much.
const MOST: f32 = 0.4;
/// Each may return −20 dB, too little to be told from noise.
const LEAST: f32 = 0.01;
/// By how much an echo may exceed what is expected: 4 dB.
const MARGIN: f32 = 2.5;
/// The agent's words are compared where their mean square is greater: an rms of 200.
const LOUD: f32 = 40_000.0;
/// A room dies away by 60 dB in 0.4 s: what is left after a quarter.
const DYING: f32 = 0.841;

impl Default for EchoGuard {
    fn default() -> Self {
        Self {
            said: [0; HISTORY],
            windows: [0.0; 2 * HISTORY],
            tails: [0.0; 2 * HISTORY],
            window: 0,
            last_windows: [0.0; 2],
            frame: 0,
            tail: 0.0,
            until: HISTORY,
            now: HISTORY,
            silent_since: 0,
            line: [0.0; WINDOW / QUARTERS],
            present: [MOST; LAGS],
            before: [MOST; LAGS],
            learnt: 0,
        }
    }
}

impl EchoGuard {
    /// A frame goes out to the caller, to be heard behind the ones before it.
    pub fn agent_plays<R: Rate>(&mut self, frame: &PcmFrame<R>) {
        self.be_silent_until(self.now);
        for quarter in frame.samples().chunks_exact(R::FRAME_SAMPLES / QUARTERS) {
            self.say(mean_square(quarter));
        }
        self.silent_since = self.until;
        // The caller's line stands still, or was lost.
        self.now = self.now.max(self.until.saturating_sub(FURTHEST_AHEAD));
    }

    /// The rms that the echo in the caller's next frame may reach, given the frame's own.
    pub fn hear(&mut self, level: u32) -> u32 {
        self.line.rotate_left(1);
        self.line[WINDOW / QUARTERS - 1] = (level * level) as f32;
        self.now += QUARTERS;
        if self.now >= self.silent_since + LONGEST + WINDOW {
            return 0;
        }
        self.be_silent_until(self.now);
        (self.listen() * MARGIN).sqrt() as u32
    }

    /// Learns from the line, and tells how much of it is echo, as a mean square.
    fn listen(&mut self) -> f32 {
        let line = self.line.iter().sum::<f32>() / self.line.len() as f32;
        let from = (self.now - 1 - LONGEST) % HISTORY;
        // The least of three windows stands with the last of them, and is meant for the one in the middle.
        let (windows, tails) = (&self.windows[from + 1..][..LAGS], &self.tails[from..][..LAGS]);
        self.learnt += u32::from(windows[LAGS / 2] > LOUD);
        let (mut echo, mut loudest) = (0f32, 0f32);
        for lag in 0..LAGS {
            let ratio = if windows[lag] > LOUD { line / windows[lag] } else { MOST };
            self.present[lag] = self.present[lag].min(ratio);
            echo = echo.max(self.present[lag].min(self.before[lag]) * tails[lag]);
            loudest = loudest.max(tails[lag]);
        }
        if self.learnt >= STRETCH {
            (self.before, self.present, self.learnt) = (self.present, [MOST; LAGS], 0);
        }
        echo.max(loudest * LEAST)
    }

    fn be_silent_until(&mut self, quarter: usize) {
        if quarter >= self.until + HISTORY {
            (self.said, self.window, self.frame, self.tail) = ([0; HISTORY], 0, 0, 0.0);
            (self.windows, self.tails) = ([0.0; 2 * HISTORY], [0.0; 2 * HISTORY]);
            self.until = quarter;
        }
        while self.until < quarter {
            self.say(0);
        }
    }

    /// The next quarter of a frame of the agent's voice.
    fn say(&mut self, square: u32) {
        let at = self.until % HISTORY;
        let ago = |quarters| u64::from(self.said[(self.until - quarters) % HISTORY]);
        let (window, frame) = (ago(WINDOW), ago(QUARTERS));
        self.window = self.window + u64::from(square) - window;
        self.frame = self.frame + u64::from(square) - frame;
        self.tail = (self.frame as f32 / QUARTERS as f32).max(self.tail * DYING);
        self.said[at] = square;
        let window = self.window as f32 / WINDOW as f32;
        let least = self.last_windows.iter().fold(window, |least, &last| least.min(last));
        self.last_windows = [self.last_windows[1], window];
        for at in [at, at + HISTORY] {
            self.windows[at] = least;
            self.tails[at] = self.tail;
        }
        self.until += 1;
    }
}
