//! Is the process alive, should calls be sent here, and its figures.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use serde::Serialize;

use crate::clock;
use crate::telemetry::Telemetry;

/// One thing that must be right before calls are sent here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name: `database`, `spool`, …
    pub name: &'static str,
    /// Whether it is right.
    pub ok: bool,
    /// What is wrong, or how it stands.
    pub detail: String,
}

/// All checks, made anew for each question. They read memory only: none of them waits.
#[derive(Clone)]
pub struct Checks(pub Arc<dyn Fn() -> Vec<Check> + Send + Sync>);

#[derive(Serialize)]
struct Health {
    status: &'static str,
    timestamp: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<Check>,
}

fn timestamp() -> String {
    jiff::Timestamp::from_microsecond(clock::wall_micros()).map(|at| at.to_string()).unwrap_or_default()
}

/// The process answers.
pub async fn health() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok", timestamp: timestamp(), checks: Vec::new() })
}

/// 200 if every check holds, else 503.
pub async fn ready(checks: web::Data<Checks>) -> HttpResponse {
    let checks = (checks.0)();
    let is_ready = checks.iter().all(|check| check.ok);
    let status = if is_ready { "ready" } else { "not ready" };
    let body = Health { status, timestamp: timestamp(), checks };
    if is_ready { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

/// The figures, for Prometheus.
pub async fn metrics(telemetry: web::Data<Telemetry>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(telemetry.render())
}
