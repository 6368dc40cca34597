//! Live calls, as somebody watches them.

use serde_json::json;

use super::world::{ADMIN, World};
use crate::service::{INTERRUPTION, PATIENCE, ms, until};

#[tokio::test]
async fn calls_appear_are_read_along_and_hung_up_by_who_watches_and_no_page_is_loaded_again() {
    let Some(world) = World::new().await else { return };
    let (browser, service) = (&world.browser, &world.service);
    world.logs_in(ADMIN).await;
    world.opens("#/live", "Live calls").await;
    browser.sees_in("#state", "No call is alive").await;
    browser.script("window.isTheSamePage = true; return null").await;

    let first = service.call().await;
    let sid = first.identity().call_sid.clone();
    let card = format!("section[data-call={sid}]");
    browser.sees_in(&card, "Hello. Thank you for calling.").await;
    browser.sees_in("#state", "One call is alive").await;
    first.speak(INTERRUPTION).await.unwrap();
    browser.sees_in(&card, "Agent, interrupted").await;
    browser.sees_in(&card, "interruptions: 1").await;
    browser.sees_in(&format!("{card} .captions .caller"), "(spoken message of ").await;

    let second = service.call().await;
    let other = format!("section[data-call={}]", second.identity().call_sid);
    browser.sees_in(&other, "Hello.").await;
    browser.sees_in("#state", "2 calls are alive").await;
    browser.picture("live").await;

    browser.script("window.confirm = () => true; return null").await;
    browser.clicks(&format!("{card} button")).await;
    let report = first.ended(PATIENCE).await.unwrap();
    assert_eq!(report.call.call_sid, sid);
    browser.sees_in(&card, "over: an operator ended it").await;
    let (report, _) = service.hang_up(second).await;
    browser.sees_in(&other, "over: the caller hung up").await;
    browser.sees_in("#state", "No call is alive").await;
    assert_eq!(browser.script("return window.isTheSamePage").await, json!(true));
    let row = report.call.call_sid.parse().unwrap();
    until("its row is closed", || service.store().call(&row).unwrap().is_some_and(|row| row.status.is_final())).await;
}

#[tokio::test]
async fn who_may_only_look_watches_and_has_nothing_to_hang_up_with() {
    let Some(world) = World::new().await else { return };
    let viewer = world.viewer().await;
    world.logs_in(&viewer).await;
    world.opens("#/live", "Live calls").await;
    let call = world.service.call().await;
    call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
    world.browser.sees_in("#live section", "Hello.").await;
    let buttons = world.browser.script("return document.querySelectorAll('#live button').length").await;
    assert_eq!(buttons, json!(0));
    world.service.hang_up(call).await;
    world.browser.sees_in("#live section", "over: the caller hung up").await;
}
