//! What the carrier holds against the server: each is something that the real one would refuse or warn of.

use serde::Serialize;
use thiserror::Error;

/// One complaint. The numbers are those of Twilio's error dictionary, where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Complaint {
    /// A binary message; only text is understood.
    #[error("31950: a binary message of {0} bytes")]
    Binary(usize),
    /// Text that is no JSON object.
    #[error("31951: not a JSON object: {0}")]
    NotJson(String),
    /// An event that a server can't send.
    #[error("31951: unsupported event {0:?}")]
    UnknownEvent(String),
    /// A field that the event must have, or one of the wrong type.
    #[error("31951: {event:?} needs the text field {field:?}")]
    MissingField {
        /// In which message.
        event: String,
        /// Which field, with its path.
        field: &'static str,
    },
    /// A field that the event does not have.
    #[error("31951: {event:?} has an unexpected field {field:?}")]
    UnexpectedField {
        /// In which message.
        event: String,
        /// Which field.
        field: String,
    },
    /// The identifier of another stream.
    #[error("31951: streamSid {0:?} is not the one of this stream")]
    WrongStream(String),
    /// Audio that is not base64.
    #[error("31951: the payload is not base64: {0}")]
    BadBase64(String),
    /// Audio without a sample.
    #[error("31951: an empty payload")]
    EmptyPayload,
    /// More than ten minutes of audio wait to be played.
    #[error("31931: more than 10 minutes of audio are buffered")]
    BufferOverflow,
    /// A message before the stream's `start` was sent.
    #[error("31951: a message before the stream has started")]
    BeforeStart,
    /// The WebSocket protocol was broken, or the connection was cut without a close.
    #[error("31924: {0}")]
    Protocol(String),
    /// A webhook was not answered as it should be.
    #[error("11200: {what} was answered with {answer}")]
    Webhook {
        /// Which request.
        what: String,
        /// What came back.
        answer: String,
    },
}
