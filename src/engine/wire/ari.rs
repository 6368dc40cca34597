//! ARI: what an Asterisk tells of its channels and bridges, in JSON.
//!
//! Of its many kinds of events those are read that move a call; of their many fields those that somebody here asks for.
//! What else comes is [`AriEvent::Other`], and no fault: each Asterisk knows more of them than the one before. Key presses
//! are not read, since the call's audio connection tells of them too, and a key would count twice.
//!
//! Rules: docs.asterisk.org, Asterisk REST Interface, "Asterisk REST Data Models".

#[cfg(test)]
mod tests;

use serde_json::Value;
use thiserror::Error;

/// Something that an Asterisk told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AriEvent {
    /// A channel came into the application.
    StasisStart {
        /// Which.
        channel: AriChannel,
        /// What the dialplan, or whoever made it, gave it on the way.
        args: Vec<String>,
    },
    /// A channel has left the application: to the dialplan, or for good.
    StasisEnd {
        /// Its id.
        channel: String,
    },
    /// The state of a channel has changed.
    StateChanged {
        /// Its id.
        channel: String,
        /// How far it is.
        state: ChannelState,
    },
    /// A channel is no more.
    Destroyed {
        /// Its id.
        channel: String,
        /// Why, by ITU-T Q.850; 0 where nobody knows.
        cause: u32,
    },
    /// Another connection has taken the application over: nothing more will come here.
    Replaced,
    /// Something that moves no call.
    Other,
}

/// How far a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelState {
    /// It rings at the other end.
    Ringing,
    /// It is answered.
    Up,
    /// Anything else: not there yet.
    Other,
}

/// A channel of an Asterisk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AriChannel {
    /// Its id, unique in this Asterisk.
    pub id: String,
    /// Its name, whose beginning says how it is connected: `PJSIP/…`, `AudioSocket/…`.
    pub name: String,
    /// How far it is.
    pub state: ChannelState,
    /// Who calls; empty where nobody knows.
    pub caller: String,
    /// The extension that was called; empty where there is none.
    pub extension: String,
    /// The application that it is in, and what that was given; both empty for none.
    pub application: (String, String),
}

/// Why what came is no event.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AriEventError {
    /// Not JSON, or no object.
    #[error("not a JSON object")]
    NotJson,
    /// A field is missing, or is of another type.
    #[error("{0} is missing, or of another type")]
    Field(&'static str),
}

impl AriEvent {
    /// Reads a message of the events' socket.
    ///
    /// ```
    /// use trunkline::engine::wire::ari::AriEvent;
    /// let ended = AriEvent::parse(r#"{"type":"StasisEnd","channel":{"id":"1.2"}}"#);
    /// assert_eq!(ended, Ok(AriEvent::StasisEnd { channel: "1.2".to_owned() }));
    /// ```
    ///
    /// # Errors
    /// It is none: [`AriEventError`] names the field.
    pub fn parse(text: &str) -> Result<Self, AriEventError> {
        let event: Value = serde_json::from_str(text).map_err(|_| AriEventError::NotJson)?;
        if !event.is_object() {
            return Err(AriEventError::NotJson);
        }
        let kind = event["type"].as_str().ok_or(AriEventError::Field("type"))?;
        Ok(match kind {
            "StasisStart" => Self::StasisStart {
                channel: AriChannel::read(&event["channel"])?,
                args: match &event["args"] {
                    Value::Array(args) => args.iter().filter_map(|arg| Some(arg.as_str()?.to_owned())).collect(),
                    Value::Null => Vec::new(),
                    _ => return Err(AriEventError::Field("args")),
                },
            },
            "StasisEnd" => Self::StasisEnd { channel: id(&event["channel"])? },
            "ChannelDestroyed" => Self::Destroyed {
                channel: id(&event["channel"])?,
                cause: event["cause"].as_u64().and_then(|cause| u32::try_from(cause).ok()).unwrap_or(0),
            },
            "ChannelStateChange" => Self::StateChanged {
                channel: id(&event["channel"])?,
                state: ChannelState::read(&event["channel"]["state"]),
            },
            "ApplicationReplaced" => Self::Replaced,
            _ => Self::Other,
        })
    }
}

impl AriChannel {
    /// Reads a channel, as it stands in events and in answers.
    ///
    /// # Errors
    /// It has no id or no name.
    pub fn read(channel: &Value) -> Result<Self, AriEventError> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let plan = &channel["dialplan"];
        Ok(Self {
            id: id(channel)?,
            name: channel["name"].as_str().ok_or(AriEventError::Field("channel.name"))?.to_owned(),
            state: ChannelState::read(&channel["state"]),
            caller: text(&channel["caller"]["number"]),
            extension: text(&plan["exten"]),
            application: (text(&plan["app_name"]), text(&plan["app_data"])),
        })
    }

    /// Whether it is in the application of this name.
    pub fn is_in(&self, application: &str) -> bool {
        self.application.0 == "Stasis" && self.application.1.split(',').next() == Some(application)
    }
}

impl ChannelState {
    fn read(state: &Value) -> Self {
        match state.as_str() {
            Some("Up") => Self::Up,
            Some("Ringing") => Self::Ringing,
            _ => Self::Other,
        }
    }
}

fn id(channel: &Value) -> Result<String, AriEventError> {
    let id = channel["id"].as_str().filter(|id| !id.is_empty());
    id.map(str::to_owned).ok_or(AriEventError::Field("channel.id"))
}
