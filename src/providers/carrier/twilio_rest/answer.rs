//! Twilio's JSON, read into values. Only what is asked for is read; what is missing and needed is named.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::engine::status::Party;

use super::super::{CarrierCall, CarrierError, CarrierNumber, NumberUrls};

/// The `sid` of what was made.
pub(super) fn sid<T: FromStr>(answer: &Value) -> Result<T, CarrierError> {
    needed(answer, "sid", "it has no sid")
}

/// One call.
pub(super) fn call(answer: &Value) -> Result<CarrierCall, CarrierError> {
    Ok(CarrierCall {
        call_sid: sid(answer)?,
        status: needed(answer, "status", "the call has no status that is known")?,
        direction: read(answer, "direction"),
        parent_call_sid: read(answer, "parent_call_sid"),
        from: text(answer, "from").map(|from| Party::from(from.to_owned())),
        to: text(answer, "to").map(|to| Party::from(to.to_owned())),
        duration_s: read(answer, "duration"),
        created_at: time(answer, "date_created"),
        started_at: time(answer, "start_time"),
        ended_at: time(answer, "end_time"),
        answered_by: read(answer, "answered_by"),
    })
}

/// A page of calls.
pub(super) fn calls(answer: &Value) -> Result<Vec<CarrierCall>, CarrierError> {
    let page = answer["calls"].as_array().ok_or(CarrierError::Unreadable("it has no list of calls"))?;
    page.iter().map(call).collect()
}

/// One telephone number.
pub(super) fn number(answer: &Value) -> Result<CarrierNumber, CarrierError> {
    let address = |field| text(answer, field).unwrap_or_default().to_owned();
    let overridden_by = match (text(answer, "trunk_sid"), text(answer, "voice_application_sid")) {
        (Some(_), _) => Some("a SIP trunk"),
        (None, Some(_)) => Some("a TwiML application"),
        (None, None) => None,
    };
    Ok(CarrierNumber {
        sid: sid(answer)?,
        number: needed(answer, "phone_number", "the number is no number")?,
        urls: NumberUrls { voice_url: address("voice_url"), status_url: address("status_callback") },
        methods: ["voice_method", "status_callback_method"].map(address),
        overridden_by,
    })
}

/// A page of telephone numbers. What is no number in E.164 (a short code) can't be called by anybody and is left out.
pub(super) fn numbers(answer: &Value) -> Result<Vec<CarrierNumber>, CarrierError> {
    let page = answer["incoming_phone_numbers"].as_array();
    let page = page.ok_or(CarrierError::Unreadable("it has no list of numbers"))?;
    Ok(page.iter().filter_map(|entry| number(entry).ok()).collect())
}

/// The day of a time, UTC, as Twilio's filters want it.
pub(super) fn day(micros: i64) -> String {
    let at = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(TimeZone::UTC).date().to_string()
}

fn text<'a>(answer: &'a Value, field: &str) -> Option<&'a str> {
    answer[field].as_str().filter(|text| !text.is_empty())
}

fn read<T: FromStr>(answer: &Value, field: &str) -> Option<T> {
    text(answer, field)?.parse().ok()
}

fn needed<T: FromStr>(answer: &Value, field: &str, without: &'static str) -> Result<T, CarrierError> {
    read(answer, field).ok_or(CarrierError::Unreadable(without))
}

fn time(answer: &Value, field: &str) -> Option<i64> {
    let parsed = rfc2822::DateTimeParser::new().parse_timestamp(text(answer, field)?);
    parsed.ok().map(Timestamp::as_microsecond)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::status::{CallDirection, CallStatus};

    #[test]
    fn a_call_is_read_with_its_times_and_length() {
        let answer = json!({
            "sid": "CA0123456789abcdef0123456789abcdef", "status": "completed", "direction": "outbound-api",
            "from": "+15005550006", "to": "+15005550001", "duration": "42", "parent_call_sid": null,
            "date_created": "Tue, 31 Aug 2010 20:36:28 +0000", "start_time": "Tue, 31 Aug 2010 20:36:29 +0000",
            "end_time": "Tue, 31 Aug 2010 20:36:44 +0000", "answered_by": null, "price": "-0.03000",
        });
        let call = call(&answer).unwrap();
        assert_eq!((call.status, call.duration_s), (CallStatus::Completed, Some(42)));
        assert_eq!(call.direction, Some(CallDirection::Outbound));
        assert_eq!(call.ended_at.unwrap() - call.created_at.unwrap(), 16_000_000);
        assert_eq!(day(call.created_at.unwrap()), "2010-08-31");
    }

    #[test]
    fn what_is_no_call_is_told_and_not_made_up() {
        assert_eq!(call(&json!({})), Err(CarrierError::Unreadable("it has no sid")));
        let odd = json!({ "sid": "CA0123456789abcdef0123456789abcdef", "status": "dancing" });
        assert_eq!(call(&odd), Err(CarrierError::Unreadable("the call has no status that is known")));
        assert!(calls(&json!([])).is_err() && numbers(&json!(null)).is_err());
    }

    #[test]
    fn a_number_that_something_else_answers_says_so() {
        let answer = json!({
            "sid": "PN0123456789abcdef0123456789abcdef", "phone_number": "+15005550006", "voice_url": "https://a/voice",
            "voice_method": "POST", "status_callback": "", "status_callback_method": "POST", "trunk_sid": null,
            "voice_application_sid": "AP0123456789abcdef0123456789abcdef",
        });
        let number = number(&answer).unwrap();
        assert_eq!((number.urls.voice_url.as_str(), number.urls.status_url.as_str()), ("https://a/voice", ""));
        assert_eq!(number.overridden_by, Some("a TwiML application"));
    }
}
