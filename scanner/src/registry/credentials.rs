//! Credentials from a docker configuration file (`.dockerconfigjson`, `~/.docker/config.json`).

use std::{collections::BTreeMap, fmt};

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use breakwater_core::ImageReference;
use serde::Deserialize;

use super::RegistryError;
use crate::limits::MAX_CREDENTIALS;

/// A string that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for the one header or form that carries it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// What one registry accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    Password {
        username: String,
        password: Secret,
    },
    /// An OAuth refresh token, exchanged at the registry's token endpoint.
    IdentityToken(Secret),
    /// A bearer token, sent as it is.
    RegistryToken(Secret),
}

/// The credentials of a docker configuration file. Credential helpers it names are run by [`Credentials::with_helper`] alone.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    entries: Vec<Entry>,
    /// By host.
    helpers: BTreeMap<String, String>,
    /// The helper of all other hosts.
    store: Option<String>,
}

#[derive(Debug, Clone)]
struct Entry {
    host: String,
    /// Repositories it is for, as a prefix of whole path parts; empty for all.
    path: String,
    credential: Result<Credential, String>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
struct Auth {
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    identitytoken: Option<String>,
    #[serde(default)]
    registrytoken: Option<String>,
}

/// The user name that stands for an identity token.
pub(super) const TOKEN_USER: &str = "<token>";

/// Files are written by many tools, with and without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Credentials {
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// # Errors
    /// [`RegistryError::CredentialsInvalid`] if this is no such file. An entry that cannot be used is an error only for its own registry.
    pub fn parse(bytes: &[u8]) -> Result<Self, RegistryError> {
        let invalid = |why: &str| RegistryError::CredentialsInvalid(why.to_owned());
        if bytes.len() > MAX_CREDENTIALS {
            return Err(invalid("the docker configuration is too large"));
        }
        // serde's message could quote a value.
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|_| invalid("the docker configuration is not the JSON it should be"))?;
        let entries = document.auths.into_iter().map(|(key, auth)| {
            let (host, path) = place(&key);
            Entry { host, path, credential: credential(auth) }
        });
        Ok(Self {
            entries: entries.collect(),
            helpers: document.helpers.into_iter().map(|(key, name)| (place(&key).0, name)).collect(),
            store: document.store.filter(|name| !name.is_empty()),
        })
    }

    /// The name of the program that knows the credential for `host`.
    pub(super) fn helper(&self, host: &str) -> Option<&str> {
        self.helpers.get(host).or(self.store.as_ref()).map(String::as_str)
    }

    /// `known` becomes the one credential for `host`. Without it, entries stay as far as they hold one: beside a helper, empty ones only
    /// say that somebody has logged in.
    pub(super) fn replace(&mut self, host: &str, known: Option<Credential>) {
        self.entries.retain(|entry| entry.host != host || (known.is_none() && entry.credential.is_ok()));
        let entry =
            |credential| Entry { host: host.to_owned(), path: String::new(), credential: Ok(credential) };
        self.entries.extend(known.map(entry));
    }

    /// The credential for `image`: the entry of its registry with the longest path that leads to its repository.
    ///
    /// # Errors
    /// [`RegistryError::CredentialsInvalid`] if that entry cannot be used.
    pub fn for_repository(&self, image: &ImageReference) -> Result<Option<Credential>, RegistryError> {
        let fits = |entry: &&Entry| {
            let rest = image.repository.strip_prefix(&entry.path);
            entry.host == image.registry
                && (entry.path.is_empty()
                    || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        };
        let Some(entry) = self.entries.iter().filter(fits).max_by_key(|entry| entry.path.len()) else {
            return Ok(None);
        };
        entry.credential.clone().map(Some).map_err(|why| {
            RegistryError::CredentialsInvalid(format!("the entry for {}: {why}", image.registry))
        })
    }
}

/// Host and path of a key: `registry.test:5000`, `https://registry.test/v2/`, `registry.test/team`.
fn place(key: &str) -> (String, String) {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let host = match host.to_ascii_lowercase().as_str() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    };
    let path = path.trim_end_matches('/');
    (host, if matches!(path, "v1" | "v2") { String::new() } else { path.to_owned() })
}

fn credential(auth: Auth) -> Result<Credential, String> {
    let given = |value: Option<String>| value.filter(|value| !value.is_empty());
    if let Some(token) = given(auth.registrytoken) {
        return Ok(Credential::RegistryToken(Secret(token)));
    }
    if let Some(token) = given(auth.identitytoken) {
        return Ok(Credential::IdentityToken(Secret(token)));
    }
    let (username, password) = match given(auth.auth) {
        Some(encoded) => {
            let decoded = LENIENT.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let decoded = decoded.ok_or("its auth is not base64 of user:password")?;
            let (username, password) =
                decoded.split_once(':').ok_or("its auth is not base64 of user:password")?;
            (username.to_owned(), password.trim_end_matches('\0').to_owned())
        }
        None => (auth.username.unwrap_or_default(), auth.password.unwrap_or_default()),
    };
    if username == TOKEN_USER {
        return Ok(Credential::IdentityToken(Secret(password)));
    }
    if username.is_empty() {
        return Err("it has neither auth nor username nor token".into());
    }
    Ok(Credential::Password { username, password: Secret(password) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(username: &str, password: &str) -> Credential {
        Credential::Password { username: username.into(), password: Secret(password.into()) }
    }

    #[test]
    fn entries_are_found_by_host_and_path() {
        let file = br#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "dTpw"},
            "registry.test:5000": {"username": "a", "password": "b"},
            "registry.test:5000/team": {"auth": "dGVhbTpwOnE="},
            "token.test": {"identitytoken": "t", "auth": "MDAwMDo="},
            "broken.test": {"auth": "%%%"}, "empty.test": {}}}"#;
        let credentials = Credentials::parse(file).unwrap();
        let of = |image: &str| credentials.for_repository(&image.parse().unwrap());
        assert_eq!(of("nginx").unwrap(), Some(password("u", "p")));
        assert_eq!(of("registry.test:5000/x").unwrap(), Some(password("a", "b")));
        assert_eq!(of("registry.test:5000/team/x").unwrap(), Some(password("team", "p:q")));
        assert_eq!(of("registry.test:5000/teams/x").unwrap(), Some(password("a", "b")));
        assert_eq!(of("token.test/x").unwrap(), Some(Credential::IdentityToken(Secret("t".into()))));
        assert_eq!(of("registry.test/x").unwrap(), None);
        assert!(of("broken.test/x").is_err());
        assert!(of("empty.test/x").is_err());
    }

    #[test]
    fn values_are_never_shown() {
        let credentials =
            Credentials::parse(br#"{"auths": {"a.test": {"username": "u", "password": "canary"}}}"#).unwrap();
        assert!(!format!("{credentials:?}").contains("canary"));
        let error = Credentials::parse(br#"{"auths": {"a.test": "canary"}}"#).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
