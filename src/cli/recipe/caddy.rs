//! Caddy: `forward_auth` between removing what clients claim and passing on.

use askama::Template;

use super::plan::Plan;
use super::{Document, Refused};

#[derive(Template)]
#[template(path = "caddy.Caddyfile", escape = "none", whitespace = "preserve")]
struct Caddyfile<'a> {
    plan: &'a Plan,
}

pub(super) fn documents(plan: &Plan) -> Result<Vec<Document>, Refused> {
    Ok(vec![Document::of("Caddyfile", &Caddyfile { plan })?])
}

impl Caddyfile<'_> {
    fn addresses(&self, hosts: &[String]) -> String {
        hosts.iter().map(|host| self.address(host)).collect::<Vec<_>>().join(", ")
    }

    fn address(&self, host: &str) -> String {
        let host = if host == "*" { "" } else { host };
        match (self.plan.https, self.plan.usual_port) {
            (true, true) if !host.is_empty() => host.to_owned(),
            (https, _) => {
                let scheme = if https { "https" } else { "http" };
                format!("{scheme}://{host}:{}", self.plan.port)
            }
        }
    }
}
