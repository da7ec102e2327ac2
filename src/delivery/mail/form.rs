//! The two forms of a mail: text, and HTML that is readable in any program, light or dark, without a
//! picture or anything else that is fetched.
//!
//! Styles stand at their elements, because many programs drop style sheets; the sheet holds the dark
//! colours alone.

use super::Part;

/// Body, card, code, button, and what is less important; each element has them by itself.
const BODY: &str =
    "margin:0;padding:24px 12px;background:#f4f6f7;color:#17232b;font:16px/1.5 system-ui,sans-serif";
const CARD: &str = "max-width:34em;margin:0 auto;padding:8px 24px 16px;background:#ffffff;border-radius:12px;\
     overflow-wrap:anywhere";
const CODE: &str = "font:bold 32px/1.3 monospace;letter-spacing:3px;margin:16px 0";
const FACTS: &str = "color:#50606b;border-left:3px solid #d8dfe3;padding-left:12px";
const BUTTON: &str = "display:inline-block;background:#0d5c75;color:#ffffff;padding:12px 20px;\
     border-radius:8px;text-decoration:none;font-weight:bold";
const LINK: &str = "color:#0d5c75";
const DARK: &str = "@media (prefers-color-scheme:dark){.body{background:#10171b!important;color:#e8eef1!important}\
     .card{background:#182126!important}.facts{color:#a8b7c0!important;border-color:#2d3a41!important}\
     .link{color:#7cc6dd!important}.button{background:#7cc6dd!important;color:#06262f!important}}";

pub(super) fn plain(parts: &[Part]) -> String {
    let lines: Vec<String> = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) | Part::Link(text) => text.clone(),
            Part::Code(code) => format!("    {code}"),
            Part::Facts(facts) => {
                let lines: Vec<String> =
                    facts.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                lines.join("\n")
            }
            Part::Button(says, link) => format!("{says}: {link}"),
        })
        .collect();
    lines.join("\n\n") + "\n"
}

pub(super) fn html(title: &str, parts: &[Part]) -> String {
    let body: String = parts.iter().map(paragraph).collect();
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title>\n<style>{DARK}</style></head>\n\
         <body class=\"body\" style=\"{BODY}\">\n<div class=\"card\" style=\"{CARD}\">\n{body}</div>\n</body>\n</html>\n"
    )
}

fn paragraph(part: &Part) -> String {
    match part {
        Part::Text(text) => format!("<p>{}</p>\n", escaped(text)),
        Part::Code(code) => format!("<p style=\"{CODE}\">{}</p>\n", escaped(code)),
        Part::Facts(facts) => {
            let line = |(name, value): &(&str, String)| format!("{name}: {}", escaped(value));
            let lines: Vec<String> = facts.iter().map(line).collect();
            format!("<p class=\"facts\" style=\"{FACTS}\">{}</p>\n", lines.join("<br>\n"))
        }
        Part::Link(link) => {
            format!("<p><a class=\"link\" style=\"{LINK}\" href=\"{0}\">{0}</a></p>\n", escaped(link))
        }
        Part::Button(says, link) => format!(
            "<p><a class=\"button\" style=\"{BUTTON}\" href=\"{}\">{}</a></p>\n",
            escaped(link),
            escaped(says)
        ),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
