//! Conversations in which nothing goes wrong.

use std::time::Duration;

use futures_util::future::join_all;
use trunkline::cli::demo::twilio::ulaw;
use trunkline::config::OpenAiAudio;
use trunkline::engine::call::{Speaker, TurnOwner};

use crate::fake_openai::{Answer, FakeOpenAi, Script, SessionScript};
use crate::openai_service::{Ended, GREETING, PATIENCE, Service, times_said, voice, zero_of};

const MS: Duration = Duration::from_millis(1);

/// A vendor with ears of its own that greets, answers twice and understands two questions.
fn two_turns() -> Script {
    let pitched = |text: &str, pitch: f64| Answer { pitch, ..Answer::saying(text) };
    let answers = vec![pitched(GREETING, 200.0), pitched("At nine.", 260.0), pitched("You are welcome.", 320.0)];
    let transcripts = vec!["When do you open?".to_owned(), "Thank you.".to_owned()];
    Script { answers, transcripts, listens: true, ..Script::default() }
}

/// A greeting and two turns, in this format.
async fn talk(fake: &FakeOpenAi, audio: OpenAiAudio, turns: TurnOwner) -> Ended {
    let service = Service::start(&fake.url, |config| {
        config.openai.audio = audio;
        config.openai.turns = turns;
    });
    let call = service.call().await;
    let zero = zero_of(&call, fake);
    for (heard, length) in [(GREETING, 900 * MS), ("At nine.", 700 * MS)] {
        service.until_turn(&call, heard).await;
        call.speak(&voice(length)).await.unwrap();
    }
    service.until_turn(&call, "You are welcome.").await;
    let ended = service.hang_up(call).await;
    fake.until("the end of the session", |sessions| sessions[0].over.is_some()).await;
    let closed = fake.sessions()[0].over.unwrap().saturating_sub(zero).saturating_sub(ended.report.length);
    assert!(closed <= 1_500 * MS, "the vendor's socket was closed {closed:?} after the caller's hang-up");
    assert_quick(&ended, fake, zero);
    fake.assert_content();
    ended
}

fn assert_talk(ended: &Ended) {
    let wanted = [
        format!("agent: {GREETING}"),
        "caller: When do you open?".to_owned(),
        "agent: At nine.".to_owned(),
        "caller: Thank you.".to_owned(),
        "agent: You are welcome.".to_owned(),
    ];
    assert_eq!(ended.conversation(), wanted);
    for turn in ended.turns_of(Speaker::Caller) {
        assert!(turn.confidence.is_some_and(|confidence| (0.8..0.83).contains(&confidence)), "{turn:?}");
        assert!((400..2_500).contains(&(turn.ended_ms - turn.started_ms)), "{turn:?}");
    }
    assert_eq!((ended.stats.turns, ended.stats.barge_ins, ended.stats.agent_losses), (5, 0, 0));
    assert_eq!(ended.stats.underflow_events, 0);
    let length = |text: &str| text.len() as u32 * 65 * MS;
    let meant = [(200.0, GREETING), (260.0, "At nine."), (320.0, "You are welcome.")];
    ended.assert_heard(&meant.map(|(pitch, text)| (pitch, length(text))));
}

/// No frame of the caller is missing anywhere between the carrier and the vendor.
fn assert_all_heard(ended: &Ended, fake: &FakeOpenAi, samples_per_frame: u64) {
    let stats = &ended.stats;
    assert_eq!((stats.vad_frames, stats.dropped_frames), (stats.caller_frames, 0), "{stats:?}");
    let on_the_way = ended.report.frames_sent - stats.caller_frames;
    assert!(on_the_way <= 10, "{on_the_way} frames were sent and never came");
    let heard = fake.sessions()[0].samples;
    let missing = (stats.forwarded_frames * samples_per_frame).saturating_sub(heard);
    // What was forwarded in the last moment is cut off by the hang-up.
    assert!(missing <= 25 * samples_per_frame, "{missing} samples did not reach the vendor");
    assert!(heard <= stats.forwarded_frames * samples_per_frame);
}

/// From the vendor's first delta to the first frame on the carrier's wire, for each response.
fn assert_quick(ended: &Ended, fake: &FakeOpenAi, zero: Duration) {
    let (log, mut all) = (&fake.sessions()[0], Vec::new());
    let deltas = times_said(log, "response.output_audio.delta", zero);
    for created in times_said(log, "response.created", zero) {
        let Some(delta) = deltas.iter().find(|at| **at >= created) else { continue };
        let Some(heard) = ended.report.heard.iter().find(|heard| heard.at >= *delta) else { continue };
        all.push(heard.at - *delta);
    }
    all.sort();
    println!("first delta to first frame: {all:.1?}");
    assert!(all[all.len() / 2] <= 250 * MS, "the engine added {all:?}");
}

#[tokio::test]
async fn a_caller_is_greeted_once_and_answered_twice_in_either_format() {
    let (ulaw, linear) = (FakeOpenAi::start(two_turns()).await, FakeOpenAi::start(two_turns()).await);
    let (narrow, wide) = tokio::join!(
        talk(&ulaw, OpenAiAudio::Pcmu, TurnOwner::Engine),
        talk(&linear, OpenAiAudio::Pcm24, TurnOwner::Engine)
    );
    for (ended, fake, samples_per_frame) in [(narrow, ulaw, 160), (wide, linear, 480)] {
        assert_talk(&ended);
        assert_all_heard(&ended, &fake, samples_per_frame);
        let log = &fake.sessions()[0];
        let asked = log.heard_of("response.create");
        assert_eq!(asked.len(), 3, "{asked:?}");
        let greets = |create: &&&serde_json::Value| create["response"]["instructions"].to_string().contains(GREETING);
        assert_eq!(asked.iter().filter(greets).count(), 1);
        assert!(asked[0]["response"]["instructions"].to_string().contains(GREETING));
        assert_eq!(log.heard_of("response.cancel").len(), 0);
        assert_eq!(log.said.iter().filter(|(_, event)| event["type"] == "error").count(), 0);
    }
}

#[tokio::test]
async fn where_the_vendor_owns_the_turns_it_answers_by_itself() {
    let fake = FakeOpenAi::start(two_turns()).await;
    let ended = talk(&fake, OpenAiAudio::Pcmu, TurnOwner::Vendor).await;
    assert_talk(&ended);
    // The greeting is asked for; nothing else is.
    assert_eq!(fake.sessions()[0].heard_of("response.create").len(), 1);
    assert_eq!(fake.sessions()[0].said_of("response.created").len(), 3);
}

/// The caller says "hello?" as soon as the line is open; the vendor's session takes so long, and its ears are good or not.
async fn hello_into_the_quiet(created_after: Duration, listens: bool) {
    let slow = SessionScript { created_after, ..SessionScript::default() };
    let script = Script { sessions: vec![slow], listens, transcripts: vec!["Hello?".to_owned()], ..two_turns() };
    let fake = FakeOpenAi::start(script).await;
    let service = Service::with_audio(&fake, OpenAiAudio::Pcmu);
    let call = service.call().await;
    let hello = voice(700 * MS);
    call.speak(&hello).await.unwrap();
    call.wait_until_agent_has_spoken_for(100 * MS, PATIENCE).await.unwrap();
    call.wait_until_agent_is_quiet_for(700 * MS, PATIENCE).await.unwrap();
    let ended = service.hang_up(call).await;
    fake.assert_content();
    let (log, journal) = (&fake.sessions()[0], &ended.journal);
    let asked = log.heard_of("response.create");
    assert_eq!(asked.len(), 1, "the greeting was the answer\n{journal}");
    assert!(asked[0]["response"]["instructions"].to_string().contains(GREETING));
    let said: Vec<i16> = hello.iter().map(|code| ulaw::decode(*code)).collect();
    let is_there = log.audio.windows(said.len()).any(|window| window == said);
    assert!(is_there, "the first words reached the vendor as they were said\n{journal}");
    let mut conversation = ended.conversation();
    conversation.sort();
    let words = if listens { "caller: Hello?" } else { "caller: " };
    assert_eq!(conversation, [format!("agent: {GREETING}"), words.to_owned()], "{journal}");
}

#[tokio::test]
async fn what_was_said_before_the_agent_was_ready_is_heard_and_the_greeting_still_comes_once() {
    let cases = [(1_300, true), (1_300, false), (400, true), (400, false)];
    join_all(cases.map(|(created_after, listens)| hello_into_the_quiet(created_after * MS, listens))).await;
}
