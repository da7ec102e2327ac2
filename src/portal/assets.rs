//! Style sheet, script and icon: inside the binary, named by their content, so that a browser may
//! keep them for good and never meets a stale one. Nothing here depends on who asks.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};

struct Asset {
    /// As written in templates.
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

static ASSETS: [Asset; 4] = [
    Asset {
        name: "portal.css",
        kind: "text/css; charset=utf-8",
        bytes: include_bytes!("assets/portal.css"),
    },
    Asset {
        name: "portal.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("assets/portal.js"),
    },
    Asset {
        name: "passkey.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("assets/passkey.js"),
    },
    Asset {
        name: "icon.svg",
        kind: "image/svg+xml",
        bytes: include_bytes!("assets/icon.svg"),
    },
];

/// Twelve hexadecimal digits over all of them: one changed byte renames every file.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for asset in &ASSETS {
        hash.update(asset.bytes);
    }
    hash.finish()
        .as_ref()
        .iter()
        .take(6)
        .fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"))
});

/// Path below the reserved prefix under which the asset of this name is served.
#[must_use]
pub fn path(name: &str) -> String {
    format!("assets/{}/{name}", *VERSION)
}

/// The asset at that version and name, if there is one.
#[must_use]
pub fn serve(version: &str, name: &str) -> Option<Response<Bytes>> {
    let asset = ASSETS.iter().find(|asset| asset.name == name && version == *VERSION)?;
    let mut response = Response::new(Bytes::from_static(asset.bytes));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_weight_stays_small() {
        let size = |name: &str| ASSETS.iter().find(|asset| asset.name == name).map(|a| a.bytes.len());
        assert!(size("portal.css") <= Some(9 * 1024), "{:?}", size("portal.css"));
        // Together at most 8 KiB (ux.md G-4), and most pages load the first alone.
        let scripts = size("portal.js").zip(size("passkey.js")).map(|(one, other)| one + other);
        assert!(scripts <= Some(8 * 1024), "{scripts:?}");
    }

    #[test]
    fn only_the_current_version_is_served() {
        let path = path("portal.css");
        let mut parts = path.split('/').skip(1);
        let (version, name) = (parts.next().unwrap(), parts.next().unwrap());
        assert!(serve(version, name).is_some());
        assert!(serve("000000000000", name).is_none());
        assert!(serve(version, "../Cargo.toml").is_none());
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        for asset in &ASSETS {
            let text = String::from_utf8_lossy(asset.bytes).replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("//") || asset.kind.starts_with("text/javascript"), "{}", asset.name);
            assert!(!text.contains("http:") && !text.contains("https:"), "{}", asset.name);
        }
    }
}
