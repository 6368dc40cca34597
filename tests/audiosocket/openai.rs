//! Calls from a PBX that OpenAI answers: wideband reaches it as it is.

use trunkline::config::AgentProvider;
use trunkline::engine::audio::{Hz8k, Hz16k};
use trunkline::engine::call::{HangupCause, Speaker};
use trunkline::engine::wire::audiosocket::AudioKind;

use crate::fake_asterisk::{PbxCall, made_up};
use crate::fake_openai::{Answer, FakeOpenAi, Script};
use crate::service::INTERRUPTION;
use crate::{service, settled, socket};

const GREETING: &str = "Bakery Miller, good morning!";

async fn talk<R: AudioKind>(format: &str) {
    let pitched = |text: &str, pitch: f64| Answer { pitch, ..Answer::saying(text) };
    let fake = FakeOpenAi::start(Script {
        answers: vec![pitched(GREETING, 200.0), pitched("At nine.", 260.0)],
        transcripts: vec!["When do you open?".to_owned()],
        listens: true,
        ..Script::default()
    })
    .await;
    let service = service(|config| {
        config.agent.provider = AgentProvider::OpenAi;
        config.openai.url = fake.url.parse().unwrap();
        config.openai.api_key = Some("sk-test".into());
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
    fake.until("the end of the session", |sessions| sessions[0].over.is_some()).await;
    fake.assert_content();
    let update = fake.sessions()[0].heard_of("session.update")[0].clone();
    assert_eq!(update["session"]["audio"]["input"]["format"]["type"], format);
    assert_eq!(update["session"]["audio"]["output"]["format"]["type"], format);
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_narrow_call_travels_as_the_telephone_has_it() {
    talk::<Hz8k>("audio/pcmu").await;
}

#[tokio::test]
async fn a_wide_call_travels_wide() {
    talk::<Hz16k>("audio/pcm").await;
}
