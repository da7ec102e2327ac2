//! The two requests that sign somebody in to an app: for its page with the form, and with the form filled in.
//!
//! Each is forwarded with a permit of its own. What the app sets goes to the browser; the credential goes to the
//! app alone, is never on a page and never in a log.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION, ORIGIN, RANGE, REFERER, SET_COOKIE,
};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use scraper::{Html, Selector};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;

use crate::config::settings::{FormLogin, FormValue};
use crate::gate::LogIn;
use crate::store::AppCredential;
use crate::upstream::{Body, Forwarder, Payload, Rules, UpstreamError};

/// Largest page that a form is looked for on.
const LARGEST_PAGE: usize = 512 * 1024;
/// How long the page may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Signs in, and answers with what the app says. Whatever is not as expected ends as it would have without us:
/// the app's own page.
pub(super) async fn log_in(
    forwarder: &Forwarder,
    rules: &Rules,
    log_in: LogIn,
    parts: Parts,
) -> Result<Response<Body>, UpstreamError> {
    let LogIn { page: (permit, outgoing), post, form, credential, origin, refusal } = log_in;
    let place = permit.request().target.to_string();
    let mut asking = parts.clone();
    for name in [ACCEPT_ENCODING, IF_NONE_MATCH, IF_MODIFIED_SINCE, RANGE] {
        asking.headers.remove(name);
    }
    let shown = forwarder.forward(rules, permit, &mut asking, Payload::None, outgoing).await?;
    // Signed in already, or something else is the matter: the person sees it.
    if shown.status() != StatusCode::OK {
        return Ok(shown);
    }
    let (head, body) = shown.into_parts();
    let Some(html) = read(body).await else {
        return Ok(again(&place));
    };
    let Some(filled) = fill(&form, &credential, &html) else {
        tracing::warn!("a field of `form_login` is not on the app's page");
        return Ok(Response::from_parts(head, Body::from(html)));
    };
    let mut sending = parts;
    prepare(&mut sending.headers, &head.headers, &origin, &place, &filled);
    let (permit, outgoing) = post;
    let body = Payload::Held(Bytes::copy_from_slice(filled.expose_secret().as_bytes()));
    let mut answer = forwarder.forward(rules, permit, &mut sending, body, outgoing).await?;
    if !succeeded(&form, &answer) {
        // The app's answer may repeat what it was sent.
        return Ok(match refusal.note().await {
            Ok(()) => again(&place),
            Err(error) => {
                tracing::error!(%error, "a refused credential could not be noted");
                unavailable()
            }
        });
    }
    hand_over(&head.headers, answer.headers_mut());
    Ok(answer)
}

#[expect(clippy::disallowed_methods, reason = "a page, bounded by `Limited`")]
async fn read(body: Body) -> Option<Bytes> {
    let page = timeout(PATIENCE, Limited::new(body, LARGEST_PAGE).collect()).await;
    page.ok()?.ok().map(http_body_util::Collected::to_bytes)
}

/// The form's fields as it would be sent; `None` where the page has not what is wanted of it.
fn fill(form: &FormLogin, credential: &AppCredential, html: &[u8]) -> Option<SecretString> {
    let mut text = form_urlencoded::Serializer::new(String::new());
    let wants_page = form.fields.iter().any(|(_, value)| matches!(value, FormValue::From(_)));
    let page = wants_page.then(|| Html::parse_document(&String::from_utf8_lossy(html)));
    for (name, value) in &form.fields {
        match value {
            FormValue::Text(fixed) => text.append_pair(name, fixed),
            FormValue::Username => text.append_pair(name, &credential.username),
            FormValue::Password => text.append_pair(name, credential.password.expose_secret()),
            FormValue::From(selector) => text.append_pair(name, found(page.as_ref()?, selector)?),
        };
    }
    Some(text.finish().into())
}

fn found<'p>(page: &'p Html, selector: &str) -> Option<&'p str> {
    let selector = Selector::parse(selector).ok()?;
    let element = page.select(&selector).next()?;
    element.attr("value").or_else(|| element.attr("content"))
}

/// Makes of the headers for the page those that a browser sends with its form.
fn prepare(
    headers: &mut HeaderMap,
    set: &HeaderMap,
    origin: &HeaderValue,
    place: &str,
    filled: &SecretString,
) {
    for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE, RANGE] {
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(filled.expose_secret().len()));
    headers.insert(ORIGIN, origin.clone());
    let referer = origin
        .to_str()
        .ok()
        .and_then(|origin| HeaderValue::try_from(format!("{origin}{place}")).ok());
    if let Some(referer) = referer {
        headers.insert(REFERER, referer);
    }
    if let Some(cookies) = cookies(headers, set) {
        headers.insert(COOKIE, cookies);
    }
}

/// The browser's cookies with what the page has just set, as the browser would have them now.
fn cookies(headers: &HeaderMap, set: &HeaderMap) -> Option<HeaderValue> {
    let mut pairs: Vec<&[u8]> = Vec::new();
    let sent = headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
    let fresh: Vec<&[u8]> = set
        .get_all(SET_COOKIE)
        .iter()
        .filter_map(|field| field.as_bytes().split(|byte| *byte == b';').next())
        .collect();
    for pair in sent.chain(fresh).map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty()) {
        pairs.retain(|known| name_of(known) != name_of(pair));
        pairs.push(pair);
    }
    HeaderValue::from_bytes(&pairs.join(&b"; "[..]))
        .ok()
        .filter(|value| !value.is_empty())
}

fn name_of(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii()
}

fn succeeded(form: &FormLogin, answer: &Response<Body>) -> bool {
    let sets = |wanted: &String| {
        let fields = answer.headers().get_all(SET_COOKIE).iter();
        fields.into_iter().any(|field| name_of(field.as_bytes()) == wanted.as_bytes())
    };
    form.success.statuses.contains(&answer.status().as_u16()) && form.success.cookie.as_ref().is_none_or(sets)
}

/// Cookies of the page come before those of the answer, which may replace them.
fn hand_over(page: &HeaderMap, answer: &mut HeaderMap) {
    let own: Vec<HeaderValue> = answer.get_all(SET_COOKIE).iter().cloned().collect();
    answer.remove(SET_COOKIE);
    for field in page.get_all(SET_COOKIE).iter().chain(&own) {
        answer.append(SET_COOKIE, field.clone());
    }
}

/// The same page once more, where the gate judges anew.
fn again(place: &str) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    match HeaderValue::try_from(place) {
        Ok(place) => {
            response.headers_mut().insert(LOCATION, place);
            response
                .headers_mut()
                .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        Err(_) => return unavailable(),
    }
    response
}

fn unavailable() -> Response<Body> {
    let mut response = Response::new(Body::from("This cannot be done at the moment; try again.\n"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Success;

    fn form() -> FormLogin {
        let field = |name: &str, value: FormValue| (name.to_owned(), value);
        FormLogin {
            page: "/login".to_owned(),
            post: None,
            fields: vec![
                field("u", FormValue::Username),
                field("p", FormValue::Password),
                field("csrf", FormValue::From("form#login input[name=csrf]".to_owned())),
                field("go", FormValue::Text("1".to_owned())),
            ],
            success: Success { statuses: vec![302, 303], cookie: Some("sid".to_owned()) },
        }
    }

    fn credential() -> AppCredential {
        AppCredential { username: "a&b".to_owned(), password: "p=ä".to_owned().into(), refused: false }
    }

    #[test]
    fn fields_are_filled_from_credential_and_page() {
        let page = br#"<form><input name=csrf value=no></form><form id=login><input type=hidden name=csrf value="a b"></form>"#;
        let filled = fill(&form(), &credential(), page).unwrap();
        assert_eq!(filled.expose_secret(), "u=a%26b&p=p%3D%C3%A4&csrf=a+b&go=1");
        assert!(fill(&form(), &credential(), b"<p>maintenance</p>").is_none());
    }

    #[test]
    fn cookies_are_those_that_the_browser_would_have() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("theme=dark; sid=old"));
        let mut set = HeaderMap::new();
        set.append(SET_COOKIE, HeaderValue::from_static("sid=new; Path=/; HttpOnly"));
        set.append(SET_COOKIE, HeaderValue::from_static("csrf=1"));
        assert_eq!(cookies(&headers, &set).unwrap(), "theme=dark; sid=new; csrf=1");
        assert_eq!(cookies(&HeaderMap::new(), &HeaderMap::new()), None);
    }

    #[test]
    fn only_the_answer_that_was_described_is_success() {
        let answer = |status: u16, cookie: &'static str| {
            Response::builder()
                .status(status)
                .header(SET_COOKIE, cookie)
                .body(Body::Empty)
                .unwrap()
        };
        assert!(succeeded(&form(), &answer(302, "sid=1; Path=/")));
        assert!(!succeeded(&form(), &answer(302, "flash=wrong")));
        assert!(!succeeded(&form(), &answer(200, "sid=1")));
    }
}
