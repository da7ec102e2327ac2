//! Signed headers of known products, as their makers publish them. Where: `docs/how-to/signed-headers.md`.

use super::super::super::codes::Code;
use super::super::super::diagnostic::Diagnostic;
use super::super::super::node::Node;
use super::super::super::settings::{ClaimNames, JwtAlgorithm, JwtContract};
use super::super::Build;
use super::missing;

/// What a product's maker promises.
pub(super) struct Preset {
    pub header: &'static str,
    pub algorithm: JwtAlgorithm,
    /// Where the keys are, if that follows from what is written.
    pub jwks: Option<String>,
    /// Empty: they must be written.
    pub issuers: Vec<String>,
    pub audiences: Vec<String>,
    pub contract: JwtContract,
    /// What the product sends beside it, unsigned.
    pub companions: &'static [&'static str],
    pub names: ClaimNames,
}

impl Preset {
    /// The preset of this name, with what this source says of it.
    pub(super) fn read(build: &mut Build<'_>, node: &Node, word: &str) -> Option<Self> {
        if let Some(at) = node.entry("signer").filter(|_| word != "aws-alb") {
            build.report(
                Diagnostic::error(Code::Combination, "`signer` belongs to `preset: aws-alb`")
                    .at(at.key_span, "leave it out"),
            );
            return None;
        }
        let issuer = node.texts_of("issuer").into_iter().next();
        let issuer = issuer.as_deref().map(|issuer| issuer.trim_end_matches('/'));
        let below = |path: &str| issuer.map(|issuer| format!("{issuer}{path}"));
        Some(match word {
            "cloudflare-access" => Self {
                header: "Cf-Access-Jwt-Assertion",
                companions: &["Cf-Access-Authenticated-User-Email"],
                jwks: below("/cdn-cgi/access/certs"),
                names: names("email", "/custom/groups", "identity_nonce"),
                ..Self::standard(JwtAlgorithm::Rs256)
            },
            "google-iap" => Self {
                header: "X-Goog-IAP-JWT-Assertion",
                companions: &["X-Goog-Authenticated-User-Email", "X-Goog-Authenticated-User-Id"],
                jwks: Some("https://www.gstatic.com/iap/verify/public_key-jwk".to_owned()),
                issuers: vec!["https://cloud.google.com/iap".to_owned()],
                // Tokens have no name of a session.
                names: names("email", "groups", ""),
                ..Self::standard(JwtAlgorithm::Es256)
            },
            "pomerium" => Self {
                header: "X-Pomerium-Jwt-Assertion",
                companions: &[
                    "X-Pomerium-Claim-Email",
                    "X-Pomerium-Claim-Groups",
                    "X-Pomerium-Claim-Name",
                    "X-Pomerium-Claim-User",
                ],
                jwks: issuer.map(|issuer| {
                    let host = issuer.trim_start_matches("https://");
                    format!("https://{host}/.well-known/pomerium/jwks.json")
                }),
                audiences: hosts(&node.texts_of("issuer")),
                names: names("email", "groups", "sid"),
                ..Self::standard(JwtAlgorithm::Es256)
            },
            "authentik" => Self {
                header: "X-Authentik-Jwt",
                companions: &[
                    "X-Authentik-Username",
                    "X-Authentik-Groups",
                    "X-Authentik-Entitlements",
                    "X-Authentik-Email",
                    "X-Authentik-Name",
                    "X-Authentik-Uid",
                    "X-Authentik-Meta-Jwks",
                ],
                jwks: below("/jwks/"),
                names: names("preferred_username", "groups", "sid"),
                // Without a signing key authentik signs with the provider's client secret.
                ..Self::standard(match node.get("secret") {
                    Some(_) => JwtAlgorithm::Hs256,
                    None => JwtAlgorithm::Rs256,
                })
            },
            "aws-alb" => Self::aws(build, node)?,
            _ => return None,
        })
    }

    fn standard(algorithm: JwtAlgorithm) -> Self {
        Self {
            header: "",
            algorithm,
            jwks: None,
            issuers: Vec::new(),
            audiences: Vec::new(),
            contract: JwtContract::Standard,
            companions: &[],
            names: names("sub", "groups", "sid"),
        }
    }

    fn aws(build: &mut Build<'_>, node: &Node) -> Option<Self> {
        let Some(list) = node.get("signer") else {
            build.report(missing(node, "signer"));
            return None;
        };
        let mut regions = Vec::new();
        for item in list.items() {
            let region = item.text().and_then(region);
            if region.is_none() {
                build.report(
                    Diagnostic::error(Code::Value, "this is no load balancer's ARN").at(
                        item.span,
                        "write it as `arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/NAME/ID`",
                    ),
                );
            }
            regions.push(region?);
        }
        regions.dedup();
        // Other partitions keep their keys elsewhere: there `jwks` is written.
        let jwks = match regions.as_slice() {
            [("aws", region)] => Some(format!("https://public-keys.auth.elb.{region}.amazonaws.com/")),
            _ => None,
        };
        Some(Self {
            header: "X-Amzn-Oidc-Data",
            companions: &["X-Amzn-Oidc-Identity"],
            jwks,
            contract: JwtContract::AwsAlb { signer: node.texts_of("signer") },
            names: names("sub", "groups", ""),
            ..Self::standard(JwtAlgorithm::Es256)
        })
    }
}

fn names(user: &str, groups: &str, session: &str) -> ClaimNames {
    ClaimNames {
        user: user.to_owned(),
        groups: groups.to_owned(),
        email: "email".to_owned(),
        name: "name".to_owned(),
        session: session.to_owned(),
        attributes: std::collections::BTreeMap::new(),
    }
}

/// Issuers may be hosts or origins; audiences are hosts.
fn hosts(issuers: &[String]) -> Vec<String> {
    let host = |issuer: &String| issuer.trim_start_matches("https://").trim_end_matches('/').to_owned();
    issuers.iter().map(host).collect()
}

/// Partition and region of a load balancer's ARN.
fn region(arn: &str) -> Option<(&str, &str)> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [
        "arn",
        partition,
        "elasticloadbalancing",
        region,
        account,
        resource,
    ] = parts.as_slice()
    else {
        return None;
    };
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let good = plain(partition) && plain(region) && plain(account) && resource.starts_with("loadbalancer/");
    good.then_some((*partition, *region))
}
