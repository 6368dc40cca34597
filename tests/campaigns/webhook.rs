//! Whom the campaigns of these tests call, and what the carrier tells of it.

use crate::twilio_rest::PlacedCall;

/// The number that the calls show.
pub const OURS: &str = "+14155550199";

/// The number of the `n`th lead.
pub fn number(n: usize) -> String {
    format!("+1415556{n:04}")
}

/// The fields of a status webhook.
pub fn status_fields(call: &PlacedCall, account_sid: &str, status: &str) -> Vec<(String, String)> {
    let number = match status {
        "initiated" => "0",
        "ringing" => "1",
        "in-progress" => "2",
        _ => "3",
    };
    let own = [
        ("AccountSid", account_sid),
        ("CallSid", &call.sid),
        ("CallStatus", status),
        ("Direction", "outbound-api"),
        ("From", OURS),
        ("To", &call.to),
        ("SequenceNumber", number),
        ("CallDuration", if status == "completed" { "7" } else { "0" }),
    ];
    own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
