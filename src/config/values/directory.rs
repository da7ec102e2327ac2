//! Addresses of LDAP servers.

use super::super::codes::Code;
use super::super::settings::{LdapSecurity, LdapServer};
use super::BadValue;
use super::address::is_loopback;

const EXAMPLE: &str = "write it as `ldaps://ldap.example.com`";

/// `ldaps://host` or `ldap://host`, perhaps with a port.
pub(in super::super) fn server(text: &str, start_tls: bool) -> Result<LdapServer, BadValue> {
    let wrong = || BadValue::new("this is no address of an LDAP server", EXAMPLE);
    let url = url::Url::parse(text).map_err(|_| wrong())?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong());
    }
    let here = is_loopback(host);
    let host = host.trim_matches(['[', ']']).to_lowercase();
    let (security, port) = match url.scheme() {
        "ldaps" => (LdapSecurity::Tls, 636),
        "ldap" if start_tls => (LdapSecurity::StartTls, 389),
        "ldap" if here => (LdapSecurity::Loopback, 389),
        "ldap" => {
            return Err(BadValue::coded(
                Code::PlainHttp,
                "a directory is reached over TLS",
                "`start_tls: false` is accepted for localhost, 127.0.0.1 and [::1] only: passwords would travel in the clear",
            ));
        }
        _ => return Err(wrong()),
    };
    Ok(LdapServer { host, port: url.port().unwrap_or(port), security })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, start_tls: bool) -> Option<(String, LdapSecurity)> {
        let server = server(text, start_tls).ok()?;
        Some((server.to_string(), server.security))
    }

    #[test]
    fn h01_passwords_leave_this_machine_over_tls_alone() {
        let tls = |text: &str| Some((text.to_owned(), LdapSecurity::Tls));
        assert_eq!(read("ldaps://dc1.example.com", true), tls("dc1.example.com:636"));
        assert_eq!(read("ldaps://dc1.example.com:3269/", false), tls("dc1.example.com:3269"));
        assert_eq!(read("ldap://dc1", true), Some(("dc1:389".to_owned(), LdapSecurity::StartTls)));
        assert_eq!(read("ldap://dc1", false), None);
        for local in [
            "ldap://127.0.0.1:3890",
            "ldap://localhost:3890",
            "ldap://[::1]:3890",
        ] {
            assert_eq!(
                read(local, false).map(|(_, security)| security),
                Some(LdapSecurity::Loopback),
                "{local}"
            );
        }
        for bad in [
            "dc1",
            "http://dc1",
            "ldaps://",
            "ldaps://a/dc=x",
            "ldaps://u:p@a",
            "ldaps://a?x",
            "ldapi:///x",
        ] {
            assert_eq!(read(bad, true), None, "{bad}");
        }
    }
}
