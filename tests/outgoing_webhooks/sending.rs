//! What a receiver gets of a call, and how often.

use trunkline::clock;
use trunkline::engine::delivery::{Secret, verify};

use crate::receiver::{Deed, Receiver, Webhook};
use crate::{api, asked_by, delivery_in, listen_at, service};
use serde_json::json;

/// Whether the webhook is signed with this secret, now.
fn is_signed(webhook: &Webhook, secret: &str) -> bool {
    let (secret, now) = (Secret::stored(secret.to_owned()), clock::wall_micros() / 1_000_000);
    verify(&secret, webhook.header("Trunkline-Signature"), webhook.body.as_bytes(), now, 300).is_ok()
}

#[tokio::test]
async fn a_call_that_is_over_is_told_signed_and_as_its_record_says() {
    let (service, receiver) = (service(|_| {}), Receiver::start([]).await);
    let secret = listen_at(&service, &receiver.url).await;
    let (report, _) = service.hang_up(service.call().await).await;

    let webhook = receiver.next().await;
    assert!(webhook.head.starts_with("POST /hooks?of=us HTTP/1.1"), "{}", webhook.head);
    assert_eq!(webhook.header("Content-Type"), "application/json");
    assert!(is_signed(&webhook, &secret) && !is_signed(&webhook, "whsec_other"));
    let told = webhook.json();
    assert_eq!((&told["type"], &told["business"]), (&json!("call.completed"), &json!("Reception")));
    assert_eq!(webhook.header("Trunkline-Event-Id"), told["id"].as_str().unwrap());
    let record = api(&service, "GET", &format!("/calls/{}", report.call.call_sid), None).await.json();
    for part in ["call", "end", "turns"] {
        assert_eq!(told["data"][part], record[part], "{part}");
    }
    assert_ne!(told["data"]["end"], json!(null), "it is told when everything is known");

    let delivery = delivery_in(&service, "delivered").await;
    assert_eq!((&delivery["event_id"], &delivery["tries"]), (&told["id"], &json!(1)));
    let figures = service.telemetry.render();
    assert!(figures.contains("trunkline_outgoing_webhooks_delivered_total{kind=\"call.completed\"} 1"), "{figures}");
    assert!(receiver.is_quiet().await);
}

#[tokio::test]
async fn a_receiver_that_is_down_gets_the_same_event_again() {
    let deeds =
        [Deed::Answer(500, None), Deed::HangUp, Deed::Babble, Deed::Answer(302, Some("http://127.0.0.1:1/".into()))];
    let (service, receiver) = (service(|_| {}), Receiver::start(deeds).await);
    let secret = listen_at(&service, &receiver.url).await;
    let made = api(&service, "POST", "/businesses/Reception/webhook/test", None).await;
    assert_eq!(made.status, 202, "{made:?}");

    let mut ids = Vec::new();
    for _ in 0..5 {
        let webhook = receiver.next().await;
        assert!(is_signed(&webhook, &secret));
        ids.push(webhook.header("Trunkline-Event-Id").to_owned());
    }
    assert!(ids.iter().all(|id| *id == made.json()["event_id"]), "{ids:?}");
    let delivery = delivery_in(&service, "delivered").await;
    assert_eq!((&delivery["tries"], &delivery["last_status"]), (&json!(5), &json!(204)));
    let figures = service.telemetry.render();
    for why in ["server_error", "unreachable", "redirect"] {
        assert!(figures.contains(&format!("outgoing_webhook_failures_total{{why=\"{why}\"}}")), "{why}: {figures}");
    }
}

#[tokio::test]
async fn what_waits_is_sent_after_a_restart_by_another_node() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("calls.db").display());
    let node = || service(|config| config.database.url = Some(url.parse().unwrap()));
    let (first, receiver) = (node(), Receiver::start([Deed::Stall]).await);
    listen_at(&first, &receiver.url).await;
    api(&first, "POST", "/businesses/Reception/webhook/test", None).await;
    let stalled = receiver.next().await;
    let id = stalled.header("Trunkline-Event-Id");
    let path = format!("/businesses/Reception/webhook/deliveries/{id}/redeliver");
    drop(first);
    // Within the lease of the node that is gone nobody sends it by himself; an operator is not bound by that.
    let second = node();
    assert_eq!(api(&second, "POST", &path, None).await.status, 202);
    assert_eq!(receiver.next().await.header("Trunkline-Event-Id"), id);
    assert_eq!(delivery_in(&second, "delivered").await["event_id"], id);
}

#[tokio::test]
async fn while_a_secret_is_replaced_both_sign() {
    let (service, receiver) = (service(|_| {}), Receiver::start([]).await);
    let old = listen_at(&service, &receiver.url).await;
    let made = api(&service, "POST", "/businesses/Reception/webhook/secret", None).await.json();
    let new = made["secret"].as_str().unwrap();
    assert_ne!(made["previous_expires_at"], json!(null));
    api(&service, "POST", "/businesses/Reception/webhook/test", None).await;
    let webhook = receiver.next().await;
    assert!(is_signed(&webhook, &old) && is_signed(&webhook, new));
    let shown = api(&service, "GET", "/businesses/Reception/webhook", None).await;
    assert_eq!(shown.json()["secrets"].as_array().unwrap().len(), 2);
    assert!(!shown.body.contains("whsec_"), "a secret is shown once: {shown:?}");
}

#[tokio::test]
async fn only_its_own_people_see_and_change_a_businesss_webhooks() {
    let (service, receiver) = (service(|_| {}), Receiver::start([]).await);
    listen_at(&service, &receiver.url).await;
    let token = |scope: &str, business: Option<&str>| json!({ "name": "t", "scope": scope, "business": business });
    let mut tokens = Vec::new();
    let elsewhere = api(&service, "POST", "/businesses", Some(json!({ "name": "Elsewhere" }))).await.json();
    let elsewhere = elsewhere["id"].as_str().unwrap();
    for body in [token("business", Some(elsewhere)), token("viewer", None)] {
        let made = api(&service, "POST", "/tokens", Some(body)).await;
        tokens.push(made.json()["text"].as_str().unwrap_or_else(|| panic!("{made:?}")).to_owned());
    }
    let event = format!("evt_{}", "0".repeat(32));
    for (method, path) in [
        ("GET", String::new()),
        ("GET", "/deliveries".to_owned()),
        ("GET", format!("/deliveries/{event}")),
        ("POST", "/secret".to_owned()),
        ("POST", "/test".to_owned()),
        ("POST", format!("/deliveries/{event}/redeliver")),
    ] {
        let path = format!("/businesses/Reception/webhook{path}");
        let stranger = asked_by(&tokens[0], &service, method, &path, None).await;
        assert_eq!(stranger.status, 404, "{method} {path}: {stranger:?}");
        let viewer = asked_by(&tokens[1], &service, method, &path, None).await;
        let expected = if method == "POST" {
            403
        } else if path.contains(&event) {
            404
        } else {
            200
        };
        assert_eq!(viewer.status, expected, "{method} {path}: {viewer:?}");
        assert_eq!(asked_by("none", &service, method, &path, None).await.status, 401);
    }
    assert_eq!(api(&service, "GET", "/businesses/Reception/webhook/deliveries?state=lost", None).await.status, 422);
}

/// What docs/webhooks.md tells receivers to do.
fn documented() -> &'static str {
    let page = include_str!("../../docs/webhooks.md");
    page.split_once("```python\n").unwrap().1.split_once("```").unwrap().0
}

#[tokio::test]
async fn the_documented_example_takes_what_is_ours_and_nothing_else() {
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        return crate::skip::skipped("the documented check of signatures: python3 is missing");
    }
    let (service, receiver) = (service(|_| {}), Receiver::start([]).await);
    let old = listen_at(&service, &receiver.url).await;
    let made = api(&service, "POST", "/businesses/Reception/webhook/secret", None).await.json();
    api(&service, "POST", "/businesses/Reception/webhook/test", None).await;
    let webhook = receiver.next().await;
    let says = |secret: &str, header: &str, body: &str| {
        let script =
            format!("{}\nimport sys\nprint(is_ours(sys.argv[1], sys.argv[2], sys.argv[3].encode()))", documented());
        let output =
            std::process::Command::new("python3").args(["-c", &script, secret, header, body]).output().unwrap();
        match String::from_utf8(output.stdout).unwrap().trim() {
            "True" => true,
            "False" => false,
            other => panic!("{other}: {}", String::from_utf8_lossy(&output.stderr)),
        }
    };
    let header = webhook.header("Trunkline-Signature");
    assert!(says(&old, header, &webhook.body) && says(made["secret"].as_str().unwrap(), header, &webhook.body));
    assert!(!says("whsec_other", header, &webhook.body));
    assert!(!says(&old, header, &webhook.body.replace("test", "tset")));
    let (_, signatures) = header.split_once(",").unwrap();
    assert!(!says(&old, &format!("t=1795521600,{signatures}"), &webhook.body));
}
