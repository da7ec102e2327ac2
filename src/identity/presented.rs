//! Where a request carries a token, and how it is presented.
//!
//! Two tokens are refused: one part of a chain would believe the first, another the last. Nothing
//! here judges a token.

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE};

use super::{Credentials, IdentityError};
use crate::config::settings::JwtPlace;

/// Longer tokens are refused before anything is decoded (security.md D10).
pub const LONGEST_TOKEN: usize = 8 * 1024;

/// Where tokens are looked for.
pub enum Place {
    Header(HeaderName),
    Cookie(Box<str>),
}

/// A token as a request carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented<'a> {
    pub token: &'a str,
    /// Whether it came after the word `Bearer`: whoever has such a token may use it.
    pub as_bearer: bool,
}

impl Place {
    /// # Errors
    /// When the configured name is not a header name.
    pub fn new(place: &JwtPlace) -> Result<Self, http::header::InvalidHeaderName> {
        Ok(match place {
            JwtPlace::Header(name) => Self::Header(HeaderName::try_from(name)?),
            JwtPlace::Cookie(name) => Self::Cookie(name.as_str().into()),
        })
    }

    /// The token of a request, if it has one of acceptable length.
    ///
    /// # Errors
    /// When it has two.
    pub fn token<'a>(&self, credentials: &Credentials<'a>) -> Result<Option<Presented<'a>>, IdentityError> {
        let found = match self {
            Self::Header(name) => of_header(name, credentials),
            Self::Cookie(name) => of_cookie(name, credentials),
        }?;
        Ok(found.filter(|presented| !presented.token.is_empty() && presented.token.len() <= LONGEST_TOKEN))
    }
}

fn of_header<'a>(
    name: &HeaderName,
    credentials: &Credentials<'a>,
) -> Result<Option<Presented<'a>>, IdentityError> {
    let values = credentials.headers.get_all(name).iter();
    let mut tokens = values.filter_map(|value| {
        let text = value.to_str().ok()?;
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            Some(Presented { token: rest.trim(), as_bearer: true })
        } else if scheme.eq_ignore_ascii_case("dpop") {
            Some(Presented { token: rest.trim(), as_bearer: false })
        } else {
            (*name != AUTHORIZATION).then(|| Presented { token: text.trim(), as_bearer: false })
        }
    });
    one_of(&mut tokens)
}

fn of_cookie<'a>(name: &str, credentials: &Credentials<'a>) -> Result<Option<Presented<'a>>, IdentityError> {
    let fields = credentials.headers.get_all(COOKIE).iter();
    let pairs = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
    let mut tokens = pairs.filter_map(|pair| {
        let (key, token) = std::str::from_utf8(pair).ok()?.trim().split_once('=')?;
        (key == name).then_some(Presented { token, as_bearer: false })
    });
    one_of(&mut tokens)
}

fn one_of<'a>(
    tokens: &mut dyn Iterator<Item = Presented<'a>>,
) -> Result<Option<Presented<'a>>, IdentityError> {
    let first = tokens.next();
    if tokens.next().is_some() {
        return Err(IdentityError::Refused("two identity tokens came"));
    }
    Ok(first)
}
