//! The numbers that rule a call's sound. Each is a setting.

use serde::{Deserialize, Serialize};

/// How speech is told from noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VadSettings {
    /// WebRTC's aggressiveness, 0 to 3: how much it must sound like speech. 0 hears line echo as speech.
    pub aggressiveness: u8,
    /// The level above which a frame counts as loud: root mean square of 16-bit samples, 1 to 32767.
    pub energy_threshold: u32,
    /// The confidence, 0 to 1, that one frame needs to count as speech when the two detectors disagree.
    pub confidence_threshold: f32,
}

impl Default for VadSettings {
    fn default() -> Self {
        Self { aggressiveness: 1, energy_threshold: 700, confidence_threshold: 0.6 }
    }
}

/// Where an utterance begins and ends. All in milliseconds; rounded up to whole frames of 20 ms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndpointSettings {
    /// Speech of this length in a row begins an utterance.
    pub start_ms: u32,
    /// Silence of this length ends it.
    pub hangover_ms: u32,
    /// An utterance is cut at this length, whatever is heard.
    pub max_utterance_ms: u32,
}

impl Default for EndpointSettings {
    fn default() -> Self {
        Self { start_ms: 60, hangover_ms: 600, max_utterance_ms: 30_000 }
    }
}

/// How agent audio is played to the caller. All in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlayoutSettings {
    /// How long a response is held back at most before it begins, for an agent whose audio dribbles in. One that
    /// sends ahead of real time plays at once.
    pub preroll_ms: u32,
    /// How long a response is held back at most after a hole, for such an agent; never longer than `preroll_ms`.
    pub low_water_ms: u32,
    /// How far ahead of the caller's ear we send, at most 200: what a barge-in has to take back.
    pub lead_ms: u32,
    /// How often a mark is sent within a response.
    pub mark_every_ms: u32,
    /// How much audio may wait at most; more is an agent gone wild.
    pub max_queue_ms: u32,
}

impl Default for PlayoutSettings {
    fn default() -> Self {
        Self { preroll_ms: 150, low_water_ms: 60, lead_ms: 60, mark_every_ms: 100, max_queue_ms: 300_000 }
    }
}
