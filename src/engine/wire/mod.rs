//! Bytes to values and back, as others define them. No sockets, no clock.
//!
//! | module | what it speaks | who defines it |
//! |---|---|---|
//! | [`form`] | the fields of a webhook: form, query or JSON | WHATWG URL, RFC 8259 |
//! | [`webhook`] | what Twilio tells us about a call | twilio.com/docs/voice/twiml, …/voice/twiml/stream |
//! | [`signature`] | `X-Twilio-Signature` | twilio.com/docs/usage/webhooks/webhooks-security |
//! | [`auth`] | whether a request is Twilio's, at the address where it reaches us | the same |
//! | [`byte_range`] | which part of a file is asked for | RFC 9110, 14 |
//! | [`twiml`] | what we tell Twilio to do | twilio.com/docs/voice/twiml |
//! | [`sentence`] | what callers hear where no agent speaks | here; the languages: twilio.com/docs/voice/twiml/say |
//! | [`media_stream`] | a call's audio on a WebSocket | twilio.com/docs/voice/media-streams/websocket-messages |
//! | [`ari`] | what an Asterisk tells of its channels | docs.asterisk.org, Asterisk REST Interface |
//! | [`audiosocket`] | a call's audio on a TCP connection | Asterisk, `res_audiosocket` |
//! | [`browser`] | a call's audio on a WebSocket from a browser | here |
//! | [`token`] | our own proof that a media socket belongs to a call | here |
//!
//! Whatever comes from outside is a value or a typed error that names the field; nothing panics.

pub mod ari;
pub mod audiosocket;
pub mod auth;
pub mod browser;
pub mod byte_range;
pub mod form;
pub mod media_stream;
pub mod sentence;
pub mod signature;
pub mod token;
pub mod twiml;
pub mod webhook;
