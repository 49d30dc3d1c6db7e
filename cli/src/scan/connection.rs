//! How the command line speaks to a registry: its options, docker's configuration, programs that know credentials.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use breakwater_core::ImageReference;
use breakwater_core::scan::RegistryAccess;
use breakwater_scanner::Source;
use breakwater_scanner::registry::{Connection, Credentials, Options, Pace, Providers, Trust};

use crate::arguments::Reading;

/// The largest file of credentials, certificates or policies that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// One that may ask the registries of these sources.
pub(super) async fn to(
    sources: impl Iterator<Item = &Source>,
    arguments: &Reading,
) -> anyhow::Result<Connection> {
    let references: Vec<&ImageReference> = sources
        .filter_map(|source| match source {
            Source::Registry(reference) => Some(reference),
            _ => None,
        })
        .collect();
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
    let credentials = credentials(&references, arguments).await?;
    Ok(Connection::new(Options { access, mirrors: Vec::new(), credentials, trust, pace: Pace::default() })?)
}

async fn credentials(references: &[&ImageReference], arguments: &Reading) -> anyhow::Result<Credentials> {
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

pub(super) fn read(path: &Path, option: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes))
        .with_context(|| format!("{option}: cannot read {}", path.display()))?;
    Ok(bytes)
}
