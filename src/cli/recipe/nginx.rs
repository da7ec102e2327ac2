//! nginx: a location that asks, `auth_request` where it matters, and a redirect of its own, because
//! nginx turns a check's redirect into an error.

use askama::Template;

use super::headers::Header;
use super::plan::{Plan, Site};
use super::{Document, Refused};
use crate::session::Ours;

#[derive(Template)]
#[template(path = "nginx.conf", escape = "none", whitespace = "preserve")]
struct Conf<'a> {
    plan: &'a Plan,
}

pub(super) fn documents(plan: &Plan) -> Result<Vec<Document>, Refused> {
    Ok(vec![Document::of("stepgate.conf", &Conf { plan })?])
}

impl Conf<'_> {
    fn listen(&self, default: bool) -> Vec<String> {
        let port = self.plan.port;
        let more = if default { " default_server" } else { "" };
        if self.plan.https {
            return vec![
                format!("{port} ssl http2{more}"),
                format!("[::]:{port} ssl http2{more}"),
            ];
        }
        vec![format!("127.0.0.1:{port}{more}")]
    }

    /// Each map takes one cookie of ours out of what the one before has left.
    #[expect(clippy::unused_self, reason = "templates call methods of themselves")]
    fn cookie_maps(&self) -> Vec<(String, String)> {
        let from = |at: usize| match at {
            0 => "$http_cookie".to_owned(),
            at => format!("$stepgate_cookies_{at}"),
        };
        (0..Ours::ALL.len()).map(|at| (from(at), from(at + 1))).collect()
    }

    fn last_cookie_map(&self) -> String {
        self.cookie_maps().pop().map(|(_, to)| to).unwrap_or_default()
    }

    /// The host that was judged, as the app should see it.
    fn host(&self) -> String {
        if self.plan.usual_port {
            "$host".to_owned()
        } else {
            format!("$host:{}", self.plan.port)
        }
    }
}

impl Site {
    fn server_names(&self) -> String {
        let name = |host: &String| if host == "*" { "_".to_owned() } else { host.clone() };
        self.hosts.iter().map(name).collect::<Vec<_>>().join(" ")
    }
}

impl Header {
    /// The variable that keeps its value: `stepgate_remote_user`.
    fn variable(&self) -> String {
        let plain = self.lower().replace('-', "_");
        let plain = plain.strip_prefix("stepgate_").unwrap_or(&plain);
        format!("stepgate_{plain}")
    }
}
