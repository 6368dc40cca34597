//! Twilio's REST interface, version 2010-04-01.
//!
//! Rules: twilio.com/docs/voice/api/call-resource (create, fetch, read, update), …/recording,
//! twilio.com/docs/phone-numbers/api/incomingphonenumber-resource, twilio.com/docs/usage/requests-to-twilio and
//! …/twilios-response (errors). Times are RFC 2822; a call's duration is a number in a text.

mod answer;
mod request;

use std::time::Duration;

use secrecy::SecretString;
use url::form_urlencoded;

use crate::engine::ids::{AccountSid, CallSid, NumberSid, PhoneNumber, RecordingSid};

use super::{
    CallNow, CallsSought, Carrier, CarrierAnswer, CarrierCall, CarrierError, CarrierNumber, NewCall, NewRecording,
    NumberUrls,
};
use request::Requests;

/// The most calls that are looked at for one that is sought.
const MOST_CALLS: &str = "50";
/// The most numbers that are listed: Twilio's largest page.
const MOST_NUMBERS: &str = "1000";

/// What may be asked again after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// Doing it twice leaves what doing it once leaves.
    Always,
    /// Doing it twice would be wrong.
    IfNothingWasDone,
}

impl Again {
    fn allows(self, error: &CarrierError) -> bool {
        error.is_retryable() && (self == Self::Always || !error.outcome_is_unknown())
    }
}

/// Twilio's REST interface, for one account.
pub struct TwilioRest {
    requests: Requests,
}

impl TwilioRest {
    /// The interface at `api_url` (as in `https://api.twilio.com`), for this account.
    pub fn new(api_url: &str, account: AccountSid, auth_token: SecretString) -> Self {
        Self { requests: Requests::new(api_url, account, auth_token) }
    }
}

impl Carrier for TwilioRest {
    fn place<'a>(&'a self, call: &'a NewCall) -> CarrierAnswer<'a, CallSid> {
        let fields = new_call(call);
        Box::pin(async move {
            let answer = self.requests.post("Calls.json", &fields, Again::IfNothingWasDone).await?;
            answer::sid(&answer)
        })
    }

    fn hang_up<'a>(&'a self, call: &'a CallSid) -> CarrierAnswer<'a, ()> {
        let fields = [("Status", "completed".to_owned())];
        Box::pin(async move {
            match self.requests.post(&format!("Calls/{call}.json"), &fields, Again::Always).await {
                Ok(_) | Err(CarrierError::Over | CarrierError::NotFound) => Ok(()),
                Err(error) => Err(error),
            }
        })
    }

    fn update<'a>(&'a self, call: &'a CallSid, now: &'a CallNow) -> CarrierAnswer<'a, ()> {
        let fields = match now {
            CallNow::Ask(url) => vec![("Url", url.clone()), ("Method", "POST".to_owned())],
            CallNow::Follow(twiml) => vec![("Twiml", twiml.clone())],
        };
        Box::pin(async move {
            self.requests.post(&format!("Calls/{call}.json"), &fields, Again::Always).await?;
            Ok(())
        })
    }

    fn call<'a>(&'a self, call: &'a CallSid) -> CarrierAnswer<'a, CarrierCall> {
        Box::pin(async move { answer::call(&self.requests.get(&format!("Calls/{call}.json")).await?) })
    }

    fn calls<'a>(&'a self, sought: &'a CallsSought) -> CarrierAnswer<'a, Vec<CarrierCall>> {
        Box::pin(async move {
            let day = answer::day(sought.since);
            let query = query(&[
                ("To", sought.to.as_str()),
                ("From", sought.from.as_str()),
                ("StartTime>", &day),
                ("PageSize", MOST_CALLS),
            ]);
            let calls = answer::calls(&self.requests.get(&format!("Calls.json?{query}")).await?)?;
            // Twilio compares whole days of the start, which a call that waits does not have yet.
            Ok(calls.into_iter().filter(|call| call.created_at.is_none_or(|at| at >= sought.since)).collect())
        })
    }

    fn numbers<'a>(&'a self, only: Option<&'a PhoneNumber>) -> CarrierAnswer<'a, Vec<CarrierNumber>> {
        Box::pin(async move {
            let mut fields = vec![("PageSize", MOST_NUMBERS)];
            fields.extend(only.map(|number| ("PhoneNumber", number.as_str())));
            let path = format!("IncomingPhoneNumbers.json?{}", query(&fields));
            let numbers = answer::numbers(&self.requests.get(&path).await?)?;
            // Twilio finds every number that holds these digits.
            Ok(numbers.into_iter().filter(|found| only.is_none_or(|only| found.number == *only)).collect())
        })
    }

    fn set_number<'a>(&'a self, number: &'a NumberSid, urls: &'a NumberUrls) -> CarrierAnswer<'a, CarrierNumber> {
        let post = || "POST".to_owned();
        let fields = [
            ("VoiceUrl", urls.voice_url.clone()),
            ("VoiceMethod", post()),
            ("StatusCallback", urls.status_url.clone()),
            ("StatusCallbackMethod", post()),
        ];
        Box::pin(async move {
            let path = format!("IncomingPhoneNumbers/{number}.json");
            answer::number(&self.requests.post(&path, &fields, Again::Always).await?)
        })
    }

    fn record<'a>(&'a self, call: &'a CallSid, recording: &'a NewRecording) -> CarrierAnswer<'a, RecordingSid> {
        let fields = [
            ("RecordingStatusCallback", recording.status_url.clone()),
            ("RecordingStatusCallbackMethod", "POST".to_owned()),
            ("RecordingStatusCallbackEvent", "completed".to_owned()),
            ("RecordingStatusCallbackEvent", "absent".to_owned()),
            ("RecordingChannels", if recording.two_channels { "dual" } else { "mono" }.to_owned()),
            // What was said keeps the times at which it was said.
            ("Trim", "do-not-trim".to_owned()),
        ];
        Box::pin(async move {
            let path = format!("Calls/{call}/Recordings.json");
            answer::sid(&self.requests.post(&path, &fields, Again::IfNothingWasDone).await?)
        })
    }
}

/// The fields of a call to be placed.
fn new_call(call: &NewCall) -> Vec<(&'static str, String)> {
    let seconds = |length: Duration| length.as_secs().to_string();
    let post = || "POST".to_owned();
    let mut fields = vec![
        ("To", call.to.as_str().to_owned()),
        ("From", call.from.as_str().to_owned()),
        ("Url", call.voice_url.clone()),
        ("Method", post()),
        ("StatusCallback", call.status_url.clone()),
        ("StatusCallbackMethod", post()),
        ("Timeout", seconds(call.ring_for.clamp(Duration::from_secs(5), Duration::from_secs(600)))),
    ];
    for event in ["initiated", "ringing", "answered", "completed"] {
        fields.push(("StatusCallbackEvent", event.to_owned()));
    }
    if let Some(limit) = call.time_limit {
        fields.push(("TimeLimit", seconds(limit)));
    }
    if let Some(detection) = &call.machine_detection {
        let kind = if detection.until_the_beep { "DetectMessageEnd" } else { "Enable" };
        fields.push(("MachineDetection", kind.to_owned()));
        fields.push(("AsyncAmd", "true".to_owned()));
        fields.push(("AsyncAmdStatusCallback", detection.result_url.clone()));
        fields.push(("AsyncAmdStatusCallbackMethod", post()));
    }
    fields
}

fn query(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
