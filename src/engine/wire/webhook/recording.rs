//! What Twilio tells about a recording (twilio.com/docs/voice/api/recording, `RecordingStatusCallback`).

use super::{Form, WebhookError, malformed, number, require, single};
use crate::engine::ids::{CallSid, RecordingSid};
use crate::engine::recording::RecordingState;

/// The longest address of a recording, in bytes.
const LONGEST_URL: usize = 2_048;

/// A recording went on, is complete, or will not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingWebhook {
    /// Of which call.
    pub call_sid: CallSid,
    /// Which.
    pub recording_sid: RecordingSid,
    /// How far it has come.
    pub state: RecordingState,
    /// Where it lies; without an ending, and without what tells who may have it.
    pub url: Option<String>,
    /// How long it is, in seconds.
    pub duration_s: Option<u32>,
    /// How many channels it has.
    pub channels: Option<u32>,
    /// What is wrong with it, as Twilio counts it.
    pub error_code: Option<u32>,
}

impl RecordingWebhook {
    /// Reads the request's fields.
    pub fn from_form(form: &Form<'_>) -> Result<Self, WebhookError> {
        let url = single(form, "RecordingUrl")?.filter(|url| !url.is_empty());
        if url.is_some_and(|url| url.len() > LONGEST_URL || url.chars().any(char::is_control)) {
            return Err(malformed("RecordingUrl", "must be an address of at most 2,048 bytes"));
        }
        Ok(Self {
            call_sid: require(form, "CallSid")?,
            recording_sid: require(form, "RecordingSid")?,
            state: state(form)?,
            url: url.map(str::to_owned),
            duration_s: number(form, "RecordingDuration")?,
            channels: number(form, "RecordingChannels")?,
            error_code: number(form, "ErrorCode")?,
        })
    }
}

fn state(form: &Form<'_>) -> Result<RecordingState, WebhookError> {
    let word: String = require(form, "RecordingStatus")?;
    Ok(match word.as_str() {
        "in-progress" | "paused" | "stopped" | "processing" => RecordingState::Started,
        "completed" => RecordingState::Announced,
        "failed" => RecordingState::Failed,
        "absent" | "deleted" => RecordingState::Absent,
        _ => return Err(malformed("RecordingStatus", "must be in-progress, completed, failed or absent")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: (&str, &str) = ("CallSid", "CA00000000000000000000000000000001");
    const RECORDING: (&str, &str) = ("RecordingSid", "RE00000000000000000000000000000001");

    fn read(more: &[(&str, &str)]) -> Result<RecordingWebhook, WebhookError> {
        let pairs: Vec<_> = [CALL, RECORDING].into_iter().chain(more.iter().copied()).collect();
        RecordingWebhook::from_form(&Form::from_pairs(&pairs))
    }

    #[test]
    fn a_recording_that_is_complete_says_where_it_lies() {
        let url = "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1";
        let told = [
            ("RecordingStatus", "completed"),
            ("RecordingUrl", url),
            ("RecordingDuration", "42"),
            ("RecordingChannels", "2"),
        ];
        let webhook = read(&told).unwrap();
        assert_eq!((webhook.state, webhook.url.as_deref()), (RecordingState::Announced, Some(url)));
        assert_eq!((webhook.duration_s, webhook.channels, webhook.error_code), (Some(42), Some(2), None));
    }

    #[test]
    fn each_status_is_understood_and_no_other() {
        let states = [
            ("in-progress", RecordingState::Started),
            ("completed", RecordingState::Announced),
            ("failed", RecordingState::Failed),
            ("absent", RecordingState::Absent),
        ];
        for (word, state) in states {
            assert_eq!(read(&[("RecordingStatus", word)]).unwrap().state, state, "{word}");
        }
        assert_eq!(read(&[]).unwrap_err().to_string(), "RecordingStatus: is missing");
        let odd = read(&[("RecordingStatus", "done")]).unwrap_err();
        assert_eq!(odd.to_string(), "RecordingStatus: must be in-progress, completed, failed or absent");
        let long = "x".repeat(3_000);
        assert!(read(&[("RecordingStatus", "completed"), ("RecordingUrl", long.as_str())]).is_err());
    }
}
