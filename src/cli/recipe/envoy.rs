//! Envoy: `ext_authz` over gRPC, or over HTTP where gRPC cannot be had.

use askama::Template;

use super::plan::{Plan, Site};
use super::{Document, Refused};

#[derive(Template)]
#[template(path = "envoy.yaml", escape = "none", whitespace = "preserve")]
struct Bootstrap<'a> {
    plan: &'a Plan,
    /// Over HTTP instead of gRPC.
    http: bool,
}

pub(super) fn documents(plan: &Plan, form: &str) -> Result<Vec<Document>, Refused> {
    Ok(vec![Document::of(
        "envoy.yaml",
        &Bootstrap { plan, http: form == "http" },
    )?])
}

impl Site {
    fn quoted_hosts(&self) -> String {
        self.hosts
            .iter()
            .map(|host| format!("\"{host}\""))
            .collect::<Vec<_>>()
            .join(", ")
    }
}
