//! Calls, spoken in virtual time.

use super::*;
use crate::engine::call::TurnOwner;
use crate::engine::call::{AgentLoss, Detector, Phrase, ResponseOutcome, Tool, ToolCall, ToolResult};
use crate::engine::ids::PhoneNumber;
use crate::engine::ids::{Digit, Mark};
use proptest::prelude::*;
use telephone::{TestCall, hang_up_tool, mark, tool};

pub(in crate::engine::call) use any::any_input;

mod any;
mod silence;
mod telephone;

const R1: ResponseId = ResponseId::from_engine(1);
const R2: ResponseId = ResponseId::from_engine(2);

#[test]
fn the_agent_greets_once_and_first() {
    let mut call = TestCall::ringing();
    call.tell(Input::Answered);
    assert!(call.asked().is_empty(), "nobody is asked before the agent is ready");
    call.after(300).tell(Input::AgentReady { detects_turns: true });
    assert_eq!(call.asked(), [(R1, Ask::Greeting)]);
    call.agent_speaks(R1, "Good morning.", 900).is_heard(R1);
    call.after(9_000).tell(Input::Deadline);
    assert_eq!(call.asked().iter().filter(|(_, ask)| *ask == Ask::Greeting).count(), 1);
    assert_eq!(call.turns(), ["agent: Good morning."]);
}

#[test]
fn the_agent_stops_talking_when_the_caller_speaks() {
    let mut call = TestCall::greeted();
    call.caller_says("When do you open?");
    call.agent_speaks(R2, "We are open until six every day but Sunday.", 3_000).hears(R2, 1_000);
    call.clear_log().caller_starts(Detector::Vendor);
    assert_eq!(
        call.said()[..4],
        [
            Output::ClearPlayout,
            Output::Note(Note::BargeIn { response: R2, heard: Duration::from_millis(1_000), reaction: Duration::ZERO }),
            Output::CancelResponse(R2),
            Output::Truncate { response: R2, heard: Duration::from_millis(1_000) },
        ]
    );
    assert_eq!(call.turns().last().unwrap(), "agent: We are open| until six every day but Sunday.");
}

#[test]
fn a_vendor_that_answers_before_our_detector_has_heard_the_end_is_not_interrupted_by_it() {
    let mut call = TestCall::greeted_with(CallSettings { turns: TurnOwner::Vendor, ..CallSettings::default() });
    call.after(500).caller_starts(Detector::Own).caller_starts(Detector::Vendor);
    call.after(900).caller_stops(Detector::Vendor);
    call.tell(Input::CallerText { text: "When do you open?".into(), confidence: None });
    let answer = ResponseId::from_vendor(1);
    call.clear_log().agent_speaks(answer, "At nine.", 900).after(250).tell(Input::Deadline);
    call.after(50).caller_stops(Detector::Own);
    assert!(!call.said().contains(&Output::ClearPlayout), "{:?}", call.said());

    call.after(100).caller_starts(Detector::Own).after(250).tell(Input::Deadline);
    assert!(call.said().contains(&Output::ClearPlayout), "who speaks now interrupts");
}

#[test]
fn late_audio_of_an_interrupted_response_is_dropped() {
    let mut call = TestCall::greeted();
    call.caller_says("Hello?").agent_speaks(R2, "Hello, how", 600).hears(R2, 300);
    call.caller_starts(Detector::Vendor);
    call.clear_log().tell(Input::AgentAudio { response: R2, length: ms(200) });
    assert_eq!(call.said(), [Output::Drop(R2)]);
    call.clear_log().tell(Input::MarkHeard(mark(R2, 300, false)));
    assert_eq!(call.said(), []);
}

#[test]
fn our_own_detector_must_hear_speech_for_a_while() {
    let mut call = TestCall::greeted();
    call.caller_says("Hello?").agent_speaks(R2, "Hello, how can I help?", 2_000).hears(R2, 1_000);
    call.clear_log().caller_starts(Detector::Own);
    call.after(100).caller_stops(Detector::Own);
    call.after(1_000).tell(Input::Deadline);
    assert!(!call.said().contains(&Output::ClearPlayout), "a cough is no interruption");
    call.caller_starts(Detector::Own);
    call.run_to_deadline();
    assert!(call.said().contains(&Output::ClearPlayout));
}

#[test]
fn an_interruption_only_we_heard_still_gets_an_answer() {
    let mut call = TestCall::greeted();
    call.caller_says("Hello?").agent_speaks(R2, "Hello, how can I help?", 2_000).hears(R2, 1_000);
    call.caller_starts(Detector::Own);
    call.run_to_deadline();
    call.tell(Input::ResponseEnded { response: R2, outcome: ResponseOutcome::Cancelled });
    call.clear_log().after(800).caller_stops(Detector::Own);
    assert_eq!(call.asked().len(), 1);
}

#[test]
fn hello_into_the_quiet_does_not_cost_the_greeting() {
    let mut call = TestCall::ringing();
    call.tell(Input::Answered).tell(Input::AgentReady { detects_turns: true });
    call.caller_starts(Detector::Vendor).after(400).caller_stops(Detector::Vendor);
    assert_eq!(call.asked(), [(R1, Ask::Greeting)]);
    assert!(!call.said().contains(&Output::CancelResponse(R1)));
    call.agent_speaks(R1, "Good morning.", 900).is_heard(R1);
    assert_eq!(call.asked().len(), 1, "the greeting was the answer");
}

#[test]
fn hello_before_the_agent_is_ready_is_one_turn_whoever_hears_it() {
    for vendor_hears in [true, false] {
        let mut call = TestCall::ringing();
        call.tell(Input::Answered).after(200).caller_starts(Detector::Own);
        call.after(300).tell(Input::AgentReady { detects_turns: true });
        assert!(call.asked().is_empty(), "the caller speaks");
        call.after(300).caller_stops(Detector::Own);
        assert_eq!(call.asked(), [(R1, Ask::Greeting)]);
        if vendor_hears {
            call.caller_starts(Detector::Vendor).caller_stops(Detector::Vendor);
            call.tell(Input::CallerText { text: "Hello?".into(), confidence: None });
        }
        call.agent_speaks(R1, "Good morning.", 900).is_heard(R1);
        call.run_to_deadline();
        let words = if vendor_hears { "caller: Hello?" } else { "caller: " };
        let turns = call.turns();
        assert!(turns.len() == 2 && turns.iter().any(|turn| turn == words), "{turns:?}");
        assert_eq!(call.asked().iter().filter(|(_, ask)| *ask != Ask::Reprompt).count(), 1);
    }
}

#[test]
fn speech_that_goes_on_into_the_greeting_interrupts_it_after_its_protection() {
    let mut call = TestCall::ringing();
    call.tell(Input::Answered).tell(Input::AgentReady { detects_turns: true });
    call.caller_starts(Detector::Vendor);
    call.agent_speaks(R1, "Good morning, this is the bakery.", 2_000);
    assert!(!call.said().contains(&Output::ClearPlayout));
    call.run_to_deadline();
    assert!(call.said().contains(&Output::ClearPlayout));
    assert_eq!(call.now, CallTime::from_millis(500));
}

#[test]
fn at_most_one_response_is_in_flight() {
    let mut call = TestCall::greeted();
    call.caller_says("First.");
    call.tell(Input::ResponseStarted(R2));
    call.caller_starts(Detector::Vendor).after(500).caller_stops(Detector::Vendor);
    assert_eq!(call.asked().len(), 2, "the cancelled response has not ended yet");
    call.tell(Input::ResponseEnded { response: R2, outcome: ResponseOutcome::Cancelled });
    assert_eq!(call.asked().len(), 3);
}

#[test]
fn a_response_the_vendor_begins_unasked_is_cancelled_unless_it_owns_the_turns() {
    let own = ResponseId::from_vendor(1);
    let mut call = TestCall::greeted();
    call.clear_log().tell(Input::ResponseStarted(own));
    assert_eq!(call.said(), [Output::CancelResponse(own)]);

    let mut call = TestCall::greeted_with(CallSettings { turns: TurnOwner::Vendor, ..CallSettings::default() });
    call.clear_log().caller_says("Hello?");
    assert_eq!(call.asked(), []);
    call.tell(Input::ResponseStarted(own)).tell(Input::AgentAudio { response: own, length: ms(200) });
    assert!(call.said().contains(&Output::Play(own)));
}

#[test]
fn keys_are_asked_about_also_where_the_vendor_owns_the_turns() {
    let mut call = TestCall::greeted_with(CallSettings { turns: TurnOwner::Vendor, ..CallSettings::default() });
    call.clear_log().tell(Input::DtmfPressed(Digit::try_from('1').unwrap()));
    call.run_to_deadline();
    assert_eq!(call.asked(), [(R2, Ask::Answer)], "no detector hears a key");
}

#[test]
fn what_a_lost_vendor_was_to_answer_is_asked_of_the_next_one() {
    let mut call = TestCall::greeted_with(CallSettings { turns: TurnOwner::Vendor, ..CallSettings::default() });
    call.after(500).caller_starts(Detector::Vendor).after(900).caller_stops(Detector::Vendor);
    call.tell(Input::CallerText { text: "When do you open?".into(), confidence: None });
    assert_eq!(call.asked().len(), 1, "the vendor answers by itself");
    call.clear_log().tell(Input::AgentLost(AgentLoss::Dropped)).tell(Input::AgentReady { detects_turns: true });
    assert_eq!(call.asked(), [(R2, Ask::Answer)], "the next one heard nothing");
}

#[test]
fn a_stream_that_is_lost_is_apologised_for_unless_the_call_was_about_to_end() {
    let own: PhoneNumber = "+15550100".parse().unwrap();
    let call = || {
        let settings = CallSettings { transfer_to: Some(own.clone()), ..CallSettings::default() };
        let mut call = TestCall::greeted_with(settings);
        call.caller_says("Hello?").agent_speaks_on(R2, "One moment.", 1_000);
        call
    };
    let end = |call: &TestCall| match call.log.last() {
        Some(Output::EndCall { cause, farewell }) => (*cause, farewell.clone()),
        other => panic!("{other:?}"),
    };
    let mut talking = call();
    talking.tell(Input::StreamLost);
    assert_eq!(end(&talking), (HangupCause::StreamLost, Farewell::Apologise));
    let mut left = call();
    left.tell(Input::MediaClosed);
    assert_eq!(end(&left), (HangupCause::CallerHungUp, Farewell::HangUp));
    let mut handing_over = call();
    handing_over.tell(tool(Tool::Transfer(None))).tell(Input::StreamLost);
    assert_eq!(end(&handing_over), (HangupCause::Transferred, Farewell::Dial(own.clone())));
}

#[test]
fn goodbye_is_heard_before_the_line_closes() {
    let mut call = TestCall::greeted();
    call.caller_says("Bye.").agent_speaks_on(R2, "Goodbye.", 1_000);
    call.tell(hang_up_tool(R2));
    call.tell(Input::ResponseEnded { response: R2, outcome: ResponseOutcome::Completed });
    assert_eq!(call.ended(), None);
    call.is_heard(R2);
    assert_eq!(call.ended(), Some(HangupCause::AgentHungUp));
}

#[test]
fn a_goodbye_whose_marks_never_come_back_ends_all_the_same() {
    let mut call = TestCall::greeted();
    call.caller_says("Bye.").agent_speaks(R2, "Goodbye.", 1_000);
    call.tell(hang_up_tool(R2));
    call.run_to_deadline();
    assert_eq!(call.ended(), Some(HangupCause::AgentHungUp));
}

#[test]
fn a_caller_who_interrupts_the_goodbye_keeps_the_line() {
    let mut call = TestCall::greeted();
    call.caller_says("Bye.").agent_speaks(R2, "Goodbye and thank you.", 1_500);
    call.tell(hang_up_tool(R2)).hears(R2, 600);
    call.caller_starts(Detector::Vendor).after(700).caller_stops(Detector::Vendor);
    call.after(15_000).tell(Input::Deadline);
    assert_eq!(call.ended(), None);
}

#[test]
fn only_the_businesss_own_number_is_dialled() {
    let own: PhoneNumber = "+15550100".parse().unwrap();
    let other: PhoneNumber = "+19005550100".parse().unwrap();
    let settings = CallSettings { transfer_to: Some(own.clone()), ..CallSettings::default() };
    let mut call = TestCall::greeted_with(settings);
    call.clear_log().tell(tool(Tool::Transfer(Some(other))));
    assert!(matches!(&call.said()[1], Output::AnswerTool { result: ToolResult::Refused(_), .. }));
    assert_eq!(call.asked().len(), 1, "the agent has to say so");
    call.tell(Input::ResponseEnded { response: R2, outcome: ResponseOutcome::Completed });
    call.clear_log().tell(tool(Tool::Transfer(None)));
    let in_flight = ResponseId::from_engine(3);
    call.tell(Input::ResponseEnded { response: in_flight, outcome: ResponseOutcome::Completed });
    assert!(call.log.contains(&Output::EndCall { cause: HangupCause::Transferred, farewell: Farewell::Dial(own) }));
}

#[test]
fn a_key_silences_the_menu_and_is_answered_once() {
    let mut call = TestCall::greeted_with(CallSettings::default());
    call.caller_says("Hello?").agent_speaks(R2, "Press one for the kitchen.", 2_000).hears(R2, 500);
    call.tell(Input::ResponseEnded { response: R2, outcome: ResponseOutcome::Completed }).clear_log();
    call.tell(Input::DtmfPressed(Digit::try_from('1').unwrap()));
    call.after(300).tell(Input::DtmfPressed(Digit::try_from('2').unwrap()));
    assert!(call.said().contains(&Output::ClearPlayout));
    assert_eq!(call.asked(), []);
    call.run_to_deadline();
    assert_eq!(call.asked().len(), 1);
}

#[test]
fn the_longest_call_ends_with_a_word() {
    let mut call = TestCall::greeted();
    call.now = CallTime::from_millis(600_000);
    call.tell(Input::Deadline);
    assert!(call.has_said(Phrase::TimeIsUp));
    call.run_to_deadline();
    assert_eq!(call.ended(), Some(HangupCause::MaximumLength));
}

#[test]
fn an_empty_answer_is_asked_for_once_more() {
    let mut call = TestCall::greeted();
    call.caller_says("Hello?").clear_log();
    call.tell(Input::ResponseEnded { response: R2, outcome: ResponseOutcome::Completed });
    assert_eq!(call.asked(), [(ResponseId::from_engine(3), Ask::Again)]);
    call.tell(Input::ResponseEnded { response: ResponseId::from_engine(3), outcome: ResponseOutcome::Failed });
    assert_eq!(call.asked().len(), 1, "the ladder goes on from here");
}

#[test]
fn the_callers_words_are_kept_with_their_times() {
    let mut call = TestCall::greeted();
    call.after(100).caller_starts(Detector::Vendor).after(700).caller_stops(Detector::Vendor);
    call.tell(Input::CallerText { text: "Two loaves, please.".into(), confidence: Some(0.9) });
    let Some(Output::StoreTurn(turn)) = call.log.iter().rfind(|said| matches!(said, Output::StoreTurn(_))) else {
        panic!("no turn")
    };
    assert_eq!((turn.ended_ms - turn.started_ms, turn.confidence), (700, Some(0.9)));
    assert_eq!(turn.number, 2);
}

#[test]
fn a_carrier_that_answers_no_marks_does_not_silence_the_call() {
    let mut call = TestCall::greeted();
    call.caller_says("Hello?").agent_speaks(R2, "How can I help you today?", 1_000);
    call.tell(Input::ResponseEnded { response: R2, outcome: ResponseOutcome::Completed });
    call.tell(Input::MarkSent(mark(R2, 500, false))).after(500).tell(Input::MarkHeard(mark(R2, 500, false)));
    call.tell(Input::MarkSent(mark(R2, 1_000, true))).clear_log().run_to_deadline();
    assert_eq!(call.turns(), ["agent: How can I| help you today?"]);
    call.run_to_deadline();
    assert_eq!(call.asked().last().unwrap().1, Ask::Reprompt, "the caller's silence is measured again");
}

#[test]
fn a_detector_that_hears_a_fan_does_not_silence_the_call() {
    let mut call = TestCall::greeted();
    call.caller_starts(Detector::Vendor).clear_log().run_to_deadline();
    assert_eq!(call.now.since(CallTime::from_millis(900)), Duration::from_secs(6), "our own detector hears nothing");
    assert_eq!(call.asked().len(), 1);
    call.tell(Input::CallerSpeechEnded { by: Detector::Vendor, ago: Duration::ZERO });
    assert_eq!(call.asked().len(), 1, "the late end changes nothing");
}

#[test]
fn a_long_story_that_both_detectors_hear_is_not_cut_short() {
    let mut call = TestCall::greeted();
    call.caller_starts(Detector::Vendor).caller_starts(Detector::Own).clear_log();
    while call.now < CallTime::from_millis(25_000) {
        call.run_to_deadline();
    }
    assert_eq!(call.asked(), []);
    call.caller_stops(Detector::Own).caller_stops(Detector::Vendor);
    assert_eq!(call.asked().len(), 1);
}

proptest! {
    /// Whatever comes in whatever order: no panic, one end, silence after it, at most one response in flight,
    /// nothing of an interrupted response is played, at most one cancel each, truncation never past what was sent.
    #[test]
    fn no_order_of_events_breaks_a_call(inputs in prop::collection::vec((0u64..3_000, any_input()), 1..120)) {
        let mut machine = CallMachine::new(CallSettings::default());
        let mut out = Vec::new();
        let mut now = CallTime::START;
        let mut cleared = std::collections::HashSet::new();
        let mut in_flight = None;
        let mut has_ended = false;
        machine.handle(now, Input::Answered, &mut out);
        for (pause, input) in inputs {
            now = now + ms(pause as u32);
            if let Input::ResponseEnded { response, .. } = &input && in_flight == Some(*response) { in_flight = None; }
            if let Input::AgentLost(_) = &input { in_flight = None; }
            machine.handle(now, input, &mut out);
            for output in out.drain(..) {
                prop_assert!(!has_ended, "{output:?} after the end");
                match output {
                    Output::EndCall { .. } => has_ended = true,
                    Output::AskAgent { response, .. } => {
                        prop_assert!(in_flight.is_none_or(|earlier| cleared.contains(&earlier)), "two in flight");
                        in_flight = Some(response);
                    }
                    Output::CancelResponse(response) if !response.is_vendors() => {
                        prop_assert!(cleared.insert(response), "cancelled twice");
                    }
                    Output::Play(response) => prop_assert!(!cleared.contains(&response)),
                    _ => {}
                }
            }
            prop_assert_eq!(machine.has_ended(), has_ended);
            prop_assert!(!has_ended || machine.next_deadline().is_none());
        }
        machine.handle(now, Input::MediaClosed, &mut out);
        let ends = out.iter().filter(|output| matches!(output, Output::EndCall { .. })).count();
        prop_assert_eq!(ends, usize::from(!has_ended));
    }

    /// A call that is left alone, with an agent that does whatever it likes, ends by itself in bounded time.
    #[test]
    fn every_call_ends_by_itself(inputs in prop::collection::vec((0u64..3_000, any_input()), 0..60)) {
        let mut machine = CallMachine::new(CallSettings::default());
        let mut out = Vec::new();
        let mut now = CallTime::START;
        machine.handle(now, Input::Answered, &mut out);
        for (pause, input) in inputs {
            now = now + ms(pause as u32);
            machine.handle(now, input, &mut out);
        }
        for _ in 0..1_000 {
            let Some(due) = machine.next_deadline() else { break };
            now = now.max(due);
            machine.handle(now, Input::Deadline, &mut out);
        }
        prop_assert!(machine.has_ended());
        prop_assert!(now <= CallTime::from_millis(180_000 + 600_000 + 20_000));
    }
}
