//! A business is edited with a look at what its agent is really told; whoever may only look changes nothing.

use serde_json::json;

use super::world::{ADMIN, HEBREW, World};

#[tokio::test]
async fn a_business_is_edited_with_a_look_at_the_prompt_that_is_sent() {
    let Some(world) = World::new().await else { return };
    world.logs_in(ADMIN).await;
    world.opens("#/businesses", "Businesses").await;
    let browser = &world.browser;
    browser.sees(HEBREW).await;
    world.opens("#/businesses/Reception", "Reception").await;

    // What is not right is told at its field.
    browser.types("input[name=language]", "no language").await;
    browser.types("input[name=transfer_to]", "5551").await;
    browser.clicks("#save").await;
    browser.sees_in("#problem", "Look at what is marked").await;
    world.comes_true("return document.querySelectorAll('[aria-invalid=true]').length === 2").await;
    world.comes_true("return document.querySelector('[data-field=transfer_to] .wrong').innerText.length > 10").await;
    world.comes_true("return document.activeElement.getAttribute('aria-invalid') === 'true'").await;
    browser.types("input[name=language]", "en-US").await;
    browser.types("input[name=transfer_to]", "+14155550142").await;

    // What is written, and not saved yet, can be seen as the agent would be told.
    browser.types("textarea[name='prompts.inbound']", "Sell {{goods}} for {{business_name}}.").await;
    browser.types("textarea[name=variables]", "goods = fresh bread").await;
    browser.clicks("#show-preview").await;
    browser.sees_in("#preview", "Sell fresh bread for Reception.").await;
    let stored = world.api(ADMIN, "GET", "/businesses/Reception", json!(null)).await.json();
    assert_ne!(stored["prompts"]["inbound"], "Sell {{goods}} for {{business_name}}.");
    browser.types("textarea[name=greeting]", "Good day, this is the bread shop.").await;
    browser.clicks("#save").await;
    browser.sees_in("#said", "Saved as version").await;
    let stored = world.api(ADMIN, "GET", "/businesses/Reception", json!(null)).await.json();
    assert_eq!(stored["prompts"]["inbound"], "Sell {{goods}} for {{business_name}}.");
    assert_eq!(
        (&stored["greeting"], &stored["variables"]),
        (&json!("Good day, this is the bread shop."), &json!({ "goods": "fresh bread" }))
    );
    let asked = json!({ "channel": "inbound" });
    let sent = world.api(ADMIN, "POST", "/businesses/Reception/prompt/preview", asked).await.json();
    let shown = browser.script("return document.querySelector('#preview pre').textContent").await;
    let without_time =
        |text: &str| text.lines().filter(|line| !line.contains(':')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(without_time(shown.as_str().unwrap()), without_time(sent["prompt"].as_str().unwrap()));
    browser.sees_in("#versions", "prompts.inbound").await;
    browser.sees_in("#versions", "by admin").await;

    // Somebody else was quicker.
    let edit = json!({ "version": stored["version"], "voice": "alloy" });
    assert_eq!(world.api(ADMIN, "PATCH", "/businesses/Reception", edit).await.status, 200);
    browser.types("input[name=voice]", "echo").await;
    browser.clicks("#save").await;
    browser.sees_in("#problem", "by now").await;

    world.opens(&format!("#/businesses/{HEBREW}"), HEBREW).await;
    world.comes_true("return document.querySelector('h1:dir(rtl)') !== null").await;
    world.comes_true("return document.querySelector('textarea[name=greeting]').matches(':dir(rtl)')").await;
}

#[tokio::test]
async fn who_may_only_look_finds_no_way_to_change_anything_and_is_refused() {
    let Some(world) = World::new().await else { return };
    let viewer = world.viewer().await;
    world.logs_in(&viewer).await;
    let browser = &world.browser;
    world.opens("#/businesses/Reception", "Reception").await;
    browser.sees_in("#may-not", "change nothing").await;
    world.comes_true("return document.querySelector('#save') === null").await;
    world
        .comes_true(
            "return [...document.querySelectorAll('form [name]')].every((field) => field.readOnly || field.disabled)",
        )
        .await;
    browser.clicks("#show-preview").await;
    browser.sees_in("#preview", "characters").await;
    world.opens("#/campaigns", "Campaigns").await;
    browser.sees_in("#may-not", "change nothing").await;
    world.comes_true("return document.querySelector('form') === null").await;

    // Not even with the session's own proof.
    for (method, path, body) in [
        ("PATCH", "/businesses/Reception", json!({ "version": 1, "name": "Other" })),
        ("POST", "/businesses", json!({ "name": "Other" })),
        ("POST", "/campaigns", json!({ "business": "Reception", "name": "x", "csv": "number\n+14155550100\n" })),
        ("POST", "/calls", json!({ "business": "Reception", "to": "+14155550100" })),
    ] {
        let script = format!(
            "return fetch('/console/session').then((got) => got.json()).then(({{csrf_token}}) => fetch('/api/v1{path}', {{
                method: '{method}', headers: {{'Content-Type': 'application/json', 'X-CSRF-Token': csrf_token}},
                body: JSON.stringify({body}) }})).then((got) => got.status)"
        );
        assert_eq!(browser.script(&script).await, 403, "{method} {path}");
    }
    // … and without that proof nobody changes anything.
    let forged = "return fetch('/api/v1/calls/search', {method: 'POST', headers: {'Content-Type': 'application/json'},
                  body: '{}'}).then((got) => got.status)";
    assert_eq!(browser.script(forged).await, 403);
}
