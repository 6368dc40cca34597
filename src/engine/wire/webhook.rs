//! What Twilio tells us about a call, by HTTP.
//!
//! | request | when | type |
//! |---|---|---|
//! | voice | a call came in, or an outbound one was answered: what shall be done? | [`VoiceWebhook`] |
//! | status | a call went on or ended | [`StatusWebhook`] |
//! | `<Connect action>` | the media stream is over: what now? | [`StreamEndedWebhook`] |
//! | `<Dial action>` | the second leg of a transfer is over: what now? | [`DialEndedWebhook`] |
//! | `AsyncAmdStatusCallback` | who or what answered a call that we placed | [`AmdWebhook`] |
//! | `RecordingStatusCallback` | a recording went on, is complete, or will not be | [`RecordingWebhook`] |
//! | `<Stream statusCallback>` | the media stream started, stopped or failed | [`StreamStatusWebhook`] |
//!
//! Fields that we don't read may hold anything. A field that we read is there once, or several times with the
//! same value; otherwise the error names it, and the answer is 400.
//!
//! Rules: twilio.com/docs/voice/twiml (request parameters), …/voice/api/call-resource (status callbacks),
//! …/voice/twiml/stream.

mod recording;

use std::str::FromStr;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use thiserror::Error;

use crate::engine::ids::{AccountSid, BusinessId, CallSid, StreamSid};
use crate::engine::status::{AnsweredBy, CallDirection, CallStatus, CarrierSource, Party, StatusChange};

use super::form::{Form, FormError};

pub use recording::RecordingWebhook;

/// What is wrong with a webhook. Its text may be shown to whoever sent it: it repeats no value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {problem}")]
pub struct WebhookError {
    /// The field's name, or `body`.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// It isn't there, or is empty.
    #[error("is missing")]
    Missing,
    /// It is there more than once, with different values.
    #[error("has more than one value")]
    Repeated,
    /// Its value isn't what it should be.
    #[error("{0}")]
    Malformed(String),
}

impl From<FormError> for WebhookError {
    fn from(error: FormError) -> Self {
        Self { field: "body", problem: Problem::Malformed(error.to_string()) }
    }
}

/// A call wants to know what shall be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceWebhook {
    /// Which call.
    pub call_sid: CallSid,
    /// Whose account.
    pub account_sid: AccountSid,
    /// Who calls.
    pub from: Party,
    /// Who is called: a number, or for a SIP domain its address. Never withheld.
    pub to: Party,
    /// Who called whom.
    pub direction: CallDirection,
    /// How far it has come: `ringing` for an inbound call.
    pub status: CallStatus,
    /// The call whose `<Dial>` made this one.
    pub parent_call_sid: Option<CallSid>,
}

impl VoiceWebhook {
    /// Reads the request's fields.
    pub fn from_form(form: &Form<'_>) -> Result<Self, WebhookError> {
        let to = require::<Party>(form, "To")?;
        let callable = matches!(&to, Party::Number(_)) || to.as_str().contains(':');
        if !callable {
            return Err(malformed("To", "must be an E.164 number or an address such as sip:…"));
        }
        Ok(Self {
            call_sid: require(form, "CallSid")?,
            account_sid: require(form, "AccountSid")?,
            from: caller(form, "From")?,
            to,
            direction: require(form, "Direction")?,
            status: require(form, "CallStatus")?,
            parent_call_sid: read(form, "ParentCallSid")?,
        })
    }

    /// What it says about the call, once it is known whose it is. `received_at`: microseconds since 1970 UTC.
    pub fn change(&self, business: Option<BusinessId>, received_at: i64) -> StatusChange {
        StatusChange {
            direction: Some(self.direction),
            parent_call_sid: self.parent_call_sid.clone(),
            business,
            from: Some(self.from.clone()),
            to: Some(self.to.clone()),
            ..StatusChange::new(self.call_sid.clone(), self.status, CarrierSource::VoiceWebhook, received_at)
        }
    }
}

/// A call went on or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusWebhook {
    /// Which call.
    pub call_sid: CallSid,
    /// How far it has come.
    pub status: CallStatus,
    /// `CallDuration`: how long it lasted, in seconds. (`Duration` is in started minutes, for the bill.)
    pub duration_s: Option<u32>,
    /// Who called whom.
    pub direction: Option<CallDirection>,
    /// The call whose `<Dial>` made this one.
    pub parent_call_sid: Option<CallSid>,
    /// When it happened, by Twilio's clock: microseconds since 1970-01-01 UTC.
    pub timestamp: Option<i64>,
    /// The callback's place among those of the call, from 0.
    pub sequence_number: Option<u32>,
    /// Who called.
    pub from: Option<Party>,
    /// Who was called.
    pub to: Option<Party>,
    /// How the SIP dialogue ended, such as 486.
    pub sip_response_code: Option<u16>,
    /// Twilio's error number.
    pub error_code: Option<u32>,
    /// Who or what answered, where that was to be found out.
    pub answered_by: Option<AnsweredBy>,
}

impl StatusWebhook {
    /// Reads the request's fields.
    pub fn from_form(form: &Form<'_>) -> Result<Self, WebhookError> {
        Ok(Self {
            call_sid: require(form, "CallSid")?,
            status: require(form, "CallStatus")?,
            duration_s: number(form, "CallDuration")?,
            direction: read(form, "Direction")?,
            parent_call_sid: read(form, "ParentCallSid")?,
            timestamp: timestamp(form)?,
            sequence_number: number(form, "SequenceNumber")?,
            from: read(form, "From")?,
            to: read(form, "To")?,
            sip_response_code: number(form, "SipResponseCode")?,
            error_code: number(form, "ErrorCode")?,
            answered_by: finding(form)?,
        })
    }

    /// What it says about the call. `received_at`: microseconds since 1970-01-01 UTC.
    pub fn change(&self, received_at: i64) -> StatusChange {
        let error = self.error_code.map(|code| format!("error {code}"));
        let sip = self.sip_response_code.filter(|code| *code >= 300).map(|code| format!("SIP {code}"));
        let occurred_at = self.timestamp.unwrap_or(received_at);
        StatusChange {
            sequence: self.sequence_number,
            duration_s: self.duration_s,
            direction: self.direction,
            parent_call_sid: self.parent_call_sid.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            answered_by: self.answered_by,
            reason: error.or(sip),
            ..StatusChange::new(self.call_sid.clone(), self.status, CarrierSource::StatusCallback, occurred_at)
        }
    }
}

/// Who or what answered a call that we placed, found out beside the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmdWebhook {
    /// Which call.
    pub call_sid: CallSid,
    /// What was found.
    pub answered_by: AnsweredBy,
    /// How long that took, in milliseconds.
    pub detection_ms: Option<u32>,
}

impl AmdWebhook {
    /// Reads the request's fields.
    pub fn from_form(form: &Form<'_>) -> Result<Self, WebhookError> {
        Ok(Self {
            call_sid: require(form, "CallSid")?,
            answered_by: require(form, "AnsweredBy")?,
            detection_ms: number(form, "MachineDetectionDuration")?,
        })
    }

    /// What it says about the call, besides who answered: that it was answered. `received_at`: microseconds since
    /// 1970-01-01 UTC.
    pub fn change(&self, received_at: i64) -> StatusChange {
        let source = CarrierSource::AmdCallback;
        StatusChange {
            answered_by: Some(self.answered_by),
            machine_detection_ms: self.detection_ms,
            ..StatusChange::new(self.call_sid.clone(), CallStatus::InProgress, source, received_at)
        }
    }
}

/// The media stream is over, and Twilio asks what shall be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEndedWebhook {
    /// Which call.
    pub call_sid: CallSid,
    /// How far the call has come: `in-progress` if the caller is still there.
    pub status: Option<CallStatus>,
    /// Which stream, where Twilio says so.
    pub stream_sid: Option<StreamSid>,
    /// Why the stream failed, if it did.
    pub error: Option<String>,
}

impl StreamEndedWebhook {
    /// Reads the request's fields.
    pub fn from_form(form: &Form<'_>) -> Result<Self, WebhookError> {
        Ok(Self {
            call_sid: require(form, "CallSid")?,
            status: read(form, "CallStatus")?,
            stream_sid: read(form, "StreamSid")?,
            error: stream_error(form)?,
        })
    }

    /// What it says about the call, if anything. `received_at`: microseconds since 1970-01-01 UTC.
    pub fn change(&self, received_at: i64) -> Option<StatusChange> {
        let change = StatusChange::new(self.call_sid.clone(), self.status?, CarrierSource::StreamEnded, received_at);
        Some(StatusChange { reason: self.error.clone(), ..change })
    }
}

/// The second leg of a transfer is over, and Twilio asks what shall be done with the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialEndedWebhook {
    /// The caller's call.
    pub call_sid: CallSid,
    /// How far that has come: `in-progress` if the caller is still there.
    pub status: Option<CallStatus>,
    /// `DialCallStatus`: how the second leg ended.
    pub dialled: CallStatus,
    /// The second leg; there is none where nobody could be dialled.
    pub leg: Option<CallSid>,
    /// How long the second leg lasted, in seconds.
    pub leg_duration_s: Option<u32>,
}

impl DialEndedWebhook {
    /// Reads the request's fields.
    pub fn from_form(form: &Form<'_>) -> Result<Self, WebhookError> {
        let dialled = match single(form, "DialCallStatus")? {
            Some("answered") => CallStatus::Completed, // as a conference's leg is called
            _ => require(form, "DialCallStatus")?,
        };
        Ok(Self {
            call_sid: require(form, "CallSid")?,
            status: read(form, "CallStatus")?,
            dialled,
            leg: read(form, "DialCallSid")?,
            leg_duration_s: number(form, "DialCallDuration")?,
        })
    }

    /// Whether somebody answered.
    pub fn was_connected(&self) -> bool {
        self.dialled == CallStatus::Completed
    }

    /// What it says: about the second leg, and about the caller's call. `received_at`: microseconds since 1970-01-01
    /// UTC.
    pub fn changes(&self, received_at: i64) -> Vec<StatusChange> {
        let source = CarrierSource::StatusCallback;
        let leg = self.leg.clone().map(|leg| StatusChange {
            parent_call_sid: Some(self.call_sid.clone()),
            duration_s: self.leg_duration_s,
            ..StatusChange::new(leg, self.dialled, source, received_at)
        });
        let own = self.status.map(|status| StatusChange {
            reason: Some(format!("transfer: {}", self.dialled)),
            ..StatusChange::new(self.call_sid.clone(), status, source, received_at)
        });
        leg.into_iter().chain(own).collect()
    }
}

/// What a media stream did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamEvent {
    /// It is connected.
    Started,
    /// It is over.
    Stopped,
    /// It could not be connected, or broke.
    Failed,
}

impl FromStr for StreamEvent {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "stream-started" => Ok(Self::Started),
            "stream-stopped" => Ok(Self::Stopped),
            "stream-error" => Ok(Self::Failed),
            _ => Err("must be stream-started, stream-stopped or stream-error"),
        }
    }
}

/// The media stream started, stopped or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamStatusWebhook {
    /// Which call.
    pub call_sid: CallSid,
    /// Which stream; a stream that never connected may have none.
    pub stream_sid: Option<StreamSid>,
    /// What it did.
    pub event: StreamEvent,
    /// Why it failed, in Twilio's words.
    pub error: Option<String>,
    /// When, by Twilio's clock: microseconds since 1970-01-01 UTC.
    pub timestamp: Option<i64>,
}

impl StreamStatusWebhook {
    /// Reads the request's fields.
    pub fn from_form(form: &Form<'_>) -> Result<Self, WebhookError> {
        Ok(Self {
            call_sid: require(form, "CallSid")?,
            stream_sid: read(form, "StreamSid")?,
            event: require(form, "StreamEvent")?,
            error: stream_error(form)?,
            timestamp: timestamp(form)?,
        })
    }
}

/// The longest text that is kept of an error, in bytes.
const LONGEST_ERROR: usize = 200;

fn stream_error(form: &Form<'_>) -> Result<Option<String>, WebhookError> {
    let words = single(form, "StreamError")?.filter(|words| !words.trim().is_empty());
    Ok(words.map(|words| {
        let mut kept: String = words.chars().filter(|c| !c.is_control()).collect();
        kept.truncate(kept.floor_char_boundary(LONGEST_ERROR));
        kept
    }))
}

/// The time of the event. One in a form that nobody knows is worth less than the event that it comes with,
/// so it counts as absent.
fn timestamp(form: &Form<'_>) -> Result<Option<i64>, WebhookError> {
    let Some(text) = single(form, "Timestamp")? else { return Ok(None) };
    let parsed = rfc2822::DateTimeParser::new().parse_timestamp(text).or_else(|_| text.parse::<Timestamp>());
    Ok(parsed.ok().map(Timestamp::as_microsecond))
}

/// Who or what answered. It comes along with other news, so a word that nobody knows counts as absent.
fn finding(form: &Form<'_>) -> Result<Option<AnsweredBy>, WebhookError> {
    Ok(single(form, "AnsweredBy")?.and_then(|text| text.parse().ok()))
}

/// The calling party: the field must be there, but may be empty, which is one way to withhold a number.
fn caller(form: &Form<'_>, field: &'static str) -> Result<Party, WebhookError> {
    let text = single(form, field)?.ok_or(WebhookError { field, problem: Problem::Missing })?;
    Ok(Party::from(text.to_owned()))
}

fn require<T: FromStr<Err: std::fmt::Display>>(form: &Form<'_>, field: &'static str) -> Result<T, WebhookError> {
    read(form, field)?.ok_or(WebhookError { field, problem: Problem::Missing })
}

/// The value of a field, if there is one that isn't empty.
fn read<T: FromStr<Err: std::fmt::Display>>(form: &Form<'_>, field: &'static str) -> Result<Option<T>, WebhookError> {
    match single(form, field)? {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|error: T::Err| malformed(field, &error.to_string())),
    }
}

fn number<T: FromStr>(form: &Form<'_>, field: &'static str) -> Result<Option<T>, WebhookError> {
    match single(form, field)?.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| malformed(field, "must be a whole number, not below 0")),
    }
}

fn single<'f>(form: &'f Form<'_>, field: &'static str) -> Result<Option<&'f str>, WebhookError> {
    let mut values = form.values(field);
    let Some(value) = values.next() else { return Ok(None) };
    if values.any(|other| other != value) {
        return Err(WebhookError { field, problem: Problem::Repeated });
    }
    Ok(Some(value))
}

fn malformed(field: &'static str, rule: &str) -> WebhookError {
    WebhookError { field, problem: Problem::Malformed(rule.to_owned()) }
}

#[cfg(test)]
mod tests;
