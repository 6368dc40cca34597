//! Who or what answered a call that we placed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What the carrier's answering-machine detection found, in Twilio's words. `Unknown` is the last: whoever knows more wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnsweredBy {
    /// A person.
    Human,
    /// A machine; its greeting goes on.
    MachineStart,
    /// A machine; its greeting is over, and it has beeped.
    MachineEndBeep,
    /// A machine; its greeting is over, and it is silent.
    MachineEndSilence,
    /// A machine; its greeting is over in some other way.
    MachineEndOther,
    /// A fax machine.
    Fax,
    /// It could not be found out.
    Unknown,
}

/// A word that is no finding of answering-machine detection.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("is none of human, machine_start, machine_end_beep, machine_end_silence, machine_end_other, fax, unknown")]
pub struct UnknownFinding;

impl AnsweredBy {
    /// Every finding.
    pub const ALL: [Self; 7] = [
        Self::Human,
        Self::MachineStart,
        Self::MachineEndBeep,
        Self::MachineEndSilence,
        Self::MachineEndOther,
        Self::Fax,
        Self::Unknown,
    ];

    /// The word that is stored and shown, in Twilio's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::MachineStart => "machine_start",
            Self::MachineEndBeep => "machine_end_beep",
            Self::MachineEndSilence => "machine_end_silence",
            Self::MachineEndOther => "machine_end_other",
            Self::Fax => "fax",
            Self::Unknown => "unknown",
        }
    }

    /// Whether nobody listens who could answer. What could not be found out may be a person.
    pub const fn is_machine(self) -> bool {
        match self {
            Self::Human | Self::Unknown => false,
            Self::MachineStart | Self::MachineEndBeep | Self::MachineEndSilence | Self::MachineEndOther | Self::Fax => {
                true
            }
        }
    }
}

impl fmt::Display for AnsweredBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AnsweredBy {
    type Err = UnknownFinding;

    /// Takes any case, `-` for `_`, and `machine`, which was Twilio's word before there were four kinds.
    fn from_str(text: &str) -> Result<Self, UnknownFinding> {
        match text.trim().to_ascii_lowercase().replace('-', "_").as_str() {
            "machine" => Ok(Self::MachineStart),
            word => Self::ALL.into_iter().find(|finding| finding.as_str() == word).ok_or(UnknownFinding),
        }
    }
}
