//! What a provider tells beside the ID token, asked with the access token (Core 5.3).
//!
//! It counts only for the very person of the ID token; a signed or encrypted answer is not read.

use bytes::Bytes;
use http::{Request, StatusCode, header};
use serde_json::Value;

use super::discovery::PATIENCE;
use super::{Oidc, ProviderError};
use crate::identity::claims::Claims;

impl Oidc {
    /// The claims; `None` where the provider has no such endpoint.
    pub(super) async fn userinfo(
        &self,
        access_token: &str,
        subject: &str,
    ) -> Result<Option<Claims>, ProviderError> {
        let unavailable = |why: &str| ProviderError::Unavailable(format!("userinfo: {why}"));
        let metadata = self.discovery.known().await?;
        let Some(endpoint) = metadata.userinfo_endpoint() else {
            return Ok(None);
        };
        let request = Request::get(endpoint.as_str())
            .header(header::AUTHORIZATION, format!("Bearer {access_token}"))
            .header(header::ACCEPT, "application/json")
            .body(Bytes::new())
            .map_err(|_| unavailable("no request can be made of it"))?;
        let answer = self.https.call(request, PATIENCE).await;
        let answer = answer.map_err(|error| unavailable(&error.to_string()))?;
        if answer.status() != StatusCode::OK {
            return Err(unavailable(&format!("answered {}", answer.status())));
        }
        let claims: Claims =
            serde_json::from_slice(answer.body()).map_err(|_| unavailable("its answer is no JSON object"))?;
        if claims.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(ProviderError::Refused("userinfo is about another person"));
        }
        Ok(Some(claims))
    }
}
