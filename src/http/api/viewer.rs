//! A page that shows the OpenAPI document and lets a person ask.
//!
//! The page itself is open and says nothing: it is the same file for everybody. What it shows it fetches with the token
//! that the person gives it, which it keeps in memory and nowhere else. It loads nothing from anywhere but here, and its
//! policy lets it do no more.

use actix_web::HttpResponse;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::web::{self, ServiceConfig};

/// Only our own script and style run; they may ask only us; nobody may frame the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page under `/api/docs`, and its two files.
pub fn routes(config: &mut ServiceConfig) {
    for (path, media_type, text) in [
        ("/api/docs", "text/html; charset=utf-8", include_str!("viewer/page.html")),
        ("/api/docs/page.js", "text/javascript; charset=utf-8", include_str!("viewer/page.js")),
        ("/api/docs/page.css", "text/css; charset=utf-8", include_str!("viewer/page.css")),
    ] {
        let file = move || async move { file(media_type, text) };
        config.service(crate::http::only("GET, HEAD", path).route(web::get().to(file)).route(web::head().to(file)));
    }
}

fn file(media_type: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(media_type)
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(text)
}
