//! Which fields a form may have, and what may stand in them.

use url::Url;

/// A form's fields: name, whether it must be there, whether it may be there more than once, and what it may hold.
type Rule = (&'static str, bool, bool, fn(&str) -> bool);

pub(super) const PLACE: &[Rule] = &[
    ("To", true, false, is_number),
    ("From", true, false, is_number),
    ("Url", true, false, is_address),
    ("Method", false, false, is_method),
    ("StatusCallback", false, false, is_address),
    ("StatusCallbackMethod", false, false, is_method),
    ("StatusCallbackEvent", false, true, is_event),
    ("Timeout", false, false, is_timeout),
    ("TimeLimit", false, false, is_count),
    ("MachineDetection", false, false, |value| ["Enable", "DetectMessageEnd"].contains(&value)),
    ("AsyncAmd", false, false, |value| ["true", "false"].contains(&value)),
    ("AsyncAmdStatusCallback", false, false, is_address),
    ("AsyncAmdStatusCallbackMethod", false, false, is_method),
];
pub(super) const CHANGE: &[Rule] = &[
    ("Status", false, false, |value| ["completed", "canceled"].contains(&value)),
    ("Url", false, false, is_address),
    ("Method", false, false, is_method),
    ("Twiml", false, false, |value| value.starts_with("<?xml") && value.len() <= 4_000),
];
pub(super) const RECORD: &[Rule] = &[
    ("RecordingStatusCallback", false, false, is_address),
    ("RecordingStatusCallbackMethod", false, false, is_method),
    ("RecordingStatusCallbackEvent", false, true, |value| ["in-progress", "completed", "absent"].contains(&value)),
    ("RecordingChannels", false, false, |value| ["mono", "dual"].contains(&value)),
    ("RecordingTrack", false, false, |value| ["inbound", "outbound", "both"].contains(&value)),
    ("Trim", false, false, |value| ["trim-silence", "do-not-trim"].contains(&value)),
];
pub(super) const SET_NUMBER: &[Rule] = &[
    ("VoiceUrl", false, false, is_address),
    ("VoiceMethod", false, false, is_method),
    ("StatusCallback", false, false, is_address),
    ("StatusCallbackMethod", false, false, is_method),
];
pub(super) const LIST: &[Rule] = &[
    ("To", false, false, is_number),
    ("From", false, false, is_number),
    ("StartTime>", false, false, |value| value.parse::<jiff::civil::Date>().is_ok()),
    ("PageSize", false, false, is_page_size),
];
pub(super) const NUMBERS: &[Rule] =
    &[("PhoneNumber", false, false, is_number), ("PageSize", false, false, is_page_size)];

/// What breaks the rules in these fields.
pub(super) fn broken(rules: &[Rule], fields: &[(String, String)]) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, value) in fields {
        match rules.iter().find(|(known, ..)| known == name) {
            None => broken.push(format!("{name} is no field here")),
            Some((_, _, _, may_be)) if !may_be(value) => broken.push(format!("{name} can't be {value:?}")),
            Some(_) => {}
        }
    }
    for (name, is_needed, may_repeat, _) in rules {
        let count = fields.iter().filter(|(other, _)| other == name).count();
        if *is_needed && count == 0 {
            broken.push(format!("{name} is missing"));
        }
        if !may_repeat && count > 1 {
            broken.push(format!("{name} is there {count} times"));
        }
    }
    broken
}

fn is_number(value: &str) -> bool {
    value.parse::<trunkline::engine::ids::PhoneNumber>().is_ok()
}

fn is_address(value: &str) -> bool {
    Url::parse(value).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.host().is_some())
}

fn is_method(value: &str) -> bool {
    value == "POST"
}

fn is_event(value: &str) -> bool {
    ["initiated", "ringing", "answered", "completed"].contains(&value)
}

fn is_timeout(value: &str) -> bool {
    value.parse::<u32>().is_ok_and(|seconds| (5..=600).contains(&seconds))
}

fn is_count(value: &str) -> bool {
    value.parse::<u32>().is_ok_and(|count| count > 0)
}

fn is_page_size(value: &str) -> bool {
    value.parse::<u32>().is_ok_and(|size| (1..=1_000).contains(&size))
}
