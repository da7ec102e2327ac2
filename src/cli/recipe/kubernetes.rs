//! Kubernetes: the gate as a sidecar in the pod of one app, for kustomize.

use askama::Template;

use super::plan::{Plan, Site};
use super::systemd::ENDING;
use super::{Document, Refused};

#[derive(Template)]
#[template(path = "kubernetes-app.yaml", escape = "none", whitespace = "preserve")]
struct Objects<'a> {
    plan: &'a Plan,
    site: &'a Site,
    name: &'a str,
    /// For clusters that know no native sidecars.
    older: bool,
    /// Seconds until the pod is killed.
    stop: u64,
    /// Seconds for which requests in flight may need the app.
    drain: u64,
}

#[derive(Template)]
#[template(path = "kustomization.yaml", escape = "none", whitespace = "preserve")]
struct Kustomization<'a> {
    plan: &'a Plan,
    name: &'a str,
}

pub(super) fn documents(plan: &Plan, form: &str) -> Result<Vec<Document>, Refused> {
    let [site] = plan.sites.as_slice() else {
        return Err(Refused("a pod holds one app; name its route with --route".to_owned()));
    };
    let name = site.slug.as_str();
    let drain = plan.drain.as_secs();
    let objects = Objects { plan, site, name, older: form == "older", stop: drain + ENDING, drain };
    Ok(vec![
        Document::of("app.yaml", &objects)?,
        Document::of("kustomization.yaml", &Kustomization { plan, name })?,
    ])
}
