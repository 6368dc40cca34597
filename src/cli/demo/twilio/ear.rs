//! The caller's ear: a buffer that drains in real time, whatever the speed at which it is filled.
//!
//! Audio is heard in the order in which it came, 8 bytes in a millisecond, without a pause while there is
//! any. A mark is answered when everything before it was heard. `clear` empties the buffer and answers
//! every mark in it at once. Nothing here reads a clock: all times are given, as time since the stream's
//! `start`.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use super::ulaw::{self, BYTES_PER_MS, FRAME_BYTES};

/// A pause inside speech that is longer than this can be heard.
const GAP: Duration = Duration::from_millis(60);
/// A pause longer than this is no gap: whoever spoke had finished.
const PAUSE: Duration = Duration::from_millis(400);
/// Frames that follow each other faster than this come in a burst.
const CROWDED: Duration = Duration::from_millis(15);
/// How much audio may come in a burst when speech begins.
const START_BURST: Duration = Duration::from_millis(200);
/// More than this is not buffered (Twilio's warning 31931).
const LARGEST_BUFFER: Duration = Duration::from_secs(600);
/// What is louder than this is a sound: root mean square of 16-bit samples.
pub const SOUND: f64 = 150.0;

/// From when to when, since the stream's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// When it began.
    #[serde(rename = "from_ms", serialize_with = "as_ms")]
    pub from: Duration,
    /// When it was over.
    #[serde(rename = "to_ms", serialize_with = "as_ms")]
    pub to: Duration,
}

impl Span {
    /// How long it is.
    pub fn length(&self) -> Duration {
        self.to.saturating_sub(self.from)
    }
}

/// Writes a time in whole milliseconds.
pub fn as_ms<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(time.as_millis() as u64)
}

/// Audio as it was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When its first sample was heard.
    pub at: Duration,
    /// µ-law.
    pub audio: Vec<u8>,
}

impl Heard {
    fn end(&self) -> Duration {
        self.at + length(self.audio.len())
    }
}

/// A mark that is to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Its name.
    pub name: String,
    /// Whether what lay before it was thrown away.
    pub cleared: bool,
}

/// What a `clear` took away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cleared {
    /// When it came.
    #[serde(rename = "at_ms", serialize_with = "as_ms")]
    pub at: Duration,
    /// How much audio it threw away.
    #[serde(rename = "thrown_away_ms", serialize_with = "as_ms")]
    pub thrown_away: Duration,
    /// The marks that it answered.
    pub marks: Vec<String>,
    /// How long it took until audio came again.
    #[serde(skip)]
    pub next_audio_after: Option<Duration>,
}

/// The ear and everything that it heard.
#[derive(Debug, Default)]
pub struct Ear {
    heard: Vec<Heard>,
    marks: VecDeque<(Duration, String)>,
    silent_from: Duration,
    last_arrival: Option<Duration>,
    talk_began: Option<Duration>,
    /// Pauses inside speech.
    pub gaps: Vec<Span>,
    /// Frames that came in a burst though speech did not begin.
    pub crowded_frames: u64,
    /// The most audio that ever waited to be heard.
    pub most_ahead: Duration,
    /// Every `clear`.
    pub clears: Vec<Cleared>,
}

impl Ear {
    /// Audio arrives; `false` says that there is no room for it.
    pub fn play(&mut self, now: Duration, audio: Vec<u8>) -> bool {
        if self.silent_from > now + LARGEST_BUFFER {
            return false;
        }
        self.notice_pause(now);
        self.notice_crowd(now);
        if let Some(clear) = self.clears.last_mut()
            && clear.next_audio_after.is_none()
        {
            clear.next_audio_after = Some(now.saturating_sub(clear.at));
        }
        let at = self.silent_from.max(now);
        self.silent_from = at + length(audio.len());
        self.most_ahead = self.most_ahead.max(self.silent_from - now);
        self.heard.push(Heard { at, audio });
        true
    }

    /// A mark arrives. It is due when everything before it is heard; gives the time.
    pub fn mark(&mut self, now: Duration, name: String) -> Duration {
        let due = self.silent_from.max(now);
        self.marks.push_back((due, name));
        due
    }

    /// When the next mark must be answered.
    pub fn next_mark(&self) -> Option<Duration> {
        self.marks.front().map(|(due, _)| *due)
    }

    /// The marks that have been reached.
    pub fn reached(&mut self, now: Duration) -> Vec<Echo> {
        let due = self.marks.iter().take_while(|(due, _)| *due <= now).count();
        self.marks.drain(..due).map(|(_, name)| Echo { name, cleared: false }).collect()
    }

    /// `clear` arrives: what was not heard never will be, and every mark is answered.
    pub fn clear(&mut self, now: Duration) -> Vec<Echo> {
        let mut echoes = self.reached(now);
        self.heard.retain(|heard| heard.at < now);
        if let Some(last) = self.heard.last_mut() {
            last.audio.truncate(bytes(now - last.at));
        }
        let marks: Vec<String> = self.marks.drain(..).map(|(_, name)| name).collect();
        let thrown_away = self.silent_from.saturating_sub(now);
        self.clears.push(Cleared { at: now, thrown_away, marks: marks.clone(), next_audio_after: None });
        self.silent_from = self.silent_from.min(now);
        self.talk_began = None;
        echoes.extend(marks.into_iter().map(|name| Echo { name, cleared: true }));
        echoes
    }

    /// The line is cut: what was not heard never will be.
    pub fn cut(&mut self, now: Duration) {
        self.clear(now);
        self.clears.pop();
    }

    /// How long nothing has waited to be heard; zero while there is something.
    pub fn idle_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.silent_from)
    }

    /// Whether any audio was heard yet.
    pub fn has_heard(&self, now: Duration) -> bool {
        self.heard.first().is_some_and(|heard| heard.at <= now)
    }

    /// How long it has been since the last sound; `None` before the first one.
    pub fn quiet_for(&self, now: Duration) -> Option<Duration> {
        self.heard.iter().rev().find_map(|heard| {
            sounds_in(heard).filter(|sound| sound.from < now).last().map(|sound| now.saturating_sub(sound.to))
        })
    }

    /// How long sound has gone on by now, pauses up to `bridge` included; zero in silence.
    pub fn sounding_for(&self, now: Duration, bridge: Duration) -> Duration {
        match self.sounds(bridge).into_iter().rfind(|sound| sound.from < now) {
            Some(sound) if sound.to + bridge > now => now - sound.from,
            _ => Duration::ZERO,
        }
    }

    /// From when to when there was sound; pauses up to `bridge` do not part it.
    pub fn sounds(&self, bridge: Duration) -> Vec<Span> {
        sounds(&self.heard, bridge)
    }

    /// Everything heard, in order.
    pub fn heard(&self) -> &[Heard] {
        &self.heard
    }

    fn notice_pause(&mut self, now: Duration) {
        let Some(began) = self.talk_began else {
            self.talk_began = Some(now);
            return;
        };
        let pause = now.saturating_sub(self.silent_from);
        if pause > PAUSE {
            self.talk_began = Some(now);
        } else if pause > GAP && began < now {
            self.gaps.push(Span { from: self.silent_from, to: now });
        }
    }

    fn notice_crowd(&mut self, now: Duration) {
        let since_last = self.last_arrival.map(|last| now.saturating_sub(last));
        self.last_arrival = Some(now);
        let talked = self.talk_began.map_or(Duration::ZERO, |began| self.silent_from.saturating_sub(began));
        if talked > START_BURST && since_last.is_some_and(|since| since < CROWDED) {
            self.crowded_frames += 1;
        }
    }
}

/// From when to when there was sound in `audio`, which is in order; pauses up to `bridge` do not part it.
pub fn sounds(audio: &[Heard], bridge: Duration) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for sound in audio.iter().flat_map(sounds_in) {
        match spans.last_mut() {
            Some(last) if sound.from <= last.to + bridge => last.to = sound.to,
            _ => spans.push(sound),
        }
    }
    spans
}

/// The sounds of one piece, in blocks of at most 20 ms.
fn sounds_in(heard: &Heard) -> impl Iterator<Item = Span> + '_ {
    heard.audio.chunks(FRAME_BYTES).enumerate().filter_map(|(block, audio)| {
        let from = heard.at + length(block * FRAME_BYTES);
        (ulaw::level(audio) > SOUND).then_some(Span { from, to: (from + length(audio.len())).min(heard.end()) })
    })
}

/// How long so many bytes sound.
pub fn length(bytes: usize) -> Duration {
    Duration::from_micros(bytes as u64 * 1_000 / BYTES_PER_MS as u64)
}

/// How many bytes sound so long.
fn bytes(length: Duration) -> usize {
    length.as_micros() as usize * BYTES_PER_MS / 1_000
}

#[cfg(test)]
mod tests;
