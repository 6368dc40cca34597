//! The numbers that rule a conversation. Each is a setting; the defaults come from the reference systems.

use serde::{Deserialize, Serialize};

use crate::engine::ids::PhoneNumber;

/// When the caller may interrupt the agent. All in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BargeInSettings {
    /// How long our own detector must hear speech before it interrupts; a cough is shorter.
    pub min_speech_ms: u32,
    /// From the first audio of a response: no interruption. Line echo of the first syllable arrives here.
    pub initial_protection_ms: u32,
    /// The same for the greeting, when the telephone is still on its way to the ear.
    pub greeting_protection_ms: u32,
    /// After an interruption: no further one.
    pub cooldown_ms: u32,
    /// Speech that begins within this time after the agent's audio ended may be its echo and, if our own
    /// detector alone heard it, opens no turn until it has lasted `min_speech_ms`.
    pub post_playout_protection_ms: u32,
    /// Whether the caller may interrupt at all.
    pub enabled: bool,
}

impl Default for BargeInSettings {
    fn default() -> Self {
        Self {
            min_speech_ms: 250,
            initial_protection_ms: 200,
            greeting_protection_ms: 500,
            cooldown_ms: 500,
            post_playout_protection_ms: 250,
            enabled: true,
        }
    }
}

/// What happens when somebody who should speak does not. All in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SilenceSettings {
    /// The agent owes speech for this long: a filler sentence is spoken.
    pub filler_after_ms: u32,
    /// … for this long: the response is cancelled and asked for once more.
    pub retry_after_ms: u32,
    /// … for this long: an apology is spoken and the call ends.
    pub give_up_after_ms: u32,
    /// The agent must have confirmed its settings within this time of the answer.
    pub agent_ready_within_ms: u32,
    /// The caller has been silent for this long, and so has the agent: the agent asks whether someone is there.
    pub caller_reprompt_after_ms: u32,
    /// How many times it asks before it says goodbye.
    pub caller_reprompts: u32,
}

impl Default for SilenceSettings {
    fn default() -> Self {
        Self {
            filler_after_ms: 2_500,
            retry_after_ms: 5_000,
            give_up_after_ms: 9_000,
            agent_ready_within_ms: 8_000,
            caller_reprompt_after_ms: 10_000,
            caller_reprompts: 2,
        }
    }
}

/// How long things may take. All in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// The longest call.
    pub max_call_ms: u32,
    /// The longest wait, after a goodbye, for its last mark to come back.
    pub drain_ms: u32,
    /// How long the caller's words may take to arrive after the utterance, before the turn is stored without.
    pub transcript_wait_ms: u32,
    /// After a key press, how long to wait for the next one before the agent is asked to answer.
    pub dtmf_pause_ms: u32,
    /// How long the carrier may answer no mark, after all audio was sent, before the rest counts as not heard.
    pub mark_wait_ms: u32,
    /// The longest utterance that the vendor's detector may report; without a word from our own detector, a
    /// fifth of it. A detector that hears a fan must not keep the agent silent.
    pub max_utterance_ms: u32,
    /// How many responses the agent may give in a row without a word from the caller.
    pub max_agent_turns: u32,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            max_call_ms: 600_000,
            drain_ms: 10_000,
            transcript_wait_ms: 5_000,
            dtmf_pause_ms: 700,
            mark_wait_ms: 3_000,
            max_utterance_ms: 30_000,
            max_agent_turns: 5,
        }
    }
}

/// Who begins a response when the agent's own detector says that the caller has finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TurnOwner {
    /// The call machine; the vendor only proposes.
    #[default]
    Engine,
    /// The vendor; the machine follows, and still decides what is played.
    Vendor,
}

/// Everything a call machine is built with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallSettings {
    /// Interruptions.
    pub barge_in: BargeInSettings,
    /// The two silence ladders.
    pub silence: SilenceSettings,
    /// Longest times.
    pub limits: LimitSettings,
    /// Who begins responses.
    pub turns: TurnOwner,
    /// The only number that the agent may hand the caller over to. A model that is talked into naming another
    /// one is refused: that would be toll fraud.
    pub transfer_to: Option<PhoneNumber>,
}
