//! The arguments of what speaks to registries.

use std::path::PathBuf;

use clap::Args;

/// How registries are spoken to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registries")]
pub(crate) struct Registry {
    /// Speak plain HTTP to the registry
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Allow registries at loopback, link-local and private addresses
    #[arg(long)]
    pub(crate) allow_private: bool,
    /// Reach registries through this proxy
    #[arg(long, value_name = "URL", env = "HTTPS_PROXY", hide_env_values = true)]
    pub(crate) proxy: Option<String>,
    /// Hosts reached without the proxy: names, .domains, addresses, CIDR ranges, divided by commas
    #[arg(long, value_name = "LIST", env = "NO_PROXY")]
    pub(crate) no_proxy: Option<String>,
    /// Also send a registry's credentials to its token endpoint of another domain, host[:port] (repeatable)
    #[arg(long, value_name = "HOST")]
    pub(crate) token_host: Vec<String>,
    /// Credentials as container engines keep them (config.json), credential helpers included [default: docker's own file]
    #[arg(long, value_name = "FILE")]
    pub(crate) credentials: Option<PathBuf>,
    /// The kubelet's configuration of credential providers, asked where there are no other credentials
    #[arg(long, value_name = "FILE", requires = "credential_provider_bin_dir")]
    pub(crate) credential_provider_config: Option<PathBuf>,
    /// Where the programs of these providers are
    #[arg(long, value_name = "DIR", requires = "credential_provider_config")]
    pub(crate) credential_provider_bin_dir: Option<PathBuf>,
    /// Also trust these certificate authorities (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}
