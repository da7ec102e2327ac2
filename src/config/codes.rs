//! Every code that `stepgate check` can print, with the one line that the reference has for it.
//!
//! A code keeps its meaning for ever: scripts and search engines know it. Numbers are never reused.

/// What kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    Syntax,
    UnknownKey,
    UnknownName,
    Duration,
    WrongKind,
    DuplicateKey,
    Unquoted,
    DuplicateName,
    MissingKey,
    NotAvailable,
    Unreachable,
    Value,
    Combination,
    TwoFiles,
    Impossible,
    TooManyLevels,
    NotQuery,
    ReservedPath,
    ReservedName,
    YamlFeature,
    RelyingParty,
    PlainHttp,
    Bound,
    AnyoneTrusted,
    WideProxy,
    NoSessionHandle,
    PortalShared,
    NoZone,
    CertificateSoon,
    NoPasskeys,
    NobodyAsks,
    SignInClosed,
    NoSignOut,
    LooseSession,
    ReadableSecret,
    Unfetched,
    InlineSecret,
    WeakSecret,
    Certificate,
    FailsOpen,
    OneMailbox,
    Unprotected,
    UnknownVariable,
    Unreadable,
    Internal,
}

impl Code {
    /// Every code: id and one line of explanation, in the order of the ids.
    pub const ALL: [(Self, &'static str, &'static str); 45] = [
        (Self::Syntax, "SG-C000", "The file is not well-formed YAML."),
        (Self::UnknownKey, "SG-C001", "A key that does not exist at this place."),
        (
            Self::UnknownName,
            "SG-C002",
            "A level, condition, factor or sender is named that nothing defines.",
        ),
        (Self::Duration, "SG-C003", "A duration without a unit, or one that cannot be read."),
        (
            Self::WrongKind,
            "SG-C004",
            "A list where a single value belongs, a number where text belongs, and the like.",
        ),
        (Self::DuplicateKey, "SG-C005", "The same key twice in one map."),
        (
            Self::Unquoted,
            "SG-C006",
            "`yes`, `no`, `on`, `off` or a bare time, which YAML readers take for different things: put it in quotes or write true or false.",
        ),
        (Self::DuplicateName, "SG-C007", "The same name, or the same host, twice."),
        (Self::MissingKey, "SG-C008", "A key that must be there is absent."),
        (
            Self::NotAvailable,
            "SG-C009",
            "The key or value belongs to a feature that this version does not have yet.",
        ),
        (
            Self::Unreachable,
            "SG-C010",
            "A rule that can never match, because earlier rules decide everything it covers.",
        ),
        (Self::Value, "SG-C011", "A value that cannot be read as what belongs here."),
        (
            Self::Combination,
            "SG-C012",
            "Keys that exclude each other, or of which exactly one is needed.",
        ),
        (Self::TwoFiles, "SG-C013", "The same setting in two files."),
        (Self::Impossible, "SG-C014", "A level that nobody could pass."),
        (Self::TooManyLevels, "SG-C015", "More than 64 levels."),
        (Self::NotQuery, "SG-C016", "A query condition used so that it could relax a requirement."),
        (
            Self::ReservedPath,
            "SG-C017",
            "A rule for paths under the reserved prefix, which stepgate answers itself.",
        ),
        (Self::ReservedName, "SG-C018", "A name that is built in is given to something else."),
        (
            Self::YamlFeature,
            "SG-C019",
            "Anchors, aliases, tags, merge keys and several documents are not accepted.",
        ),
        (
            Self::RelyingParty,
            "SG-C021",
            "Passkeys for a domain that does not cover the portal's address.",
        ),
        (
            Self::PlainHttp,
            "SG-C022",
            "A plain http address where only https is safe, or mail to another machine without TLS.",
        ),
        (Self::Bound, "SG-C023", "A figure outside its bounds."),
        (Self::AnyoneTrusted, "SG-C030", "Identity headers would be trusted from every address."),
        (Self::WideProxy, "SG-C031", "Warning: `trusted_proxies` covers more addresses than a /24."),
        (
            Self::NoSessionHandle,
            "SG-C032",
            "Warning: an identity source does not say which session it speaks of, so a claim outlives the first factor's sign-out.",
        ),
        (
            Self::PortalShared,
            "SG-C034",
            "Warning: the portal shares its origin with an app, whose scripts can act on the portal's pages.",
        ),
        (Self::NoZone, "SG-C035", "Warning: a time condition without a zone is judged in UTC."),
        (
            Self::CertificateSoon,
            "SG-C036",
            "Warning: a certificate has run out or will within 14 days, or none covers a host that is served.",
        ),
        (
            Self::NoPasskeys,
            "SG-C037",
            "Warning: passkeys are switched on and cannot be used, or not be trusted to be what they say.",
        ),
        (
            Self::NobodyAsks,
            "SG-C038",
            "Warning: a route without an upstream is for checks by another proxy, and `trusted_proxies` lists none.",
        ),
        (Self::ReadableSecret, "SG-C040", "A secret file that other users can read."),
        (Self::Unfetched, "SG-C041", "A `{ file: … }` or `{ env: … }` that cannot be read."),
        (Self::InlineSecret, "SG-C042", "Warning: a secret is written in the file itself."),
        (Self::WeakSecret, "SG-C043", "A secret or key that is too short or not of the right form."),
        (Self::Certificate, "SG-C044", "A certificate or key file that cannot be served with."),
        (
            Self::FailsOpen,
            "SG-C050",
            "Warning: a factor counts as proved while the service behind it cannot be reached.",
        ),
        (
            Self::OneMailbox,
            "SG-C051",
            "Warning: a mailed link gives a new password where a mailed code counts as a factor.",
        ),
        (
            Self::SignInClosed,
            "SG-C052",
            "Warning: the rules let nobody who is not known yet see the sign-in page that they are led to.",
        ),
        (
            Self::NoSignOut,
            "SG-C053",
            "Warning: it is not said how people sign out at an app whose session counts.",
        ),
        (
            Self::LooseSession,
            "SG-C054",
            "Warning: a session of an app counts that could become somebody else's, or that never ends.",
        ),
        (
            Self::Unprotected,
            "SG-C055",
            "Warning: replies of a RADIUS server count that anybody on the way can change.",
        ),
        (Self::UnknownVariable, "SG-C060", "A `STEPGATE__…` variable that names no setting."),
        (
            Self::Unreadable,
            "SG-C061",
            "A configuration file that cannot be read, is too large, or is not UTF-8.",
        ),
        (Self::Internal, "SG-C099", "A defect of stepgate itself; please report it."),
    ];

    /// `SG-C001` and so on.
    #[must_use]
    pub fn id(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(code, ..)| *code == self)
            .map_or("SG-C099", |(_, id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_in_order() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].1 < pair[1].1));
        assert_eq!(Code::Unreachable.id(), "SG-C010");
    }
}
