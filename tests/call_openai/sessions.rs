//! What happens to the vendor's session while the call goes on: renewal, and a format that is not what was agreed.

use std::time::Duration;

use futures_util::future::join_all;
use trunkline::cli::demo::twilio::ulaw;
use trunkline::config::OpenAiAudio;
use trunkline::engine::call::Speaker;

use crate::fake_openai::{Answer, FakeOpenAi, Script, SessionScript};
use crate::openai_service::{GREETING, PATIENCE, Service, likeness, voice};

const MS: Duration = Duration::from_millis(1);

#[tokio::test]
async fn a_vendor_that_promises_ulaw_and_sends_linear_is_understood_without_noise() {
    let pitches = [200.0, 260.0];
    let answers = vec![
        Answer { pitch: pitches[0], ..Answer::saying(GREETING) },
        Answer { pitch: pitches[1], ..Answer::saying("We open at nine.") },
    ];
    let sessions = vec![SessionScript { lies: true, ..SessionScript::default() }];
    let fake = FakeOpenAi::start(Script { sessions, answers, listens: true, ..Script::default() }).await;
    let service = Service::with_audio(&fake, OpenAiAudio::Pcmu);
    let call = service.call().await;
    service.until_turn(&call, GREETING).await;
    call.speak(&voice(700 * MS)).await.unwrap();
    service.until_turn(&call, "We open at nine.").await;
    let ended = service.hang_up(call).await;
    fake.assert_content();

    let length = |text: &str| text.len() as u32 * 65 * MS;
    ended.assert_heard(&[(pitches[0], length(GREETING)), (pitches[1], length("We open at nine."))]);
    let fallbacks = r#"trunkline_agent_events_total{agent="openai",kind="format_fallback"}"#;
    assert_eq!(service.counted(fallbacks), 1.0);
    assert_eq!(ended.conversation().len(), 3, "{}", ended.journal);
    assert_eq!(ended.stats.dropped_frames, 0);
}

/// The session ends every 6 s, and is renewed after 3; the caller speaks all the time, with pauses.
async fn renewed(audio: OpenAiAudio, samples_per_ms: usize) {
    let short = SessionScript { lifetime: Some(6_000 * MS), ..SessionScript::default() };
    let sessions = vec![short.clone(), short, SessionScript::default()];
    let answers = vec![Answer::saying(GREETING), Answer::saying("I see.")];
    let transcripts = (1..=3).map(|n| format!("Sentence {n}.")).collect();
    let fake = FakeOpenAi::start(Script { sessions, answers, transcripts, listens: true, ..Script::default() }).await;
    let service = Service::with_audio(&fake, audio);
    let call = service.call().await;
    for _ in 0..3 {
        call.wait_until_agent_is_quiet_for(500 * MS, PATIENCE).await.unwrap();
        call.speak(&voice(1_000 * MS)).await.unwrap();
        call.wait_until_agent_has_spoken_for(100 * MS, PATIENCE).await.unwrap();
    }
    let enough = |sessions: &[crate::fake_openai::SessionLog]| {
        sessions.len() == 3 && sessions[1].over.is_some() && sessions[2].samples > 0
    };
    fake.until("two renewals", enough).await;
    call.wait_until_agent_is_quiet_for(500 * MS, PATIENCE).await.unwrap();
    let ended = service.hang_up(call).await;
    fake.assert_content();

    let (sessions, journal) = (fake.sessions(), &ended.journal);
    assert_eq!(ended.stats.agent_losses, 0, "{journal}");
    assert_eq!(service.counted("trunkline_prompt_cache_"), 1.0, "one prompt for the call, whatever the sessions");
    let told = |number: usize| sessions[number].heard_of("conversation.item.create").len();
    assert!(told(0) == 0 && told(1) >= 1 && told(2) >= told(1), "each knows what was said before it");
    let said: Vec<_> = ended.turns_of(Speaker::Caller).iter().map(|turn| turn.text.clone()).collect();
    assert_eq!(said, ["Sentence 1.", "Sentence 2.", "Sentence 3."], "{journal}");

    // Each successor hears the last 500 ms (`openai.vad_prefix_ms`) of its predecessor, and goes on from there.
    let padding = 500 * samples_per_ms;
    let mut whole = sessions[0].audio.clone();
    for session in &sessions[1..] {
        let (again, new) = session.audio.split_at(padding);
        let known = &whole[whole.len() - padding..];
        let alike = if known.iter().all(|sample| sample.abs() < 300) { 1.0 } else { likeness(known, again) };
        assert!(alike > 0.99, "the successor begins with what its predecessor heard last: {alike:.3}");
        whole.extend(new);
    }
    let forwarded = ended.stats.forwarded_frames as usize * 20 * samples_per_ms;
    let missing = forwarded - whole.len();
    assert!(missing <= 25 * 20 * samples_per_ms, "{missing} samples are missing");
    if samples_per_ms == 8 {
        let words: Vec<i16> = voice(1_000 * MS).iter().map(|code| ulaw::decode(*code)).collect();
        let times = whole.windows(words.len()).filter(|window| *window == words).count();
        assert_eq!(times, 3, "every word reached the vendor as it was said");
    }
}

#[tokio::test]
async fn a_session_is_renewed_in_the_call_and_no_word_of_the_caller_is_lost() {
    let cases = [(OpenAiAudio::Pcmu, 8), (OpenAiAudio::Pcm24, 24)];
    join_all(cases.map(|(audio, samples_per_ms)| renewed(audio, samples_per_ms))).await;
}
