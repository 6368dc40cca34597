//! What the interface lets whom do to a business.

use super::*;
use crate::service::{PATIENCE, ms};

#[tokio::test]
async fn a_business_is_made_read_changed_and_deleted() {
    let service = service(|_| {});
    assert!(!is_answered(&service, NUMBER).await, "there is no first business that takes what is nobody's");
    let id = made(&service, NUMBER, "Sell bread.").await;
    assert!(is_answered(&service, NUMBER).await, "from the answer on");

    let path = format!("/businesses/{id}");
    let read = admin(&service, "GET", &path, None, 200).await;
    assert_eq!((&read["version"], &read["name"]), (&1.into(), &"Bakery Miller".into()));
    assert_eq!((&read["time_zone"], &read["language"]), (&"UTC".into(), &"en-US".into()));
    assert_eq!((&read["seeded"], &read["edited"], &read["greeting"]), (&false.into(), &true.into(), &Value::Null));
    read["created_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();

    let edit =
        json!({ "version": 1, "greeting": "Miller!", "time_zone": "Europe/Berlin", "prompts": { "outbound": "Ask." } });
    let changed = admin(&service, "PATCH", &path, Some(edit), 200).await;
    assert_eq!((&changed["version"], &changed["prompts"]["inbound"]), (&2.into(), &"Sell bread.".into()));
    assert_eq!((&changed["prompts"]["outbound"], &changed["greeting"]), (&"Ask.".into(), &"Miller!".into()));

    let list = admin(&service, "GET", "/businesses", None, 200).await;
    let ids: Vec<&str> = list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["Reception", id.as_str()]);
    let page = admin(&service, "GET", "/businesses?limit=1", None, 200).await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = admin(&service, "GET", &format!("/businesses?limit=1&cursor={cursor}"), None, 200).await;
    assert_eq!((&next["items"][0]["id"], &next["next_cursor"]), (&id.as_str().into(), &Value::Null));

    let versions = admin(&service, "GET", &format!("{path}/prompt/versions"), None, 200).await;
    let versions = versions["items"].as_array().unwrap();
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[0]["changed"], json!(["greeting", "prompts.outbound", "time_zone"]));
    assert_eq!((&versions[1]["changed"], &versions[1]["changed_by"]), (&json!(["created"]), &"admin".into()));

    admin(&service, "DELETE", &format!("{path}?version=2"), None, 204).await;
    assert!(!is_answered(&service, NUMBER).await, "from the answer on");
    admin(&service, "GET", &path, None, 404).await;
    admin(&service, "DELETE", &format!("{path}?version=3"), None, 404).await;
}

#[tokio::test]
async fn whoever_edits_what_was_edited_meanwhile_is_told() {
    let service = service(|_| {});
    let path = format!("/businesses/{}", made(&service, NUMBER, "Sell bread.").await);
    admin(&service, "PATCH", &path, Some(json!({ "version": 1, "name": "Miller" })), 200).await;
    let problem = admin(&service, "PATCH", &path, Some(json!({ "version": 1, "name": "Other" })), 409).await;
    assert!(problem["detail"].as_str().unwrap().contains("version 2"), "{problem}");
    admin(&service, "DELETE", &format!("{path}?version=1"), None, 409).await;
    assert_eq!(admin(&service, "GET", &path, None, 200).await["name"], "Miller");
    let problem = admin(&service, "PATCH", &path, Some(json!({ "name": "Other" })), 422).await;
    assert_eq!(fields(&problem), ["version"]);
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once_by_field() {
    let service = service(|_| {});
    let wrong = json!({
        "nmae": "x", "numbers": ["+14155550177", "12"], "language": "English, please", "agent": "hal",
        "prompts": { "inbound": "We are at {{street}}." }, "variables": { "owner": "None" }, "time_zone": "Mars",
        "limits": { "calls": 0 }, "webhook_url": "http://127.0.0.1/",
    });
    let problem = admin(&service, "POST", "/businesses", Some(wrong), 422).await;
    let mut told = fields(&problem);
    told.sort_unstable();
    let mut expected = [
        "agent",
        "language",
        "limits.calls",
        "name",
        "nmae",
        "numbers[1]",
        "prompts.inbound",
        "time_zone",
        "variables.owner",
        "webhook_url",
    ];
    expected.sort_unstable();
    assert_eq!(told, expected, "{problem}");
    let number = service::CALLED;
    let taken = json!({ "name": "Thief", "numbers": [NUMBER, number] });
    let problem = admin(&service, "POST", "/businesses", Some(taken), 422).await;
    assert_eq!(fields(&problem), ["numbers[1]"]);
    assert!(!problem.to_string().contains("Reception"), "whose it is is nobody's business: {problem}");
    admin(&service, "POST", "/businesses", Some(json!([])), 422).await;
}

#[tokio::test]
async fn a_token_of_one_business_sees_no_other() {
    let service = service(|_| {});
    let own = made(&service, NUMBER, "Sell bread.").await;
    let token = |scope: &str, business: Option<&str>| {
        let body = json!({ "name": "anna", "scope": scope, "business": business });
        let service = &service;
        async move { admin(service, "POST", "/tokens", Some(body), 201).await["text"].as_str().unwrap().to_owned() }
    };
    let annas = token("business", Some(&own)).await;
    let viewer = token("viewer", None).await;
    let status = |token: &str, method, path: String, body| {
        let (service, token) = (&service, token.to_owned());
        async move { asked(service, &token, method, &path, body).await.status }
    };
    let list = asked(&service, &annas, "GET", "/businesses", None).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
    for id in ["Reception", "nobody", "biz_00"] {
        assert_eq!(status(&annas, "GET", format!("/businesses/{id}"), None).await, 404, "{id}");
        assert_eq!(status(&annas, "GET", format!("/businesses/{id}/prompt/versions"), None).await, 404, "{id}");
        let edit = Some(json!({ "version": 1, "name": "Mine" }));
        assert_eq!(status(&annas, "PATCH", format!("/businesses/{id}"), edit).await, 404, "{id}");
        let preview = Some(json!({ "channel": "inbound" }));
        assert_eq!(status(&annas, "POST", format!("/businesses/{id}/prompt/preview"), preview).await, 404, "{id}");
    }
    let path = format!("/businesses/{own}");
    assert_eq!(status(&annas, "GET", path.clone(), None).await, 200);
    let edit = |fields: Value| Some(fields);
    assert_eq!(status(&annas, "PATCH", path.clone(), edit(json!({ "version": 1, "name": "Mine" }))).await, 200);
    let greedy = edit(json!({ "version": 2, "limits": { "calls": 9 } }));
    assert_eq!(status(&annas, "PATCH", path.clone(), greedy).await, 403, "others pay for it");
    assert_eq!(status(&annas, "DELETE", format!("{path}?version=2"), None).await, 403);
    assert_eq!(status(&annas, "POST", "/businesses".to_owned(), edit(json!({ "name": "New" }))).await, 403);
    assert_eq!(status(&viewer, "GET", path.clone(), None).await, 200);
    assert_eq!(status(&viewer, "PATCH", path.clone(), edit(json!({ "version": 2, "name": "X" }))).await, 403);
}

#[tokio::test]
async fn an_edited_business_is_not_the_files_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("calls.db").display());
    let start = |greeting: &str| {
        let (url, greeting) = (url.clone(), greeting.to_owned());
        service(move |config| {
            config.database.url = Some(url.parse().unwrap());
            config.business[0].greeting = Some(greeting);
        })
    };
    let greeting = |service: &Service| {
        let directory = service.server().businesses().now();
        directory.get(&"Reception".parse().unwrap()).unwrap().profile.greeting.clone().unwrap()
    };
    let mut first = start("One.");
    assert_eq!(greeting(&first), "One.");
    first.stops().await;
    let mut second = start("Two.");
    assert_eq!(greeting(&second), "Two.", "nobody has edited it");
    admin(&second, "PATCH", "/businesses/Reception", Some(json!({ "version": 2, "greeting": "Three." })), 200).await;
    assert_eq!(greeting(&second), "Three.");
    second.stops().await;
    let third = start("Four.");
    assert_eq!(greeting(&third), "Three.");
    let read = admin(&third, "GET", "/businesses/Reception", None, 200).await;
    assert_eq!((&read["seeded"], &read["edited"]), (&true.into(), &true.into()));
}

#[tokio::test]
async fn a_business_whose_agent_lost_its_key_is_told_once_and_its_calls_go_to_the_usual_one() {
    let fake = crate::openai().await;
    let first = with_openai(&fake, |config| config.agent.provider = AgentProvider::Local);
    let chosen = json!({ "version": 1, "agent": "openai" });
    admin(&first, "PATCH", "/businesses/Reception", Some(chosen), 200).await;
    let second = service(|config| config.database.url = Some(first.config.database_url()));
    let told = || {
        let lines = second.telemetry.logged();
        lines.into_iter().filter(|line| line.contains("agent that can't be had")).collect::<Vec<_>>()
    };
    crate::service::until("it is told", || !told().is_empty()).await;
    assert!(told()[0].contains("business=Reception agent=openai calls_go_to=local"), "{:?}", told());
    let other = json!({ "version": 2, "greeting": "Good morning!" });
    admin(&first, "PATCH", "/businesses/Reception", Some(other), 200).await;
    let reception = "Reception".parse().unwrap();
    let version = || second.server().businesses().now().get(&reception).map(|business| business.version);
    crate::service::until("the edit is seen", || version() == Some(3)).await;
    let call = second.call().await;
    call.wait_until_agent_has_spoken_for(ms(100), PATIENCE).await.unwrap();
    second.hang_up(call).await;
    assert_eq!(told().len(), 1, "once: {:?}", told());
    assert!(second.telemetry.logged().iter().any(|line| line.contains("call began") && line.contains("agent=local")));
    assert!(fake.sessions().is_empty(), "nobody asked the vendor");
}
