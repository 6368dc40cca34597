//! The vendor refuses, stalls, breaks or talks nonsense: the caller is answered again, or told so within 10 s.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpListener;
use trunkline::cli::demo::twilio::{EndedBy, PhoneCall, Verb};
use trunkline::config::Config;
use trunkline::engine::call::{HangupCause, Phrase, Speaker};

use crate::fake_openai::{Answer, Command, End, ErrorScript, FakeOpenAi, Script, SessionScript, Then};
use crate::openai_service::{Ended, GREETING, PATIENCE, Service, voice};

const MS: Duration = Duration::from_millis(1);
/// From the moment at which speech is owed to the apology; a little more for a busy machine.
const APOLOGY_WITHIN: Duration = Duration::from_millis(10_500);

/// The ladder of the agent's silence, four times as steep.
fn steep(config: &mut Config) {
    config.silence.filler_after_ms = 700;
    config.silence.retry_after_ms = 1_600;
    config.silence.give_up_after_ms = 2_600;
}

/// The call ends with a spoken apology, heard whole; when it began.
fn assert_apology(ended: &Ended) -> Duration {
    let journal = &ended.journal;
    assert_eq!(ended.cause, HangupCause::AgentUnavailable, "{journal}");
    assert_eq!((ended.report.ended_by, ended.report.farewell.as_slice()), (EndedBy::Server, [Verb::Hangup].as_slice()));
    assert_eq!(ended.conversation().last(), Some(&format!("agent: {}", Phrase::Apology.text())), "{journal}");
    let apology = ended.turns.last().unwrap();
    let (from, to) = (Duration::from_millis(apology.started_ms.into()), Duration::from_millis(apology.ended_ms.into()));
    assert!(to - from >= 2_000 * MS, "{apology:?}");
    let sound = ended.heard_between(from, to);
    assert!(crate::fake_openai::level(&sound) > 300.0, "the apology is a sound");
    from
}

fn counts(ended: &Ended, phrase: Phrase) -> usize {
    ended.turns.iter().filter(|turn| turn.text == phrase.text()).count()
}

async fn never_gets_an_agent(name: &'static str, url: String, losses: std::ops::RangeInclusive<u32>) {
    let service = Service::start(&url, |_| {});
    let call = service.call().await;
    let ended = service.until_ended(call).await;
    let after = assert_apology(&ended);
    println!("{name}: the apology began after {after:.1?}");
    assert!(after <= APOLOGY_WITHIN, "{name}: {after:?}\n{}", ended.journal);
    assert!(losses.contains(&ended.stats.agent_losses), "{name}: {}\n{}", ended.stats.agent_losses, ended.journal);
}

#[tokio::test]
async fn a_vendor_that_gives_no_session_is_apologised_for_within_ten_seconds() {
    let fake = |session: SessionScript| FakeOpenAi::start(Script { sessions: vec![session], ..Script::default() });
    let no_key = fake(SessionScript { refuse_upgrade: Some((401, String::new())), ..SessionScript::default() }).await;
    let error = ErrorScript::new("invalid_request_error", "invalid_api_key");
    let error = fake(SessionScript { refuse_session: Some((error, 3_000)), ..SessionScript::default() }).await;
    let busy = fake(SessionScript { refuse_upgrade: Some((503, String::new())), ..SessionScript::default() }).await;
    let mute = fake(SessionScript { mute: true, ..SessionScript::default() }).await;
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = |listener: &TcpListener| format!("ws://{}/v1/realtime", listener.local_addr().unwrap());
    let nowhere = url(&nobody);
    drop(nobody);
    join_all([
        never_gets_an_agent("401", no_key.url.clone(), 1..=1),
        never_gets_an_agent("invalid_api_key", error.url.clone(), 1..=1),
        never_gets_an_agent("503", busy.url.clone(), 3..=3),
        never_gets_an_agent("nobody listens", nowhere, 3..=3),
        // The ladder of the agent's silence decides these.
        never_gets_an_agent("no session.created", mute.url.clone(), 0..=3),
        never_gets_an_agent("no handshake", url(&deaf), 0..=3),
    ])
    .await;
}

/// The caller listens to the greeting and asks something.
async fn asks(service: &Service) -> PhoneCall {
    let call = service.call().await;
    service.until_turn(&call, GREETING).await;
    call.speak(&voice(700 * MS)).await.unwrap();
    call
}

/// The call in which `answers` follow the greeting; it ends when the last of them was heard, or by an apology.
async fn with_answers(answers: Vec<Answer>, last: Option<&str>, set: impl FnOnce(&mut Config)) -> (Ended, FakeOpenAi) {
    let answers = [Answer::saying(GREETING)].into_iter().chain(answers).collect();
    let fake = FakeOpenAi::start(Script { answers, listens: true, ..Script::default() }).await;
    let service = Service::start(&fake.url, set);
    let call = asks(&service).await;
    let ended = match last {
        None => service.until_ended(call).await,
        Some(words) => {
            service.until_turn(&call, words).await;
            service.hang_up(call).await
        }
    };
    fake.assert_content();
    (ended, fake)
}

const SORRY: &str = "We open at nine.";

#[tokio::test]
async fn a_vendor_that_stalls_is_covered_for_asked_again_and_given_up() {
    let holds = || Answer::default().then(0, Then::Hold);
    let stalls = || Answer::default().then(0, Then::Stall);
    let ((again, fake), (given_up, silent)) = tokio::join!(
        with_answers(vec![holds(), Answer::saying(SORRY)], Some(SORRY), steep),
        with_answers(vec![stalls()], None, steep),
    );
    assert_eq!(counts(&again, Phrase::Filler), 1, "{}", again.journal);
    assert_eq!(again.conversation().last(), Some(&format!("agent: {SORRY}")));
    assert_eq!(fake.sessions()[0].heard_of("response.cancel").len(), 1);
    assert_eq!(again.stats.agent_losses, 0);

    let apology = assert_apology(&given_up);
    let question = given_up.turns_of(Speaker::Caller)[0].ended_ms;
    assert_eq!(counts(&given_up, Phrase::Filler), 1, "{}", given_up.journal);
    assert!(apology <= Duration::from_millis(u64::from(question) + 2_600 + 500), "{}", given_up.journal);
    assert_eq!(silent.sessions()[0].heard_of("response.cancel").len(), 1);
}

#[tokio::test]
async fn a_stall_after_a_refused_tool_is_covered_for_like_any_other() {
    let asks = Answer::saying("One moment.").calling("transfer", r#"{"number":"+15005550009"}"#);
    let holds = Answer::default().then(0, Then::Hold);
    let (ended, fake) = with_answers(vec![asks, holds, Answer::saying(SORRY)], Some(SORRY), steep).await;
    assert_eq!(counts(&ended, Phrase::Filler), 1, "{}", ended.journal);
    assert_eq!(fake.sessions()[0].heard_of("response.cancel").len(), 1);
}

/// The vendor stalls 600 ms into an answer; the caller may say something into the silence.
async fn stalls_in_a_sentence(caller_asks_again: bool) {
    let stalls = Answer::saying("We open at nine in the morning.").then(3, Then::Stall);
    let answers = vec![Answer::saying(GREETING), stalls, Answer::saying(SORRY)];
    let fake = FakeOpenAi::start(Script { answers, listens: true, ..Script::default() }).await;
    let service = Service::start(&fake.url, |_| {});
    let call = asks(&service).await;
    if caller_asks_again {
        call.wait_until_agent_is_quiet_for(600 * MS, PATIENCE).await.unwrap();
        call.speak(&voice(900 * MS)).await.unwrap();
    }
    service.until_turn(&call, SORRY).await;
    let ended = service.hang_up(call).await;
    fake.assert_content();
    let journal = &ended.journal;
    let sounds = ended.report.agent_sounds();
    let silences = sounds.windows(2).map(|pair| pair[1].from - pair[0].to);
    let longest = silences.max().unwrap();
    println!("stalled in a sentence, asked again: {caller_asks_again}: the longest silence was {longest:.1?}");
    assert!(longest <= 10_000 * MS, "{longest:?}\n{journal}");
    assert_eq!((fake.sessions().len(), ended.stats.agent_losses), (2, 1), "{journal}");
}

#[tokio::test]
async fn a_vendor_that_stalls_in_the_middle_of_a_sentence_is_replaced_whether_the_caller_asks_again_or_not() {
    tokio::join!(stalls_in_a_sentence(false), stalls_in_a_sentence(true));
}

#[tokio::test]
async fn a_vendor_that_stalls_in_a_sentence_and_cannot_be_reached_again_is_apologised_for_within_ten_seconds() {
    let stalls = Answer::saying("We open at nine in the morning.").then(3, Then::Stall);
    let mute = SessionScript { mute: true, ..SessionScript::default() };
    let script = Script {
        sessions: vec![SessionScript::default(), mute],
        answers: vec![Answer::saying(GREETING), stalls],
        listens: true,
        ..Script::default()
    };
    let fake = FakeOpenAi::start(script).await;
    let service = Service::start(&fake.url, |_| {});
    let call = asks(&service).await;
    let ended = service.until_ended(call).await;
    let apology = assert_apology(&ended);
    let broken_off = ended.turns_of(Speaker::Agent)[1];
    let silent_for = apology.saturating_sub(Duration::from_millis(broken_off.ended_ms.into()));
    println!("stalled in a sentence for good: the apology began after {silent_for:.1?}");
    assert!(silent_for <= APOLOGY_WITHIN, "{}", ended.journal);
    assert_eq!(counts(&ended, Phrase::Filler), 1, "{}", ended.journal);
}

#[tokio::test]
async fn a_vendor_that_calls_nothing_but_tools_is_covered_for_and_given_up() {
    let calls = Answer { texts: Vec::new(), ..Answer::default() }.calling("open_the_door", "{}");
    let (ended, fake) = with_answers(vec![calls], None, steep).await;
    assert_apology(&ended);
    assert_eq!(counts(&ended, Phrase::Filler), 1, "{}", ended.journal);
    let asked = fake.sessions()[0].heard_of("response.create").len();
    assert!(asked <= 7, "{asked} requests\n{}", ended.journal);
}

#[tokio::test]
async fn a_session_that_breaks_in_the_middle_of_a_sentence_is_replaced_and_knows_what_was_said() {
    let breaks = Answer::saying("We open at nine in the morning.").then(3, Then::Drop);
    let (ended, fake) = with_answers(vec![breaks, Answer::saying(SORRY)], Some(SORRY), |_| {}).await;
    let (journal, sessions) = (&ended.journal, fake.sessions());
    assert_eq!((sessions.len(), ended.stats.agent_losses), (2, 1), "{journal}");
    let told: Vec<_> = sessions[1].heard_of("conversation.item.create").into_iter().collect();
    let told: Vec<_> = told.iter().map(|event| event["item"]["content"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(told, [GREETING, "When do you open?"], "{journal}");
    let greetings = |n: usize| {
        sessions[n].heard_of("response.create").iter().filter(|create| create.to_string().contains(GREETING)).count()
    };
    assert_eq!((greetings(0), greetings(1)), (1, 0), "the caller is greeted once");
    assert_eq!(ended.conversation().last(), Some(&format!("agent: {SORRY}")), "{journal}");
}

#[tokio::test]
async fn a_vendor_that_breaks_again_and_again_is_given_up() {
    let breaks = || Answer::saying("We open at nine in the morning.").then(3, Then::Drop);
    let (ended, fake) = with_answers(vec![breaks()], None, |_| {}).await;
    assert_apology(&ended);
    let connections = fake.sessions().len();
    assert!(connections <= 3, "{connections} sessions\n{}", ended.journal);
}

#[tokio::test]
async fn an_answer_without_sound_is_asked_for_once_more_and_then_apologised_for() {
    let empty = || Answer { texts: Vec::new(), ..Answer::default() };
    let failed = || Answer { end: End::Failed("server_error"), ..empty() };
    let ((once, asked), (failed_once, _), (always, _)) = tokio::join!(
        with_answers(vec![empty(), Answer::saying(SORRY)], Some(SORRY), |_| {}),
        with_answers(vec![failed(), Answer::saying(SORRY)], Some(SORRY), |_| {}),
        with_answers(vec![empty()], None, steep),
    );
    for ended in [&once, &failed_once] {
        assert_eq!(counts(ended, Phrase::Filler), 0, "it was asked for again at once\n{}", ended.journal);
        assert_eq!(ended.stats.agent_losses, 0);
    }
    assert_eq!(asked.sessions()[0].heard_of("response.create").len(), 3);
    assert_apology(&always);
    assert_eq!(counts(&always, Phrase::Filler), 1, "{}", always.journal);
}

#[tokio::test]
async fn an_error_that_ends_nothing_does_not_disturb_the_call() {
    let answers = vec![Answer::saying(GREETING), Answer::saying(SORRY)];
    let fake = FakeOpenAi::start(Script { answers, listens: true, ..Script::default() }).await;
    let service = Service::start(&fake.url, |_| {});
    let call = service.call().await;
    service.until_turn(&call, GREETING).await;
    let error = serde_json::json!({ "type": "server_error", "code": "server_error", "message": "Oops." });
    fake.command(Command::Say(serde_json::json!({ "type": "error", "error": error })));
    fake.command(Command::Say(serde_json::json!({ "type": "session.sang" })));
    fake.command(Command::Say(serde_json::json!({ "type": "response.output_audio.delta", "response_id": "resp_gone",
        "item_id": "item_gone", "output_index": 0, "content_index": 0, "delta": "AAAA" })));
    call.speak(&voice(700 * MS)).await.unwrap();
    service.until_turn(&call, SORRY).await;
    let ended = service.hang_up(call).await;
    fake.assert_content();
    assert_eq!(ended.conversation().len(), 3, "{}", ended.journal);
    assert_eq!(ended.stats.agent_losses, 0);
    assert_eq!(service.counted("trunkline_agent_events_total"), 3.0, "{}", service.telemetry.render());
}

#[tokio::test]
async fn a_session_that_breaks_while_its_detector_hears_the_caller_does_not_make_both_sides_wait() {
    let answers = vec![Answer::saying(GREETING), Answer::saying(SORRY)];
    let fake = FakeOpenAi::start(Script { answers, ..Script::default() }).await;
    let service = Service::start(&fake.url, |_| {});
    let call = service.call().await;
    service.until_turn(&call, GREETING).await;
    // A whisper that only the vendor hears; it never hears its end.
    fake.command(Command::SpeechStarted);
    fake.command(Command::Drop);
    service.until_turn(&call, SORRY).await;
    let ended = service.hang_up(call).await;
    fake.assert_content();
    assert_eq!((fake.sessions().len(), ended.stats.agent_losses), (2, 1), "{}", ended.journal);
    assert_eq!(counts(&ended, Phrase::Filler) + counts(&ended, Phrase::Apology), 0, "{}", ended.journal);
}
