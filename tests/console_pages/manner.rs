//! How the pages behave: for those who don't see them or use no mouse, on a small screen, in the dark; and how little
//! comes over the wire at first.

use serde_json::json;

use super::world::{ADMIN, HEBREW, World};
use crate::axe;

#[tokio::test]
async fn every_page_can_be_used_by_keyboard_and_on_a_small_screen_and_is_light_at_first() {
    let Some(world) = World::new().await else { return };
    let call = world.interrupted_call().await;
    let hebrew = world.hebrew_call().await;
    world.finished_calls(26).await;
    let asked = json!({ "business": "Reception", "name": "Autumn", "start": false, "from": null,
                        "csv": "number,customer\n+14155560001,Anna\n+14155560002,Ben\n" });
    let numbers = json!({ "version": 1, "numbers": ["*", "+14155550199"] });
    assert_eq!(world.api(ADMIN, "PATCH", "/businesses/Reception", numbers).await.status, 200);
    let made = world.api(ADMIN, "POST", "/campaigns", asked).await;
    let campaign = made.json()["id"].as_str().unwrap_or_else(|| panic!("{made:?}")).to_owned();
    let judge = axe::text();
    let browser = &world.browser;
    browser.goes_to(&format!("http://{}/console", world.service.address())).await;
    browser.sees("Log in").await;
    if let Some(axe) = &judge {
        axe::finds_nothing_serious(browser, axe, "login").await;
    }
    world.logs_in(ADMIN).await;
    // All that was loaded until the first page stood there.
    let loaded = browser
        .script("return performance.getEntries().reduce((sum, {transferSize}) => sum + (transferSize ?? 0), 0)")
        .await;
    let loaded = loaded.as_u64().unwrap();
    assert!((1_000..100_000).contains(&loaded), "the first view came in {loaded} bytes");

    for (name, place, title, settled) in [
        ("placing", "#/call".to_owned(), "Call", "#pad, .pad"),
        ("live-quiet", "#/live".to_owned(), "Live calls", "#state"),
        ("history", "#/history".to_owned(), "History", "#calls tbody tr"),
        ("record", format!("#/record/{call}"), "One call", ".waveform svg"),
        ("record-hebrew", format!("#/record/{hebrew}"), "One call", "[aria-label='What it sounded like'] .nothing"),
        ("businesses", "#/businesses".to_owned(), "Businesses", "tbody tr"),
        ("business-hebrew", format!("#/businesses/{HEBREW}"), HEBREW, "#versions li"),
        ("campaigns", "#/campaigns".to_owned(), "Campaigns", "tbody tr"),
        ("campaign", format!("#/campaigns/{campaign}"), "Autumn", "#leads tbody tr"),
    ] {
        world.is_shown(1_000, 1_400, "light").await;
        world.opens(&place, title).await;
        world.comes_true(&format!("return document.querySelector({settled:?}) !== null")).await;
        if name == "business-hebrew" {
            browser.clicks("#show-preview").await;
            browser.sees_in("#preview", "characters").await;
        }
        for scheme in ["light", "dark"] {
            world.is_shown(1_000, 1_400, scheme).await;
            if let Some(axe) = &judge {
                axe::finds_nothing_serious(browser, axe, &format!("{name}, {scheme}")).await;
            }
            let top = if name == "business-hebrew" && scheme == "dark" { "#preview" } else { "#top" };
            browser.script(&format!("document.querySelector({top:?}).scrollIntoView(); return null")).await;
            browser.picture(&format!("{name}-{scheme}")).await;
        }
        world.is_shown(360, 1_400, "light").await;
        let wide = browser.script("return document.documentElement.scrollWidth").await;
        assert!(wide.as_u64().unwrap() <= 360, "{name} is {wide} wide on a screen of 360");
        if let Some(axe) = &judge {
            axe::finds_nothing_serious(browser, axe, &format!("{name}, 360 wide")).await;
        }
        browser.picture(&format!("{name}-360")).await;
        // Whatever can be clicked can be reached by the keyboard.
        let missed = browser
            .script(
                "return [...document.querySelectorAll('main a[href], main button, main input, main select, main textarea, main summary')]
                    .filter((one) => one.checkVisibility() && !one.disabled && one.tabIndex < 0).map((one) => one.outerHTML)",
            )
            .await;
        assert_eq!(missed, json!([]), "{name}");
    }

    // The picture in README.
    world.is_shown(1_000, 1_400, "light").await;
    world.opens(&format!("#/record/{call}"), "One call").await;
    world.comes_true("return document.querySelector('.waveform svg') !== null").await;
    browser.picture("console").await;

    by_keyboard_alone(&world).await;
}

/// Skips to the content, and seeks calls, with no mouse.
async fn by_keyboard_alone(world: &World) {
    world.opens("#/history", "History").await;
    world.comes_true("return document.querySelector('#calls tbody tr') !== null").await;
    world.browser.script("document.activeElement.blur(); return null").await;
    let press = async |key: &str| {
        let text = if key == "Enter" { "\r" } else { "" };
        let code = if key == "Enter" { 13 } else { 9 };
        for kind in ["keyDown", "keyUp"] {
            let how = json!({ "type": kind, "key": key, "code": key, "text": text, "windowsVirtualKeyCode": code });
            world.browser.devtools("Input.dispatchKeyEvent", how).await;
        }
    };
    let reaches = async |selector: &str| {
        let is_there = format!("return document.activeElement.matches({selector:?})");
        for _ in 0..60 {
            if world.browser.script(&is_there).await == json!(true) {
                // What has the focus is seen to have it.
                world.comes_true("return getComputedStyle(document.activeElement).outlineStyle !== 'none'").await;
                return;
            }
            press("Tab").await;
        }
        panic!("the keyboard does not reach {selector}");
    };
    reaches("#skip").await;
    press("Enter").await;
    world.comes_true("return document.activeElement.id === 'main'").await;
    reaches("[name=number]").await;
    world.browser.devtools("Input.insertText", json!({ "text": "+14155550171" })).await;
    press("Enter").await;
    world.comes_true("return document.querySelectorAll('#calls tbody tr').length === 1").await;
    reaches("#calls tbody a").await;
    press("Enter").await;
    world.browser.sees_in("h1", "One call").await;
}
