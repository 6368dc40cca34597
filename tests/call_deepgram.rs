//! Whole calls with Deepgram: the real service between a carrier and a vendor that are played, over real sockets.

#[path = "support/fake_deepgram/mod.rs"]
mod fake_deepgram;
#[path = "support/fake_openai/mod.rs"]
mod fake_openai;
#[path = "support/openai_service.rs"]
mod openai_service;

use std::time::Duration;

use fake_deepgram::{Answer, FakeDeepgram, KEY, OnSettings, Script, SessionLog, Then};
use futures_util::future::join_all;
use openai_service::{Ended, GREETING, OFFICE, PATIENCE, Service, voice};
use trunkline::cli::demo::twilio::{EndedBy, PhoneCall, Verb};
use trunkline::config::{AgentProvider, Config};
use trunkline::engine::call::{Farewell, HangupCause, Phrase, Speaker};

const MS: Duration = Duration::from_millis(1);
const LONG: &str = "We open at nine in the morning and close at six in the evening, every day of the week but \
                    Sunday, when we only open for those who have ordered their bread the day before.";

fn service(fake: &FakeDeepgram, set: impl FnOnce(&mut Config)) -> Service {
    Service::start("ws://127.0.0.1:9/v1/realtime", |config| {
        config.agent.provider = AgentProvider::Deepgram;
        config.openai.api_key = None;
        config.deepgram.url = fake.url.parse().unwrap();
        config.deepgram.api_key = Some(KEY.into());
        set(config);
    })
}

async fn vendor(answers: impl IntoIterator<Item = Answer>, transcripts: &[&str]) -> FakeDeepgram {
    let transcripts = transcripts.iter().map(|words| (*words).to_owned()).collect();
    FakeDeepgram::start(Script { answers: answers.into_iter().collect(), transcripts, ..Script::default() }).await
}

/// The caller listens to the greeting and asks something.
async fn asks(service: &Service) -> PhoneCall {
    let call = service.call().await;
    service.until_turn(&call, GREETING).await;
    call.speak(&voice(700 * MS)).await.unwrap();
    call
}

/// The caller hangs up, and the vendor's session is over.
async fn hang_up(service: &Service, call: PhoneCall, fake: &FakeDeepgram) -> Ended {
    let ended = service.hang_up(call).await;
    fake.until("the end of every session", |sessions| sessions.iter().all(|log| log.is_over)).await;
    fake.assert_content();
    ended
}

fn greetings(log: &SessionLog) -> usize {
    log.heard_of("InjectAgentMessage").iter().filter(|message| message["message"] == GREETING).count()
}

#[tokio::test]
async fn a_caller_is_greeted_once_and_answered_twice() {
    let answers = [Answer::saying("At nine.", 260.0), Answer::saying("You are welcome.", 320.0)];
    let fake = vendor(answers, &["When do you open?", "Thank you."]).await;
    let service = service(&fake, |_| {});
    let call = asks(&service).await;
    service.until_turn(&call, "At nine.").await;
    call.speak(&voice(700 * MS)).await.unwrap();
    service.until_turn(&call, "You are welcome.").await;
    let ended = hang_up(&service, call, &fake).await;

    let wanted = [
        format!("agent: {GREETING}"),
        "caller: When do you open?".to_owned(),
        "agent: At nine.".to_owned(),
        "caller: Thank you.".to_owned(),
        "agent: You are welcome.".to_owned(),
    ];
    assert_eq!(ended.conversation(), wanted, "{}", ended.journal);
    assert_eq!((ended.stats.barge_ins, ended.stats.agent_losses, ended.stats.underflow_events), (0, 0, 0));
    let length = |text: &str| text.len() as u32 * 65 * MS;
    let meant = [(200.0, GREETING), (260.0, "At nine."), (320.0, "You are welcome.")];
    ended.assert_heard(&meant.map(|(pitch, text)| (pitch, length(text))));

    let sessions = fake.sessions();
    let [log] = sessions.as_slice() else { panic!("{} sessions", sessions.len()) };
    assert_eq!(greetings(log), 1);
    assert!(log.was_closed, "the session is closed, not dropped");
    let (settings, stats) = (log.heard_of("Settings"), &ended.stats);
    assert_eq!(settings[0]["audio"]["input"]["sample_rate"], 8_000, "the call's own rate");
    assert_eq!(settings[0]["agent"]["language"], "en");
    // What was forwarded in the last moment is cut off by the hang-up.
    let missing = (stats.forwarded_frames * 160).saturating_sub(log.samples);
    assert!(missing <= 25 * 160, "{missing} samples did not reach the vendor\n{}", ended.journal);
}

#[tokio::test]
async fn a_caller_who_interrupts_is_heard_at_once_and_only_what_was_heard_is_kept_as_said() {
    let answers = [Answer::saying(LONG, 220.0), Answer::saying("Of course.", 300.0)];
    let fake = vendor(answers, &["When do you open?", "Do you have rye bread?"]).await;
    let service = service(&fake, |_| {});
    let call = asks(&service).await;
    let asked_at = call.now();
    call.wait_for("a second of the answer", PATIENCE, |observed, now| {
        let first = observed.ear.heard().iter().find(|heard| heard.at >= asked_at)?;
        (now >= first.at + 1_200 * MS).then_some(())
    })
    .await
    .unwrap();
    call.speak(&voice(900 * MS)).await.unwrap();
    service.until_turn(&call, "Of course.").await;
    let ended = hang_up(&service, call, &fake).await;

    let journal = &ended.journal;
    assert_eq!((ended.stats.barge_ins, ended.report.clears.len()), (1, 1), "{journal}");
    let turn = ended.turns.iter().find(|turn| turn.interrupted).expect("one turn was interrupted");
    let clear = ended.report.clears[0].at;
    let heard = ended.report.heard.iter().filter(|heard| heard.at >= asked_at && heard.at < clear);
    let letters = heard.map(|heard| heard.audio.len()).sum::<usize>() / 8 / 65;
    let words = |text: &str| text.split_whitespace().count();
    assert!(words(&turn.heard_text).abs_diff(words(&LONG[..letters])) <= 1, "{turn:?}, {letters} letters\n{journal}");
    let wanted = [
        format!("agent: {GREETING}"),
        "caller: When do you open?".to_owned(),
        format!("agent: {}|{}", turn.heard_text, &turn.text[turn.heard_text.len()..]),
        "caller: Do you have rye bread?".to_owned(),
        "agent: Of course.".to_owned(),
    ];
    assert_eq!(ended.conversation(), wanted, "{journal}");
    let reaction = ended.report.barge_in_reactions()[0];
    println!("the caller's onset to silence in the ear: {reaction:.1?}");
    assert!(reaction <= 850 * MS, "{reaction:?}\n{journal}");
}

/// A call that a function ends, with last words or without.
async fn a_function_ends_it(answer: Answer, cause: HangupCause, farewell: Farewell, verb: Verb) {
    let last_words = answer.texts.first().map(|(text, _)| text.clone());
    let fake = vendor([answer], &["Goodbye."]).await;
    let service = service(&fake, |_| {});
    let call = asks(&service).await;
    let ended = service.until_ended(call).await;
    fake.until("the end of the session", |sessions| sessions[0].is_over).await;
    fake.assert_content();
    let (report, journal) = (&ended.report, &ended.journal);
    assert_eq!((ended.cause, &ended.farewell), (cause, &farewell), "{journal}");
    assert_eq!((report.ended_by, report.farewell.as_slice()), (EndedBy::Server, [verb].as_slice()));
    let sessions = fake.sessions();
    let answered = sessions[0].heard_of("FunctionCallResponse");
    assert_eq!(answered.len(), 1, "{journal}");
    assert!(answered[0]["content"].as_str().is_some_and(|content| content.contains("true")), "{answered:?}");
    if let Some(words) = last_words {
        // The vendor told of the function before it had spoken a word.
        assert_eq!(ended.conversation().last(), Some(&format!("agent: {words}")), "{journal}");
        let from = Duration::from_millis(ended.turns.last().unwrap().started_ms.into()).saturating_sub(500 * MS);
        let heard = ended.heard_between(from, report.length).len() as u32 * MS / 8;
        assert!(heard + 20 * MS >= words.len() as u32 * 65 * MS, "{heard:?} of {words:?} were heard\n{journal}");
    }
}

#[tokio::test]
async fn the_agent_hangs_up_or_transfers_after_its_last_words_were_heard() {
    let dial = || Farewell::Dial(OFFICE.parse().unwrap());
    let bye = Answer::saying("Thank you for calling, goodbye!", 240.0).calling("hang_up", "{}");
    let wordless = Answer::default().calling("hang_up", "{}");
    let moment = Answer::saying("I connect you.", 240.0).calling("transfer", "{}");
    let to_office = Verb::Dial(OFFICE.to_owned());
    tokio::join!(
        a_function_ends_it(bye, HangupCause::AgentHungUp, Farewell::HangUp, Verb::Hangup),
        a_function_ends_it(wordless, HangupCause::AgentHungUp, Farewell::HangUp, Verb::Hangup),
        a_function_ends_it(moment, HangupCause::Transferred, dial(), to_office),
    );
}

#[tokio::test]
async fn a_function_that_may_not_be_is_refused_in_words_and_the_agent_goes_on() {
    let asks_too_much = Answer::default().calling("transfer", r#"{"number":"+15005550009"}"#).calling("pizza", "{}");
    let fake = vendor([asks_too_much, Answer::saying("I am afraid I can't.", 260.0)], &["Give me the boss."]).await;
    let service = service(&fake, |_| {});
    let call = asks(&service).await;
    service.until_turn(&call, "I am afraid I can't.").await;
    let ended = hang_up(&service, call, &fake).await;
    let sessions = fake.sessions();
    let answered = sessions[0].heard_of("FunctionCallResponse");
    assert_eq!(answered.len(), 2, "{}", ended.journal);
    assert!(answered.iter().all(|answer| answer["content"].as_str().is_some_and(|content| content.contains("error"))));
}

#[tokio::test]
async fn settings_that_are_refused_are_tried_once_more_with_less_in_them() {
    let script = Script {
        settings: vec![OnSettings::Refuse("INVALID_SETTINGS")],
        answers: vec![Answer::saying("At nine.", 260.0)],
        transcripts: vec!["When do you open?".to_owned()],
    };
    let fake = FakeDeepgram::start(script).await;
    let service = service(&fake, |config| config.business[0].voice = Some("aura-2-nobody-en".to_owned()));
    let call = asks(&service).await;
    service.until_turn(&call, "At nine.").await;
    let ended = hang_up(&service, call, &fake).await;
    let sessions = fake.sessions();
    let asked: Vec<_> = sessions.iter().map(|log| log.heard_of("Settings")[0]["agent"].clone()).collect();
    assert_eq!(asked.len(), 2, "{}", ended.journal);
    assert_eq!((&asked[0]["language"], asked[1].get("language")), (&"en".into(), None));
    assert_eq!(asked[0]["speak"]["provider"]["model"], "aura-2-nobody-en");
    assert_eq!(asked[1]["speak"]["provider"]["model"], "aura-2-thalia-en");
    assert_eq!((ended.stats.agent_losses, sessions.iter().map(greetings).sum::<usize>()), (0, 1));
}

/// The call ends with a spoken apology.
fn assert_apology(ended: &Ended) {
    assert_eq!(ended.cause, HangupCause::AgentUnavailable, "{}", ended.journal);
    assert_eq!(ended.conversation().last(), Some(&format!("agent: {}", Phrase::Apology.text())), "{}", ended.journal);
}

async fn never_gets_an_agent(name: &'static str, settings: Vec<OnSettings>, key: &'static str) {
    let fake = FakeDeepgram::start(Script { settings, ..Script::default() }).await;
    let service = service(&fake, |config| config.deepgram.api_key = Some(key.into()));
    let call = service.call().await;
    let ended = service.until_ended(call).await;
    assert_apology(&ended);
    let apology = Duration::from_millis(ended.turns.last().unwrap().started_ms.into());
    println!("{name}: the apology began after {apology:.1?}");
    assert!(apology <= 10_500 * MS, "{name}: {apology:?}\n{}", ended.journal);
    fake.assert_content();
}

#[tokio::test]
async fn a_vendor_that_gives_no_session_is_apologised_for_within_ten_seconds() {
    use OnSettings::{Ignore, Refuse};
    join_all([
        never_gets_an_agent("401", vec![], "wrong"),
        never_gets_an_agent("settings refused", vec![Refuse("INVALID_SETTINGS"); 9], KEY),
        never_gets_an_agent("a model that can't be reached", vec![Refuse("FAILED_TO_THINK"); 9], KEY),
        never_gets_an_agent("no SettingsApplied", vec![Ignore; 9], KEY),
    ])
    .await;
}

/// The vendor's session breaks in an answer; another takes over and is told what was said.
async fn breaks(then: Then) {
    let broken = Answer::saying(LONG, 220.0).then(6, then);
    let fake = vendor([broken, Answer::saying("At nine.", 300.0)], &["When do you open?", "Pardon?"]).await;
    let service = service(&fake, |_| {});
    let call = asks(&service).await;
    fake.until("a second session", |sessions| sessions.len() == 2 && !sessions[1].heard.is_empty()).await;
    // Whatever the agent says of it, the caller asks again once the line is quiet.
    call.wait_until_agent_is_quiet_for(900 * MS, PATIENCE).await.unwrap();
    call.speak(&voice(700 * MS)).await.unwrap();
    service.until_turn(&call, "At nine.").await;
    let ended = hang_up(&service, call, &fake).await;
    let (sessions, journal) = (fake.sessions(), &ended.journal);
    assert_eq!((ended.stats.agent_losses, sessions.iter().map(greetings).sum::<usize>()), (1, 1), "{journal}");
    let history = sessions[1].heard_of("Settings")[0]["agent"]["context"]["messages"].clone();
    let said: Vec<_> = history.as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap()).collect();
    assert_eq!(said[..2], [GREETING, "When do you open?"], "{journal}");
    let heard = &ended.turns_of(Speaker::Agent)[1].heard_text;
    assert!(said.get(2).is_none_or(|said| LONG.starts_with(said) && said.len() <= heard.len()), "{said:?}\n{journal}");
}

#[tokio::test]
async fn a_session_that_breaks_is_replaced_and_the_new_one_knows_what_was_heard() {
    tokio::join!(breaks(Then::Drop), breaks(Then::Fail("INTERNAL_SERVER_ERROR")));
}

#[tokio::test]
async fn a_session_whose_time_is_up_is_replaced_in_a_pause() {
    let fake = vendor([Answer::saying("At nine.", 300.0)], &["When do you open?"]).await;
    // Sooner than the caller's silence is asked about.
    let service = service(&fake, |config| config.deepgram.session_limit_s = 5);
    let call = service.call().await;
    service.until_turn(&call, GREETING).await;
    fake.until("a second session", |sessions| sessions.len() > 1 && !sessions[1].heard.is_empty()).await;
    call.speak(&voice(700 * MS)).await.unwrap();
    service.until_turn(&call, "At nine.").await;
    let ended = hang_up(&service, call, &fake).await;
    let (sessions, journal) = (fake.sessions(), &ended.journal);
    assert_eq!((greetings(&sessions[0]), sessions.iter().map(greetings).sum::<usize>()), (1, 1), "{journal}");
    assert!(sessions[0].was_closed, "{journal}");
    let wanted = [format!("agent: {GREETING}"), "caller: When do you open?".to_owned(), "agent: At nine.".to_owned()];
    assert_eq!(ended.conversation(), wanted, "{journal}");
}

#[tokio::test]
async fn a_vendor_that_fails_before_it_answers_is_replaced_and_the_next_one_is_told_to_answer() {
    let fails = Answer::saying("We", 220.0).then(0, Then::Fail("FAILED_TO_THINK"));
    let fake = vendor([fails, Answer::saying("At nine.", 300.0)], &["When do you open?"]).await;
    let service = service(&fake, |_| {});
    let call = asks(&service).await;
    service.until_turn(&call, "At nine.").await;
    let ended = hang_up(&service, call, &fake).await;
    let (sessions, journal) = (fake.sessions(), &ended.journal);
    assert_eq!((sessions.len(), ended.stats.agent_losses), (2, 1), "{journal}");
    assert_eq!(sessions[1].heard_of("InjectUserMessage").len(), 1, "{journal}");
    assert!(ended.turns_of(Speaker::Caller).iter().all(|turn| turn.text == "When do you open?"), "{journal}");
}

#[tokio::test]
async fn a_vendor_that_stalls_in_an_answer_is_covered_for() {
    let fake = vendor([Answer::saying(LONG, 220.0).then(3, Then::Stall)], &["When do you open?"]).await;
    let service = service(&fake, |config| {
        config.silence.filler_after_ms = 700;
        config.silence.retry_after_ms = 1_600;
        config.silence.give_up_after_ms = 2_600;
    });
    let call = asks(&service).await;
    let ended = service.until_ended(call).await;
    assert_apology(&ended);
    fake.assert_content();
}
