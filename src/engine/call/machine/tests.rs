//! Calls, spoken in virtual time.

use super::*;
use crate::engine::call::TurnOwner;
use crate::engine::ids::PhoneNumber;
use proptest::prelude::*;

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
            Output::Note(Note::BargeIn {
                response: R2,
                heard: Duration::from_millis(1_000),
                reaction: Duration::ZERO
            }),
            Output::CancelResponse(R2),
            Output::Truncate { response: R2, heard: Duration::from_millis(1_000) },
        ]
    );
    assert_eq!(call.turns().last().unwrap(), "agent: We are open| until six every day but Sunday.");
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

    let mut call =
        TestCall::greeted_with(CallSettings { turns: TurnOwner::Vendor, ..CallSettings::default() });
    call.clear_log().caller_says("Hello?");
    assert_eq!(call.asked(), []);
    call.tell(Input::ResponseStarted(own)).tell(Input::AgentAudio { response: own, length: ms(200) });
    assert!(call.said().contains(&Output::Play(own)));
}

#[test]
fn the_agent_that_owes_speech_is_covered_for_then_asked_again_then_given_up() {
    let mut call = TestCall::greeted();
    call.caller_says("Are you there?").clear_log();
    call.after(2_500).tell(Input::Deadline);
    let Output::Say { response: filler, phrase: Phrase::Filler } = call.said()[1] else { panic!("{:?}", call.said()) };
    call.agent_speaks(filler, "", 800).is_heard(filler);
    call.after(1_700).tell(Input::Deadline);
    assert!(call.said().contains(&Output::CancelResponse(R2)));
    assert_eq!(call.asked().last().unwrap().1, Ask::Again);
    call.after(4_000).tell(Input::Deadline);
    let apology = call.phrase(Phrase::Apology);
    call.agent_speaks(apology, "", 2_000).is_heard(apology);
    assert_eq!(call.ended(), Some(HangupCause::AgentUnavailable));
}

#[test]
fn no_agent_means_an_apology_within_ten_seconds() {
    let mut call = TestCall::ringing();
    call.tell(Input::Answered);
    while call.ended().is_none() && !call.has_said(Phrase::Apology) {
        call.run_to_deadline();
    }
    assert!(call.now <= CallTime::from_millis(10_000), "{}", call.now);
}

#[test]
fn a_refused_agent_is_not_asked_twice_and_a_dropped_one_is_replaced() {
    let mut call = TestCall::ringing();
    call.tell(Input::Answered).tell(Input::AgentLost(AgentLoss::Refused));
    assert!(call.has_said(Phrase::Apology));
    assert_eq!(call.count(&Output::ConnectAgent), 1);

    let mut call = TestCall::greeted();
    call.caller_says("Hello?").tell(Input::AgentLost(AgentLoss::Dropped));
    assert_eq!(call.count(&Output::ConnectAgent), 2);
    call.clear_log().tell(Input::AgentReady { detects_turns: true });
    assert_eq!(call.asked().len(), 1, "the answer that was lost is asked for again");
}

#[test]
fn a_silent_caller_is_asked_twice_then_told_goodbye() {
    let mut call = TestCall::greeted();
    for _ in 0..2 {
        call.clear_log().run_to_deadline();
        let (response, ask) = call.asked()[0].clone();
        assert_eq!(ask, Ask::Reprompt);
        call.agent_speaks(response, "Are you still there?", 1_000).is_heard(response);
    }
    call.run_to_deadline();
    let goodbye = call.phrase(Phrase::SilentGoodbye);
    call.agent_speaks(goodbye, "", 2_000).is_heard(goodbye);
    assert_eq!(call.ended(), Some(HangupCause::CallerSilent));
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
    assert!(call.log.contains(&Output::EndCall {
        cause: HangupCause::Transferred,
        farewell: Farewell::Dial(own)
    }));
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

/// Any input at all, with few response numbers so that they meet.
pub(in crate::engine::call) fn any_input() -> impl Strategy<Value = Input> {
    let response = || prop_oneof![(1u32..8).prop_map(ResponseId::from_engine), (1u32..3).prop_map(ResponseId::from_vendor)];
    let length = || (0u64..2_000_000).prop_map(Duration::from_micros);
    let mark = || {
        (response(), 0u32..3_000, any::<bool>())
            .prop_map(|(response, position_ms, is_last)| Mark { response, position_ms, is_last })
    };
    let loss = prop_oneof![
        Just(AgentLoss::Refused),
        Just(AgentLoss::Unreachable),
        Just(AgentLoss::Dropped),
        Just(AgentLoss::Stalled)
    ];
    let outcome = || {
        prop_oneof![
            Just(ResponseOutcome::Completed),
            Just(ResponseOutcome::Cancelled),
            Just(ResponseOutcome::Failed)
        ]
    };
    let detector = || prop_oneof![Just(Detector::Own), Just(Detector::Vendor)];
    let any_tool = prop_oneof![
        Just(Tool::HangUp),
        Just(Tool::Transfer(None)),
        Just(Tool::Transfer(Some("+15550100".parse().unwrap()))),
        ".{0,8}".prop_map(|complaint| Tool::Unusable { complaint })
    ];
    prop_oneof![
        1 => Just(Input::Answered),
        4 => any::<bool>().prop_map(|detects_turns| Input::AgentReady { detects_turns }),
        1 => loss.prop_map(Input::AgentLost),
        6 => response().prop_map(Input::ResponseStarted),
        12 => (response(), length()).prop_map(|(response, length)| Input::AgentAudio { response, length }),
        6 => (response(), ".{0,12}").prop_map(|(response, text)| Input::AgentText { response, text }),
        8 => (response(), outcome()).prop_map(|(response, outcome)| Input::ResponseEnded { response, outcome }),
        8 => (detector(), length()).prop_map(|(by, ago)| Input::CallerSpeechStarted { by, ago }),
        8 => (detector(), length()).prop_map(|(by, ago)| Input::CallerSpeechEnded { by, ago }),
        4 => (".{0,8}", prop::option::of(0f32..1.0))
            .prop_map(|(text, confidence)| Input::CallerText { text, confidence }),
        1 => length().prop_map(|length| Input::MessageTaken { length }),
        1 => ("[a-z]{1,4}", prop::option::of(response()), any_tool)
            .prop_map(|(call_id, response, tool)| Input::ToolCalled(ToolCall { call_id, response, tool })),
        2 => Just(Input::DtmfPressed(Digit::try_from('5').unwrap())),
        8 => response().prop_map(Input::PlayoutStarted),
        8 => mark().prop_map(Input::MarkSent),
        8 => mark().prop_map(Input::MarkHeard),
        10 => Just(Input::Deadline),
    ]
}

// === the telephone of these tests

struct TestCall {
    machine: CallMachine,
    now: CallTime,
    log: Vec<Output>,
}

impl TestCall {
    fn ringing() -> Self {
        Self { machine: CallMachine::new(CallSettings::default()), now: CallTime::START, log: Vec::new() }
    }

    fn greeted() -> Self {
        Self::greeted_with(CallSettings::default())
    }

    /// The vendor's agent has greeted, and the greeting was heard.
    fn greeted_with(settings: CallSettings) -> Self {
        let mut call = Self { machine: CallMachine::new(settings), now: CallTime::START, log: Vec::new() };
        call.tell(Input::Answered).tell(Input::AgentReady { detects_turns: true });
        call.agent_speaks(R1, "Good morning.", 900).is_heard(R1);
        call
    }

    fn tell(&mut self, input: Input) -> &mut Self {
        self.machine.handle(self.now, input, &mut self.log);
        self
    }

    fn after(&mut self, millis: u32) -> &mut Self {
        self.now = self.now + ms(millis);
        self
    }

    fn run_to_deadline(&mut self) -> &mut Self {
        self.now = self.machine.next_deadline().expect("something is due").max(self.now);
        self.tell(Input::Deadline)
    }

    fn caller_starts(&mut self, by: Detector) -> &mut Self {
        self.tell(Input::CallerSpeechStarted { by, ago: Duration::ZERO })
    }

    fn caller_stops(&mut self, by: Detector) -> &mut Self {
        self.tell(Input::CallerSpeechEnded { by, ago: Duration::ZERO })
    }

    fn caller_says(&mut self, words: &str) -> &mut Self {
        self.after(500).caller_starts(Detector::Vendor).after(900).caller_stops(Detector::Vendor);
        self.tell(Input::CallerText { text: words.into(), confidence: None })
    }

    /// The response is generated ahead of real time and goes on.
    fn agent_speaks_on(&mut self, response: ResponseId, words: &str, millis: u32) -> &mut Self {
        self.tell(Input::ResponseStarted(response));
        self.tell(Input::AgentText { response, text: words.into() });
        self.tell(Input::AgentAudio { response, length: ms(millis) });
        self.tell(Input::PlayoutStarted(response))
    }

    /// … and is all there.
    fn agent_speaks(&mut self, response: ResponseId, words: &str, millis: u32) -> &mut Self {
        self.agent_speaks_on(response, words, millis)
    }

    fn hears(&mut self, response: ResponseId, millis: u32) -> &mut Self {
        self.tell(Input::MarkSent(mark(response, millis, false))).after(millis);
        self.tell(Input::MarkHeard(mark(response, millis, false)))
    }

    fn is_heard(&mut self, response: ResponseId) -> &mut Self {
        let length = self.machine.ledger.get(response).expect("the response is open").received;
        let whole = mark(response, length.as_millis() as u32, true);
        self.tell(Input::ResponseEnded { response, outcome: ResponseOutcome::Completed });
        self.tell(Input::MarkSent(whole)).after(length.as_millis() as u32).tell(Input::MarkHeard(whole))
    }

    fn clear_log(&mut self) -> &mut Self {
        self.log.clear();
        self
    }

    fn said(&self) -> &[Output] {
        &self.log
    }

    fn count(&self, output: &Output) -> usize {
        self.log.iter().filter(|said| *said == output).count()
    }

    fn asked(&self) -> Vec<(ResponseId, Ask)> {
        let asked = |output: &Output| match output {
            Output::AskAgent { response, ask } => Some((*response, ask.clone())),
            _ => None,
        };
        self.log.iter().filter_map(asked).collect()
    }

    fn has_said(&self, phrase: Phrase) -> bool {
        self.log.iter().any(|output| matches!(output, Output::Say { phrase: said, .. } if *said == phrase))
    }

    fn phrase(&self, phrase: Phrase) -> ResponseId {
        let said = |output: &Output| match output {
            Output::Say { response, phrase: said } if *said == phrase => Some(*response),
            _ => None,
        };
        self.log.iter().find_map(said).expect("the phrase was said")
    }

    /// Stored turns; `|` stands where the caller stopped hearing.
    fn turns(&self) -> Vec<String> {
        let turn = |output: &Output| match output {
            Output::StoreTurn(turn) => {
                let unheard = &turn.text[turn.heard_text.len()..];
                let bar = if unheard.is_empty() { "" } else { "|" };
                Some(format!("{}: {}{bar}{unheard}", turn.speaker.as_str(), turn.heard_text))
            }
            _ => None,
        };
        self.log.iter().filter_map(turn).collect()
    }

    fn ended(&self) -> Option<HangupCause> {
        self.log.iter().find_map(|output| match output {
            Output::EndCall { cause, .. } => Some(*cause),
            _ => None,
        })
    }
}

fn mark(response: ResponseId, position_ms: u32, is_last: bool) -> Mark {
    Mark { response, position_ms, is_last }
}

fn tool(tool: Tool) -> Input {
    Input::ToolCalled(ToolCall { call_id: "t1".into(), response: None, tool })
}

fn hang_up_tool(response: ResponseId) -> Input {
    Input::ToolCalled(ToolCall { call_id: "t1".into(), response: Some(response), tool: Tool::HangUp })
}
