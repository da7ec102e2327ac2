//! An image with nothing but the binary, and a compose file in which only the gate has a port.

use askama::Template;

use super::plan::Plan;
use super::systemd::ENDING;
use super::{Document, Refused};

#[derive(Template)]
#[template(path = "Containerfile", escape = "none", whitespace = "preserve")]
struct Image<'a> {
    plan: &'a Plan,
}

#[derive(Template)]
#[template(path = "compose.yaml", escape = "none", whitespace = "preserve")]
struct Compose<'a> {
    plan: &'a Plan,
    /// Seconds until it is killed.
    stop: u64,
}

pub(super) fn documents(plan: &Plan) -> Result<Vec<Document>, Refused> {
    let stop = plan.drain.as_secs() + ENDING;
    Ok(vec![
        Document::of("Containerfile", &Image { plan })?,
        Document::of("compose.yaml", &Compose { plan, stop })?,
    ])
}
