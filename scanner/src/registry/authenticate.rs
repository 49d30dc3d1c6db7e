//! From a challenge to an `Authorization` header.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::header::HeaderValue;
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::{
    Credential, RegistryError,
    body::Body,
    challenge::Challenge,
    endpoint::Endpoint,
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
    endpoint: &Endpoint,
    challenge: &Challenge,
) -> Result<Option<HeaderValue>, RegistryError> {
    match (challenge, endpoint.credential.as_ref()) {
        (_, Some(Credential::RegistryToken(token))) => bearer(token.reveal()).map(Some),
        (Challenge::Basic, Some(Credential::Password { username, password })) => {
            basic(username, password.reveal()).map(Some)
        }
        (Challenge::Basic, _) => Ok(None),
        (Challenge::Bearer { realm, service }, credential) => {
            token(endpoint, realm, service.as_deref(), credential).await.map(Some)
        }
    }
}

/// Whether a token endpoint gets the credential: it is the registry's own host, the parent of it or its sibling (`registry.` and
/// `auth.example.test`), or the configuration names it.
fn may_be_told(endpoint: &Endpoint, realm: &Url) -> bool {
    let Some(realm_host) = realm.host_str() else { return false };
    let named = &endpoint.connection.access.token_hosts;
    let own = endpoint.base.host_str().unwrap_or_default();
    are_related(own, realm_host) || named.iter().any(|name| *name == host(realm))
}

fn are_related(registry: &str, realm: &str) -> bool {
    // Parents of addresses are nothing; a parent of one part is a public suffix, not somebody's domain.
    let is_address = |name: &str| name.contains(':') || name.parse::<std::net::Ipv4Addr>().is_ok();
    let parent = |name| str::split_once(name, '.').map(|(_, parent)| parent).filter(|p| p.contains('.'));
    registry == realm
        || (!is_address(registry)
            && parent(registry).is_some_and(|above| above == realm || parent(realm) == Some(above)))
}

/// Asks the token endpoint for the right to pull, whatever rights the challenge spoke of. It is held to the rules of any other host,
/// and not followed when it redirects: the credential is for the endpoint that the registry named.
async fn token(
    endpoint: &Endpoint,
    realm: &str,
    service: Option<&str>,
    credential: Option<&Credential>,
) -> Result<HeaderValue, RegistryError> {
    let url: Url = realm.parse().map_err(|_| RegistryError::NotARegistry {
        host: breakwater_core::printable::line(realm, 100),
        why: "the token endpoint it names is no address".into(),
    })?;
    let (connection, repository) = (&endpoint.connection, &endpoint.name);
    if credential.is_some() && !may_be_told(endpoint, &url) {
        return Err(RegistryError::CredentialsWithheld { host: endpoint.host.clone(), realm: host(&url) });
    }
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
    let told = host(&url);
    if let Some(error) = refusal(&response, &told, &format!("a token for {repository}")) {
        return Err(error);
    }
    let body = Body::new(&told, response, connection.pace).whole("the token", MAX_TOKEN).await?;
    let answer: Option<TokenAnswer> = serde_json::from_slice(&body).ok();
    let token =
        answer.and_then(|answer| answer.token.or(answer.access_token)).filter(|token| !token.is_empty());
    match token {
        Some(token) => bearer(&token),
        None => {
            Err(RegistryError::NotARegistry { host: told, why: "its token endpoint gives no token".into() })
        }
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

#[cfg(test)]
mod tests {
    use super::are_related;

    #[test]
    fn a_token_endpoint_is_of_the_registrys_house() {
        for (registry, realm, expected) in [
            ("registry.test", "registry.test", true),
            ("registry-1.docker.io", "auth.docker.io", true),
            ("registry.example.test", "example.test", true),
            ("registry.example.test", "gitlab.example.test", true),
            ("registry.test", "evil.test", false),
            ("registry.test", "test", false),
            ("example.test", "registry.example.test", false),
            ("registry.example.test", "evil.test", false),
            ("registry.example.test", "registry.example.test.evil.test", false),
            ("registry.example.test", "evilexample.test", false),
            ("registry.example.test", "a.b.example.test", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "11.0.0.1", false),
            ("[fd00::1]", "[fd00::2]", false),
            ("localhost", "127.0.0.1", false),
        ] {
            assert_eq!(are_related(registry, realm), expected, "{registry} {realm}");
        }
    }
}
