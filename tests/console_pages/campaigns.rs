//! A campaign is made of a file, watched, paused, resumed and cancelled.

use super::world::{ADMIN, World};

/// Chooses a file of this text in the form.
fn choose(text: &str) -> String {
    format!(
        "const chosen = new DataTransfer(); chosen.items.add(new File([{text:?}], 'leads.csv', {{type: 'text/csv'}}));
         document.querySelector('input[type=file]').files = chosen.files; return null"
    )
}

#[tokio::test]
async fn a_campaign_is_made_of_a_file_and_steered() {
    let Some(world) = World::new().await else { return };
    world.logs_in(ADMIN).await;
    world.opens("#/campaigns", "Campaigns").await;
    let browser = &world.browser;
    browser.sees_in("#campaigns", "Nothing here: no campaign was made yet.").await;
    browser.clicks("#new summary").await;
    browser.script("document.querySelector('[name=business]').value = 'מאפיית הלחם'; return null").await;
    browser.types("input[name=name]", "סתיו").await;
    browser.script("document.querySelector('[name=start]').value = 'false'; return null").await;
    browser.script(&choose("number,customer\n+14155560001,Anna\n0800,Ben\n")).await;
    browser.types("textarea[name=windows]", "sometimes").await;
    browser.clicks("#make").await;
    browser.sees_in("[data-field=csv] .wrong", "csv line 3").await;
    browser.sees_in("[data-field=windows] .wrong", "windows[0]").await;

    browser.script(&choose("number,customer\n+14155560001,Anna\n+14155560002,Ben\n")).await;
    browser.types("textarea[name=windows]", "mon-fri 09:00-17:30").await;
    browser.clicks("#make").await;
    browser.sees_in("h1", "סתיו").await;
    browser.sees_in("#state", "The campaign is pending: 0 of 2 settled.").await;
    browser.sees_in("#leads", "Anna").await;
    world.comes_true("return document.querySelector('#pause').hidden").await;
    browser.clicks("#resume").await;
    browser.sees_in("#state", "is running").await;
    browser.clicks("#pause").await;
    browser.sees_in("#state", "is paused").await;
    browser.script("window.confirm = () => true; return null").await;
    browser.clicks("#cancel").await;
    browser.sees_in("#state", "is cancelled").await;
    world
        .comes_true("return document.querySelector('#cancel').hidden && document.querySelector('#resume').hidden")
        .await;
    world.opens("#/campaigns", "Campaigns").await;
    browser.sees_in("#campaigns", "cancelled").await;
}
