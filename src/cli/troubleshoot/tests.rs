use serde_json::json;

use super::page::{WIDTH, clean, labelled};
use super::waterfall::{bar, waits};
use crate::engine::call::{Speaker, Turn};
use crate::store::CallEventRecord;

fn turn(number: u32, speaker: Speaker, started_ms: u32, ended_ms: u32) -> Turn {
    let (text, heard_text) = ("Hello.".to_owned(), "Hello.".to_owned());
    Turn { number, speaker, text, heard_text, confidence: None, started_ms, ended_ms, interrupted: false }
}

fn first_audio(call_ms: u32, after_ms: u64) -> CallEventRecord {
    let ids = json!({ "response": "r1", "after_ms": after_ms });
    CallEventRecord { at_micros: 0, call_ms, who: "agent".into(), what: "first_audio".into(), ids }
}

#[test]
fn the_agents_turns_have_the_wait_of_the_response_that_began_with_them() {
    let turns = [
        turn(1, Speaker::Agent, 420, 2_000),
        turn(2, Speaker::Caller, 2_500, 4_000),
        turn(3, Speaker::Agent, 5_300, 7_000),
        turn(4, Speaker::Agent, 9_500, 9_900),
    ];
    let events = [first_audio(400, 400), first_audio(5_250, 1_250)];
    assert_eq!(waits(&turns, &events), [Some(400), None, Some(1_250), None]);
}

#[test]
fn a_turn_stands_where_it_was_in_the_call_with_its_wait_before_it() {
    // 38 columns for 38 s: a column each second.
    let shown = bar(&turn(1, Speaker::Agent, 10_000, 20_000), Some(3_000), 38_000);
    assert_eq!(shown, format!("{}...{}{}", " ".repeat(7), "#".repeat(10), " ".repeat(18)));
    for (from, to, length) in [(0, 0, 0), (5, 5, 1), (40_000, 41_000, 38_000), (37_999, 38_000, 38_000)] {
        let shown = bar(&turn(1, Speaker::Caller, from, to), None, length);
        assert_eq!((shown.len(), shown.matches('#').count()), (38, 1), "{shown:?}");
    }
}

#[test]
fn text_is_broken_at_the_edge_and_never_obeyed() {
    let text = format!("one \u{1b}[2J two {} three", "x".repeat(200));
    assert!(!clean(&text).contains('\u{1b}'));
    let page = labelled("  label", 16, &format!("{text} {}", "word ".repeat(40)));
    assert!(page.starts_with("  label         one [2J two\n"), "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= WIDTH), "{page}");
    assert_eq!(page.matches("word").count(), 40);
    assert_eq!(labelled("  label", 16, ""), "  label\n");
}
