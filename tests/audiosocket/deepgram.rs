//! Calls from a PBX that Deepgram answers: sound travels at the call's own rate, both ways.

use trunkline::config::AgentProvider;
use trunkline::engine::audio::{Hz8k, Hz16k};
use trunkline::engine::call::{HangupCause, Speaker};
use trunkline::engine::wire::audiosocket::AudioKind;

use crate::fake_asterisk::{PbxCall, made_up};
use crate::fake_deepgram::{Answer, FakeDeepgram, KEY, Script};
use crate::service::INTERRUPTION;
use crate::{service, settled, socket};

const GREETING: &str = "Bakery Miller, good morning!";

async fn talk<R: AudioKind>() {
    let fake = FakeDeepgram::start(Script {
        answers: vec![Answer::saying("At nine.", 260.0)],
        transcripts: vec!["When do you open?".to_owned()],
        ..Script::default()
    })
    .await;
    let service = service(|config| {
        config.agent.provider = AgentProvider::Deepgram;
        config.deepgram.url = fake.url.parse().unwrap();
        config.deepgram.api_key = Some(KEY.into());
        config.business[0].greeting = Some(GREETING.to_owned());
    });
    let call = PbxCall::<R>::dial(socket(&service), made_up()).await;
    let greeted = call.until_agent_said_something(0).await;
    call.speaks(INTERRUPTION);
    call.until_agent_said_something(greeted).await;
    call.hangs_up();
    let facts = settled(&service, &call.call_sid()).await;

    facts.assert_whole();
    call.assert_content();
    let wanted = [format!("agent: {GREETING}"), "caller: When do you open?".to_owned(), "agent: At nine.".to_owned()];
    assert_eq!(facts.conversation(), wanted);
    assert!(facts.agent_turns().iter().all(|turn| turn.speaker == Speaker::Agent && turn.heard_text == turn.text));
    assert_eq!(facts.cause(), HangupCause::CallerHungUp);
    fake.until("the end of the session", |sessions| sessions[0].is_over).await;
    fake.assert_content();
    let sessions = fake.sessions();
    let settings = sessions[0].heard_of("Settings")[0];
    for way in ["input", "output"] {
        assert_eq!(settings["audio"][way]["sample_rate"], R::HZ, "{way}");
    }
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_narrow_call_is_answered_at_its_own_rate() {
    talk::<Hz8k>().await;
}

#[tokio::test]
async fn a_wide_call_is_answered_at_its_own_rate() {
    talk::<Hz16k>().await;
}
