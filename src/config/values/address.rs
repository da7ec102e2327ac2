//! Addresses: sockets to listen on, networks, origins, upstreams.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use super::super::codes::Code;
use super::super::settings::{Address, Endpoint, ListenAddress, PublicUrl};
use super::BadValue;
use super::host;
use super::template::{Context, Template, template};

/// `:8080`, `127.0.0.1:8080`, `[::]:8080`, `localhost:8080`. Without an address it is every IPv4 one.
pub fn listen(text: &str) -> Result<SocketAddr, BadValue> {
    let bad = || {
        BadValue::new(
            "this is no address to listen on",
            "write it as `:8080`, `127.0.0.1:8080` or `[::]:8080`",
        )
    };
    if let Some(port) = text.strip_prefix(':') {
        return Ok((Ipv4Addr::UNSPECIFIED, decimal_port(port).ok_or_else(bad)?).into());
    }
    if let Some(port) = text.strip_prefix("localhost:") {
        return Ok((Ipv4Addr::LOCALHOST, decimal_port(port).ok_or_else(bad)?).into());
    }
    text.parse().map_err(|_| bad())
}

/// Longest path that fits a unix socket's address (`sun_path`, with its end).
const LONGEST_SOCKET: usize = 107;

/// What [`listen`] takes, or `unix:/path`.
pub fn listener(text: &str) -> Result<ListenAddress, BadValue> {
    let Some(path) = text.strip_prefix("unix:") else {
        return listen(text).map(ListenAddress::Tcp);
    };
    if !path.starts_with('/') || path.ends_with('/') || path.len() > LONGEST_SOCKET || path.contains('\0') {
        return Err(BadValue::new(
            "this is no path of a socket",
            "write it as `unix:/run/stepgate/gate.sock`, at most 107 bytes",
        ));
    }
    Ok(ListenAddress::Unix(path.into()))
}

/// A network, or `unix` for every peer on a unix socket.
pub fn peers(text: &str) -> Result<IpNet, BadValue> {
    if text == "unix" {
        return Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED).into());
    }
    network(text)
}

fn decimal_port(text: &str) -> Option<u16> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

/// `10.0.0.0/8`, `2001:db8::/32`, or one address.
pub fn network(text: &str) -> Result<IpNet, BadValue> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let bad =
        || BadValue::new("this is no network", "write it as `10.0.0.0/8`, `2001:db8::/32` or one address");
    let network: IpNet = text.parse().map_err(|_| bad())?;
    if network.addr() != network.network() {
        let meant = network.trunc();
        let label =
            format!("bits are set after the prefix; write {meant}, or the one address without the slash");
        return Err(BadValue::new("this network names an address inside itself", label));
    }
    Ok(network)
}

/// An origin: scheme and host, perhaps a port, nothing else.
pub fn public_url(text: &str) -> Result<PublicUrl, BadValue> {
    let url = origin(text, "write it as `https://mfa.example.com`")?;
    if !url.https && !is_loopback(&url.host) {
        return Err(BadValue::coded(
            Code::PlainHttp,
            "the portal needs https",
            "http is accepted for localhost, 127.0.0.1 and [::1] only: cookies would travel in the clear",
        ));
    }
    Ok(url)
}

/// A URL to fetch keys from; http only where it does not leave the machine.
pub fn key_url(text: &str) -> Result<String, BadValue> {
    let url = fetched(text, "write it as `https://login.example.com/jwks`")?;
    if url.https || is_loopback(&url.host) {
        return Ok(text.to_owned());
    }
    Err(BadValue::coded(
        Code::PlainHttp,
        "keys must come over https",
        "whoever can change this answer can sign in as anyone",
    ))
}

/// Where a service's API is, without the slash at its end; http only where it does not leave the machine.
pub fn service_url(text: &str) -> Result<String, BadValue> {
    let example = "write it as `https://api.example.com`";
    let url = fetched(text, example)?;
    if text.contains('?') {
        return Err(BadValue::new("no query belongs here", example));
    }
    secure(&url)?;
    Ok(text.trim_end_matches('/').to_owned())
}

/// A URL with placeholders, all of them behind the host.
pub fn url_template(text: &str) -> Result<Template, BadValue> {
    let example = "write it as `https://sms.example.com/send?to={{ to }}`";
    let template = template(text)?;
    let url = fetched(&template.fill(Context::Url, |_| "x"), example)?;
    let behind_scheme = text.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
    let authority = behind_scheme.split(['/', '?']).next().unwrap_or_default();
    if authority.contains("{{") {
        return Err(BadValue::new("the host is fixed", "placeholders stand behind it"));
    }
    secure(&url)?;
    Ok(template)
}

fn secure(url: &PublicUrl) -> Result<(), BadValue> {
    if url.https || is_loopback(&url.host) {
        return Ok(());
    }
    Err(BadValue::coded(
        Code::PlainHttp,
        "a service is reached over https",
        "http is accepted for localhost, 127.0.0.1 and [::1] only: codes would travel in the clear",
    ))
}

/// A service's host and port.
pub fn host_port(text: &str) -> Result<String, BadValue> {
    let wrong = || BadValue::new("this is no host with its port", "write it as `radius.example.com:1812`");
    if let Ok(address) = text.parse::<SocketAddr>() {
        return if address.port() == 0 {
            Err(wrong())
        } else {
            Ok(text.to_owned())
        };
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    super::host::exact(host).map_err(|_| wrong())?;
    decimal_port(port).filter(|port| *port != 0).ok_or_else(wrong)?;
    Ok(text.to_owned())
}

/// The directory of an ACME server.
pub fn directory_url(text: &str) -> Result<String, BadValue> {
    let example = "write it as `https://acme.example.com/directory`";
    if fetched(text, example)?.https {
        return Ok(text.to_owned());
    }
    Err(BadValue::coded(Code::PlainHttp, "a directory is reached over https", example))
}

/// A mail address, as far as it can be told.
pub fn mail(text: &str) -> Result<String, BadValue> {
    let fits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
    match text.split_once('@') {
        Some((name, domain)) if fits(name) && fits(domain) && !domain.contains('@') => Ok(text.to_owned()),
        _ => Err(BadValue::new("this is no mail address", "write it as `ops@example.com`")),
    }
}

/// `Name <address>`, or an address alone.
pub fn mailbox(text: &str) -> Result<String, BadValue> {
    let bad = || {
        BadValue::new(
            "this is no mail address",
            "write it as `Example security <security@example.com>`, or the address alone",
        )
    };
    let mailbox: lettre::message::Mailbox = text.parse().map_err(|_| bad())?;
    let fits = mailbox.email.to_string().is_ascii() && !text.contains(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(bad()) }
}

/// Scheme, host and port of a URL with a path.
pub(super) fn fetched(text: &str, example: &str) -> Result<PublicUrl, BadValue> {
    let rest = text.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let scheme = text.split_once("://").map(|(scheme, _)| scheme).unwrap_or_default();
    let url = origin(&format!("{scheme}://{authority}"), example)?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('#') {
        return Err(BadValue::new("this is no URL", example));
    }
    Ok(url)
}

/// Any web address, for a link on a page.
pub fn link(text: &str) -> Result<String, BadValue> {
    let good = ["https://", "http://", "mailto:"]
        .iter()
        .any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    if good && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(BadValue::new(
        "this is no link",
        "write it as `https://help.example.com/mfa` or `mailto:help@example.com`",
    ))
}

/// An upstream's address as it is written.
pub struct UpstreamAddress {
    pub address: Address,
    /// Whether it names HTTP/2 without TLS.
    pub prior_knowledge: bool,
}

/// `http://host[:port]`, `https://…`, `h2c://…`, or `unix:/path`.
pub fn upstream(text: &str) -> Result<UpstreamAddress, BadValue> {
    let example = "write it as `http://127.0.0.1:3000`, `https://…`, `h2c://…` or `unix:/run/app.sock`";
    if let Some(path) = text.strip_prefix("unix:") {
        // sun_path, its final NUL aside.
        if !path.starts_with('/') || path.len() > 107 || path.contains('\0') {
            return Err(BadValue::new(
                "this is no path of a socket",
                "an absolute path of at most 107 bytes",
            ));
        }
        let address = Address { secure: false, endpoint: Endpoint::Unix(path.into()) };
        return Ok(UpstreamAddress { address, prior_knowledge: false });
    }
    let (plain, prior_knowledge) = match text.strip_prefix("h2c://") {
        Some(rest) => (format!("http://{rest}"), true),
        None => (text.to_owned(), false),
    };
    let url = origin(&plain, example)?;
    let port = url.port.unwrap_or(if url.https { 443 } else { 80 });
    let endpoint = Endpoint::Tcp { host: url.host, port };
    Ok(UpstreamAddress { address: Address { secure: url.https, endpoint }, prior_knowledge })
}

fn origin(text: &str, example: &str) -> Result<PublicUrl, BadValue> {
    let bad = |message: &str| BadValue::new(message, example);
    let (https, rest) = if let Some(rest) = text.strip_prefix("https://") {
        (true, rest)
    } else if let Some(rest) = text.strip_prefix("http://") {
        (false, rest)
    } else {
        return Err(bad("this is no address of a site"));
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err(bad("only scheme, host and port belong here, no path"));
    }
    if authority.contains('@') {
        return Err(bad("no user name or password belongs in an address"));
    }
    let (name, port) = split_port(authority).ok_or_else(|| bad("this port is no number"))?;
    let host = host::exact(name)?;
    let usual = if https { 443 } else { 80 };
    Ok(PublicUrl { https, host, port: port.filter(|port| *port != usual) })
}

/// Host and port of `host`, `host:port`, `[v6]`, `[v6]:port`.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let after_bracket = authority.rfind(']').map_or(0, |at| at + 1);
    match authority.get(after_bracket..)?.find(':') {
        None => Some((authority, None)),
        Some(colon) => {
            let (name, port) = authority.split_at(after_bracket + colon);
            let port = decimal_port(port.strip_prefix(':')?).filter(|port| *port > 0)?;
            Some((name, Some(port)))
        }
    }
}

/// Whether a host can only be this machine.
pub fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn listening() {
        assert_eq!(listen(":8080").unwrap().to_string(), "0.0.0.0:8080");
        assert_eq!(listen("[::]:443").unwrap().to_string(), "[::]:443");
        assert_eq!(listen("localhost:0").unwrap().to_string(), "127.0.0.1:0");
        assert!(listen("8080").is_err() && listen(":+80").is_err() && listen(":99999").is_err());
        assert_eq!(listener("unix:/run/a.sock").unwrap().to_string(), "unix:/run/a.sock");
        assert_eq!(listener(":1").unwrap().tcp(), Some("0.0.0.0:1".parse().unwrap()));
        assert!(listener("unix:a.sock").is_err() && listener(&format!("unix:/{}", "a".repeat(107))).is_err());
    }

    #[test]
    fn services() {
        assert_eq!(service_url("https://api.example.com/").unwrap(), "https://api.example.com");
        assert_eq!(service_url("http://127.0.0.1:4010/x").unwrap(), "http://127.0.0.1:4010/x");
        assert_eq!(service_url("http://api.example.com").unwrap_err().code, Code::PlainHttp);
        assert!(service_url("https://api.example.com?x").is_err() && service_url("api.example.com").is_err());
        assert!(url_template("https://sms.example.com/{{ digits }}?t={{ text }}").is_ok());
        assert!(url_template("https://sms.example.com").is_ok());
        assert!(url_template("https://{{ to }}.example.com/").is_err());
        assert!(url_template("https://u:p@sms.example.com/").is_err());
        assert_eq!(url_template("http://sms.example.com/").unwrap_err().code, Code::PlainHttp);
    }

    #[test]
    fn networks() {
        assert_eq!(network("10.0.0.10").unwrap().to_string(), "10.0.0.10/32");
        assert!(network("10.0.0.1/8").unwrap_err().label.contains("10.0.0.0/8"));
        assert!(network("10.0.0").is_err() && network("any").is_err() && network("unix").is_err());
        assert_eq!(peers("unix").unwrap().to_string(), "::/128");
    }

    #[test]
    fn origins() {
        let url = public_url("https://MFA.example.com:443/").unwrap();
        assert_eq!((url.origin().as_str(), url.port), ("https://mfa.example.com", None));
        assert_eq!(public_url("http://[::1]:8080").unwrap().origin(), "http://[::1]:8080");
        assert_eq!(public_url("http://mfa.example.com").unwrap_err().code, Code::PlainHttp);
        for text in [
            "mfa.example.com",
            "https://a/b",
            "https://u:p@a",
            "https://a:x",
            "https://",
            "https://a:0",
        ] {
            assert!(public_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn upstreams() {
        let read = |text: &str| upstream(text).map(|read| (read.address.to_string(), read.prior_knowledge));
        for (text, address, h2c) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000", false),
            ("http://app", "http://app:80", false),
            ("https://App.internal/", "https://app.internal:443", false),
            ("h2c://[::1]:50051", "http://[::1]:50051", true),
            ("unix:/run/app.sock", "unix:/run/app.sock", false),
        ] {
            assert_eq!(read(text), Ok((address.to_owned(), h2c)));
        }
        for text in [
            "app:80",
            "unix:run/app",
            "ftp://app",
            "https://app/path",
            "h2c://",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(upstream(&format!("unix:/{}", "a".repeat(107))).is_err());
    }

    #[test]
    fn services_have_a_host_and_a_port() {
        for good in [
            "radius.example.com:1812",
            "10.0.0.1:1812",
            "[2001:db8::1]:1812",
            "radius:18120",
        ] {
            assert_eq!(host_port(good).ok().as_deref(), Some(good), "{good}");
        }
        for bad in [
            "",
            "radius",
            "radius:",
            ":1812",
            "radius:0",
            "10.0.0.1:0",
            "radius:99999",
            "a b:1",
            "2001:db8::1",
        ] {
            assert!(host_port(bad).is_err(), "{bad}");
        }
        assert!(service_url("https://api.example.com/v").is_ok());
        assert!(service_url("http://127.0.0.1:9/v").is_ok());
        assert!(service_url("http://api.example.com/v").is_err());
    }

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        assert!(key_url("https://login.example.com/jwks?x=1").is_ok());
        assert!(key_url("http://127.0.0.1:9/jwks").is_ok());
        assert_eq!(key_url("http://login.example.com/jwks").unwrap_err().code, Code::PlainHttp);
        assert!(key_url("http://localhost@evil.example/jwks").is_err());
        assert!(directory_url("https://acme.example.com:9000/acme/local/directory").is_ok());
        assert_eq!(directory_url("http://localhost/directory").unwrap_err().code, Code::PlainHttp);
        assert!(mail("ops@example.com").is_ok());
        assert!(mail("mailto:a").is_err() && mail("a@b@c").is_err() && mail("a b@c").is_err());
        assert!(link("javascript:alert(1)").is_err() && link("https://a").is_ok());
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in ".*") {
            let _ = (listener(&text), peers(&text), network(&text), public_url(&text), upstream(&text), key_url(&text));
        }
    }
}
