//! Headers of a proxy in front.

use std::collections::BTreeMap;

use ipnet::IpNet;

#[derive(Debug, Clone)]
pub struct TrustedHeader {
    pub from: Vec<IpNet>,
    pub user: String,
    pub groups: Option<String>,
    pub email: Option<String>,
    pub name: Option<String>,
    /// What identifies the first-factor session (decision 12); without it claims bind to the subject alone.
    pub session: Option<String>,
    /// Where people sign out at the proxy.
    pub sign_out_url: Option<String>,
    /// Further attributes: attribute name to header name.
    pub attributes: BTreeMap<String, String>,
}
