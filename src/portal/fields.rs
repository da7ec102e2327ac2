//! The fields of a posted form, and the check that the form is one of ours (security.md G04).
//!
//! A handler that changes anything takes [`Fields`], and there is no way to get one without the
//! origin and the token having been checked.

use axum::extract::{FromRef, FromRequest, Request};
use bytes::Bytes;
use http::header::CONTENT_TYPE;

use crate::api::{Failure, Services, Visit};
use crate::gate::passage::Visitor;

/// Fields of a form whose origin and token are right.
pub struct Fields(Form);

/// A form as it came: same origin, token not checked yet. Sign-in alone reads it, to ask again
/// instead of failing when the page was open for too long.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// The field's value; empty when it is absent, or there more than once.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        let mut values = self.0.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (Some(value), None) => value,
            _ => "",
        }
    }

    /// Whether the token is this browser's.
    #[must_use]
    pub fn is_ours(&self, services: &Services, visitor: &Visitor) -> bool {
        services.passage.csrf_ok(visitor, self.get("csrf"))
    }

    /// Reads a form.
    ///
    /// # Errors
    /// When it comes from elsewhere, is too long, or is no form.
    pub async fn read<S>(visit: &Visit, request: Request, state: &S) -> Result<Self, Failure>
    where
        S: Send + Sync,
    {
        if visit.same_origin != Some(true) {
            return Err(Failure::Foreign);
        }
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
        if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
            return Err(Failure::BadRequest("a form was expected"));
        }
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|_| Failure::BadRequest("the form could not be read"))?;
        Ok(Self(form_urlencoded::parse(&body).into_owned().collect()))
    }
}

impl Fields {
    /// The field's value; empty when it is absent, or there more than once.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name)
    }
}

/// A posted form together with who sent it.
pub struct Posted {
    pub visit: Visit,
    pub fields: Fields,
}

impl<S> FromRequest<S> for Posted
where
    S: Send + Sync,
    Services: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let Unproven { visit, form } = Unproven::from_request(request, state).await?;
        if !form.is_ours(&Services::from_ref(state), &visit.visitor) {
            return Err(Failure::Foreign);
        }
        Ok(Self { visit, fields: Fields(form) })
    }
}

/// A form from our origin whose token the handler checks itself.
pub struct Unproven {
    pub visit: Visit,
    pub form: Form,
}

impl<S> FromRequest<S> for Unproven
where
    S: Send + Sync,
    Services: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let visit =
            <Visit as axum::extract::FromRequestParts<S>>::from_request_parts(&mut parts, state).await?;
        let form = Form::read(&visit, Request::from_parts(parts, body), state).await?;
        Ok(Self { visit, form })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_comes_twice_is_no_field() {
        let form = Form(vec![
            ("code".into(), "1".into()),
            ("code".into(), "2".into()),
            ("way".into(), "w".into()),
        ]);
        assert_eq!(form.get("code"), "");
        assert_eq!(form.get("way"), "w");
        assert_eq!(form.get("csrf"), "");
    }
}
