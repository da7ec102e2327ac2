//! Traefik: `ForwardAuth` after a middleware that removes what clients claim; as a file, as labels of
//! a compose file, or as Kubernetes resources.

use askama::Template;

use super::plan::{Plan, Site};
use super::{Document, Refused};

/// What of a request the decision may depend on.
const ASKED: [&str; 14] = [
    "Cookie",
    "Authorization",
    "Accept",
    "Accept-Language",
    "Origin",
    "User-Agent",
    "X-Requested-With",
    "Sec-Fetch-Site",
    "Sec-Fetch-Mode",
    "Sec-Fetch-Dest",
    "Sec-Fetch-User",
    "Sec-Websocket-Key",
    "Sec-Websocket-Version",
    "Stepgate-Code",
];

#[derive(Template)]
#[template(path = "traefik-file.yaml", escape = "none", whitespace = "preserve")]
struct File<'a> {
    plan: &'a Plan,
}

#[derive(Template)]
#[template(path = "traefik-labels.yaml", escape = "none", whitespace = "preserve")]
struct Labels<'a> {
    plan: &'a Plan,
}

#[derive(Template)]
#[template(path = "traefik-crd.yaml", escape = "none", whitespace = "preserve")]
struct Resources<'a> {
    plan: &'a Plan,
}

pub(super) fn documents(plan: &Plan, form: &str) -> Result<Vec<Document>, Refused> {
    let document = match form {
        "labels" => Document::of("compose.yaml", &Labels { plan }),
        "crd" => Document::of("traefik.yaml", &Resources { plan }),
        _ => Document::of("stepgate.yaml", &File { plan }),
    };
    Ok(vec![document?])
}

/// What the three templates call.
trait Words {
    fn plan(&self) -> &Plan;

    fn entry_point(&self) -> &'static str {
        if self.plan().https { "websecure" } else { "web" }
    }

    fn asked(&self) -> String {
        let plan = self.plan();
        let own = plan.tokens.iter().chain(&plan.sources).map(String::as_str);
        ASKED.into_iter().chain(own).collect::<Vec<_>>().join(", ")
    }

    fn told(&self) -> String {
        let names = self.plan().headers.iter().map(|header| header.name.as_str());
        names.chain(["Stepgate-Code"]).collect::<Vec<_>>().join(", ")
    }

    fn rule(&self, site: &Site) -> String {
        site.hosts
            .iter()
            .map(|host| self.host_rule(host))
            .collect::<Vec<_>>()
            .join(" || ")
    }

    fn host_rule(&self, host: &str) -> String {
        match host.strip_prefix('*') {
            Some("") => "PathPrefix(`/`)".to_owned(),
            Some(suffix) => format!("HostRegexp(`^.+{}$`)", suffix.replace('.', "[.]")),
            None => format!("Host(`{host}`)"),
        }
    }

    fn every_host(&self) -> String {
        let plan = self.plan();
        let sites = plan.sites.iter().map(|site| self.rule(site));
        let portal = plan.portal.iter().map(|portal| self.host_rule(portal));
        sites.chain(portal).collect::<Vec<_>>().join(" || ")
    }
}

impl Words for File<'_> {
    fn plan(&self) -> &Plan {
        self.plan
    }
}

impl Words for Labels<'_> {
    fn plan(&self) -> &Plan {
        self.plan
    }
}

impl Words for Resources<'_> {
    fn plan(&self) -> &Plan {
        self.plan
    }
}
