//! `HAProxy`: a Lua action that asks with the built-in HTTP client, and rules that refuse unless it
//! said yes.

use askama::Template;

use super::plan::Plan;
use super::{Document, Refused};

#[derive(Template)]
#[template(path = "haproxy.cfg", escape = "none", whitespace = "preserve")]
struct Configuration<'a> {
    plan: &'a Plan,
}

#[derive(Template)]
#[template(path = "haproxy.lua", escape = "none", whitespace = "preserve")]
struct Script<'a> {
    plan: &'a Plan,
}

pub(super) fn documents(plan: &Plan) -> Result<Vec<Document>, Refused> {
    Ok(vec![
        Document::of("haproxy.cfg", &Configuration { plan })?,
        Document::of("stepgate.lua", &Script { plan })?,
    ])
}

impl Configuration<'_> {
    /// The condition under which a request is for this host.
    #[expect(clippy::unused_self, reason = "templates call methods of themselves")]
    fn host_is(&self, host: &str) -> String {
        match host.strip_prefix('*') {
            Some("") => "always_true".to_owned(),
            Some(suffix) => format!("req.hdr(host),host_only -i -m end {suffix}"),
            None => format!("req.hdr(host),host_only -i {host}"),
        }
    }
}
