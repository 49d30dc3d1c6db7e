//! Docker's credential helpers: `docker-credential-NAME get`, the server's name in, JSON out.

use std::ffi::OsString;

use breakwater_core::ImageReference;
use serde::Deserialize;

use super::{Credential, Credentials, RegistryError, Secret, credentials::TOKEN_USER, program};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

impl Credentials {
    /// Asks the helper that the file names for the image's registry (`credHelpers`, else `credsStore`), if it names one. What it knows
    /// replaces the registry's entries; if it knows nothing they stay, and without any the question is anonymous.
    ///
    /// # Errors
    /// [`RegistryError::CredentialsInvalid`]: the helper's name is none, it cannot be run, fails, or answers what is no credential.
    pub async fn with_helper(mut self, image: &ImageReference) -> Result<Self, RegistryError> {
        let Some(name) = self.helper(&image.registry) else { return Ok(self) };
        let name = name.to_owned();
        let server =
            if image.registry == "docker.io" { "https://index.docker.io/v1/" } else { &image.registry };
        let known = ask(&name, server).await?;
        self.replace(&image.registry, known);
        Ok(self)
    }
}

async fn ask(name: &str, server: &str) -> Result<Option<Credential>, RegistryError> {
    let is_name = |name: &str| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if !is_name(name) {
        let why = "the credential helper's name is not of the letters a-z, 0-9 and -";
        return Err(RegistryError::CredentialsInvalid(why.into()));
    }
    let program = OsString::from(format!("docker-credential-{name}"));
    let said = program::ask(&program, ["get"], [], server.as_bytes()).await?;
    if !said.is_success {
        // The one failure that is none, in the words of the protocol's library.
        let message = String::from_utf8_lossy(&said.output);
        if message.contains("credentials not found") {
            return Ok(None);
        }
        return Err(RegistryError::CredentialsInvalid(format!(
            "the credential helper {name} failed for {server}"
        )));
    }
    parse(&said.output).ok_or_else(|| {
        RegistryError::CredentialsInvalid(format!(
            "the credential helper {name} does not answer with a credential"
        ))
    })
}

/// What a helper's answer says, which may be that it knows nothing; `None` if it is no answer.
#[must_use]
pub fn parse(answer: &[u8]) -> Option<Option<Credential>> {
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    Some(match answer.username.as_str() {
        "" => None,
        TOKEN_USER => Some(Credential::IdentityToken(Secret::new(answer.secret))),
        _ => Some(Credential::Password { username: answer.username, password: Secret::new(answer.secret) }),
    })
}
