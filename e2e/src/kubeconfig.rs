//! Who speaks to the API server: one certificate and one kubeconfig each.

use serde_json::json;

use crate::address::{API_PORT, NODE_NAME};
use crate::certificate::Authority;
use crate::layout::write;
use crate::{Layout, Result};

/// The administrator's kubeconfig.
pub(crate) const ADMIN: &str = "admin";
pub(crate) const CONTROLLER_MANAGER: &str = "kube-controller-manager";
pub(crate) const SCHEDULER: &str = "kube-scheduler";
pub(crate) const PROXY: &str = "kube-proxy";
pub(crate) const KUBELET: &str = "kubelet";

/// Certificates and kubeconfigs of the administrator and all components.
pub(crate) fn create(layout: &Layout, authority: &Authority<'_>) -> Result<()> {
    let node = format!("system:node:{NODE_NAME}");
    for (name, user, group) in [
        (ADMIN, "admin", Some("system:masters")),
        (CONTROLLER_MANAGER, "system:kube-controller-manager", None),
        (SCHEDULER, "system:kube-scheduler", None),
        (PROXY, "system:kube-proxy", None),
        (KUBELET, node.as_str(), Some("system:nodes")),
    ] {
        authority.user(name, user, group)?;
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "breakwater-e2e", "cluster": {
                "server": format!("https://{}:{API_PORT}", layout.index.node()),
                "certificate-authority": layout.pki("ca.crt"),
            }}],
            "users": [{"name": name, "user": {
                "client-certificate": layout.pki(&format!("{name}.crt")),
                "client-key": layout.pki(&format!("{name}.key")),
            }}],
            "contexts": [{"name": name, "context": {"cluster": "breakwater-e2e", "user": name}}],
            "current-context": name,
        });
        write(&layout.kubeconfig(name), config.to_string())?;
    }
    Ok(())
}
