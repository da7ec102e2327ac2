//! Whether a verified token is for us and for now.

use crate::ambient::UnixTime;
use crate::config::settings::{Jwt, JwtContract};
use crate::identity::claims::{self, Claims, text};

/// Until when the token holds; `None` where it does not hold now, or not here.
pub(super) fn expires(settings: &Jwt, header: &Claims, claims: &Claims, now: UnixTime) -> Option<UnixTime> {
    // A logout or security event (RFC 8417), whatever its header calls it: it speaks of somebody and is not theirs.
    if claims.contains_key("events") {
        return None;
    }
    let ours =
        |issuer: Option<&str>| issuer.is_some_and(|said| settings.issuers.iter().any(|one| one == said));
    let until = match settings.contract {
        // RFC 7519: `exp`, `iat`, `iss`, `aud` and `sub`, each with its type (F05, F06).
        JwtContract::Standard => {
            claims::number(claims, "iat")?;
            text(claims, "sub")?;
            let fits = ours(text(claims, "iss")) && claims::is_for(claims, &settings.audiences);
            fits.then(|| claims::number(claims, "exp"))?
        }
        // A load balancer says most of it in the header, which is signed as well, and has no `iat`.
        JwtContract::AwsAlb { .. } => {
            let client = text(header, "client");
            let fits = ours(text(header, "iss"))
                && (!claims.contains_key("iss") || ours(text(claims, "iss")))
                && client.is_some_and(|client| settings.audiences.iter().any(|one| one == client));
            let of_claims = if claims.contains_key("exp") {
                claims::number(claims, "exp")?
            } else {
                i64::MAX
            };
            fits.then(|| claims::number(header, "exp").map(|exp| exp.min(of_claims)))?
        }
    };
    let until = UnixTime(until?);
    (until > now && claims::has_begun(claims, now)).then_some(until)
}
