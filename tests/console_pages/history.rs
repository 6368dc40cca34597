//! Calls are sought, shown a page at a time, and exported; whom somebody sought stays out of the address.

use serde_json::json;

use super::world::{ADMIN, HEBREW, World, broken};
use crate::service::CALLER;
use trunkline::engine::quality::judge;

const ROWS: &str = "return document.querySelectorAll('#calls tbody tr').length";

#[tokio::test]
async fn calls_are_sought_and_paged_and_the_browser_goes_back_and_forward() {
    let Some(world) = World::new().await else { return };
    world.finished_calls(27).await;
    let hebrew = world.hebrew_call().await;
    world.logs_in(ADMIN).await;
    world.opens("#/history", "History").await;
    let browser = &world.browser;
    let shows = async |rows: usize| world.comes_true(&format!("{ROWS} === {rows}")).await;
    shows(25).await;
    browser.clicks("#older").await;
    shows(3).await;
    browser.script("history.back(); return null").await;
    shows(25).await;
    browser.script("history.forward(); return null").await;
    shows(3).await;
    browser.clicks("#newer").await;
    shows(25).await;

    browser.types("input[name=number]", "0800").await;
    browser.clicks("form.search button.main").await;
    browser.sees_in("[data-field=number] .wrong", "number").await;
    world.comes_true("return document.activeElement.name === 'number'").await;
    browser.types("input[name=number]", CALLER).await;
    browser.script(&format!("document.querySelector('[name=business]').value = {HEBREW:?}; return null")).await;
    browser.clicks("form.search button.main").await;
    shows(1).await;
    let told = browser.script("return location.href + JSON.stringify(history.state) + JSON.stringify(sessionStorage) + JSON.stringify(localStorage)").await;
    assert!(!told.as_str().unwrap().contains(&CALLER[1..]), "the number is somebody's: {told}");
    world.comes_true("return document.querySelector('#calls tbody bdi').innerText.startsWith('+')").await;
    browser.script("document.querySelector('#calls tbody a').click(); return null").await;
    browser.sees_in("h1", "One call").await;
    browser.sees(&hebrew).await;
    browser.script("history.back(); return null").await;
    shows(1).await;
    world.comes_true(&format!("return document.querySelector('[name=number]').value === {CALLER:?}")).await;

    let end = broken();
    let word = judge(&end.stats, end.cause).verdict.word();
    browser.clicks("#everything").await;
    shows(25).await;
    browser.script(&format!("document.querySelector('[name=verdict]').value = {word:?}; return null")).await;
    browser.clicks("form.search button.main").await;
    shows(1).await;
    browser.sees_in("#calls .verdict", word).await;

    // The file is kept by the browser; here it is looked at before.
    browser
        .script(
            "const make = URL.createObjectURL;
             URL.createObjectURL = (blob) => { window.exported = blob; return make.call(URL, blob); }; return null",
        )
        .await;
    browser.clicks("#export").await;
    world.comes_true("return window.exported !== undefined").await;
    let table = browser.script("return window.exported.text()").await;
    let table = table.as_str().unwrap();
    assert!(
        table.starts_with("call_sid,business,") && table.contains(&hebrew) && table.lines().count() == 2,
        "{table}"
    );

    browser.script("document.querySelector('[name=status]').value = 'busy'; return null").await;
    browser.clicks("form.search button.main").await;
    browser.sees_in("#calls", "Nothing here: no call fits what is sought.").await;
    let asked = world.api(ADMIN, "POST", "/calls/search", json!({ "status": "busy" })).await;
    assert_eq!(asked.json()["items"], json!([]));
}
