//! Any other HTTP gateway, as the configuration describes it.
//!
//! What is put into URL, form, JSON or XML is escaped for that place (`config::values::template`).
//! A gateway's answer counts as accepted only where it matches the description; everything else is a
//! refusal whose reason comes from the operator's own table.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response};
use secrecy::{ExposeSecret as _, SecretString};

use super::super::vendor::{Vendor, authorization, basic, by_status, excerpt, json, not_carried, unwritable};
use super::super::voice;
use super::super::{Accepted, Channel, Content, Message, NotSent, Reason};
use super::text;
use crate::ambient::UnixTime;
use crate::config::settings::{Context, HttpAuth, HttpBody, HttpGateway, Placeholder, Template};

pub(in super::super) struct Gateway {
    pub settings: HttpGateway,
}

/// What the placeholders stand for.
struct Values<'a> {
    message: &'a Message,
    text: String,
    code: Option<&'a SecretString>,
}

impl Values<'_> {
    fn fill(&self, template: &Template, context: Context) -> String {
        template.fill(context, |placeholder| match placeholder {
            Placeholder::To => &self.message.to,
            Placeholder::Digits => self.message.to.trim_start_matches('+'),
            Placeholder::Text => &self.text,
            Placeholder::Code => self.code.map_or("", |code| code.expose_secret()),
            Placeholder::Id => &self.message.id,
        })
    }
}

impl Gateway {
    /// What a code of the gateway means.
    fn reason(&self, code: &str) -> Option<Reason> {
        let errors = self.settings.errors.as_ref()?;
        let (_, word) = errors.reasons.iter().find(|(name, _)| name == code)?;
        Reason::from_name(word)
    }

    fn authorization(&self) -> Result<Option<HeaderValue>, NotSent> {
        match &self.settings.auth {
            HttpAuth::None => Ok(None),
            HttpAuth::Basic(login) => basic(login).map(Some),
            HttpAuth::Bearer(token) => authorization(&format!("Bearer {}", token.expose_secret())).map(Some),
        }
    }

    /// Body and its type.
    fn body(&self, values: &Values<'_>) -> (Bytes, Option<HeaderValue>) {
        match &self.settings.body {
            HttpBody::None => (Bytes::new(), None),
            HttpBody::Form(fields) => {
                let pairs = fields.iter().map(|(name, value)| (name, values.fill(value, Context::Plain)));
                let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
                (body.into(), Some(HeaderValue::from_static("application/x-www-form-urlencoded")))
            }
            HttpBody::Text { template, context, content_type } => {
                (values.fill(template, *context).into(), Some(content_type.clone()))
            }
        }
    }
}

impl Vendor for Gateway {
    fn request(&self, message: &Message, _: UnixTime) -> Result<Request<Bytes>, NotSent> {
        let code = match &message.content {
            Content::Code(code) => Some(&code.code),
            Content::Notice(_) if self.settings.needs_code() => return Err(not_carried("notices")),
            Content::Notice(_) => None,
        };
        if message.channel == Channel::Email {
            return Err(not_carried("e-mail"));
        }
        let text = match message.channel {
            Channel::Voice => voice::spoken(message)?,
            Channel::Sms | Channel::Email => text::of(message),
        };
        let values = Values { message, text, code };
        let (body, content_type) = self.body(&values);
        let url = values.fill(&self.settings.url, Context::Url);
        let mut request = Request::builder()
            .method(self.settings.method.clone())
            .uri(url)
            .body(body)
            .map_err(|e| unwritable(&e))?;
        let headers = request.headers_mut();
        headers.extend(content_type.map(|value| (CONTENT_TYPE, value)));
        headers.extend(self.authorization()?.map(|value| (AUTHORIZATION, value)));
        for (name, template) in &self.settings.headers {
            headers.insert(name.clone(), authorization(&values.fill(template, Context::Header))?);
        }
        Ok(request)
    }

    fn judge(&self, answer: &Response<Bytes>) -> Result<Accepted, NotSent> {
        let settings = &self.settings;
        let (document, body) = (json(answer), answer.body());
        let wanted = &settings.accepted;
        let status = answer.status();
        let status_fits = if wanted.status.is_empty() {
            status.is_success()
        } else {
            wanted.status.contains(&status.as_u16())
        };
        let (found, value_fits) = match &wanted.value {
            Some((at, values)) => {
                let found = at.text(body, &document);
                let fits = found.as_ref().is_some_and(|found| values.contains(found));
                (found.is_some(), fits)
            }
            None => (false, true),
        };
        if status_fits && value_fits {
            let reference = settings.reference.as_ref().and_then(|at| at.text(body, &document));
            return Ok(Accepted { reference });
        }
        let says = format!("HTTP {}: {}", status.as_u16(), excerpt(body));
        let code = settings.errors.as_ref().and_then(|errors| errors.at.text(body, &document));
        Err(match code.as_ref().and_then(|code| self.reason(code)) {
            // The operator's table knows this refusal, so it is one.
            Some(reason) => NotSent::surely(reason, says),
            None if !status.is_success() => by_status(answer),
            None if found || code.is_some() => NotSent::surely(Reason::Misconfigured, says),
            // It answers otherwise than it is described, so nobody knows.
            None => NotSent::perhaps(format!("neither `accepted` nor `errors` finds anything in {says}")),
        })
    }

    fn probe(&self, _: UnixTime) -> Result<Request<Bytes>, NotSent> {
        // The gateway's own paths may send something whatever the method: only its root is asked.
        let nothing = self.settings.url.fill(Context::Url, |_| "");
        let uri: http::Uri = nothing
            .parse()
            .map_err(|error: http::uri::InvalidUri| unwritable(&error.into()))?;
        let mut parts = uri.into_parts();
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        let root = http::Uri::from_parts(parts).map_err(|error| unwritable(&error.into()))?;
        Request::head(root).body(Bytes::new()).map_err(|error| unwritable(&error))
    }

    fn is_well(&self, _: &Response<Bytes>) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, code, fields, notice, refused};
    use super::*;
    use crate::config::settings::{self, AnswerPlace, HttpErrors, Login};

    fn gateway(body: HttpBody) -> Gateway {
        let settings = HttpGateway {
            calls: false,
            method: http::Method::POST,
            url: Template::of("https://sms.example/v1/{{ digits }}?ref={{ id }}"),
            headers: vec![(http::HeaderName::from_static("x-to"), Template::of("{{ to }}"))],
            auth: HttpAuth::Basic(Login { user: "u".into(), password: "p".into() }),
            body,
            accepted: settings::Accepted {
                status: vec![],
                value: Some((AnswerPlace::of("/state"), vec!["ok".into(), "queued".into()])),
            },
            reference: Some(AnswerPlace::of("/id")),
            errors: Some(HttpErrors {
                at: AnswerPlace::of("/error"),
                reasons: vec![
                    ("1001".into(), "invalid_destination".into()),
                    ("44".into(), "opted_out".into()),
                ],
            }),
            receipts: None,
        };
        Gateway { settings }
    }

    #[test]
    fn forms_json_and_xml_carry_the_message_unharmed() {
        let form = HttpBody::Form(vec![("msg".into(), Template::of("{{ text }}"))]);
        let request = gateway(form).request(&code(), UnixTime(0)).unwrap();
        assert_eq!(request.uri(), "https://sms.example/v1/15005550006?ref=m1");
        assert_eq!(
            (&request.headers()["authorization"], &request.headers()["x-to"]),
            (&HeaderValue::from_static("Basic dTpw"), &HeaderValue::from_static("+15005550006"))
        );
        assert!(fields(&request)["msg"].ends_with("\n\n@mfa.example.com #12345678"));
        let text = |template_text: &str, context, content_type| HttpBody::Text {
            template: Template::of(template_text),
            context,
            content_type: HeaderValue::from_static(content_type),
        };
        let json = gateway(text(r#"{"t":"{{ text }}"}"#, Context::Json, "application/json"));
        let sent = json.request(&code(), UnixTime(0)).unwrap();
        assert!(
            super::super::testing::body(&sent)["t"]
                .as_str()
                .unwrap()
                .contains("Don't share it.\n\n@")
        );
        let xml = gateway(text("<t>{{ text }}</t>", Context::Xml, "application/xml"));
        let sent = xml.request(&code(), UnixTime(0)).unwrap();
        assert!(String::from_utf8_lossy(sent.body()).contains("Don&#39;t share it.&#10;&#10;@mfa"));
        assert_eq!(sent.headers()["content-type"], "application/xml");
    }

    #[test]
    fn a_gateway_that_writes_the_text_itself_gets_no_notices() {
        let codes = HttpBody::Form(vec![("code".into(), Template::of("{{ code }}"))]);
        let sender = gateway(codes);
        assert_eq!(fields(&sender.request(&code(), UnixTime(0)).unwrap())["code"], "12345678");
        assert!(sender.request(&notice(), UnixTime(0)).is_err());
    }

    #[test]
    fn answers() {
        let sender = gateway(HttpBody::None);
        let taken = sender.judge(&answer(202, r#"{"state":"queued","id":7}"#)).unwrap();
        assert_eq!(taken.reference.as_deref(), Some("7"));
        let table = [
            (200, r#"{"state":"no","error":1001}"#, Reason::InvalidDestination, true),
            (400, r#"{"error":"44"}"#, Reason::OptedOut, true),
            (200, r#"{"state":"no","error":9}"#, Reason::Misconfigured, true),
            (200, "fine", Reason::Unavailable, false),
            (429, "", Reason::Throttled, true),
            (500, "", Reason::Unavailable, false),
        ];
        for (status, text, reason, certain) in table {
            assert_eq!(refused(sender.judge(&answer(status, text))), (reason, certain), "{status} {text}");
        }
    }

    #[test]
    fn a_gateway_that_answers_in_lines_of_text() {
        let mut sender = gateway(HttpBody::None);
        sender.settings.accepted.value = Some((AnswerPlace::of("^[0-9]+"), vec!["100".into()]));
        sender.settings.reference = Some(AnswerPlace::of("(?m)^id=(.+)$"));
        sender.settings.errors = Some(HttpErrors {
            at: AnswerPlace::of("^[0-9]+"),
            reasons: vec![("202".into(), "invalid_destination".into())],
        });
        let taken = sender.judge(&answer(200, "100\nid=77")).unwrap();
        assert_eq!(taken.reference.as_deref(), Some("77"));
        let table = [
            (200, "202", Reason::InvalidDestination, true),
            (200, "900", Reason::Misconfigured, true),
            (200, "<html>busy</html>", Reason::Unavailable, false),
            (503, "busy", Reason::Unavailable, true),
        ];
        for (status, text, reason, certain) in table {
            assert_eq!(refused(sender.judge(&answer(status, text))), (reason, certain), "{status} {text}");
        }
    }

    #[test]
    fn the_probe_asks_for_nothing_but_the_root() {
        let request = gateway(HttpBody::None).probe(UnixTime(0)).unwrap();
        assert_eq!(
            (request.method(), request.uri().to_string()),
            (&http::Method::HEAD, "https://sms.example/".to_owned())
        );
    }
}
