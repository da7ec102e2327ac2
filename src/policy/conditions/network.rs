//! Where the client is, by address.
//!
//! The address comes from the socket or from a trusted proxy, never from what a client says.

use ipnet::IpNet;

use super::{Truth, View};

/// True inside one of the networks, false outside all of them; unknown for a client without an address,
/// who came over a unix socket and whom no trusted proxy has named.
#[derive(Debug)]
pub(in crate::policy) struct Network(Box<[IpNet]>);

impl Network {
    pub(super) fn compile(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    pub(super) fn holds(&self, view: &View<'_>) -> Truth {
        let client = view.client.to_canonical();
        if client.is_unspecified() {
            return Truth::Unknown;
        }
        self.0.iter().any(|network| network.contains(&client)).into()
    }

    pub(super) fn why(&self, view: &View<'_>) -> String {
        if self.holds(view) == Truth::Unknown {
            return "the client has no address".to_owned();
        }
        let networks = self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let word = if self.holds(view) == Truth::True {
            "in"
        } else {
            "not in"
        };
        format!("{} {word} {networks}", view.client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::UnixTime;

    fn holds(networks: &[&str], client: &str) -> Truth {
        let networks: Vec<IpNet> = networks.iter().map(|network| network.parse().unwrap()).collect();
        let view = View { client: client.parse().unwrap(), identity: None, now: UnixTime(0), request: None };
        Network::compile(&networks).holds(&view)
    }

    #[test]
    fn inside_one_of_several() {
        assert_eq!(holds(&["10.20.0.0/16", "2001:db8:20::/48"], "10.20.3.4"), Truth::True);
        assert_eq!(holds(&["10.20.0.0/16", "2001:db8:20::/48"], "2001:db8:20::1"), Truth::True);
        assert_eq!(holds(&["10.20.0.0/16", "2001:db8:20::/48"], "10.21.0.1"), Truth::False);
    }

    #[test]
    fn mapped_addresses_are_the_addresses_they_map() {
        assert_eq!(holds(&["10.20.0.0/16"], "::ffff:10.20.3.4"), Truth::True);
        assert_eq!(holds(&["::/0"], "::ffff:10.20.3.4"), Truth::False);
    }

    #[test]
    fn nothing_is_known_of_a_client_without_an_address() {
        assert_eq!(holds(&["10.20.0.0/16"], "::"), Truth::Unknown);
        assert_eq!(holds(&["::/0"], "::"), Truth::Unknown);
    }

    #[test]
    fn no_network_holds_nobody() {
        assert_eq!(holds(&[], "10.20.3.4"), Truth::False);
    }
}
