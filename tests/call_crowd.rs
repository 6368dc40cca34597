//! Many calls at once: each is answered as if it were alone, and nobody hears anybody else.

#[path = "support/service.rs"]
mod service;

use futures_util::future::join_all;
use service::{Facts, MESSAGE, PATIENCE, Service, ms};
use trunkline::cli::demo::twilio::{CallReport, EndedBy, Verb, ulaw};
use trunkline::engine::call::HangupCause;

const CALLS: usize = 20;

#[tokio::test]
async fn twenty_callers_are_served_at_once_and_hear_and_leave_their_own_words() {
    let service = Service::start();
    let calls = join_all((0..CALLS).map(|caller| leaves_a_message(&service, caller))).await;
    let mut underflows = 0;
    for (caller, (report, facts)) in calls.iter().enumerate() {
        facts.assert_whole();
        assert_eq!(report.complaints, [], "caller {caller}");
        assert_eq!((report.ended_by, &report.farewell), (EndedBy::Server, &vec![Verb::Hangup]), "caller {caller}");
        assert_eq!((facts.cause(), facts.stats().barge_ins), (HangupCause::AgentHungUp, 3), "caller {caller}");
        let conversation = facts.conversation();
        let said: Vec<&str> = conversation.iter().map(|line| line.split('(').next().unwrap()).collect();
        let expected = [
            "agent cut: Hello. Thank you for calling. Please tell me how I can help you. \
             Or press one to leave a message, two to be called back.",
            "agent cut: Please say your message now. When you have finished, press pound.",
            "caller: ",
            "agent cut: Thank you. I have noted that. Is there anything else? If not, press pound, or just hang up.",
            "agent: Thank you for your call. Goodbye.",
        ];
        assert_eq!(said, expected, "caller {caller}");
        hears_the_same(caller, report, &calls[0].0);
        left_own_words(caller, facts);
        underflows += facts.stats().underflow_frames;
    }
    let frames: u64 = calls.iter().map(|(_, facts)| facts.stats().agent_frames).sum();
    assert!(underflows * 100 <= frames, "{underflows} of {frames} frames were missing when they were due");
    assert_eq!(service.metric("calls_ended_total{cause=\"agent_hung_up\"}") as usize, CALLS);
    assert_eq!(service.metric("caller_frames_dropped_total{reason=\"mailbox_full\"}"), 0.0);
    service.stops_at_once().await;
}

/// Speaks a message in a voice of its own, and ends the call by key.
async fn leaves_a_message(service: &Service, caller: usize) -> (CallReport, Facts) {
    let call = service.call().await;
    call.wait_until_agent_has_spoken_for(ms(500 + 20 * caller as u64), PATIENCE).await.unwrap();
    call.press('1');
    // "Please say your message now." takes 1.6 s.
    let asked = call.wait_for("the question", PATIENCE, |seen, now| {
        let clear = seen.ear.clears.first()?;
        (now > clear.at + clear.next_audio_after? + ms(2_000)).then_some(())
    });
    asked.await.unwrap();
    call.speak(&voice_of(caller)).await.unwrap();
    let noted = call.wait_for("the answer", PATIENCE, |seen, _| seen.ear.clears.get(1)?.next_audio_after).await;
    noted.unwrap();
    call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
    call.press('#');
    service.ended(call).await
}

/// Two seconds of speech, for each caller at another volume: no two have a frame in common.
fn voice_of(caller: usize) -> Vec<u8> {
    let volume = 0.9 + 0.02 * caller as f64;
    let louder = |code: &u8| ulaw::encode((f64::from(ulaw::decode(*code)) * volume) as i16);
    MESSAGE[..16_000].iter().map(louder).collect()
}

/// The ear got what everybody's ear got, code for code: the beginning of the greeting, and the whole goodbye.
fn hears_the_same(caller: usize, report: &CallReport, other: &CallReport) {
    let [heard, others] = [report, other].map(|report| {
        let heard = report.heard.iter().flat_map(|heard| heard.audio.iter().copied());
        heard.collect::<Vec<u8>>()
    });
    assert!(heard[..2_000] == others[..2_000], "caller {caller} hears another greeting");
    let goodbye = others.len() - 15_000;
    assert!(heard.ends_with(&others[goodbye..]), "caller {caller} hears another goodbye");
    assert!(ulaw::level(&others[goodbye..]) > 300.0, "caller {caller} hears nothing");
}

/// The message that was kept is the caller's own, sample for sample.
fn left_own_words(caller: usize, facts: &Facts) {
    let mut wav = hound::WavReader::open(&facts.message).unwrap();
    let kept: Vec<i16> = wav.samples().map(Result::unwrap).collect();
    let holds = |caller: usize| {
        let spoken: Vec<i16> = voice_of(caller)[4_000..8_000].iter().map(|code| ulaw::decode(*code)).collect();
        kept.windows(spoken.len()).any(|window| window == spoken)
    };
    assert!(holds(caller), "the message of caller {caller} is not what was spoken: {} samples", kept.len());
    assert!(!holds((caller + 1) % CALLS), "caller {caller} left another's message");
}
