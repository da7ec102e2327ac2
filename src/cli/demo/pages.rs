//! The pages of the demo's legacy app, in the taste of their time.
//!
//! Whatever a person typed is escaped; nothing else is promised.

use http::HeaderMap;

use super::app::Transfer;

/// The only page that anybody may read.
pub(super) fn home(who: &str) -> String {
    let greeting = match who {
        "" => "<p>You are a visitor. <a href=\"/account\">Staff: sign in to your account</a>.</p>".to_owned(),
        who => format!("<p>You are <b>{}</b>. <a href=\"/account\">Your account</a></p>", escape(who)),
    };
    frame(
        "Welcome to the Acme Intranet",
        &format!(
            "{greeting}<p>This page is public. <a href=\"/account\">Account</a> is for whoever is signed in; \
             <a href=\"/admin\">Administration</a> and transfers want a code that is at most five minutes old.</p>\
             <p><i>Canteen today: lentil soup.</i></p>"
        ),
    )
}

/// The signed-in page, with the form.
pub(super) fn account(who: &str, query: Option<&str>, transfers: &[Transfer]) -> String {
    let done = query.is_some_and(|q| q.split('&').any(|pair| pair == "done=1"));
    let notice = if done {
        "<p class=\"ok\">Transfer recorded.</p>"
    } else {
        ""
    };
    frame(
        "Your account",
        &format!(
            "<p>Signed in as <b id=\"who\">{}</b>.</p>{notice}\
             <h2>New transfer</h2>\
             <form method=\"post\" action=\"/transfer\"><table>\
             <tr><th><label for=\"to\">To</label></th><td><input id=\"to\" name=\"to\" required></td></tr>\
             <tr><th><label for=\"amount\">Amount</label></th><td><input id=\"amount\" name=\"amount\" required></td></tr>\
             <tr><td></td><td><button>Transfer</button></td></tr></table></form>{}",
            escape(who),
            table(transfers)
        ),
    )
}

/// The page behind the second factor; shows what the gate says about how sure it is.
pub(super) fn admin(who: &str, headers: &HeaderMap, transfers: &[Transfer]) -> String {
    let shown: String = [
        "remote-user",
        "remote-groups",
        "stepgate-acr",
        "stepgate-amr",
        "stepgate-auth-time",
    ]
    .iter()
    .filter_map(|name| Some((name, headers.get(*name)?.to_str().ok()?)))
    .map(|(name, value)| format!("<tr><th>{name}</th><td>{}</td></tr>", escape(value)))
    .collect();
    frame(
        "Administration",
        &format!(
            "<p>Hello, administrator <b id=\"who\">{}</b>.</p><h2>What the gate said</h2><table>{shown}</table>{}",
            escape(who),
            table(transfers)
        ),
    )
}

/// For every other path.
pub(super) fn missing() -> String {
    frame("404 - Object not found", "<p>The object you asked for is not on this server.</p>")
}

fn table(transfers: &[Transfer]) -> String {
    let rows: String = transfers
        .iter()
        .rev()
        .map(|t| {
            format!(
                "<tr><td>{}</td><td align=\"right\">{}</td><td>{}</td></tr>",
                escape(&t.to),
                escape(&t.amount),
                escape(&t.by)
            )
        })
        .collect();
    if rows.is_empty() {
        return "<h2>Transfers</h2><p>None yet.</p>".to_owned();
    }
    format!(
        "<h2>Transfers</h2><table border=\"1\"><tr><th>To</th><th>Amount</th><th>By</th></tr>{rows}</table>"
    )
}

fn frame(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01 Transitional//EN\"><html lang=\"en\"><head>\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title} - Acme Intranet</title><style>\
         body{{background:#d6dde8;font:13px Verdana,Geneva,sans-serif;margin:0}}\
         .box{{max-width:720px;margin:16px auto;background:#fff;border:1px solid #7a8aa5}}\
         .bar{{background:#33507e;color:#fff;padding:10px 14px;font-size:17px}}\
         .nav{{background:#eef2f8;border-bottom:1px solid #b6c2d6;padding:6px 14px}}\
         .nav a{{margin-right:12px}}.main{{padding:6px 14px 18px}}.ok{{background:#dff0d8;padding:6px}}\
         th{{text-align:left;font-weight:normal;color:#556}}td,th{{padding:3px 6px}}h1{{font-size:18px}}h2{{font-size:14px}}\
         </style></head><body><div class=\"box\"><div class=\"bar\">Acme Intranet</div>\
         <div class=\"nav\"><a href=\"/\">Home</a><a href=\"/account\">Account</a><a href=\"/admin\">Administration</a></div>\
         <div class=\"main\"><h1>{title}</h1>{body}</div></div></body></html>"
    )
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_text() {
        let transfer = Transfer { to: "<script>".into(), amount: "\"9\"".into(), by: "a&b".into() };
        let html = account("<b>", None, &[transfer]);
        for raw in ["<script>", "\"9\"", "a&b", "<b>"] {
            assert!(!html.contains(raw), "{raw} in {html}");
        }
    }
}
