//! One call is heard from any point, and read: what was heard of it, and how long answers took.

use super::world::{ADMIN, World};

#[tokio::test]
async fn a_call_is_heard_from_any_point_and_read_with_what_was_heard_of_it() {
    let Some(world) = World::new().await else { return };
    let sid = world.interrupted_call().await;
    let hebrew = world.hebrew_call().await;
    world.logs_in(ADMIN).await;
    world.opens(&format!("#/record/{sid}"), "One call").await;
    let browser = &world.browser;
    world.comes_true("return document.querySelectorAll('.waveform path.wave').length === 2").await;
    world.comes_true("return document.querySelectorAll('.waveform rect.turn').length >= 3").await;
    world.comes_true("return document.querySelectorAll('.waveform line.barge-in').length === 1").await;
    // Both sides spoke: neither outline is a flat line.
    world
        .comes_true(
            "return [...document.querySelectorAll('.waveform path.wave')].every((path) => path.getBBox().height > 5)",
        )
        .await;
    browser.sees_in(".turns .agent", "interrupted").await;
    let words = browser
        .script("const words = document.querySelector('.turns .agent .words'); return [words.firstChild.textContent, words.querySelector('del').innerText]")
        .await;
    let (heard, unheard) = (words[0].as_str().unwrap(), words[1].as_str().unwrap());
    assert!("Hello. Thank you for calling.".starts_with(&heard[..5]) && unheard.ends_with("called back."), "{words}");
    browser.sees_in("#verdict", "of 100").await;
    browser.sees_in("[aria-label='How long answers took']", "ms").await;
    world.comes_true("return document.querySelectorAll('svg.waterfall rect').length >= 3").await;
    browser.sees_in("[aria-label='What the carrier told']", "in-progress").await;
    browser.sees_in("[aria-label=Transcript]", "the turns of the call").await;

    // From any turn, and from any point of the drawing.
    world.comes_true("return document.querySelector('audio').readyState >= 1").await;
    browser.script("document.querySelector('.turns li:last-child button').click(); return null").await;
    world
        .comes_true("const audio = document.querySelector('audio'); return !audio.paused && audio.currentTime > 1")
        .await;
    browser
        .script(
            "const svg = document.querySelector('.waveform svg'); const {left, top, width} = svg.getBoundingClientRect();
             document.querySelector('audio').pause();
             svg.dispatchEvent(new MouseEvent('click', {clientX: left + width / 4, clientY: top + 5})); return null",
        )
        .await;
    world
        .comes_true("const audio = document.querySelector('audio'); return !audio.paused && Math.abs(audio.currentTime / audio.duration - .25) < .2")
        .await;
    let download = browser
        .script("return fetch(document.querySelector('#download').href).then((got) => got.status + ' ' + got.headers.get('Content-Type'))")
        .await;
    assert_eq!(download, "200 audio/wav");

    world.opens(&format!("#/record/{hebrew}"), "One call").await;
    browser.sees_in(".turns .caller", "חלות").await;
    world.comes_true("return document.querySelectorAll('.turns .words:dir(rtl)').length === 2").await;
    world.comes_true("return [...document.querySelectorAll('.transcript bdi:dir(rtl)')].length === 2").await;
    browser.sees_in(".finding", "stream-lost").await;
    browser.sees_in(".finding", "What to do: ").await;
    browser.sees_in("[aria-label='What it sounded like']", "Nothing here: ").await;
    browser.sees_in("[aria-label='What happened']", "Nothing here: ").await;
    world.opens("#/record/CA00000000000000000000000000000000", "One call").await;
    browser.sees("no such call").await;
}
