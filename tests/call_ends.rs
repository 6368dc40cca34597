//! How calls end: whoever ends them, whenever, both sockets close, one row and one end are written, and no call is left.

#[path = "support/fake_rest.rs"]
mod fake_rest;
#[path = "support/service.rs"]
mod service;

use std::time::Duration;

use fake_rest::FakeRest;
use futures_util::future::{LocalBoxFuture, join_all};
use service::{CALLED, CALLER, Facts, INTERRUPTION, MESSAGE, PATIENCE, Service, TRANSFER_TO, auth_token, ms};
use trunkline::actors::call::END_SEEN_WITHIN;
use trunkline::cli::demo::twilio::{CallIdentity, CallReport, CarrierError, EndedBy, PhoneCall, StreamOptions, Verb};
use trunkline::clock;
use trunkline::engine::call::{Farewell, HangupCause, Speaker};
use trunkline::engine::ids::CallSid;
use trunkline::engine::status::CallStatus;

/// From the caller's hang-up to the closed socket.
const CLOSED_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test]
async fn three_callers_end_in_three_outcomes() {
    let service = Service::with(|config| config.business[0].transfer_to = Some(TRANSFER_TO.parse().unwrap()));
    let hangs_up = async {
        let call = service.call().await;
        call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
        service.hang_up(call).await
    };
    let (hung_up, goodbye, handed_over) = tokio::join!(hangs_up, presses(&service, '#'), presses(&service, '0'));
    for (_, facts) in [&hung_up, &goodbye, &handed_over] {
        facts.assert_whole();
    }
    let outcome = |(report, facts): &(CallReport, Facts)| (report.ended_by, facts.cause(), report.farewell.clone());
    assert_eq!(outcome(&hung_up), (EndedBy::Caller, HangupCause::CallerHungUp, vec![]));
    assert_eq!(outcome(&goodbye), (EndedBy::Server, HangupCause::AgentHungUp, vec![Verb::Hangup]));
    let dial = vec![Verb::Dial(TRANSFER_TO.to_owned())];
    assert_eq!(outcome(&handed_over), (EndedBy::Server, HangupCause::Transferred, dial));
    service.stops_at_once().await;
}

/// A call whose caller presses a key into the greeting, until the service ends it.
async fn presses(service: &Service, key: char) -> (CallReport, Facts) {
    let call = service.call().await;
    call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
    call.press(key);
    service.ended(call).await
}

#[tokio::test]
async fn the_caller_may_leave_at_any_moment() {
    type Moment = (&'static str, for<'c> fn(&'c PhoneCall) -> LocalBoxFuture<'c, ()>);
    let moments: [Moment; 8] = [
        ("right after start", |_| Box::pin(async {})),
        ("before the first sound", |call| Box::pin(frames_come(call, 3))),
        ("at the first sound", |call| Box::pin(frames_come_back(call, 1))),
        ("during the greeting", |call| Box::pin(agent_has_spoken(call, 800))),
        ("while speaking", |call| Box::pin(caller_has_begun(call))),
        ("just after the interruption", |call| Box::pin(agent_is_interrupted(call))),
        ("while the agent thinks", |call| Box::pin(agent_owes_an_answer(call))),
        ("after a key", |call| Box::pin(key_is_pressed(call))),
    ];
    let service = Service::start();
    // Cut off or hung up: the service is told of one and finds out about the other.
    let leaves = async |(name, until): Moment, cut: bool| {
        let call = service.call().await;
        until(&call).await;
        let report = if cut { call.cut_the_line().await } else { call.hang_up().await }.unwrap();
        let facts = service.settled(&report.call.call_sid).await;
        assert_left_cleanly(&service, &format!("{name}, cut: {cut}"), &report, &facts);
    };
    let hung_up = moments.iter().map(|moment| (*moment, false));
    // A line that is cut before its start was read brought no call: that is another test.
    let cut = moments.iter().skip(1).map(|moment| (*moment, true));
    join_all(hung_up.chain(cut).map(|(moment, cut)| leaves(moment, cut))).await;
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_caller_whose_stream_breaks_hears_an_apology_and_is_hung_up_if_the_carrier_does_not_ask() {
    let rest = FakeRest::start().await;
    let service = Service::with(|config| config.twilio.api_url = rest.url.parse().unwrap());
    let call = service.call().await;
    agent_has_spoken(&call, 300).await;
    let report = call.lose_the_stream().await.unwrap();
    assert!(matches!(report.farewell.as_slice(), [Verb::Say(_), Verb::Hangup]), "{:?}", report.farewell);
    let facts = service.settled(&report.call.call_sid).await;
    facts.assert_whole();
    assert_eq!((facts.cause(), facts.farewell()), (HangupCause::StreamLost, &Farewell::Apologise));
    assert_eq!(service.begun_and_ended(&report.call.call_sid), (1, 1));

    let call = service.call().await;
    agent_has_spoken(&call, 300).await;
    let unasked = call.identity().call_sid.clone();
    drop(call); // cut, and nobody asks
    let request = rest.next().await;
    assert!(request.path.ends_with(&format!("/Calls/{unasked}.json")), "{}", request.path);
    assert_eq!(rest.count(), 1, "the first call's carrier has asked");
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_line_that_is_cut_at_once_leaves_no_half_a_call() {
    let mut service = Service::start();
    let cut = join_all((0..10).map(async |_| service.call().await.cut_the_line().await.unwrap())).await;
    // What was read of the start by then decides whether there was a call; the stop waits for those that there were.
    let store = service.store();
    service.stops().await;
    for report in cut {
        let call_sid = report.call.call_sid.parse().unwrap();
        let begun_and_ended = service.begun_and_ended(&report.call.call_sid);
        assert!(matches!(begun_and_ended, (0, 0) | (1, 1)), "{begun_and_ended:?}");
        assert_eq!(store.call_end(&call_sid).unwrap().is_some(), begun_and_ended == (1, 1));
        assert_eq!(store.call(&call_sid).unwrap().unwrap().status, CallStatus::Completed);
    }
}

fn assert_left_cleanly(service: &Service, name: &str, report: &CallReport, facts: &Facts) {
    facts.assert_whole();
    // A line that was cut is lost, unless the carrier says at once that the caller has left.
    let may_be_lost = report.ended_by == EndedBy::LineCut && facts.cause() == HangupCause::StreamLost;
    assert!(may_be_lost || facts.cause() == HangupCause::CallerHungUp, "{name}: {}", facts.cause());
    assert_eq!(service.begun_and_ended(&report.call.call_sid), (1, 1), "{name}: one beginning, one end");
    let finals = facts.history.iter().filter(|change| change.status.is_final()).count();
    assert_eq!(finals, 1, "{name}: {:?}", facts.history);
    assert_eq!(report.complaints, [], "{name}");
    if report.ended_by == EndedBy::Caller {
        let closed = report.server_closed_after.unwrap_or(Duration::MAX);
        assert!(closed <= CLOSED_WITHIN, "{name}: the socket was closed after {closed:?}");
    }
    // Both: the agent's session is closed when the end is said, and that is soon after the carrier's socket.
    let answered = facts.events.iter().find(|event| event.what == "answered").expect(name);
    let lasted = Duration::from_micros((facts.end.as_ref().unwrap().ended_at - answered.at_micros) as u64);
    assert!(lasted <= report.length + CLOSED_WITHIN, "{name}: {lasted:?} of {:?}", report.length);
}

async fn frames_come(call: &PhoneCall, frames: u64) {
    call.wait_for("the caller's frames", PATIENCE, |seen, _| (seen.frames_sent >= frames).then_some(())).await.unwrap();
}

async fn frames_come_back(call: &PhoneCall, frames: u64) {
    let came = call.wait_for("the agent", PATIENCE, |seen, _| (seen.frames_received >= frames).then_some(())).await;
    came.unwrap();
}

async fn agent_has_spoken(call: &PhoneCall, millis: u64) {
    call.wait_until_agent_has_spoken_for(ms(millis), PATIENCE).await.unwrap();
}

async fn caller_has_begun(call: &PhoneCall) {
    call.begin_to_speak(MESSAGE);
    let begun = call.wait_for("the caller", PATIENCE, |seen, _| (seen.said.len() >= 5).then_some(())).await;
    begun.unwrap();
}

async fn agent_is_interrupted(call: &PhoneCall) {
    agent_has_spoken(call, 700).await;
    call.begin_to_speak(INTERRUPTION);
    let cleared = call.wait_for("clear", PATIENCE, |seen, _| (!seen.ear.clears.is_empty()).then_some(())).await;
    cleared.unwrap();
}

async fn agent_owes_an_answer(call: &PhoneCall) {
    agent_is_interrupted(call).await;
    let words = INTERRUPTION.len() / 160;
    // The endpointer waits for 600 ms; the answer is there within 700.
    let over = call.wait_for("the last word", PATIENCE, |seen, _| (seen.said.len() >= words).then_some(())).await;
    over.unwrap();
}

async fn key_is_pressed(call: &PhoneCall) {
    agent_has_spoken(call, 300).await;
    call.press('1');
    let cleared = call.wait_for("clear", PATIENCE, |seen, _| (!seen.ear.clears.is_empty()).then_some(())).await;
    cleared.unwrap();
}

#[tokio::test]
async fn a_caller_who_leaves_before_the_stream_starts_was_never_there() {
    let service = Service::start();
    let ringing = service.carrier.ring(CallIdentity::fresh(CALLER, CALLED)).await.unwrap();
    let call = ringing.connect(StreamOptions { start: false, ..StreamOptions::default() }).await.unwrap();
    let report = call.hang_up().await.unwrap();
    assert!(report.server_closed_after.is_some_and(|after| after <= CLOSED_WITHIN), "{report:?}");
    let facts = service.facts(&report.call.call_sid).await;
    assert_eq!((facts.status(), facts.end, facts.turns), ("completed", None, vec![]));
    assert_eq!(service.begun_and_ended(&report.call.call_sid), (0, 0));
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_message_is_kept_though_its_caller_hangs_up_in_the_middle() {
    let service = Service::start();
    let call = service.call().await;
    agent_has_spoken(&call, 300).await;
    call.press('1');
    // "Please say your message now." is heard, "When you have finished, press pound." is not waited for.
    let asked = call.wait_for("the question", PATIENCE, |seen, now| {
        let clear = seen.ear.clears.first()?;
        (now > clear.at + clear.next_audio_after? + ms(2_000)).then_some(())
    });
    asked.await.unwrap();
    call.begin_to_speak(MESSAGE);
    let frames = 2_000 / 20;
    call.wait_for("half of it", PATIENCE, |seen, _| (seen.said.len() >= frames).then_some(())).await.unwrap();
    let (_, facts) = service.hang_up(call).await;

    facts.assert_whole();
    let last = facts.turns.last().unwrap();
    assert_eq!(last.speaker, Speaker::Caller);
    assert!(last.text.starts_with("(spoken message of "), "{:?}", facts.conversation());
    let mut wav = hound::WavReader::open(&facts.message).unwrap();
    let samples: Vec<i16> = wav.samples().map(Result::unwrap).collect();
    let seconds = samples.len() as f64 / 8_000.0;
    assert!((1.6..3.0).contains(&seconds), "a message of {seconds} s");
    let power: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    let level = (power / samples.len() as f64).sqrt();
    assert!(level > 300.0, "the message's level is {level}");
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_silent_caller_is_asked_and_then_bidden_goodbye() {
    let service = Service::with(|config| {
        config.silence.caller_reprompt_after_ms = 300;
        config.silence.caller_reprompts = 1;
    });
    let (report, facts) = presses(&service, '1').await;
    facts.assert_whole();
    let words = [
        "agent: Please say your message now. When you have finished, press pound.",
        "agent: I did not hear anything. Please say your message now.",
        "agent: I cannot hear you. Please call again. Goodbye.",
    ];
    assert_eq!(facts.conversation()[1..], words);
    assert_eq!((facts.cause(), facts.count("silent")), (HangupCause::CallerSilent, 2));
    assert_eq!((report.ended_by, report.farewell), (EndedBy::Server, vec![Verb::Hangup]));
    assert_eq!(report.complaints, []);
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_call_has_a_longest_length() {
    let service = Service::with(|config| config.limits.max_call_ms = 1_500);
    let call = service.call().await;
    let (report, facts) = service.ended(call).await;
    facts.assert_whole();
    let words = "I am sorry, our time is up. Thank you for your call. Goodbye.";
    let last = facts.turns.last().unwrap();
    assert_eq!((last.heard_text.as_str(), last.interrupted), (words, false));
    assert!(facts.turns[0].interrupted && facts.turns.len() == 2, "{:?}", facts.conversation());
    assert_eq!((facts.cause(), facts.count("maximum_length")), (HangupCause::MaximumLength, 1));
    assert_eq!((report.farewell, report.complaints, report.clears.len()), (vec![Verb::Hangup], vec![], 1));
    service.stops_at_once().await;
}

#[tokio::test]
async fn the_carrier_is_asked_to_hang_up_once_and_only_if_it_shows_no_sign_of_the_end() {
    let rest = FakeRest::start().await;
    let service = Service::with(|config| config.twilio.api_url = rest.url.parse().unwrap());
    let (report, facts) = presses(&service, '#').await;
    assert_eq!((report.farewell, facts.cause()), (vec![Verb::Hangup], HangupCause::AgentHungUp));
    let call = service.call().await;
    agent_has_spoken(&call, 300).await;
    call.press('#');
    // The socket closes, and this carrier asks nobody how to go on.
    let silent_sid = call.identity().call_sid.clone();
    stream_is_closed(&call).await;
    let closed_at = clock::now();

    // The first call ended a whole call earlier: were it asked for, that request would come first.
    let request = rest.next().await;
    let waited = clock::now() - closed_at;
    assert!(waited > END_SEEN_WITHIN - ms(500) && waited < END_SEEN_WITHIN * 3, "asked after {waited:?}");
    let path = format!("/2010-04-01/Accounts/{}/Calls/{silent_sid}.json", service.carrier.account_sid());
    assert_eq!((request.path.as_str(), request.body.as_str()), (path.as_str(), "Status=completed"));
    assert!(request.has_credentials(service.carrier.account_sid(), auth_token(&service.config)));
    service.stops_at_once().await;
    assert_eq!(rest.count(), 1, "nobody is asked twice");
}

#[tokio::test]
async fn a_service_that_stops_ends_the_calls_that_go_on() {
    let mut service = Service::with(|config| config.http.drain_ms = 100);
    let calls = join_all((0..3).map(|_| service.call())).await;
    join_all(calls.iter().map(|call| agent_has_spoken(call, 300))).await;
    let (store, telemetry) = (service.store(), service.telemetry.clone());
    let ends = join_all(calls.iter().map(stream_is_closed));
    tokio::join!(service.stops(), ends);
    for call in calls {
        let sid: CallSid = call.identity().call_sid.parse().unwrap();
        let end = store.call_end(&sid).unwrap().expect("the end is written");
        assert_eq!((end.cause, end.farewell), (HangupCause::Draining, Farewell::HangUp));
        let row = store.call(&sid).unwrap().unwrap();
        assert_eq!(row.status, CallStatus::InProgress, "only the carrier says that a call is over");
    }
    assert!(telemetry.logged().iter().any(|line| line == "INFO stopping"));
}

#[tokio::test]
async fn the_carrier_is_answered_about_the_last_calls_of_a_service_that_stops() {
    let rest = FakeRest::start().await;
    let mut service = Service::with(|config| {
        config.http.drain_ms = 100;
        config.twilio.api_url = rest.url.parse().unwrap();
    });
    let (asks, asks_not) = tokio::join!(service.call(), service.call());
    tokio::join!(agent_has_spoken(&asks, 300), agent_has_spoken(&asks_not, 300));
    let silent_sid = asks_not.identity().call_sid.clone();
    let (_, report, ()) = tokio::join!(service.stops(), asks.ended(PATIENCE), stream_is_closed(&asks_not));
    let report = report.unwrap();
    // After the drain, and after the call's own end: both questions came to a service that still listens.
    assert_eq!((report.farewell, report.status_answer), (vec![Verb::Hangup], Some(204)));
    let request = rest.next().await;
    assert!(request.path.contains(&silent_sid), "the other one is hung up, though nobody asked: {}", request.path);
    assert_eq!(rest.count(), 1);
}

#[tokio::test]
async fn a_caller_who_is_handed_over_while_the_service_stops_is_connected() {
    let mut service = Service::with(|config| config.business[0].transfer_to = Some(TRANSFER_TO.parse().unwrap()));
    let call = service.call().await;
    agent_has_spoken(&call, 300).await;
    call.press('0');
    let (_, report) = tokio::join!(service.stops(), call.ended(PATIENCE));
    let report = report.unwrap();
    assert_eq!((report.farewell, report.complaints), (vec![Verb::Dial(TRANSFER_TO.to_owned())], vec![]));
}

async fn stream_is_closed(call: &PhoneCall) {
    let more = call.wait_for("the stream's end", PATIENCE, |_, _| None::<()>).await;
    assert!(matches!(more, Err(CarrierError::StreamEnded { .. })), "{more:?}");
}
