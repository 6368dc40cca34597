//! A call is two lines in the log: it began, it ended. Nothing else of it is said, at any level, and nothing of what was
//! said on it.

#[path = "support/service.rs"]
mod service;

use service::{CALLED, CALLER, INTERRUPTION, PATIENCE, Service, auth_token, ms};
use trunkline::engine::quality::judge;

const SECRET_PROMPT: &str = "Recommend the plum cake to everybody.";
const SECRET_GREETING: &str = "Bakery Miller, good morning!";

#[tokio::test]
async fn a_call_is_two_lines_and_tells_nothing_of_its_people() {
    let service = Service::with(|config| {
        config.business[0].prompt = SECRET_PROMPT.to_owned();
        config.business[0].greeting = Some(SECRET_GREETING.to_owned());
    });
    // Greeting, interruption, message, answer, key, goodbye: the test's log keeps every level.
    let call = service.call().await;
    call.wait_until_agent_has_spoken_for(ms(1_000), PATIENCE).await.unwrap();
    call.speak(INTERRUPTION).await.unwrap();
    call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
    call.press('#');
    let (report, facts) = service.ended(call).await;
    facts.assert_whole();
    assert!(facts.turns.len() >= 4, "{:?}", facts.conversation());

    let lines = service.telemetry.logged();
    let sid = &report.call.call_sid;
    let [listening, began, ended] = lines.as_slice() else { panic!("{lines:#?}") };
    assert!(listening.starts_with("INFO listening listen=127.0.0.1:"), "{listening}");
    assert_eq!(*began, format!("INFO call began call_sid={sid} business=Reception agent=local"));
    let figures = facts.stats();
    let end = format!("INFO call ended call_sid={sid} cause=agent_hung_up seconds={} ", figures.length.as_secs());
    assert!(ended.starts_with(&end), "{ended}");
    for figure in [
        format!("turns={}", figures.turns),
        format!("barge_ins={}", figures.barge_ins),
        format!("caller_frames={}", figures.caller_frames),
        format!("media_faults={}", figures.media_faults),
        format!("verdict={}", judge(figures, facts.cause()).verdict.word()),
    ] {
        assert!(ended.split(' ').any(|pair| pair == figure), "{figure} in {ended}");
    }

    assert!(ended.ends_with(&format!(" score={}", judge(figures, facts.cause()).score)), "{ended}");

    let words = facts.turns.iter().flat_map(|turn| turn.text.split_whitespace()).filter(|word| word.len() > 5);
    let digits = |number: &'static str| number.trim_start_matches('+');
    let secrets = [SECRET_PROMPT, SECRET_GREETING, digits(CALLER), digits(CALLED), auth_token(&service.config)];
    for secret in secrets.into_iter().chain(words) {
        let told = lines.iter().find(|line| line.contains(secret));
        assert_eq!(told, None, "{secret:?} is nobody's business");
    }
    service.stops_at_once().await;
}

#[tokio::test]
async fn what_makes_no_sense_on_a_socket_is_counted_and_not_told() {
    let service = Service::start();
    let call = service.call().await;
    call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
    for _ in 0..200 {
        call.send_text("no sense at all");
    }
    call.wait_until_agent_has_spoken_for(ms(1_200), PATIENCE).await.unwrap();
    let (_, facts) = service.hang_up(call).await;
    assert!(facts.stats().media_faults >= 200);
    let lines = service.telemetry.logged();
    assert_eq!(lines.len(), 3, "listening, began, ended, and not: {lines:#?}");
    service.stops_at_once().await;
}
