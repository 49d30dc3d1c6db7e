//! containerd and the bridge that joins pods.

use std::time::Duration;

use serde_json::json;

use crate::command::succeeds;
use crate::layout::write;
use crate::node::Node;
use crate::{ClusterIndex, Layout, Registry, Result, clock};

pub(crate) const CONTAINERD: &str = "containerd";

/// `name:tag` of the image that holds a pod's namespaces, in the open registry.
pub(crate) const PAUSE: &str = "cluster/pause:1";

/// Starts containerd with its usual paths, which inside the node are ours.
pub(crate) fn start(layout: &Layout, node: &Node<'_>) -> Result<()> {
    let hosts = layout.state.join("containerd/hosts");
    for registry in [Registry::Open, Registry::Authenticated] {
        write(&hosts.join(registry.host()).join("hosts.toml"), host_entry(layout, registry))?;
    }
    let network = layout.state.join("containerd/net.d");
    write(&network.join("10-bridge.conflist"), bridge(layout.index).to_string())?;
    let config = layout.state.join("containerd/config.toml");
    let quoted = |path: &std::path::Path| format!("{:?}", path.display().to_string());
    let sandbox = format!("{}/{PAUSE}", Registry::Open.host());
    write(
        &config,
        format!(
            r#"version = 2
[plugins."io.containerd.grpc.v1.cri"]
  # Without CAP_SYS_RESOURCE a lower score than the parent's is refused, and runc dies of it.
  restrict_oom_score_adj = true
  sandbox_image = "{sandbox}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = {network}
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = {hosts}
[plugins."io.containerd.internal.v1.opt"]
  path = {opt}
"#,
            network = quoted(&network),
            hosts = quoted(&hosts),
            opt = quoted(&layout.state.join("containerd/opt")),
        ),
    )?;
    node.start(CONTAINERD, [CONTAINERD.as_ref(), "-c".as_ref(), config.as_os_str()])?;
    Ok(())
}

/// Waits until containerd answers.
pub(crate) fn wait(node: &Node<'_>) -> Result<()> {
    clock::wait("containerd answers", Duration::from_secs(20), || {
        node.enter(["ctr", "version"]).is_ok_and(|mut version| succeeds(&mut version))
            || node.running(CONTAINERD).is_err()
    })?;
    node.running(CONTAINERD)
}

/// containerd asks no DNS: the registry's name leads to its address.
fn host_entry(layout: &Layout, registry: Registry) -> String {
    let url = registry.url(layout.index);
    let ca = match registry {
        Registry::Open => String::new(),
        Registry::Authenticated => format!("  ca = {:?}\n", layout.pki("ca.crt").display().to_string()),
    };
    format!("server = \"{url}\"\n[host.\"{url}\"]\n  capabilities = [\"pull\", \"resolve\"]\n{ca}")
}

fn bridge(index: ClusterIndex) -> serde_json::Value {
    json!({"cniVersion": "0.4.0", "name": "pods", "plugins": [
        {
            "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": index.node_pods()}]],
                "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": "/run/cni/networks",
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": true}},
    ]})
}
