//! How the command line speaks to a registry: its options, docker's configuration, programs that know credentials.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use breakwater_core::ImageReference;
use breakwater_core::scan::RegistryAccess;
use breakwater_scanner::registry::{Connection, Credentials, Options, Pace, Providers, RegistryError, Trust};

use crate::arguments::Registry;

/// The largest file of credentials, certificates or policies that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// One that may ask the registries of these references.
pub(crate) async fn to(references: &[&ImageReference], arguments: &Registry) -> anyhow::Result<Connection> {
    let trust = match &arguments.ca {
        Some(path) => Trust::system().and_pem(&read(path, "--ca")?)?,
        None => Trust::system(),
    };
    let access = RegistryAccess {
        insecure: arguments.insecure,
        allow_private_addresses: arguments.allow_private,
        proxy: arguments.proxy.clone().filter(|proxy| !proxy.is_empty()),
        no_proxy: arguments.no_proxy.clone(),
        token_hosts: arguments.token_host.clone(),
    };
    let credentials = credentials(references, arguments).await?;
    Ok(Connection::new(Options { access, mirrors: Vec::new(), credentials, trust, pace: Pace::default() })?)
}

async fn credentials(references: &[&ImageReference], arguments: &Registry) -> anyhow::Result<Credentials> {
    let mut credentials = match &arguments.credentials {
        Some(path) => {
            named(path, references).await.with_context(|| format!("--credentials {}", path.display()))?
        }
        None => usual(references).await,
    };
    let (Some(config), Some(directory)) =
        (&arguments.credential_provider_config, &arguments.credential_provider_bin_dir)
    else {
        return Ok(credentials);
    };
    let option = "--credential-provider-config";
    let providers = Providers::parse(&read(config, option)?, directory.clone())
        .with_context(|| format!("{option} {}", config.display()))?;
    for reference in references {
        credentials = credentials.with_providers(&providers, reference).await?;
    }
    Ok(credentials)
}

async fn named(path: &Path, references: &[&ImageReference]) -> anyhow::Result<Credentials> {
    let mut credentials = Credentials::parse(&read(path, "credentials")?)?;
    for reference in references {
        credentials = credentials.with_helper(reference).await?;
        credentials.for_repository(reference)?;
    }
    Ok(credentials)
}

/// Docker's own file, if there is one. Nobody named it, and the image may be public: what is wrong with it is said and hinders nothing.
async fn usual(references: &[&ImageReference]) -> Credentials {
    let directory = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    let Some(path) = directory.or_else(home).map(|directory| directory.join("config.json")) else {
        return Credentials::none();
    };
    if references.is_empty() || !path.is_file() {
        return Credentials::none();
    }
    named(&path, references).await.unwrap_or_else(|error| {
        eprintln!("warning: {}: {error:#}; asking without credentials", path.display());
        Credentials::none()
    })
}

pub(crate) fn read(path: &Path, option: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes))
        .with_context(|| format!("{option}: cannot read {}", path.display()))?;
    Ok(bytes)
}

/// The option that mends what a registry or the way to it refuses, as the end of a sentence.
pub(crate) fn option_for(error: &RegistryError) -> &'static str {
    match error {
        RegistryError::AddressRefused { .. } => "; --allow-private allows such addresses",
        RegistryError::CredentialsWithheld { .. } => "; --token-host allows it",
        RegistryError::TlsFailed { .. } => {
            "; --ca FILE trusts another authority, --insecure speaks plain HTTP to a registry that has no TLS"
        }
        RegistryError::Unauthorized { .. } => {
            "; log in with docker, or name credentials by --credentials FILE"
        }
        RegistryError::HostUnknown { .. } | RegistryError::ConnectionFailed { .. } => {
            "; --proxy URL goes through a proxy"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use breakwater_scanner::registry::RegistryError;

    use super::option_for;

    #[test]
    fn refusals_name_the_option_that_mends_them() {
        let (host, what) = (|| "r.test".to_owned(), || "app".to_owned());
        let unauthorized = RegistryError::Unauthorized { host: host(), what: what() };
        assert!(option_for(&unauthorized).contains("--credentials FILE"));
        let failed = RegistryError::ConnectionFailed { host: host(), why: what() };
        assert!(option_for(&failed).contains("--proxy URL"));
        assert_eq!(option_for(&RegistryError::NotFound { host: host(), what: what() }), "");
    }
}
