//! Envoy's messages: what a question says, and what an answer tells Envoy to do with the request.
//!
//! Translation alone. A field that is missing is never made up.

use std::net::IpAddr;

use envoy_types::pb::envoy::config::core::v3::address::Address;
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue as Field, HeaderValueOption};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer as Source};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{
    CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::rpc;
use http::header::{CONTENT_LENGTH, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use http::request::Parts;
use http::{Request, StatusCode};

use super::super::asked;
use crate::gate::check::{Asked, Client, Unclear};
use crate::policy::Permit;
use crate::upstream::{AppCookie, Outgoing, Rules};

/// Canonical codes of gRPC.
const OK: i32 = 0;
const PERMISSION_DENIED: i32 = 7;

/// What the reverse proxy removes and writes anew, and what Envoy itself answers for here.
const ENVOYS_OWN: [&str; 13] = [
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "content-length",
    "upgrade",
    "http2-settings",
    "expect",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
];

/// The client's request, and its headers as parts.
pub(super) fn read(question: CheckRequest) -> Result<(Asked, Parts), Unclear> {
    let attributes = question.attributes.ok_or(Unclear::missing("attributes"))?;
    let client = source(attributes.source.as_ref())?;
    let http = attributes.request.and_then(|request| request.http);
    let http = http.ok_or(Unclear::missing("attributes.request.http"))?;
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.headers = headers(&http)?;
    parts.method = asked::method(http.method.as_bytes(), "method")?;
    if http.host.is_empty() {
        return Err(Unclear::missing("host"));
    }
    let asked = Asked {
        method: parts.method.clone(),
        authority: HeaderValue::from_str(&http.host).map_err(|_| Unclear::unreadable("host"))?,
        target: asked::target(http.path.as_bytes(), "path")?,
        client: Client::Is(client),
    };
    Ok((asked, parts))
}

fn source(source: Option<&Source>) -> Result<IpAddr, Unclear> {
    let address = source.and_then(|source| source.address.as_ref()?.address.as_ref());
    match address {
        Some(Address::SocketAddress(socket)) => {
            socket.address.parse().map_err(|_| Unclear::unreadable("attributes.source"))
        }
        _ => Err(Unclear::missing("attributes.source")),
    }
}

/// The client's headers: each line if Envoy sends raw headers, else joined by it.
fn headers(http: &HttpRequest) -> Result<HeaderMap, Unclear> {
    let mut headers = HeaderMap::new();
    let raw = http.header_map.iter().flat_map(|map| &map.headers);
    for field in raw {
        let value = if field.raw_value.is_empty() {
            field.value.as_bytes()
        } else {
            &field.raw_value
        };
        add(&mut headers, http, &field.key, value)?;
    }
    if http.header_map.is_none() {
        for (name, value) in &http.headers {
            add(&mut headers, http, name, value.as_bytes())?;
        }
    }
    Ok(headers)
}

fn add(headers: &mut HeaderMap, http: &HttpRequest, name: &str, value: &[u8]) -> Result<(), Unclear> {
    let said = match name {
        ":method" => &http.method,
        ":authority" => &http.host,
        ":path" => &http.path,
        _ if name.starts_with(':') => return Ok(()),
        _ => {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Unclear::unreadable("headers"))?;
            let value = HeaderValue::from_bytes(value).map_err(|_| Unclear::unreadable("headers"))?;
            let added = headers.try_append(name, value);
            return added.map(drop).map_err(|_| Unclear::unreadable("headers"));
        }
    };
    if said.as_bytes() == value {
        Ok(())
    } else {
        Err(Unclear::contradiction("headers"))
    }
}

/// OK: Envoy may send exactly this request on, once, with these headers and without those.
pub(super) fn allow(_used_up: Permit, outgoing: &Outgoing, sent: &HeaderMap, rules: &Rules) -> CheckResponse {
    let mut headers = Vec::new();
    let mut headers_to_remove: Vec<String> = sent
        .keys()
        .filter(|name| rules.removes(name) && !ENVOYS_OWN.contains(&name.as_str()))
        .map(|name| name.as_str().to_owned())
        .collect();
    for (name, value) in outgoing.iter() {
        // Envoy removes after it sets.
        headers_to_remove.retain(|removed| removed != name.as_str());
        if value.is_empty() {
            headers_to_remove.push(name.as_str().to_owned());
        } else {
            headers.push(field(name, value, HeaderAppendAction::OverwriteIfExistsOrAdd));
        }
    }
    if sent.contains_key(COOKIE) {
        match AppCookie::of(sent).field() {
            None => headers_to_remove.push(COOKIE.as_str().to_owned()),
            Some(rest) => headers.push(field(&COOKIE, rest, HeaderAppendAction::OverwriteIfExistsOrAdd)),
        }
    }
    let ok = OkHttpResponse { headers, headers_to_remove, ..OkHttpResponse::default() };
    response(OK, HttpResponse::OkResponse(ok))
}

/// Denied: Envoy answers the client with this.
pub(super) fn deny(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> CheckResponse {
    let fields = headers.iter().filter(|(name, _)| **name != CONTENT_LENGTH);
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(status.as_u16()) }),
        headers: fields
            .map(|(name, value)| match *name {
                SET_COOKIE => field(name, value, HeaderAppendAction::AppendIfExistsOrAdd),
                _ => field(name, value, HeaderAppendAction::OverwriteIfExistsOrAdd),
            })
            .collect(),
        body: String::from_utf8_lossy(body).into_owned(),
    };
    response(PERMISSION_DENIED, HttpResponse::DeniedResponse(denied))
}

fn response(code: i32, http: HttpResponse) -> CheckResponse {
    CheckResponse {
        status: Some(rpc::Status { code, ..rpc::Status::default() }),
        http_response: Some(http),
        ..CheckResponse::default()
    }
}

fn field(name: &HeaderName, value: &HeaderValue, action: HeaderAppendAction) -> HeaderValueOption {
    let (text, raw_value) = match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => (text.to_owned(), Vec::new()),
        Err(_) => (String::new(), value.as_bytes().to_vec()),
    };
    HeaderValueOption {
        header: Some(Field { key: name.as_str().to_owned(), value: text, raw_value }),
        append_action: action.into(),
        ..HeaderValueOption::default()
    }
}
