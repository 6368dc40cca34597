use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::engine::ids::CallSid;

const SECOND: i64 = 1_000_000;

fn call() -> CallSid {
    "CA0123456789abcdef0123456789abcdef".parse().unwrap()
}

fn change(status: CallStatus, source: CarrierSource, second: i64) -> StatusChange {
    StatusChange::new(call(), status, source, second * SECOND)
}

fn row_of<'a>(changes: impl IntoIterator<Item = &'a StatusChange>) -> Option<CallRow> {
    changes.into_iter().fold(None, |row, change| Some(fold(row, change)))
}

/// An inbound call that was answered, as Twilio tells it.
fn answered_call() -> Vec<StatusChange> {
    let from: Party = "+15005550001".parse().unwrap();
    let to: Party = "+15005550006".parse().unwrap();
    vec![
        StatusChange {
            direction: Some(CallDirection::Inbound),
            business: Some("Bakery".parse().unwrap()),
            from: Some(from.clone()),
            to: Some(to.clone()),
            ..change(CallStatus::Ringing, CarrierSource::VoiceWebhook, 1)
        },
        StatusChange {
            direction: Some(CallDirection::Inbound),
            ..change(CallStatus::InProgress, CarrierSource::StreamStart, 2)
        },
        change(CallStatus::InProgress, CarrierSource::StreamEnded, 60),
        StatusChange {
            sequence: Some(0),
            duration_s: Some(59),
            direction: Some(CallDirection::Inbound),
            from: Some(from),
            to: Some(to),
            ..change(CallStatus::Completed, CarrierSource::StatusCallback, 61)
        },
    ]
}

#[test]
fn an_answered_call_adds_up() {
    let row = row_of(&answered_call()).unwrap();
    assert_eq!((row.status, row.duration_s), (CallStatus::Completed, 59));
    assert_eq!(row.direction.unwrap(), Sourced { rank: 0, value: CallDirection::Inbound });
    assert_eq!(row.business.unwrap().value.as_str(), "Bakery");
    assert_eq!((row.created_at, row.answered_at), (SECOND, Some(2 * SECOND)));
    assert_eq!((row.ended_at, row.updated_at), (Some(61 * SECOND), 61 * SECOND));
}

#[test]
fn a_refused_call_stays_rejected_though_the_carrier_completes_it() {
    for first in CallStatus::ALL {
        let row = row_of(&[
            change(first, CarrierSource::VoiceWebhook, 1),
            change(CallStatus::Rejected, CarrierSource::Refusal, 1),
            change(CallStatus::Completed, CarrierSource::StatusCallback, 4),
        ]);
        assert_eq!(row.unwrap().status, CallStatus::Rejected, "{first}");
    }
}

#[test]
fn a_guess_that_a_call_failed_gives_way_to_the_news_that_it_was_completed() {
    let guess = change(CallStatus::Failed, CarrierSource::Sweeper, 900);
    let news = change(CallStatus::Completed, CarrierSource::StatusCallback, 901);
    assert_eq!(row_of([&guess, &news]).unwrap().status, CallStatus::Completed);
}

#[test]
fn a_duration_of_zero_says_nothing() {
    let mut ended = change(CallStatus::Completed, CarrierSource::StatusCallback, 9);
    ended.duration_s = Some(8);
    let again = StatusChange { duration_s: Some(0), ..ended.clone() };
    assert_eq!(row_of([&ended, &again]).unwrap().duration_s, 8);
    assert_eq!(row_of([&again]).unwrap().duration_s, 0);
}

#[test]
fn what_is_set_once_comes_from_the_most_direct_source_whatever_came_first() {
    let mut webhook = change(CallStatus::Ringing, CarrierSource::VoiceWebhook, 5);
    webhook.direction = Some(CallDirection::Outbound);
    let mut callback = change(CallStatus::Ringing, CarrierSource::StatusCallback, 1);
    callback.direction = Some(CallDirection::Inbound);
    let expected = Some(Sourced { rank: 0, value: CallDirection::Outbound });
    assert_eq!(row_of([&callback, &webhook]).unwrap().direction, expected);
    assert_eq!(row_of([&webhook, &callback]).unwrap().direction, expected);
}

#[test]
fn statuses_have_ranks_in_order_and_final_ones_stand_above() {
    for (rank, status) in CallStatus::ALL.into_iter().enumerate() {
        assert_eq!(usize::from(status.rank()), rank);
        assert_eq!(status.is_final(), rank > 3, "{status}");
        assert_eq!(status.as_str().parse(), Ok(status));
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
    }
}

#[test]
fn every_spelling_is_the_same_status() {
    for (text, status) in [
        ("in_progress", CallStatus::InProgress),
        ("In-Progress", CallStatus::InProgress),
        ("inprogress", CallStatus::InProgress),
        (" answered ", CallStatus::InProgress),
        ("no_answer", CallStatus::NoAnswer),
        ("no answer", CallStatus::NoAnswer),
        ("cancelled", CallStatus::Canceled),
        ("COMPLETED", CallStatus::Completed),
    ] {
        assert_eq!(text.parse(), Ok(status), "{text}");
    }
    for text in ["", "ended", "recorded", "streaming", "in-progress-now", "b\u{fc}sy"] {
        assert_eq!(text.parse::<CallStatus>(), Err(UnknownStatus), "{text}");
    }
}

#[test]
fn a_direction_is_twilios_or_ours() {
    for (text, direction) in [
        ("inbound", CallDirection::Inbound),
        ("outbound-api", CallDirection::Outbound),
        ("outbound-dial", CallDirection::Outbound),
        ("Outbound", CallDirection::Outbound),
    ] {
        assert_eq!(text.parse(), Ok(direction), "{text}");
    }
    assert_eq!("sideways".parse::<CallDirection>(), Err(UnknownDirection));
}

#[test]
fn who_answered_is_what_somebody_knew_whoever_says_that_nobody_knows() {
    let found = |source, finding| StatusChange {
        answered_by: Some(finding),
        machine_detection_ms: Some(3_200),
        ..change(CallStatus::InProgress, source, 5)
    };
    let unknown = found(CarrierSource::StatusCallback, AnsweredBy::Unknown);
    let machine = found(CarrierSource::AmdCallback, AnsweredBy::MachineEndBeep);
    let expected = Some(Sourced { rank: CarrierSource::AmdCallback.rank(), value: AnsweredBy::MachineEndBeep });
    for told in [[&unknown, &machine], [&machine, &unknown]] {
        let row = row_of(told).unwrap();
        assert_eq!((row.answered_by, row.machine_detection_ms), (expected.clone(), Some(3_200)));
    }
    assert_eq!(row_of([&unknown]).unwrap().answered_by.unwrap().value, AnsweredBy::Unknown);
}

#[test]
fn every_finding_of_who_answered_has_its_word() {
    for finding in AnsweredBy::ALL {
        assert_eq!(finding.as_str().parse(), Ok(finding));
        assert_eq!(serde_json::to_value(finding).unwrap(), finding.as_str());
    }
    assert_eq!("Machine-End-Beep".parse(), Ok(AnsweredBy::MachineEndBeep));
    assert_eq!("machine".parse(), Ok(AnsweredBy::MachineStart));
    assert!("nobody".parse::<AnsweredBy>().is_err());
}

#[test]
fn a_party_is_a_number_an_address_or_withheld() {
    let party = |text: &str| Party::from(text.to_owned());
    assert_eq!(party("+15005550006").number().unwrap().as_str(), "+15005550006");
    assert_eq!(party(" 15005550006").as_str(), "+15005550006", "an unescaped + in a form");
    assert_eq!(party("sip:desk@example.com"), Party::Address("sip:desk@example.com".into()));
    for hidden in ["", "  ", "Anonymous", "+266696687", "RESTRICTED"] {
        assert_eq!(party(hidden), Party::Withheld, "{hidden}");
    }
    let long = party(&"\u{e9}".repeat(10_000));
    assert!(long.as_str().len() <= 255);
    assert_eq!(format!("{:?} {:?}", party("+15005550006"), party("client:alice")), "+\u{2026}06 address of 12 bytes");
}

#[test]
fn one_event_has_one_place_in_history_however_often_it_comes() {
    let first = StatusChange { sequence: Some(3), ..change(CallStatus::Completed, CarrierSource::StatusCallback, 7) };
    let again = StatusChange { occurred_at: 9 * SECOND, ..first.clone() };
    assert_eq!(first.history_key(), again.history_key());
    let other = StatusChange { source: CarrierSource::Sweeper, ..first.clone() };
    assert_ne!(first.history_key(), other.history_key());
}

#[test]
fn a_change_waits_in_the_spool_as_json() {
    let spooled = serde_json::to_string(&answered_call()[1]).unwrap();
    assert_eq!(
        spooled,
        r#"{"call_sid":"CA0123456789abcdef0123456789abcdef","status":"in-progress","source":"stream_start","occurred_at":2000000,"direction":"inbound"}"#
    );
    for change in answered_call() {
        let spooled = serde_json::to_string(&change).unwrap();
        assert_eq!(serde_json::from_str::<StatusChange>(&spooled).unwrap(), change);
    }
}

/// Anything that anybody could say about one call.
fn any_change() -> impl Strategy<Value = StatusChange> {
    use CarrierSource::*;
    let head = (
        select(&CallStatus::ALL[..]),
        select(vec![VoiceWebhook, StreamStart, StatusCallback, StreamEnded, Sweeper, Refusal, AmdCallback, Placement]),
        any::<i64>(),
        proptest::option::of(any::<u32>()),
    );
    let set_once = (
        proptest::option::of(select(vec![CallDirection::Inbound, CallDirection::Outbound])),
        proptest::option::of("CA[0-9a-f]{32}"),
        proptest::option::of("[a-z]{1,8}"),
        proptest::option::of("\\+[1-9][0-9]{4,9}|anonymous|sip:[a-z]{1,9}"),
        proptest::option::of("\\+[1-9][0-9]{4,9}"),
    );
    let found = (proptest::option::of(select(&AnsweredBy::ALL[..])), proptest::option::of(0..9_999_u32));
    (head, set_once, found).prop_map(|(head, (direction, parent, business, from, to), found)| {
        let (status, source, at, duration_s) = head;
        StatusChange {
            answered_by: found.0,
            machine_detection_ms: found.1,
            duration_s,
            direction,
            parent_call_sid: parent.map(|sid| sid.parse().unwrap()),
            business: business.map(|name| name.parse().unwrap()),
            from: from.map(Party::from),
            to: to.map(Party::from),
            ..StatusChange::new(call(), status, source, at)
        }
    })
}

/// The same things said, in another order, some of them again.
fn retold(changes: Vec<StatusChange>) -> impl Strategy<Value = (Vec<StatusChange>, Vec<StatusChange>)> {
    let again = subsequence(changes.clone(), 0..=changes.len());
    (Just(changes), again).prop_flat_map(|(changes, again)| {
        let all: Vec<_> = changes.iter().cloned().chain(again).collect();
        (Just(changes), Just(all).prop_shuffle())
    })
}

proptest! {
    #[test]
    fn any_permutation_and_repetition_of_an_answered_call_gives_the_same_row(
        (told, retold) in retold(answered_call())
    ) {
        prop_assert_eq!(row_of(&told), row_of(&retold));
    }

    #[test]
    fn any_permutation_and_repetition_of_anything_gives_the_same_row(
        (told, retold) in proptest::collection::vec(any_change(), 1..12).prop_flat_map(retold)
    ) {
        prop_assert_eq!(row_of(&told), row_of(&retold));
    }

    #[test]
    fn two_nodes_that_heard_different_halves_agree_once_they_merge(
        changes in proptest::collection::vec(any_change(), 2..12), cut in 1usize..11
    ) {
        let (here, there) = changes.split_at(cut.min(changes.len() - 1));
        let (here, there) = (row_of(here).unwrap(), row_of(there).unwrap());
        let whole = row_of(&changes).unwrap();
        prop_assert_eq!(&merge(here.clone(), there.clone()), &whole);
        prop_assert_eq!(&merge(there, here), &whole);
        prop_assert_eq!(merge(whole.clone(), whole.clone()), whole);
    }

    #[test]
    fn a_call_that_is_over_stays_over(changes in proptest::collection::vec(any_change(), 1..12)) {
        let mut row: Option<CallRow> = None;
        for change in &changes {
            let before = row.clone();
            let after = fold(row, change);
            if let Some(before) = before {
                prop_assert!(after.status >= before.status);
                prop_assert!(after.duration_s >= before.duration_s);
                prop_assert!(after.status.is_final() || !before.status.is_final());
            }
            row = Some(after);
        }
    }

    #[test]
    fn every_change_survives_the_spool(change in any_change()) {
        let spooled = serde_json::to_string(&change).unwrap();
        prop_assert_eq!(serde_json::from_str::<StatusChange>(&spooled).unwrap(), change);
    }

    #[test]
    fn a_party_reads_back_as_itself(text: String) {
        let party = Party::from(text);
        prop_assert_eq!(Party::from(party.as_str().to_owned()), party);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text: String) {
        let status = text.parse::<CallStatus>();
        let direction = text.parse::<CallDirection>();
        prop_assert!(status.is_err() || direction.is_err());
    }
}
