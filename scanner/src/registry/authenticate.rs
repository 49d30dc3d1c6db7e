//! From a challenge to an `Authorization` header.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::header::HeaderValue;
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::{
    Connection, Credential, RegistryError,
    body::Body,
    challenge::Challenge,
    exchange::{host, refusal},
};
use crate::limits::MAX_TOKEN;

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

/// What the challenge asks for, with the credential if there is one. `None`: nothing to offer.
pub(super) async fn answer(
    connection: &Connection,
    challenge: &Challenge,
    credential: Option<&Credential>,
    repository: &str,
) -> Result<Option<HeaderValue>, RegistryError> {
    match (challenge, credential) {
        (_, Some(Credential::RegistryToken(token))) => bearer(token.reveal()).map(Some),
        (Challenge::Basic, Some(Credential::Password { username, password })) => {
            basic(username, password.reveal()).map(Some)
        }
        (Challenge::Basic, _) => Ok(None),
        (Challenge::Bearer { realm, service }, credential) => {
            token(connection, realm, service.as_deref(), credential, repository).await.map(Some)
        }
    }
}

/// Asks the token endpoint for the right to pull, whatever rights the challenge spoke of. It is held to the rules of any other host,
/// and not followed when it redirects: the credential is for the endpoint that the registry named.
async fn token(
    connection: &Connection,
    realm: &str,
    service: Option<&str>,
    credential: Option<&Credential>,
    repository: &str,
) -> Result<HeaderValue, RegistryError> {
    let url: Url = realm.parse().map_err(|_| RegistryError::NotARegistry {
        host: breakwater_core::printable::line(realm, 100),
        why: "the token endpoint it names is no address".into(),
    })?;
    let scope = format!("repository:{repository}:pull");
    let mut parameters = vec![("scope", scope.as_str())];
    parameters.extend(service.map(|service| ("service", service)));
    let request = if let Some(Credential::IdentityToken(token)) = credential {
        parameters.extend([
            ("grant_type", "refresh_token"),
            ("client_id", "breakwater"),
            ("refresh_token", token.reveal()),
        ]);
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        connection
            .http
            .post(url.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
    } else {
        let mut asked = url.clone();
        asked.query_pairs_mut().extend_pairs(parameters);
        let request = connection.http.get(asked);
        match credential {
            Some(Credential::Password { username, password }) => {
                request.header("authorization", basic(username, password.reveal())?)
            }
            _ => request,
        }
    };
    let response = connection.send(&url, request).await?;
    let endpoint = host(&url);
    if let Some(error) = refusal(&response, &endpoint, &format!("a token for {repository}")) {
        return Err(error);
    }
    let body = Body::new(&endpoint, response, connection.pace).whole("the token", MAX_TOKEN).await?;
    let answer: Option<TokenAnswer> = serde_json::from_slice(&body).ok();
    let token =
        answer.and_then(|answer| answer.token.or(answer.access_token)).filter(|token| !token.is_empty());
    match token {
        Some(token) => bearer(&token),
        None => Err(RegistryError::NotARegistry {
            host: endpoint,
            why: "its token endpoint gives no token".into(),
        }),
    }
}

fn basic(username: &str, password: &str) -> Result<HeaderValue, RegistryError> {
    header(&format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
}

fn bearer(token: &str) -> Result<HeaderValue, RegistryError> {
    header(&format!("Bearer {token}"))
}

fn header(value: &str) -> Result<HeaderValue, RegistryError> {
    let mut header = HeaderValue::from_str(value)
        .map_err(|_| RegistryError::CredentialsInvalid("a token with characters that none has".into()))?;
    header.set_sensitive(true);
    Ok(header)
}
