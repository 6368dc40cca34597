//! The files of the console, in the program itself.
//!
//! They are the same for everybody and say nothing: what the pages show they ask for with the session. They load nothing
//! from anywhere but here, and their policy lets them do no more: no script or style that stands in a page, no frame, no
//! other host.

use std::io::Write as _;
use std::sync::OnceLock;

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::http::api::token::hash;
use crate::http::only;

/// What the pages may do.
const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; \
                      media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";
/// … and have of the browser.
const PERMISSIONS: &str = "microphone=(self), camera=(), geolocation=(), payment=(), usb=()";

/// A file, as it stands in the folder `assets`.
struct Asset {
    name: &'static str,
    bytes: &'static [u8],
    sent: OnceLock<Sent>,
}

/// What is sent of it.
struct Sent {
    /// The beginning of its hash: another one means another file.
    version: String,
    gzip: Bytes,
}

macro_rules! assets {
    ($($name:literal),+ $(,)?) => {
        /// Every file. A new one is a line below.
        static ASSETS: [Asset; [$($name),+].len()] =
            [$(Asset { name: $name, bytes: include_bytes!(concat!("assets/", $name)), sent: OnceLock::new() }),+];
    };
}

assets! {
    "index.html",
    "style.css",
    "icon.svg",
    "app.js",
    "lib/api.js",
    "lib/dom.js",
    "lib/format.js",
    "pages/call.js",
    "pages/login.js",
    "call/captions.js",
    "call/line.js",
    "call/sound.js",
    "call/worklet.js",
}

/// The page under `/console`, and its files.
pub fn routes(config: &mut ServiceConfig) {
    config.service(served("/console", &ASSETS[0])).service(served("/console/", &ASSETS[0]));
    for asset in &ASSETS {
        config.service(served(&format!("/console/{}", asset.name), asset));
    }
}

fn served(path: &str, asset: &'static Asset) -> Resource {
    let answer = move |request: HttpRequest| async move { answer(&request, asset) };
    only("GET, HEAD", path).route(web::get().to(answer)).route(web::head().to(answer))
}

fn answer(request: &HttpRequest, asset: &'static Asset) -> HttpResponse {
    let Sent { version, gzip } = asset.sent();
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_gzip = takes_gzip(header(ACCEPT_ENCODING));
    let tag = format!("\"{version}{}\"", if is_gzip { "-gzip" } else { "" });
    let is_known = header(IF_NONE_MATCH).split(',').any(|known| known.trim().trim_start_matches("W/") == tag);
    let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header(("Permissions-Policy", PERMISSIONS))
        .insert_header(("Cross-Origin-Opener-Policy", "same-origin"))
        .insert_header(("Cross-Origin-Resource-Policy", "same-origin"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((VARY, "Accept-Encoding"))
        .insert_header((ETAG, tag));
    if is_known {
        return answer.finish();
    }
    answer.content_type(asset.media_type());
    match is_gzip {
        true => answer.insert_header((CONTENT_ENCODING, "gzip")).body(gzip.clone()),
        false => answer.body(asset.bytes),
    }
}

/// Whether a client takes gzip (RFC 9110, 12.5.3); a weight of 0 means that it does not.
fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && weight > 0.0
    })
}

impl Asset {
    /// Made when it is first asked for.
    fn sent(&self) -> &Sent {
        self.sent.get_or_init(|| {
            let version = hash(&String::from_utf8_lossy(self.bytes))[..16].to_owned();
            Sent { version, gzip: gzip(self.bytes).into() }
        })
    }

    fn media_type(&self) -> &'static str {
        match self.name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/plain; charset=utf-8",
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writing into memory can't fail")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Every file below this folder, by its path in `assets`.
    fn files(folder: &Path, prefix: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        entries
            .flat_map(|entry| {
                let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
                match entry.path().is_dir() {
                    true => files(&entry.path(), &format!("{name}/")),
                    false => BTreeSet::from([name]),
                }
            })
            .collect()
    }

    #[test]
    fn every_file_of_the_folder_is_served_and_is_text() {
        let listed: BTreeSet<String> = ASSETS.iter().map(|asset| asset.name.to_owned()).collect();
        assert_eq!(listed, files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/console/assets"), ""));
        for asset in &ASSETS {
            assert!(std::str::from_utf8(asset.bytes).is_ok(), "{}", asset.name);
        }
        assert_eq!(ASSETS[0].name, "index.html");
    }

    #[test]
    fn all_of_it_is_less_than_100_kb_on_the_wire() {
        let sizes = ASSETS.iter().map(|asset| (asset.name, asset.sent().gzip.len()));
        let sizes: Vec<_> = sizes.collect();
        assert!(sizes.iter().map(|(_, size)| size).sum::<usize>() < 100_000, "{sizes:?}");
    }

    #[test]
    fn no_page_holds_a_script_or_a_style_that_its_policy_refuses() {
        for asset in ASSETS.iter().filter(|asset| asset.name.ends_with(".html")) {
            let text = std::str::from_utf8(asset.bytes).unwrap();
            for refused in ["<style", " style=", " onclick=", " onload=", "javascript:", "//cdn", "https://"] {
                assert!(!text.contains(refused), "{}: {refused}", asset.name);
            }
            assert!(text.matches("<script").count() == text.matches("<script type=\"module\" src=").count());
        }
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (accepted, is_taken) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("", false),
            ("br", false),
            ("x-gzip", false),
        ] {
            assert_eq!(takes_gzip(accepted), is_taken, "{accepted}");
        }
    }
}
