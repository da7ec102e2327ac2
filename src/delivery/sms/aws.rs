//! Requests to AWS: endpoint, signature (Signature Version 4), and what errors of all its services mean.
//!
//! The signing is aws-sigv4's; nothing of AWS's SDK beyond it is used. Keys come from the
//! configuration only: no environment, no profile files, no instance metadata.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use secrecy::ExposeSecret as _;

use super::super::vendor::{by_status, unwritable};
use super::super::{NotSent, Reason};
use crate::ambient::UnixTime;
use crate::config::settings::Aws;

/// One signed `POST` to a service.
pub(super) struct AwsCall<'a> {
    /// As signed, such as `sms-voice`; also the first part of the host.
    pub service: &'a str,
    pub content_type: &'static str,
    /// Operation of the JSON protocol.
    pub target: Option<&'static str>,
    pub body: String,
}

impl AwsCall<'_> {
    /// The request, signed for this second.
    ///
    /// # Errors
    /// When the address or a key is not fit for HTTP.
    pub fn signed(self, aws: &Aws, now: UnixTime) -> Result<Request<Bytes>, NotSent> {
        let own = || format!("https://{}.{}.amazonaws.com", self.service, aws.region);
        let url = format!("{}/", aws.url.clone().unwrap_or_else(own));
        let mut request =
            Request::post(&url).header(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some(target) = self.target {
            request = request.header("x-amz-target", HeaderValue::from_static(target));
        }
        let mut request = request.body(Bytes::from(self.body)).map_err(|error| unwritable(&error))?;
        authorise(&mut request, self.service, aws, now)
            .map_err(|why| NotSent::surely(Reason::Misconfigured, why))?;
        Ok(request)
    }
}

/// Adds date, token and signature.
fn authorise(request: &mut Request<Bytes>, service: &str, aws: &Aws, now: UnixTime) -> Result<(), String> {
    let token = aws.session_token.as_ref().map(|token| token.expose_secret().to_owned());
    let identity = {
        let mut keys = Credentials::builder()
            .access_key_id(&aws.access_key_id)
            .secret_access_key(aws.secret_access_key.expose_secret())
            .provider_name("stepgate");
        keys.set_session_token(token);
        keys.build().into()
    };
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(&aws.region)
        .name(service)
        .time(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(now.0).unwrap_or_default()))
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let uri = request.uri().to_string();
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let signable = SignableRequest::new("POST", uri, pairs, SignableBody::Bytes(request.body()))
        .map_err(|error| error.to_string())?;
    let (instructions, _) = sign(signable, &parameters).map_err(|error| error.to_string())?.into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}

/// What a refusal means by its error code, without what stands before `#` and after `:`.
pub(super) fn refused(answer: &Response<Bytes>, code: &str) -> NotSent {
    let not = by_status(answer);
    let name = code
        .rsplit('#')
        .next()
        .unwrap_or_default()
        .split(':')
        .next()
        .unwrap_or_default();
    let name = name.strip_suffix("Exception").unwrap_or(name);
    let reason = match name {
        "Throttling" | "ThrottlingException" | "Throttled" | "ServiceQuotaExceeded" | "KMSThrottling" => {
            Reason::Throttled
        }
        "OptedOut" => Reason::OptedOut,
        "InternalServer" | "InternalError" | "InternalFailure" | "ServiceUnavailable" => Reason::Unavailable,
        _ => return not,
    };
    let certain = reason != Reason::Unavailable && answer.status().is_client_error();
    NotSent { reason, certain, ..not }
}

/// Whether an answer to a question shows that AWS knows the keys: it may refuse everything else.
pub(super) fn knows_the_keys(answer: &Response<Bytes>) -> bool {
    const UNKNOWN: [&str; 8] = [
        "UnrecognizedClient",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "InvalidSignature",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "ExpiredToken",
        "RequestExpired",
    ];
    let text = String::from_utf8_lossy(answer.body());
    answer.status().as_u16() < 500 && !UNKNOWN.iter().any(|code| text.contains(code))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, vectors};
    use super::*;

    pub(super) fn aws(session_token: Option<&str>) -> Aws {
        Aws {
            url: None,
            region: "us-east-1".into(),
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: session_token.map(Into::into),
        }
    }

    fn publish(session_token: Option<&str>) -> Request<Bytes> {
        let call = AwsCall {
            service: "sns",
            content_type: "application/x-www-form-urlencoded; charset=utf-8",
            target: None,
            body: vectors()["aws_sigv4_sns_publish"]["body"].as_str().unwrap().to_owned(),
        };
        call.signed(&aws(session_token), UnixTime(1_440_938_160)).unwrap()
    }

    #[test]
    fn the_signature_is_that_of_botocore() {
        let request = publish(None);
        let signature = vectors()["aws_sigv4_sns_publish"]["signature"].as_str().unwrap().to_owned();
        assert_eq!(request.uri(), "https://sns.us-east-1.amazonaws.com/");
        assert_eq!(request.headers()["x-amz-date"], "20150830T123600Z");
        let header = request.headers()["authorization"].to_str().unwrap();
        assert!(
            header.ends_with(&format!("SignedHeaders=content-type;host;x-amz-date, Signature={signature}")),
            "{header}"
        );
    }

    #[test]
    fn a_session_token_is_sent_and_signed() {
        let request = publish(Some("token"));
        assert_eq!(request.headers()["x-amz-security-token"], "token");
        let header = request.headers()["authorization"].to_str().unwrap();
        assert!(
            header.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token,"),
            "{header}"
        );
    }

    #[test]
    fn errors_of_all_services() {
        let table = [
            (400, "com.amazonaws#ThrottlingException", Reason::Throttled, true),
            (400, "Throttling", Reason::Throttled, true),
            (500, "InternalError", Reason::Unavailable, false),
            (403, "AccessDeniedException", Reason::Misconfigured, true),
            (400, "", Reason::Misconfigured, true),
        ];
        for (status, code, reason, certain) in table {
            let not = refused(&answer(status, ""), code);
            assert_eq!((not.reason, not.certain), (reason, certain), "{code}");
        }
        assert!(knows_the_keys(&answer(403, "<Code>AuthorizationError</Code>")));
        assert!(!knows_the_keys(&answer(403, "<Code>InvalidClientTokenId</Code>")));
        assert!(!knows_the_keys(&answer(502, "")));
    }
}
