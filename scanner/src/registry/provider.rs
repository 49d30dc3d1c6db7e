//! The kubelet's credential provider plugins (`credentialprovider.kubelet.k8s.io/v1`, KEP-2133): which one knows an image's registry
//! is configured by patterns; it is run, asked by JSON on its standard input, and answers by JSON.

use std::{collections::BTreeMap, path::PathBuf};

use breakwater_core::{ImageReference, glob::Glob};
use serde::Deserialize;
use serde_json::json;

use super::{Credential, Credentials, RegistryError, Secret, program};
use crate::limits::MAX_CREDENTIALS;

const API_VERSION: &str = "credentialprovider.kubelet.k8s.io/v1";

/// A kubelet's `CredentialProviderConfig`, and the directory its programs are in.
#[derive(Debug, Clone)]
pub struct Providers {
    directory: PathBuf,
    providers: Vec<Provider>,
}

#[derive(Deserialize)]
struct Document {
    kind: String,
    #[serde(default)]
    providers: Vec<Provider>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    name: String,
    api_version: String,
    match_images: Vec<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: Vec<Variable>,
    /// A token of the pod's service account is to be sent along: there is no pod here.
    #[serde(default)]
    token_attributes: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Clone, Deserialize)]
struct Variable {
    name: String,
    value: String,
}

#[derive(Deserialize)]
struct Response {
    #[serde(rename = "apiVersion")]
    api_version: String,
    #[serde(default)]
    auth: Option<BTreeMap<String, Auth>>,
}

#[derive(Deserialize)]
struct Auth {
    username: String,
    password: String,
}

impl Providers {
    /// `config`: YAML or JSON, as `--image-credential-provider-config` of the kubelet. `directory`: as its
    /// `--image-credential-provider-bin-dir`.
    ///
    /// # Errors
    /// [`RegistryError::CredentialsInvalid`] if this is no such file.
    pub fn parse(config: &[u8], directory: PathBuf) -> Result<Self, RegistryError> {
        let invalid =
            |why: String| RegistryError::CredentialsInvalid(format!("the credential providers: {why}"));
        if config.len() > MAX_CREDENTIALS {
            return Err(invalid("their configuration is too large".into()));
        }
        let text = std::str::from_utf8(config).map_err(|error| invalid(error.to_string()))?;
        // A parser's message could quote a value.
        let document: Document = serde_saphyr::from_str(text)
            .map_err(|_| invalid("their configuration is not the YAML it should be".into()))?;
        if document.kind != "CredentialProviderConfig" {
            return Err(invalid("their configuration is no CredentialProviderConfig".into()));
        }
        for provider in &document.providers {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            if provider.name.is_empty()
                || provider.name.starts_with('.')
                || !provider.name.bytes().all(is_name)
            {
                return Err(invalid("a provider's name is no file name".into()));
            }
            if provider.api_version != API_VERSION {
                return Err(invalid(format!("{} does not speak {API_VERSION}", provider.name)));
            }
        }
        Ok(Self { directory, providers: document.providers })
    }

    /// What the first provider knows that is for this image and knows something.
    ///
    /// # Errors
    /// [`RegistryError::CredentialsInvalid`]: a provider cannot be run, fails, or answers what is none.
    async fn credential(&self, image: &ImageReference) -> Result<Option<Credential>, RegistryError> {
        let name = format!("{}/{}", image.registry, image.repository);
        for provider in &self.providers {
            if provider.match_images.iter().any(|pattern| is_for(pattern, &name))
                && let Some(credential) = self.ask(provider, image, &name).await?
            {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }

    async fn ask(
        &self,
        provider: &Provider,
        image: &ImageReference,
        name: &str,
    ) -> Result<Option<Credential>, RegistryError> {
        let invalid = |why: &str| {
            RegistryError::CredentialsInvalid(format!("the credential provider {} {why}", provider.name))
        };
        if provider.token_attributes.is_some() {
            return Err(invalid("wants a service account's token, which there is none of here"));
        }
        let request = json!({"apiVersion": API_VERSION, "kind": "CredentialProviderRequest", "image": image.to_string()});
        let program = self.directory.join(&provider.name);
        let variables = provider.env.iter().map(|variable| (variable.name.as_str(), variable.value.as_str()));
        let arguments = provider.args.iter().map(String::as_str);
        let said =
            program::ask(program.as_os_str(), arguments, variables, request.to_string().as_bytes()).await?;
        if !said.is_success {
            return Err(invalid("failed"));
        }
        parse(&said.output, name).map_err(invalid)
    }
}

/// What a provider's answer knows of the image `name`.
///
/// # Errors
/// What is wrong with the answer, as the end of a sentence.
pub fn parse(answer: &[u8], name: &str) -> Result<Option<Credential>, &'static str> {
    let response: Response =
        serde_json::from_slice(answer).map_err(|_| "answers what is no CredentialProviderResponse")?;
    if response.api_version != API_VERSION {
        return Err("answers in another version of the protocol");
    }
    let found = response.auth.unwrap_or_default().into_iter().filter(|(pattern, _)| is_for(pattern, name));
    Ok(found.max_by_key(|(pattern, _)| pattern.len()).map(|(_, auth)| Credential::Password {
        username: auth.username,
        password: Secret::new(auth.password),
    }))
}

impl Credentials {
    /// Asks the providers, unless there is an entry for the image already.
    ///
    /// # Errors
    /// [`RegistryError::CredentialsInvalid`]: the entry, or a provider's answer, cannot be used.
    pub async fn with_providers(
        mut self,
        providers: &Providers,
        image: &ImageReference,
    ) -> Result<Self, RegistryError> {
        if self.for_repository(image)?.is_none()
            && let Some(credential) = providers.credential(image).await?
        {
            self.replace(&image.registry, Some(credential));
        }
        Ok(self)
    }
}

/// Whether a pattern of `matchImages` is for this image name: as many parts of the host's name, each matching; the same port; the path a
/// prefix. `*` stands within one part of the host's name and nowhere else.
fn is_for(pattern: &str, name: &str) -> bool {
    let divided = |text: &'_ str| -> (String, Option<String>, String) {
        let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
        let (host, path) = text.split_once('/').unwrap_or((text, ""));
        let (host, port) = host.rsplit_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
        (host.to_owned(), port.map(str::to_owned), path.to_owned())
    };
    let ((pattern, pattern_port, prefix), (host, port, path)) = (divided(pattern), divided(name));
    let (patterns, parts): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), host.split('.').collect());
    pattern_port == port
        && path.starts_with(&prefix)
        && patterns.len() == parts.len()
        && patterns
            .iter()
            .zip(parts)
            .all(|(pattern, part)| Glob::new(pattern).is_ok_and(|pattern| pattern.matches(part)))
}

#[cfg(test)]
mod tests {
    use super::is_for;

    #[test]
    fn patterns_are_those_of_the_kubelet() {
        for (pattern, name, expected) in [
            ("registry.io", "registry.io/app", true),
            (
                "123456789.dkr.ecr.us-east-1.amazonaws.com",
                "123456789.dkr.ecr.us-east-1.amazonaws.com/a",
                true,
            ),
            ("*.dkr.ecr.*.amazonaws.com", "1.dkr.ecr.eu-west-1.amazonaws.com/a/b", true),
            ("*.azurecr.io", "team.azurecr.io/x", true),
            ("*.azurecr.io", "azurecr.io/x", false),
            ("*.azurecr.io", "a.b.azurecr.io/x", false),
            ("*.io", "k8s.io/x", true),
            ("app*.k8s.io", "app1.k8s.io/x", true),
            ("*", "registry.io/x", false),
            ("registry.io:8080/path", "registry.io:8080/path/x", true),
            ("registry.io:8080/path", "registry.io:8080/other", false),
            ("registry.io", "registry.io:8080/x", false),
            ("*.azurecr.io", "evil.test/team.azurecr.io", false),
        ] {
            assert_eq!(is_for(pattern, name), expected, "{pattern} {name}");
        }
    }
}
