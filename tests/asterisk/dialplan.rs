//! By the dialplan alone, as `trunkline dialplan` prints it.

use std::collections::BTreeSet;
use std::process::Command;

use trunkline::engine::call::{HangupCause, Speaker};

use crate::asterisk::phone::{Codec, Phone};
use crate::asterisk::{Asterisk, CALLERS};
use crate::service::{INTERRUPTION, MESSAGE, Service};
use crate::{CALLER, new_call, service, settled};

/// An Asterisk with the printed dialplan: `narrow` and `wide` reach the two ways in.
async fn asterisk(service: &Service) -> Option<Asterisk> {
    let socket = service.server().audiosocket().unwrap().to_string();
    let printed = Command::new(env!("CARGO_BIN_EXE_trunkline"))
        .arg("dialplan")
        .env_clear()
        .env("TRUNKLINE__ASTERISK__AUDIOSOCKET__ENABLED", "true")
        .env("TRUNKLINE__ASTERISK__AUDIOSOCKET__LISTEN", &socket)
        .output()
        .unwrap();
    assert!(printed.status.success(), "{printed:?}");
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.contains(&socket), "{printed}");
    Asterisk::start(&format!(
        "{printed}\n[{CALLERS}]\nexten => narrow,1,Goto(trunkline,s,1)\nexten => wide,1,Goto(trunkline-wide,s,1)\n"
    ))
    .await
}

async fn leaves_a_message(extension: &str, codec: Codec) {
    let service = service(|_| {});
    let Some(asterisk) = asterisk(&service).await else { return };
    let mut phone = Phone::dials(&asterisk, extension, CALLER, codec).await;
    let greeted = phone.until_told_something(0).await;
    phone.speaks(MESSAGE);
    phone.until_told_something(greeted).await;
    phone.hangs_up().await;
    let call = new_call(&service, &mut BTreeSet::new()).await;
    let facts = settled(&service, &call).await;

    facts.assert_whole();
    let [greeting, message, _asked_for_more] = facts.turns.as_slice() else { panic!("{:?}", facts.conversation()) };
    assert_eq!((greeting.speaker, greeting.interrupted), (Speaker::Agent, false));
    assert_eq!(message.speaker, Speaker::Caller);
    assert!(message.text.starts_with("(spoken message of 4."), "{}", message.text);
    assert_eq!((facts.cause(), facts.stats().barge_ins), (HangupCause::CallerHungUp, 0));
    assert_eq!(facts.stats().vad_frames, facts.stats().caller_frames, "every frame was judged");
    phone.heard(|heard| {
        assert_eq!(heard.foreign, 0, "nothing came in another codec");
        let (sent, came) = (heard.sent as f64, heard.packets.len() as f64);
        assert!(came > sent * 0.8, "sound flows both ways: {sent} packets went, {came} came");
    });
    assert_eq!(asterisk.channels_and_bridges(), (0, 0));
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_caller_at_8_khz_is_greeted_and_leaves_a_message() {
    leaves_a_message("narrow", Codec::Narrow).await;
}

#[tokio::test]
async fn a_caller_at_16_khz_is_greeted_and_leaves_a_message() {
    leaves_a_message("wide", Codec::Wide).await;
}

#[tokio::test]
async fn a_key_ends_the_call_after_the_agent_s_goodbye() {
    let service = service(|_| {});
    let Some(asterisk) = asterisk(&service).await else { return };
    let mut phone = Phone::dials(&asterisk, "narrow", CALLER, Codec::Narrow).await;
    let greeted = phone.until_told_something(0).await;
    phone.presses('#');
    phone.is_over().await;
    let call = new_call(&service, &mut BTreeSet::new()).await;
    let facts = settled(&service, &call).await;
    facts.assert_whole();
    assert_eq!(facts.cause(), HangupCause::AgentHungUp);
    assert_eq!(facts.count("dtmf"), 1, "one key is one key");
    let goodbye = facts.agent_turns().pop().unwrap().clone();
    assert_eq!(goodbye.heard_text, goodbye.text, "all of it was heard");
    phone.heard(|heard| assert!(heard.packets.iter().skip(greeted).filter(|voiced| **voiced).count() > 20));
    assert_eq!(asterisk.channels_and_bridges(), (0, 0));
    service.stops_at_once().await;
}

#[tokio::test]
async fn the_agent_falls_silent_when_the_caller_speaks() {
    let service = service(|_| {});
    let Some(asterisk) = asterisk(&service).await else { return };
    let mut phone = Phone::dials(&asterisk, "wide", CALLER, Codec::Wide).await;
    phone.until_spoken_to(0, 1_000).await;
    phone.speaks(INTERRUPTION);
    phone.until("the agent is cut short", |heard| heard.packets.iter().rev().take(15).all(|voiced| !voiced)).await;
    let cut = phone.heard(|heard| heard.packets.len());
    phone.until_told_something(cut).await;
    phone.hangs_up().await;
    let call = new_call(&service, &mut BTreeSet::new()).await;
    let facts = settled(&service, &call).await;
    facts.assert_whole();
    assert_eq!(facts.stats().barge_ins, 1, "{:?}", facts.conversation());
    assert!(facts.turns[0].interrupted);
    service.stops_at_once().await;
}
