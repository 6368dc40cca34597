//! What is asked of the carrier's REST interface, what it may answer, and what is made of it.

#[path = "support/twilio_rest/mod.rs"]
mod twilio_rest;

use std::time::Duration;

use futures_util::future::join_all;
use trunkline::cli::demo::twilio::fresh_sid;
use trunkline::clock;
use trunkline::engine::ids::{CallSid, PhoneNumber};
use trunkline::engine::status::{AnsweredBy, CallDirection, CallStatus};
use trunkline::providers::carrier::{
    CallNow, CallsSought, Carrier, CarrierError, MachineDetection, NewCall, NewRecording, NumberUrls, TwilioRest,
};
use twilio_rest::{Asked, Fault, PlacedCall, TwilioRestFake};

const OURS: &str = "+14155550199";
const THEIRS: &str = "+14155550100";
const TOKEN: &str = "secret";

fn number(text: &str) -> PhoneNumber {
    text.parse().unwrap()
}

fn start() -> (TwilioRestFake, TwilioRest) {
    let account = fresh_sid("AC");
    let fake = TwilioRestFake::start(&account, TOKEN);
    fake.owns(OURS, "", "");
    let carrier = TwilioRest::new(&fake.url, account.parse().unwrap(), TOKEN.to_owned().into());
    (fake, carrier)
}

fn new_call() -> NewCall {
    NewCall {
        to: number(THEIRS),
        from: number(OURS),
        voice_url: "https://calls.example.com/twilio/voice?job=7&x=a%20b".to_owned(),
        status_url: "https://calls.example.com/twilio/status?job=7#rc=5&rp=all".to_owned(),
        ring_for: Duration::from_secs(30),
        time_limit: Some(Duration::from_secs(660)),
        machine_detection: Some(MachineDetection {
            until_the_beep: true,
            result_url: "https://calls.example.com/twilio/amd?job=7#rc=5&rp=all".to_owned(),
        }),
    }
}

fn goes_on(fake: &TwilioRestFake) -> CallSid {
    let sid = fresh_sid("CA");
    let status = "in-progress".to_owned();
    fake.knows(PlacedCall { sid: sid.clone(), from: THEIRS.into(), to: OURS.into(), status, ..PlacedCall::default() });
    sid.parse().unwrap()
}

#[actix_web::test]
async fn a_call_is_placed_with_every_address_and_event() {
    let (fake, carrier) = start();
    let sid = carrier.place(&new_call()).await.unwrap();
    let [placed] = fake.calls().try_into().unwrap();
    assert_eq!(placed.sid, sid.as_str());
    let events: Vec<&str> =
        placed.form.iter().filter(|(name, _)| name == "StatusCallbackEvent").map(|(_, value)| value.as_str()).collect();
    assert_eq!(events, ["initiated", "ringing", "answered", "completed"]);
    assert_eq!(placed.field("Url"), Some(new_call().voice_url.as_str()));
    assert_eq!((placed.field("Timeout"), placed.field("TimeLimit")), (Some("30"), Some("660")));
    assert_eq!((placed.field("MachineDetection"), placed.field("AsyncAmd")), (Some("DetectMessageEnd"), Some("true")));
}

#[actix_web::test]
async fn a_call_that_may_have_been_placed_is_not_placed_again() {
    let faults = [Fault::lie(500), Fault::status(503), Fault::Garbage];
    let (fake, carrier) = start();
    for fault in faults {
        fake.fail(Asked::Place, [fault]);
        let error = carrier.place(&new_call()).await.unwrap_err();
        assert!(error.outcome_is_unknown(), "{error}");
    }
    assert_eq!((fake.count(Asked::Place), fake.calls().len()), (3, 2), "one of the three was not done");
}

#[actix_web::test]
async fn a_carrier_that_is_silent_leaves_the_outcome_unknown_however_it_was() {
    let (fake, carrier) = start();
    fake.fail(Asked::Place, [Fault::Silent { is_done: true }, Fault::Silent { is_done: false }]);
    let call = new_call();
    let outcomes = join_all([carrier.place(&call), carrier.place(&call)]).await;
    for outcome in outcomes {
        assert!(matches!(outcome, Err(CarrierError::NoAnswer(_))), "{outcome:?}");
    }
    assert_eq!((fake.count(Asked::Place), fake.calls().len()), (2, 1));
}

#[actix_web::test]
async fn a_call_that_was_certainly_not_placed_is_tried_again() {
    let (fake, carrier) = start();
    let too_many = Fault::Status { status: 429, body: "{}", retry_after: Some(1), is_done: false };
    fake.fail(Asked::Place, [too_many]);
    let before = clock::now();
    carrier.place(&new_call()).await.unwrap();
    assert!(clock::now() - before >= Duration::from_secs(1), "as long as it asked for");
    assert_eq!((fake.count(Asked::Place), fake.calls().len()), (2, 1));
}

#[actix_web::test]
async fn a_carrier_that_wants_to_be_left_alone_for_long_is_left_alone() {
    let (fake, carrier) = start();
    fake.fail(Asked::Place, [Fault::Status { status: 429, body: "{}", retry_after: Some(600), is_done: false }]);
    let error = carrier.place(&new_call()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(600)));
    assert!(!error.outcome_is_unknown() && error.is_retryable());
    assert_eq!(fake.count(Asked::Place), 1);
}

#[actix_web::test]
async fn a_wrong_request_is_refused_with_the_carriers_number_for_it() {
    let (fake, carrier) = start();
    let error = carrier.place(&NewCall { from: number("+14155550111"), ..new_call() }).await.unwrap_err();
    assert_eq!(error, CarrierError::Refused { status: 400, code: 21210 });
    assert_eq!(fake.count(Asked::Place), 1);
}

#[actix_web::test]
async fn wrong_credentials_are_told_as_such_and_not_tried_again() {
    let (fake, _) = start();
    let carrier = TwilioRest::new(&fake.url, fresh_sid("AC").parse().unwrap(), "wrong".to_owned().into());
    let error = carrier.place(&new_call()).await.unwrap_err();
    assert_eq!(error, CarrierError::Unauthorised(401));
    assert_eq!(fake.calls(), []);
}

#[actix_web::test]
async fn nobody_who_listens_means_that_nothing_was_done() {
    let account = fresh_sid("AC").parse().unwrap();
    let carrier = TwilioRest::new("http://127.0.0.1:9", account, TOKEN.to_owned().into());
    let error = carrier.place(&new_call()).await.unwrap_err();
    assert!(matches!(error, CarrierError::Unreachable(_)) && !error.outcome_is_unknown(), "{error}");
}

#[actix_web::test]
async fn hanging_up_what_is_over_or_unknown_is_success_and_faults_are_outlasted() {
    let (fake, carrier) = start();
    let call = goes_on(&fake);
    fake.fail(Asked::Change, [Fault::status(503), Fault::lie(500)]);
    carrier.hang_up(&call).await.unwrap();
    assert_eq!(fake.count(Asked::Change), 3, "the second was done, though it said otherwise");
    assert_eq!(fake.calls()[0].status, "completed");
    carrier.hang_up(&call).await.unwrap();
    carrier.hang_up(&fresh_sid("CA").parse().unwrap()).await.unwrap();
}

#[actix_web::test]
async fn a_call_that_goes_on_follows_new_instructions_and_one_that_is_over_does_not() {
    let (fake, carrier) = start();
    let call = goes_on(&fake);
    let twiml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Hangup/></Response>".to_owned();
    carrier.update(&call, &CallNow::Follow(twiml.clone())).await.unwrap();
    carrier.update(&call, &CallNow::Ask("https://calls.example.com/next".to_owned())).await.unwrap();
    let changes = fake.calls()[0].changes.clone();
    assert_eq!(changes[0], [("Twiml".to_owned(), twiml)]);
    assert_eq!(changes[1][0], ("Url".to_owned(), "https://calls.example.com/next".to_owned()));
    carrier.hang_up(&call).await.unwrap();
    let late = carrier.update(&call, &CallNow::Ask("https://calls.example.com/next".to_owned())).await;
    assert_eq!(late, Err(CarrierError::Over));
}

#[actix_web::test]
async fn a_call_is_fetched_and_found_among_those_between_two_numbers() {
    let (fake, carrier) = start();
    let before = clock::wall_micros() / 1_000_000 * 1_000_000;
    let sid = carrier.place(&new_call()).await.unwrap();
    fake.set(sid.as_str(), |call| {
        call.status = "completed".to_owned();
        call.duration = Some(42);
        call.answered_by = Some("machine_end_beep".to_owned());
    });
    let call = carrier.call(&sid).await.unwrap();
    assert_eq!((call.status, call.duration_s), (CallStatus::Completed, Some(42)));
    assert_eq!(call.direction, Some(CallDirection::Outbound));
    assert_eq!(call.answered_by, Some(AnsweredBy::MachineEndBeep));

    let sought = CallsSought { to: number(THEIRS), from: number(OURS), since: before };
    let found = carrier.calls(&sought).await.unwrap();
    assert_eq!(found.iter().map(|call| &call.call_sid).collect::<Vec<_>>(), [&sid]);
    let later = CallsSought { since: before + 3_600_000_000, ..sought.clone() };
    assert_eq!(carrier.calls(&later).await.unwrap(), []);
    assert_eq!(carrier.calls(&CallsSought { to: number(OURS), ..sought }).await.unwrap(), []);
    assert_eq!(carrier.call(&fresh_sid("CA").parse().unwrap()).await, Err(CarrierError::NotFound));
}

#[actix_web::test]
async fn a_numbers_two_addresses_are_read_and_set() {
    let (fake, carrier) = start();
    let second = fake.owns("+14155550198", "https://old.example.com/voice", "");
    assert_eq!(carrier.numbers(None).await.unwrap().len(), 2);
    let [found] = carrier.numbers(Some(&number("+14155550198"))).await.unwrap().try_into().unwrap();
    assert_eq!((found.sid.as_str(), found.urls.voice_url.as_str()), (&*second, "https://old.example.com/voice"));
    assert_eq!((found.urls.status_url.as_str(), found.overridden_by), ("", None));
    assert_eq!(carrier.numbers(Some(&number("+14155550197"))).await.unwrap(), []);

    let urls = NumberUrls {
        voice_url: "https://calls.example.com/twilio/voice".to_owned(),
        status_url: "https://calls.example.com/twilio/status".to_owned(),
    };
    let set = carrier.set_number(&found.sid, &urls).await.unwrap();
    assert_eq!(set.urls, urls);
    assert_eq!(fake.number(&second, "status_callback"), urls.status_url);
}

#[actix_web::test]
async fn a_recording_is_started_once_though_the_answer_is_lost() {
    let (fake, carrier) = start();
    let call = goes_on(&fake);
    let status_url = "https://calls.example.com/twilio/recording".to_owned();
    let recording = NewRecording { status_url: status_url.clone(), two_channels: true };
    carrier.record(&call, &recording).await.unwrap();
    fake.fail(Asked::Record, [Fault::lie(502)]);
    assert!(carrier.record(&call, &recording).await.unwrap_err().outcome_is_unknown());
    assert_eq!(fake.recordings(), vec![(call.to_string(), status_url); 2]);
    assert_eq!(fake.count(Asked::Record), 2);
}

#[actix_web::test]
async fn the_fake_carrier_refuses_what_twilio_refuses() {
    let (fake, carrier) = start();
    let error = carrier.place(&NewCall { voice_url: "calls.example.com".to_owned(), ..new_call() }).await;
    assert_eq!(error, Err(CarrierError::Refused { status: 400, code: 21201 }));
    assert_eq!(fake.take_violations().len(), 1);
}
