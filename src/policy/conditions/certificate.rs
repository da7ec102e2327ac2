//! Which client certificate came with the connection.
//!
//! Our own TLS has verified it, or it does not count. Behind another proxy nobody knows.

use super::{Truth, View};
use crate::policy::Device;

/// True with a certificate of one of these issuers, or of any where none is listed.
#[derive(Debug)]
pub(in crate::policy) struct Certificate(Box<[String]>);

impl Certificate {
    pub(super) fn compile(issuers: &[String]) -> Self {
        Self(issuers.into())
    }

    pub(super) fn holds(&self, view: &View<'_>) -> Truth {
        match view.request.map(|request| &request.device) {
            None | Some(Device::Unknown) => Truth::Unknown,
            Some(Device::Without) => Truth::False,
            Some(Device::CertifiedBy(issuer)) => {
                (self.0.is_empty() || self.0.iter().any(|listed| **listed == **issuer)).into()
            }
        }
    }

    #[expect(clippy::unused_self, reason = "as the other conditions")]
    pub(super) fn why(&self, view: &View<'_>) -> String {
        match view.request.map(|request| &request.device) {
            None | Some(Device::Unknown) => "whether there is a client certificate is not known".to_owned(),
            Some(Device::Without) => "there is no client certificate".to_owned(),
            Some(Device::CertifiedBy(issuer)) => format!("the client certificate is by {issuer}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::UnixTime;
    use crate::policy::tests_support::get;

    fn holds(issuers: &[&str], device: Device) -> Truth {
        let mut request = get("/");
        request.device = device;
        let view = View {
            client: request.client,
            identity: None,
            now: UnixTime(0),
            request: Some(&request),
        };
        let issuers: Vec<String> = issuers.iter().map(ToString::to_string).collect();
        Certificate::compile(&issuers).holds(&view)
    }

    #[test]
    fn a_certificate_holds_by_its_issuer_and_what_is_not_known_does_not() {
        let ours = || Device::CertifiedBy("CN=Ours".into());
        assert_eq!(holds(&[], ours()), Truth::True);
        assert_eq!(holds(&["CN=Other", "CN=Ours"], ours()), Truth::True);
        assert_eq!(holds(&["CN=Other"], ours()), Truth::False);
        assert_eq!(holds(&[], Device::Without), Truth::False);
        assert_eq!(holds(&[], Device::Unknown), Truth::Unknown);
        let view = View {
            client: std::net::IpAddr::from([192, 0, 2, 1]),
            identity: None,
            now: UnixTime(0),
            request: None,
        };
        assert_eq!(Certificate::compile(&[]).holds(&view), Truth::Unknown);
    }
}
