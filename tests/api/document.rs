//! The description of the interface, held against the interface.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::http_service::{Asked as _, Request, ask};
use crate::{ADMIN, Interface, problem, service};

/// Each path of the document, with a name in place of each parameter, and its methods.
fn operations(document: &Value) -> Vec<(String, BTreeSet<&str>)> {
    let paths = document["paths"].as_object().unwrap();
    let known = ["get", "post", "put", "patch", "delete"];
    let methods = |item: &Value| known.into_iter().filter(|method| item.get(method).is_some()).collect();
    let filled = |path: &str| {
        path.replace("{call_sid}", "CA00000000000000000000000000000000").replace("{id}", "0123456789abcdef")
    };
    paths.iter().map(|(path, item)| (filled(path), methods(item))).collect()
}

#[tokio::test]
async fn every_documented_operation_is_there_and_no_other() {
    let service = service(|_| {});
    let document = service.read("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let operations = operations(&document);
    assert!(operations.len() >= 7, "{operations:?}");
    for (path, methods) in operations {
        let refused = service.ask(ADMIN, Request::new("OPTIONS", &format!("/api/v1{path}"))).await;
        assert_eq!(refused.status, 405, "{path}: {refused:?}");
        let allowed: BTreeSet<String> = refused.header("Allow").unwrap().split(", ").map(str::to_lowercase).collect();
        let mut documented: BTreeSet<String> = methods.iter().map(|method| (*method).to_owned()).collect();
        if documented.contains("get") {
            documented.insert("head".to_owned());
        }
        assert_eq!(allowed, documented, "{path}");
    }
}

#[tokio::test]
async fn the_page_that_shows_it_is_open_says_nothing_and_loads_only_its_own() {
    let service = service(|_| {});
    let page = service.get("/api/docs").await;
    assert_eq!((page.status, page.header("Content-Type")), (200, Some("text/html; charset=utf-8")));
    let own: Vec<&str> = page.body.split(['"', ' ']).filter(|word| word.starts_with("docs/")).collect();
    assert_eq!(own, ["docs/page.css", "docs/page.js"]);
    let mut all = page.body.clone();
    for file in own {
        let file = service.get(&format!("/api/{file}")).await;
        assert_eq!(file.status, 200);
        assert!(file.header("Content-Security-Policy").unwrap().starts_with("default-src 'none'"));
        all.push_str(&file.body);
    }
    let policy = page.header("Content-Security-Policy").unwrap();
    assert!(!policy.contains("unsafe") && policy.contains("script-src 'self'"), "{policy}");
    // The policy forbids them: a page that held one would be broken.
    for forbidden in ["http://", "https://", "<style", "style=", "onclick", "innerHTML", "call_sid", "localStorage"] {
        assert!(!all.contains(forbidden), "{forbidden}");
    }
}

#[tokio::test]
async fn every_documented_operation_is_closed_to_strangers() {
    let service = service(|_| {});
    let document = service.read("/openapi.json").await.json();
    assert_eq!(document["security"], serde_json::json!([{ "token": [] }]));
    for (path, methods) in operations(&document) {
        for method in methods {
            let method = ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().find(|m| m.eq_ignore_ascii_case(method));
            let answer = ask(service.address(), &Request::new(method.unwrap(), &format!("/api/v1{path}"))).await;
            assert_eq!(answer.status, 401, "{path}");
            let problem = problem(&answer);
            let members: Vec<&String> = problem.as_object().unwrap().keys().collect();
            assert_eq!(members, ["detail", "request_id", "status", "title", "type"], "nothing else is said");
        }
    }
}

#[tokio::test]
async fn whatever_the_document_names_stands_in_it() {
    let service = service(|_| {});
    let answer = service.read("/openapi.json").await;
    let document = answer.json();
    let names: Vec<&str> =
        answer.body.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(document.pointer(name).is_some(), "there is no {name}; a part of the interface has to list it");
    }
}

#[tokio::test]
async fn every_operation_says_which_problems_there_can_be() {
    let service = service(|_| {});
    let document = service.read("/openapi.json").await.json();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            for status in ["401", "429", "503"] {
                assert!(responses.contains_key(status), "{method} {path} has no {status}");
            }
            assert_eq!(responses.contains_key("413"), operation.get("requestBody").is_some(), "{method} {path}");
            // A call that is placed, or a campaign, names its business in the body.
            let names_in_body =
                method == "post" && ["/calls", "/campaigns", "/asterisk/calls"].contains(&path.as_str());
            let names_something = path.contains('{') || names_in_body;
            assert_eq!(responses.contains_key("404"), names_something, "{method} {path}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{method} {path}: {parameter}");
            }
        }
    }
}
