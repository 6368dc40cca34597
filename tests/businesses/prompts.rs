//! What an agent is told, and that it is what the interface shows.

use super::*;
use crate::service::{CALLED, CALLER, PATIENCE, ms};

/// The instructions of the `number`th session.
pub async fn instructions(fake: &FakeOpenAi, number: usize) -> String {
    fake.until("the session's settings", |sessions| {
        sessions.get(number).is_some_and(|session| !session.heard_of("session.update").is_empty())
    })
    .await;
    let sessions = fake.sessions();
    let update = sessions[number].heard_of("session.update")[0];
    update["session"]["instructions"].as_str().unwrap().to_owned()
}

async fn preview(service: &Service, id: &str, channel: &str) -> Value {
    let body = json!({ "channel": channel, "from": CALLER, "to": CALLED });
    admin(service, "POST", &format!("/businesses/{id}/prompt/preview"), Some(body), 200).await
}

#[tokio::test]
async fn a_call_sends_byte_for_byte_what_the_preview_shows() {
    let fake = openai().await;
    let service = with_openai(&fake, |config| {
        config.business[0].prompt = "Sell {{goods}} at {{business_name}}, {{business_number}}.".to_owned();
        config.business[0].variables = [("goods".to_owned(), "plum cake".to_owned())].into();
        config.business[0].time_zone = "Asia/Tokyo".parse().unwrap();
    });
    let before = preview(&service, "Reception", "inbound").await;
    let call = service.call().await;
    let sent = instructions(&fake, 0).await;
    let after = preview(&service, "Reception", "inbound").await;
    // The clock may have gone on by a minute in between.
    let shown = [&before["prompt"], &after["prompt"]];
    assert!(shown.contains(&&Value::from(sent.as_str())), "{sent}\n{shown:#?}");
    assert!(sent.contains("Sell plum cake at Reception, +14155550199.") && sent.contains("(Asia/Tokyo)"), "{sent}");
    assert!(sent.contains(&format!("from {CALLER} to {CALLED}")), "{sent}");
    let update = fake.sessions()[0].heard_of("session.update")[0].clone();
    let recognition = &update["session"]["audio"]["input"]["transcription"]["prompt"];
    assert_eq!(*recognition, before["speech_recognition"], "what writes down the caller's words is told the same");
    assert!(!recognition.as_str().unwrap().contains("Reception"));
    assert_eq!(before["characters"], before["prompt"].as_str().unwrap().chars().count());
    call.wait_until_agent_has_spoken_for(ms(100), PATIENCE).await.unwrap();
    service.hang_up(call).await;
}

#[tokio::test]
async fn what_is_not_saved_yet_is_shown_as_it_would_be_sent_and_changes_nothing() {
    let service = with_openai(&openai().await, |_| {});
    let path = "/businesses/Reception/prompt/preview";
    let changes = json!({ "prompts": { "inbound": "Sell {{goods}}." }, "variables": { "goods": "plum cake" } });
    let at = "2026-11-24T09:30:00Z";
    let ask = |changes: Value| json!({ "channel": "inbound", "at": at, "changes": changes });
    let before = admin(&service, "POST", path, Some(ask(json!({}))), 200).await;
    let drafted = admin(&service, "POST", path, Some(ask(changes.clone())), 200).await;
    assert!(drafted["prompt"].as_str().unwrap().contains("Sell plum cake."), "{drafted}");
    assert_eq!(admin(&service, "POST", path, Some(ask(json!({}))), 200).await, before, "nothing was changed");
    let wrong = json!({ "language": "no language", "colour": "red" });
    let refused = admin(&service, "POST", path, Some(ask(wrong)), 422).await;
    let fields: Vec<&str> =
        refused["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert!(fields.contains(&"language") && fields.contains(&"colour"), "{refused}");

    // Once it is saved, it is what a call is told.
    let mut edit = changes;
    edit["version"] = before["version"].clone();
    admin(&service, "PATCH", "/businesses/Reception", Some(edit), 200).await;
    let saved = admin(&service, "POST", path, Some(ask(json!({}))), 200).await;
    assert_eq!(saved["prompt"], drafted["prompt"]);
}

#[tokio::test]
async fn each_prompt_is_made_once_and_a_missing_one_is_told() {
    let fake = openai().await;
    let service = with_openai(&fake, |config| config.business[0].prompt = String::new());
    for number in 0..3 {
        let call = service.call().await;
        let sent = instructions(&fake, number).await;
        assert!(sent.contains("offer to take a message"), "{sent}");
        call.wait_until_agent_has_spoken_for(ms(100), PATIENCE).await.unwrap();
        service.hang_up(call).await;
    }
    assert_eq!((service.metric("prompt_cache_misses_total"), service.metric("prompt_cache_hits_total")), (1.0, 2.0));
    assert_eq!(service.metric("prompts_missing_total{channel=\"inbound\"}"), 3.0);
    let told = service.telemetry.logged();
    let told: Vec<&String> = told.iter().filter(|line| line.contains("no prompt")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("business=Reception channel=inbound"), "{told:?}");
}

#[tokio::test]
async fn the_preview_shows_every_prompt_and_none_stands_in_for_another() {
    let service = service(|_| {});
    let id = made(&service, NUMBER, "Sell bread.").await;
    let shown = |channel| preview(&service, &id, channel);
    let (inbound, outbound, whatsapp) = (shown("inbound").await, shown("outbound").await, shown("whatsapp").await);
    assert_eq!(
        (&inbound["is_minimal"], &outbound["is_minimal"], &whatsapp["is_minimal"]),
        (&false.into(), &true.into(), &true.into())
    );
    let says = |preview: &Value, words: &str| preview["prompt"].as_str().unwrap().contains(words);
    assert!(says(&inbound, "Sell bread.") && !says(&outbound, "Sell bread.") && !says(&whatsapp, "Sell bread."));
    assert_eq!(whatsapp["speech_recognition"], Value::Null);
    let edit = json!({ "version": 1, "prompts": { "whatsapp": "Send the menu. ".repeat(2_000) } });
    admin(&service, "PATCH", &format!("/businesses/{id}"), Some(edit), 200).await;
    let whatsapp = shown("whatsapp").await;
    assert_eq!((&whatsapp["is_cut"], &whatsapp["version"]), (&true.into(), &2.into()));
    assert!(says(&whatsapp, "Send the menu.\n\n"), "it ends with a sentence");
    assert_eq!(service.metric("prompt_cache_misses_total"), 0.0, "a preview is no call");

    let path = format!("/businesses/{id}/prompt/preview");
    let notes =
        json!({ "customer": "Anna", "friend": "None", "phone": "mornings +1 415 555 0123", "fax": "+1 415 555 0124" });
    let body = json!({ "channel": "outbound", "at": "2026-11-24T23:22:00Z", "notes": notes });
    let prompt = admin(&service, "POST", &path, Some(body), 200).await["prompt"].as_str().unwrap().to_owned();
    assert!(prompt.ends_with("\n- customer: Anna\n- phone: mornings [number]"), "{prompt}");
    assert!(prompt.contains("Tuesday, 24 November 2026, 23:22 (UTC)"), "{prompt}");
    let wrong = json!({ "channel": "inbound", "from": "x", "to": "y" });
    assert_eq!(fields(&admin(&service, "POST", &path, Some(wrong), 422).await), ["from", "to"]);
    admin(&service, "POST", &path, Some(json!({ "channel": "sms" })), 422).await;
    let long = json!({ "channel": "inbound", "notes": { "wish": "x".repeat(1_001) } });
    assert_eq!(fields(&admin(&service, "POST", &path, Some(long), 422).await), ["notes"], "no call could be told that");
}

#[tokio::test]
async fn a_business_may_have_an_agent_of_its_own() {
    let fake = openai().await;
    let service = with_openai(&fake, |config| config.agent.provider = AgentProvider::Local);
    let made =
        json!({ "name": "Miller", "numbers": [NUMBER], "agent": "openai", "prompts": { "inbound": "Sell bread." } });
    admin(&service, "POST", "/businesses", Some(made), 201).await;
    let call = service.carrier.inbound_call(CALLER, NUMBER).await.unwrap();
    assert!(instructions(&fake, 0).await.contains("Sell bread."));
    call.wait_until_agent_has_spoken_for(ms(100), PATIENCE).await.unwrap();
    service.hang_up(call).await;
    let call = service.call().await;
    call.wait_until_agent_has_spoken_for(ms(100), PATIENCE).await.unwrap();
    service.hang_up(call).await;
    assert_eq!(fake.sessions().len(), 1, "the other business has the usual agent");
}
