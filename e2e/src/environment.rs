//! What a shell or a test must know to use the cluster.

use std::fmt;

use crate::address::{MIRROR_HOST, MIRROR_PORT};
use crate::layout::{INDEX, STATE};
use crate::registry::auth_file;
use crate::{Layout, Registry, kubeconfig};

/// Names and values; displayed as `export` lines for `eval`.
#[derive(Debug, Clone)]
pub struct Environment {
    /// In the order in which they are displayed.
    pub variables: Vec<(&'static str, String)>,
}

impl Environment {
    pub(crate) fn new(layout: &Layout) -> Self {
        let shown = |path: std::path::PathBuf| path.display().to_string();
        let (open, auth) = (Registry::Open, Registry::Authenticated);
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = shown(layout.bin());
        let inherited = path.split(':').filter(|entry| *entry != bin).collect::<Vec<_>>().join(":");
        let index = layout.index;
        let variables = vec![
            (INDEX, index.to_string()),
            (STATE, shown(layout.state.clone())),
            ("KUBECONFIG", shown(layout.kubeconfig(kubeconfig::ADMIN))),
            ("REGISTRY", open.host().to_owned()),
            ("REGISTRY_ADDRESS", open.address(index)),
            ("REGISTRY_LOG", shown(layout.log(open.component()))),
            ("REGISTRY_AUTH", auth.host().to_owned()),
            ("REGISTRY_AUTH_ADDRESS", auth.address(index)),
            ("REGISTRY_AUTH_LOG", shown(layout.log(auth.component()))),
            ("REGISTRY_AUTH_USER", Registry::USER.to_owned()),
            ("REGISTRY_AUTH_PASSWORD", Registry::PASSWORD.to_owned()),
            ("REGISTRY_AUTH_FILE", shown(auth_file(layout))),
            ("REGISTRY_AUTH_CA", shown(layout.pki("ca.crt"))),
            ("AUDIT_LOG", shown(layout.audit_log())),
            ("MIRROR_URL", format!("http://{MIRROR_HOST}:{MIRROR_PORT}")),
            ("MIRROR_ADDRESS", format!("{}:{MIRROR_PORT}", index.node())),
            ("MIRROR_DIR", shown(layout.mirror())),
            ("DNS_HOSTS", shown(layout.dns_hosts())),
            ("HOST_ADDRESS", index.host()),
            ("SERVICE_ACCOUNT_KEY", shown(layout.pki("sa.key"))),
            ("PATH", format!("{bin}:{inherited}")),
        ];
        Self { variables }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.variables {
            writeln!(f, "export {name}='{}'", value.replace('\'', r"'\''"))?;
        }
        Ok(())
    }
}
