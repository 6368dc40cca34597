//! Whole calls with the built-in receptionist, over real sockets: greeting, turns, interruptions, keys.

#[path = "support/service.rs"]
mod service;

use std::time::Duration;

use futures_util::future::join_all;
use service::{CALLED, CALLER, INTERRUPTION, MESSAGE, PATIENCE, Service, TRANSFER_TO, ms};
use trunkline::cli::demo::twilio::{EndedBy, PhoneCall, Verb};
use trunkline::clock;
use trunkline::engine::business::CalledNumber;
use trunkline::engine::call::{Farewell, HangupCause, Speaker};

const GREETING: &str = "Hello. Thank you for calling. Please tell me how I can help you. \
                        Or press one to leave a message, two to be called back.";
const ASKED_FOR_MORE: &str =
    "Thank you. I have noted that. Is there anything else? If not, press pound, or just hang up.";
/// From the decision to `clear` on the wire.
const CLEAR_WITHIN: Duration = Duration::from_millis(60);

#[tokio::test]
async fn the_caller_is_greeted_once_and_first_and_every_turn_is_kept() {
    let service = Service::start();
    let call = service.call().await;
    hears_a_whole_answer(&call).await;
    call.speak(MESSAGE).await.unwrap();
    hears_a_whole_answer(&call).await;
    let (report, facts) = service.hang_up(call).await;

    facts.assert_whole();
    let [greeting, message, asked_for_more] = facts.turns.as_slice() else { panic!("{:?}", facts.conversation()) };
    assert_eq!((greeting.text.as_str(), greeting.interrupted), (GREETING, false));
    assert_eq!((asked_for_more.text.as_str(), asked_for_more.interrupted), (ASKED_FOR_MORE, false));
    assert_eq!((greeting.heard_text.as_str(), asked_for_more.heard_text.as_str()), (GREETING, ASKED_FOR_MORE));
    assert_eq!(message.speaker, Speaker::Caller);
    assert!(message.text.starts_with("(spoken message of 4."), "{}", message.text);
    assert!(greeting.ended_ms <= message.started_ms && message.ended_ms <= asked_for_more.started_ms);

    let asked: Vec<_> =
        facts.events.iter().filter(|event| event.what == "asked").map(|event| &event.ids["ask"]).collect();
    assert_eq!(asked, ["greeting", "answer"], "each is asked for once");
    assert_eq!((facts.cause(), facts.stats().barge_ins), (HangupCause::CallerHungUp, 0));
    assert!(report.server_closed_after.is_some_and(|after| after < ms(2_000)), "{:?}", report.server_closed_after);
    assert_eq!((report.complaints, report.clears), (vec![], vec![]));
    assert_eq!(service.begun_and_ended(&report.call.call_sid), (1, 1));
    service.stops_at_once().await;
}

/// Waits until the agent has spoken and has nothing more to say.
async fn hears_a_whole_answer(call: &PhoneCall) {
    call.wait_until_agent_has_spoken_for(ms(100), PATIENCE).await.unwrap();
    call.wait_until_agent_is_quiet_for(ms(400), PATIENCE).await.unwrap();
}

#[tokio::test]
async fn the_agent_falls_silent_when_the_caller_speaks_and_only_what_was_heard_is_kept() {
    let service = Service::start();
    let mut until_the_wire = join_all((0..5).map(|_| interrupt_the_greeting(&service))).await;
    until_the_wire.sort();
    // The median, because another process may take the processor from any one of them.
    assert!(until_the_wire[2] <= CLEAR_WITHIN, "from the decision to the wire: {until_the_wire:?}");
    assert!(until_the_wire[4] <= CLEAR_WITHIN * 10, "from the decision to the wire: {until_the_wire:?}");
    service.stops_at_once().await;
}

/// Interrupts the greeting, hears the answer begin and hangs up: from the decision to `clear` at the carrier.
async fn interrupt_the_greeting(service: &Service) -> Duration {
    let call = service.call().await;
    call.wait_until_agent_has_spoken_for(ms(1_200), PATIENCE).await.unwrap();
    let carriers_start = clock::wall_micros() - call.now().as_micros() as i64;
    let spoken = call.speak(INTERRUPTION).await.unwrap();
    call.wait_until_agent_has_spoken_for(ms(100), PATIENCE).await.unwrap();
    let (report, facts) = service.hang_up(call).await;
    facts.assert_whole();

    let [clear] = report.clears.as_slice() else { panic!("one clear, not {:?}", report.clears) };
    assert!(spoken.from < clear.at && clear.at < spoken.to, "{clear:?} while the caller spoke, {spoken:?}");
    let went_on = clear.at + clear.next_audio_after.expect("the interruption was answered");
    assert!(went_on >= spoken.to, "the agent spoke at {went_on:?} into the caller's words, {spoken:?}");
    let late = report.marks.iter().find(|mark| mark.at > clear.at && mark.name.starts_with("r1:"));
    assert_eq!(late, None, "nothing of the greeting comes after its clear");

    // Not more was heard than reached the ear, and not much less: a mark comes each 100 ms.
    let greeting = &facts.turns[0];
    assert!(greeting.interrupted && greeting.heard_text.len() < greeting.text.len(), "{greeting:?}");
    let barge_in = facts.events.iter().find(|event| event.what == "barge_in").unwrap();
    let heard = ms(barge_in.ids["heard_ms"].as_u64().unwrap());
    let in_the_ear: usize =
        report.heard.iter().filter(|heard| heard.at < clear.at).map(|heard| heard.audio.len()).sum();
    let in_the_ear = ms(in_the_ear as u64 / 8);
    assert!(heard <= in_the_ear && in_the_ear < heard + ms(600), "{heard:?} of {in_the_ear:?}");
    assert_eq!(facts.outputs("Truncate").len(), 1, "the agent is told once");
    let conversation = facts.conversation();
    assert!(conversation[1].starts_with("caller: (spoken message of 2."), "{conversation:?}");
    assert_eq!(conversation[2], format!("agent cut: {ASKED_FOR_MORE}"));

    // The call's clock and the wall's: the first line of the journal is when the call was answered.
    let answered = facts.events.iter().find(|event| event.what == "answered").unwrap();
    let (call_start, _) = facts.outputs("Note(Answered)")[0];
    let (decided, _) = facts.outputs("ClearPlayout")[0];
    let decided = answered.at_micros + (decided - call_start) as i64;
    let on_the_wire = carriers_start + clear.at.as_micros() as i64;
    Duration::from_micros((on_the_wire - decided).max(0) as u64)
}

#[tokio::test]
async fn keys_lead_through_the_menu() {
    let service = Service::with(|config| {
        let mut without_staff = config.business[0].clone();
        without_staff.name = "Unstaffed".parse().unwrap();
        config.business[0].transfer_to = Some(TRANSFER_TO.parse().unwrap());
        config.business[0].number = CalledNumber::Exact(CALLED.parse().unwrap());
        config.business.push(without_staff);
    });
    tokio::join!(
        says_goodbye_after(&service, '#', "Thank you for your call. Goodbye."),
        says_goodbye_after(
            &service,
            '2',
            "I have noted that you would like to be called back. Thank you for your call. Goodbye.",
        ),
        is_handed_over(&service),
        is_not_handed_over_where_nobody_is(&service),
    );
    service.stops_at_once().await;
}

/// A key pressed into the greeting that makes the agent say this, and hang up.
async fn says_goodbye_after(service: &Service, key: char, words: &str) {
    let call = service.call().await;
    call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
    call.press(key);
    let (report, facts) = service.ended(call).await;
    facts.assert_whole();
    assert!(facts.turns[0].interrupted && facts.turns[0].text.starts_with("Hello."), "{:?}", facts.conversation());
    let goodbye = facts.turns.last().unwrap();
    assert_eq!((goodbye.text.as_str(), goodbye.heard_text.as_str(), goodbye.interrupted), (words, words, false));
    assert_eq!((facts.turns.len(), facts.count("dtmf")), (2, 1));
    assert_eq!((facts.cause(), facts.farewell()), (HangupCause::AgentHungUp, &Farewell::HangUp));
    assert_eq!((report.ended_by, report.close_code), (EndedBy::Server, Some(1_000)));
    assert_eq!((report.farewell, report.complaints), (vec![Verb::Hangup], vec![]));
    let last = report.marks.last().unwrap();
    assert!(last.answered.is_some() && !last.cleared, "the last word is heard before the socket closes: {last:?}");
}

async fn is_handed_over(service: &Service) {
    let call = service.call().await;
    call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
    call.press('0');
    let (report, facts) = service.ended(call).await;
    facts.assert_whole();
    assert!(facts.turns[0].text.ends_with("Press zero to speak to a person."), "{:?}", facts.conversation());
    assert_eq!(facts.conversation()[1], "agent: I am connecting you.");
    assert_eq!(facts.cause(), HangupCause::Transferred);
    assert_eq!((report.farewell, report.complaints), (vec![Verb::Dial(TRANSFER_TO.to_owned())], vec![]));
}

async fn is_not_handed_over_where_nobody_is(service: &Service) {
    let call = service.carrier.inbound_call(CALLER, "+14155550177").await.unwrap();
    call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
    call.press('0');
    let resumed = call.wait_for("the answer", PATIENCE, |seen, _| seen.ear.clears.first()?.next_audio_after).await;
    resumed.unwrap();
    hears_a_whole_answer(&call).await;
    let (report, facts) = service.hang_up(call).await;
    facts.assert_whole();
    assert_eq!(facts.turns[1].text, "I am sorry, nobody is free now. Please tell me how I can help you.");
    assert_eq!(facts.row.unwrap().business.unwrap().value.as_str(), "Unstaffed");
    assert_eq!((facts.end.unwrap().farewell, report.complaints), (Farewell::HangUp, vec![]));
}
