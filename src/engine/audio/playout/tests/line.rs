//! A playout on its clock, as the carrier's end of the line sees it.

use super::*;

/// A playout, the clock, and everything that was sent.
pub(super) struct Line {
    pub(super) playout: Playout<Hz8k>,
    pub(super) now: CallTime,
    /// How late each timer fires.
    pub(super) lateness_us: u64,
    pub(super) frames: Vec<(u64, ResponseId, PcmFrame<Hz8k>)>,
    pub(super) marks: Vec<(u64, Mark)>,
    /// After how many frames a response ended.
    pub(super) ends: Vec<usize>,
    /// … or was cleared.
    pub(super) breaks: Vec<usize>,
    pub(super) said: Vec<String>,
    /// When the caller has heard everything, as a telephone at the other end would know.
    pub(super) ear: CallTime,
    pub(super) worst_ahead: Duration,
}

impl Line {
    pub(super) fn new(settings: PlayoutSettings) -> Self {
        Self {
            playout: Playout::new(&settings),
            now: CallTime::START,
            lateness_us: 0,
            frames: vec![],
            marks: vec![],
            ends: vec![],
            breaks: vec![],
            said: vec![],
            ear: CallTime::START,
            worst_ahead: Duration::ZERO,
        }
    }

    pub(super) fn ms(&self) -> u64 {
        self.now.as_millis().into()
    }

    pub(super) fn push(&mut self, of: u32, ms: usize) {
        self.playout.push(self.now, response(of), &vec![1_000; ms * 8]);
    }

    pub(super) fn finish(&mut self, of: u32) {
        self.playout.finish(self.now, response(of));
    }

    /// Time passes and nobody polls.
    pub(super) fn jump_to(&mut self, ms: u64) {
        self.now = self.now.max(CallTime::from_millis(ms));
    }

    /// Time passes, and the timer fires whenever something is due.
    pub(super) fn run_until(&mut self, ms: u64) {
        let end = CallTime::from_millis(ms);
        loop {
            while let Some(step) = self.playout.poll(self.now) {
                self.keep(step);
            }
            match self.playout.next_due() {
                Some(due) if due <= end && due + Duration::from_micros(self.lateness_us) > self.now => {
                    self.now = self.now.max(due + Duration::from_micros(self.lateness_us));
                }
                _ => break,
            }
        }
        self.now = self.now.max(end);
        // What is missing is counted when somebody asks, at the latest.
        while let Some(step) = self.playout.poll(self.now) {
            self.keep(step);
        }
    }

    fn keep(&mut self, step: Step<Hz8k>) {
        let at = self.now.as_micros();
        match step {
            Step::Frame { response, frame } => {
                self.said.push(format!("{}:{response}", at / 1_000));
                self.frames.push((at, response, frame));
                self.ear = self.ear.max(self.now) + Duration::from_millis(20);
                self.worst_ahead = self.worst_ahead.max(self.ear.since(self.now));
            }
            Step::Mark(mark) => {
                self.said.push(format!("{}:{mark}", at / 1_000));
                self.marks.push((at, mark));
                if mark.is_last {
                    self.ends.push(self.frames.len());
                }
            }
        }
    }

    pub(super) fn said(&self) -> String {
        self.said.join(" ")
    }

    pub(super) fn stats(&self) -> PlayoutStats {
        self.playout.stats()
    }

    pub(super) fn gaps_ms(&self) -> Vec<u64> {
        self.frames.windows(2).map(|pair| (pair[1].0 - pair[0].0) / 1_000).collect()
    }

    /// Among three frames there are 15 ms, but for the lead at the start of a response.
    pub(super) fn check_gaps(&self, lead_frames: usize) {
        let mut in_response = 1;
        for (index, pair) in self.frames.windows(2).enumerate() {
            let goes_on =
                pair[0].1 == pair[1].1 && !self.breaks.contains(&(index + 1)) && !self.ends.contains(&(index + 1));
            in_response = if goes_on { in_response + 1 } else { 1 };
            if in_response > lead_frames.max(2) {
                assert!(pair[1].0 - self.frames[index - 1].0 >= 15_000, "frame {index} at {}", pair[1].0);
            }
        }
    }
}
