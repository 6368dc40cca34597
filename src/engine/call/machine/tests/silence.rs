//! Who is silent, for how long, and what is done about it.

use super::*;

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
fn an_agent_that_is_lost_in_every_sentence_is_given_up() {
    let mut call = TestCall::greeted();
    call.caller_says("Hello?");
    for response in [2, 3, 4].map(ResponseId::from_engine) {
        assert_eq!(call.ended(), None);
        call.agent_speaks_on(response, "Hello, how", 600).tell(Input::AgentLost(AgentLoss::Dropped));
        call.tell(Input::AgentReady { detects_turns: true });
    }
    assert!(call.has_said(Phrase::Apology));
    assert_eq!(call.count(&Output::ConnectAgent), 3);
}

#[test]
fn an_answer_that_fails_in_the_middle_of_a_sentence_is_asked_for_once_more() {
    let mut call = TestCall::greeted();
    call.caller_says("Hello?").agent_speaks_on(R2, "Hello, how", 600);
    call.clear_log().tell(Input::ResponseEnded { response: R2, outcome: ResponseOutcome::Failed });
    assert_eq!(call.asked(), [(ResponseId::from_engine(3), Ask::Again)]);
    call.clear_log().tell(Input::AgentLost(AgentLoss::Stalled)).tell(Input::AgentReady { detects_turns: true });
    assert_eq!(call.asked(), [(ResponseId::from_engine(4), Ask::Again)]);
}

#[test]
fn an_interruption_that_a_stalled_vendor_does_not_hear_is_owed_an_answer() {
    let mut call = TestCall::greeted();
    call.caller_says("Hello?").agent_speaks_on(R2, "Hello, how", 600).hears(R2, 600);
    call.caller_starts(Detector::Own).after(900).tell(Input::Deadline).caller_stops(Detector::Own);
    call.clear_log().tell(Input::AgentLost(AgentLoss::Stalled)).tell(Input::AgentReady { detects_turns: true });
    assert_eq!(call.asked().len(), 1);
}

#[test]
fn an_utterance_whose_listener_is_lost_is_over_and_owed_an_answer() {
    let mut call = TestCall::greeted();
    call.caller_starts(Detector::Vendor).after(400).tell(Input::AgentLost(AgentLoss::Dropped));
    call.clear_log().tell(Input::Deadline).after(300).tell(Input::AgentReady { detects_turns: true });
    assert_eq!(call.turns(), ["caller: "]);
    assert_eq!(call.asked(), [(R2, Ask::Again)]);
}

/// The agent has said half a sentence, all of it was heard, and no more comes.
fn stuck_in_a_sentence() -> (TestCall, CallTime) {
    let mut call = TestCall::greeted();
    call.caller_says("When do you open?").agent_speaks_on(R2, "We open at", 600).hears(R2, 600);
    let dry_at = call.now;
    call.clear_log();
    (call, dry_at)
}

#[test]
fn an_agent_that_falls_silent_in_a_sentence_is_covered_for_asked_again_and_given_up() {
    let (mut call, dry_at) = stuck_in_a_sentence();
    while !call.has_said(Phrase::Filler) {
        call.run_to_deadline();
    }
    assert_eq!(call.now.since(dry_at), ms(2_500));
    let filler = call.phrase(Phrase::Filler);
    call.agent_speaks(filler, "", 800).is_heard(filler);
    while call.asked().is_empty() {
        call.run_to_deadline();
    }
    assert_eq!(call.now.since(dry_at), ms(5_000));
    assert!(call.said().contains(&Output::CancelResponse(R2)));
    assert_eq!(call.asked(), [(ResponseId::from_engine(4), Ask::Again)]);
    // What had been heard is a turn, like any other.
    call.tell(Input::MarkSent(mark(R2, 600, true))).tell(Input::MarkHeard(mark(R2, 600, true)));
    assert_eq!(call.turns().last().unwrap(), "agent: We open at");
    // The next session never gets ready.
    call.after(1_000).tell(Input::AgentLost(AgentLoss::Stalled));
    while !call.has_said(Phrase::Apology) {
        call.run_to_deadline();
    }
    assert_eq!(call.now.since(dry_at), ms(9_000));
}

#[test]
fn an_agent_that_goes_on_after_a_pause_owes_nothing_for_it() {
    let (mut call, dry_at) = stuck_in_a_sentence();
    call.after(2_500).tell(Input::Deadline);
    let filler = call.phrase(Phrase::Filler);
    call.agent_speaks(filler, "", 800).is_heard(filler);
    call.tell(Input::AgentAudio { response: R2, length: ms(4_000) }).clear_log();
    while call.now.since(dry_at) < ms(7_000) {
        call.after(100).tell(Input::Deadline);
    }
    assert!(call.said().iter().all(|output| matches!(output, Output::StoreTurn(_))), "{:?}", call.said());
}

#[test]
fn a_sentence_that_is_heard_out_leaves_nothing_owed() {
    let (mut call, _) = stuck_in_a_sentence();
    call.after(1_000).tell(Input::ResponseEnded { response: R2, outcome: ResponseOutcome::Completed });
    call.tell(Input::MarkSent(mark(R2, 600, true))).tell(Input::MarkHeard(mark(R2, 600, true)));
    call.after(2_000).tell(Input::Deadline);
    assert!(matches!(call.said(), [Output::FinishPlayout(_), Output::StoreTurn(_)]), "{:?}", call.said());
}

#[test]
fn speech_that_broke_off_is_owed_since_its_last_sound() {
    let (mut call, dry_at) = stuck_in_a_sentence();
    call.after(2_000).tell(Input::AgentLost(AgentLoss::Dropped));
    call.tell(Input::MarkSent(mark(R2, 600, true))).tell(Input::MarkHeard(mark(R2, 600, true)));
    while !call.has_said(Phrase::Filler) {
        call.run_to_deadline();
    }
    assert_eq!(call.now.since(dry_at), ms(2_500));
}

#[test]
fn only_the_response_that_was_asked_for_pays_what_is_owed() {
    let mut call = TestCall::greeted();
    call.caller_says("Connect me.").tell(Input::ResponseStarted(R2));
    call.tell(Input::AgentAudio { response: R2, length: ms(4_000) });
    call.tell(tool(Tool::Unusable { complaint: "no".into() }));
    call.tell(Input::ResponseEnded { response: R2, outcome: ResponseOutcome::Completed });
    assert_eq!(call.asked().last(), Some(&(ResponseId::from_engine(3), Ask::Answer)));
    call.tell(Input::PlayoutStarted(R2)).run_to_deadline();
    assert!(!call.has_said(Phrase::Filler), "the agent is being heard");
    call.is_heard(R2).run_to_deadline();
    assert!(call.has_said(Phrase::Filler), "and then it is not");
}

#[test]
fn an_agent_that_does_nothing_but_call_tools_is_covered_for_and_given_up() {
    for millis in [50, 400, 1_500] {
        let mut call = TestCall::greeted();
        call.caller_says("Connect me.");
        let (asked_at, mut answered) = (call.now, 1);
        while !call.has_said(Phrase::Apology) {
            call.after(millis).tell(Input::Deadline);
            let asked = call.asked();
            if asked.len() > answered {
                let (response, _) = asked[asked.len() - 1];
                answered = asked.len();
                call.tell(Input::ResponseStarted(response)).tell(tool(Tool::Unusable { complaint: "no".into() }));
                call.tell(Input::ResponseEnded { response, outcome: ResponseOutcome::Completed });
            }
            assert!(call.now.since(asked_at) < Duration::from_secs(11), "{millis}: {:?}", call.said());
        }
        assert!(call.has_said(Phrase::Filler), "{millis}");
        assert!(call.asked().len() <= 7, "{millis}: {} requests", call.asked().len());
    }
}

#[test]
fn an_agent_that_speaks_again_and_again_leaves_the_floor_to_the_caller() {
    let mut call = TestCall::greeted();
    call.caller_says("Connect me.");
    while let Some((response, _)) = call.asked().last().cloned().filter(|_| call.asked().len() <= 20) {
        call.agent_speaks_on(response, "I am trying.", 600).tell(tool(Tool::Unusable { complaint: "no".into() }));
        let asked = call.asked().len();
        call.is_heard(response);
        if call.asked().len() == asked {
            break;
        }
    }
    assert_eq!(call.asked().len(), 7, "the greeting, five, and one that was asked for before the fifth was heard");
    call.run_to_deadline();
    assert!(!call.has_said(Phrase::Filler) && !call.has_said(Phrase::Apology), "nothing is owed");
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
