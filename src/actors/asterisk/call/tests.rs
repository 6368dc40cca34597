use super::*;

#[test]
fn a_call_that_nobody_answered_has_the_end_that_its_cause_says() {
    let ends = [0, 16, 17, 18, 19, 1, 21, 27, 34, 127].map(unanswered);
    let (busy, failed, silent) = (CallStatus::Busy, CallStatus::Failed, CallStatus::NoAnswer);
    assert_eq!(ends, [silent, silent, busy, silent, silent, failed, failed, failed, failed, failed]);
}

#[test]
fn who_calls_is_kept_as_it_is_told_if_it_is_anything() {
    assert_eq!(party("+14155550100").unwrap().as_str(), "+14155550100");
    assert_eq!(party(" desk ").unwrap().as_str(), "desk");
    assert!(party("").is_none() && party("  ").is_none() && party("a\nb").is_none());
}
