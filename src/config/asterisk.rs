//! The settings of calls from an Asterisk PBX.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::optional;
use crate::engine::ids::BusinessId;

/// `[asterisk]`: calls from an Asterisk PBX.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AsteriskSettings {
    /// The TCP socket that carries their audio.
    pub audiosocket: AudioSocketSettings,
    /// Its REST interface.
    pub ari: AriSettings,
}

/// `[asterisk.ari]`: the REST interface of the PBX.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AriSettings {
    /// Where it is; `None`: it is not used.
    #[serde(with = "optional")]
    pub url: Option<Url>,
    /// The user there.
    pub username: String,
    /// The application into which the dialplan sends calls.
    pub app: String,
    /// How the audio of its calls comes.
    pub format: MediaFormat,
    /// For an answer.
    pub answer_timeout_ms: u32,
    /// Where in the dialplan callers are handed over; empty: nowhere.
    pub transfer_context: String,
    /// Over what calls are placed, with `{number}` for the number; empty: none is.
    pub dial: String,
    /// The user's password.
    #[serde(skip)]
    pub password: Option<SecretString>,
}

/// How the audio of a call by ARI comes, in Asterisk's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaFormat {
    /// 8 kHz.
    Slin,
    /// 16 kHz.
    Slin16,
    /// 24 kHz.
    Slin24,
    /// 48 kHz.
    Slin48,
}

impl MediaFormat {
    /// Asterisk's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slin => "slin",
            Self::Slin16 => "slin16",
            Self::Slin24 => "slin24",
            Self::Slin48 => "slin48",
        }
    }
}

/// `[asterisk.audiosocket]`: the TCP socket that carries the audio of Asterisk's calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AudioSocketSettings {
    /// Whether it is there.
    pub enabled: bool,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The host and port by which Asterisk reaches it; empty: as `listen` says.
    pub advertise: String,
    /// Who may bring calls with UUIDs of their own: networks and addresses, separated by commas.
    pub allow: String,
    /// Whose calls those are; `None` means the business that answers every number.
    #[serde(with = "optional")]
    pub business: Option<BusinessId>,
    /// For a new connection to say its UUID.
    pub handshake_ms: u32,
    /// For how long a UUID that we issued can be used.
    pub bind_s: u32,
    /// Open at once.
    pub max_connections: u32,
    /// Opened from one address.
    pub connects_per_second: NonZeroU32,
}

impl AudioSocketSettings {
    /// Who may bring calls with UUIDs of their own, one by one.
    pub fn allowed(&self) -> impl Iterator<Item = &str> {
        self.allow.split(',').map(str::trim).filter(|text| !text.is_empty())
    }

    /// The host and port for the dialplan, of a listener at this address.
    pub fn reached_at(&self, listen: SocketAddr) -> String {
        let advertised = self.advertise.trim();
        if !advertised.is_empty() {
            return advertised.to_owned();
        }
        match listen.ip() {
            // Every address of this machine: that of the machine itself is one.
            ip if ip.is_unspecified() => format!("127.0.0.1:{}", listen.port()),
            _ => listen.to_string(),
        }
    }
}
