//! Every page in a real browser: barriers, keyboard, narrow screens, light and dark, weight (ux.md 2.1).
//!
//! The pages are those of [`super::gallery`], with their headers; `tests/browser/gallery.mjs` looks at them.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::assets;
use super::frame::Frame;
use super::gallery::every_page;

fn told(name: &str, response: &http::Response<bytes::Bytes>) -> Value {
    let headers: serde_json::Map<String, Value> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
        .collect();
    json!({
        "name": name,
        "status": response.status().as_u16(),
        "headers": headers,
        "body": String::from_utf8_lossy(response.body()),
    })
}

fn asset(name: &str) -> Value {
    let path = assets::path(name);
    let version = path.split('/').nth(1).unwrap();
    told(name, &assets::serve(version, name).unwrap())
}

/// Looks at every `of`th page from the `first` on: two runs share the work of a busy machine.
fn look_at(first: usize, of: usize) {
    let frame = Frame::sample();
    let pages: Vec<Value> = every_page(&frame)
        .iter()
        .skip(first)
        .step_by(of)
        .map(|(name, page)| told(name, page))
        .collect();
    let assets = ["portal.css", "portal.js", "passkey.js", "icon.svg"].map(asset);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pages.json");
    std::fs::write(&file, json!({ "pages": pages, "assets": assets }).to_string()).unwrap();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(scripts.join("node_modules").is_dir(), "run tests/run once: it installs the driver");
    let done = Command::new("node")
        .arg("gallery.mjs")
        .current_dir(&scripts)
        .env("PAGES", &file)
        .output()
        .expect("node");
    let (out, error) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && out.trim() == "ok", "{out}{error}");
}

#[test]
fn g1_g4_g5_g6_no_page_has_barriers_one_half() {
    look_at(0, 2);
}

#[test]
fn g1_g4_g5_g6_no_page_has_barriers_other_half() {
    look_at(1, 2);
}
