//! What is the same on every page: brand, addresses, security headers (ux.md 2.1).
//!
//! Every answer that carries our markup leaves through [`Frame::page`], so no page can miss a header.

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::assets;
use crate::config::settings::Settings;

/// A rendered page with its headers.
pub type Page = Response<Bytes>;

const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'";
const PERMISSIONS: &str =
    "publickey-credentials-get=(self), publickey-credentials-create=(self), otp-credentials=(self)";

/// What the configuration says about all pages. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Frame {
    brand: Arc<str>,
    prefix: Arc<str>,
    help: Option<Arc<str>>,
    https: bool,
}

/// What surrounds the main part of one page.
#[derive(Clone, Debug)]
pub struct Shell {
    pub title: String,
    pub brand: Arc<str>,
    /// Reserved prefix, without a trailing slash.
    pub prefix: Arc<str>,
    pub help: Option<Arc<str>>,
    /// Name of the person who is signed in.
    pub account: Option<String>,
    /// Eight characters that find this answer in the logs; on failure pages.
    pub reference: Option<String>,
    /// Whether a form came back with a problem.
    pub failed: bool,
    pub wide: bool,
}

impl Frame {
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            brand: settings.branding.name.as_str().into(),
            prefix: settings.server.prefix.as_str().into(),
            help: settings.branding.support_url.as_deref().map(Into::into),
            https: settings.server.public_url.https,
        }
    }

    /// The surroundings of a page with this title.
    #[must_use]
    pub fn shell(&self, title: impl Into<String>) -> Shell {
        Shell {
            title: title.into(),
            brand: Arc::clone(&self.brand),
            prefix: Arc::clone(&self.prefix),
            help: self.help.clone(),
            account: None,
            reference: None,
            failed: false,
            wide: false,
        }
    }

    /// `path` below the reserved prefix.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.prefix)
    }

    #[must_use]
    pub fn brand(&self) -> &str {
        &self.brand
    }

    /// Renders a page with all its headers.
    pub fn page(&self, status: StatusCode, view: &impl Template) -> Page {
        let (status, body) = match view.render() {
            Ok(html) => (status, Bytes::from(html)),
            // Rendering into memory has no way to fail; if it ever does, nothing half-made leaves.
            Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Bytes::new()),
        };
        let mut page = Response::new(body);
        *page.status_mut() = status;
        page.headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        self.protect(page.headers_mut());
        page
    }

    /// A plain-text file that only this person may keep.
    #[must_use]
    pub fn text_file(&self, body: String, disposition: &'static str) -> Page {
        let mut file = Response::new(Bytes::from(body));
        let headers = file.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(http::header::CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
        self.protect(headers);
        file
    }

    /// The headers of everything we make ourselves (security.md G07, G08; ux.md G-2).
    pub fn protect(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(HeaderName::from_static("permissions-policy"), HeaderValue::from_static(PERMISSIONS));
        if self.https {
            headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        }
    }
}

impl Shell {
    /// The same, for a person who is signed in.
    #[must_use]
    pub fn of(mut self, account: Option<&str>) -> Self {
        self.account = account.map(ToOwned::to_owned);
        self
    }

    /// The same, for a form that came back with a problem.
    #[must_use]
    pub const fn failed(mut self, failed: bool) -> Self {
        self.failed = failed;
        self
    }

    #[must_use]
    pub const fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    #[must_use]
    pub fn reference(mut self, reference: &str) -> Self {
        self.reference = Some(reference.to_owned());
        self
    }

    #[must_use]
    pub fn asset(&self, name: &str) -> String {
        format!("{}/{}", self.prefix, assets::path(name))
    }
}

#[cfg(test)]
impl Frame {
    /// For tests: an https portal called "Example".
    pub(super) fn sample() -> Self {
        Self { brand: "Example".into(), prefix: "/.stepgate".into(), help: None, https: true }
    }
}
