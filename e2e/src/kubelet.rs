//! kubelet and kube-proxy: what makes the node a node.

use std::time::Duration;

use serde_json::json;

use crate::address::NODE_NAME;
use crate::disk::EVICTION;
use crate::kubeconfig::{KUBELET, PROXY};
use crate::layout::write;
use crate::node::Node;
use crate::{Kubectl, Layout, Result, clock};

/// Starts both.
pub(crate) fn start(layout: &Layout, node: &Node<'_>) -> Result<()> {
    let config = layout.state.join("kubelet.json");
    write(&config, configuration(layout).to_string())?;
    let at = |name: &str| layout.bin().join(name).display().to_string();
    node.start(
        KUBELET,
        [
            at(KUBELET),
            format!("--config={}", config.display()),
            format!("--kubeconfig={}", layout.kubeconfig(KUBELET).display()),
            format!("--hostname-override={NODE_NAME}"),
            format!("--node-ip={}", layout.index.node()),
        ],
    )?;
    node.start(
        PROXY,
        [
            at(PROXY),
            format!("--kubeconfig={}", layout.kubeconfig(PROXY).display()),
            format!("--hostname-override={NODE_NAME}"),
            format!("--cluster-cidr={}", layout.index.pods()),
            "--proxy-mode=iptables".to_owned(),
            // 0 leaves the host's connection tracking as it is; it is not the node's alone.
            "--conntrack-max-per-core=0".to_owned(),
            "--conntrack-tcp-timeout-established=0".to_owned(),
            "--conntrack-tcp-timeout-close-wait=0".to_owned(),
            "--iptables-min-sync-period=100ms".to_owned(),
        ],
    )?;
    Ok(())
}

/// Waits until the node is Ready.
pub(crate) fn wait(node: &Node<'_>, kubectl: &Kubectl) -> Result<()> {
    clock::wait("node Ready", Duration::from_secs(60), || {
        ready(kubectl) || node.running(KUBELET).is_err() || node.running(PROXY).is_err()
    })?;
    node.running(KUBELET)?;
    node.running(PROXY)
}

/// Reports whether the API server calls the node Ready.
pub(crate) fn ready(kubectl: &Kubectl) -> bool {
    let condition = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
    kubectl.output(["get", "node", NODE_NAME, "-o", condition]).is_ok_and(|status| status == "True")
}

fn configuration(layout: &Layout) -> serde_json::Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": layout.pki("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", layout.index.control_group()),
        "failCgroupV1": false,
        "failSwapOn": false,
        "clusterDNS": [layout.index.dns_service()],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "volumePluginDir": layout.state.join("volume-plugins"),
        "maxPods": 250,
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
        "serializeImagePulls": false,
        "registryPullQPS": 0,
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        // A container that is killed again and again comes back after a second, so that tests can kill it often.
        "featureGates": {"KubeletCrashLoopBackOffMax": true},
        "crashLoopBackOff": {"maxContainerRestartPeriod": "1s"},
        // The host's disk and memory belong to others too.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": EVICTION, "imagefs.available": EVICTION},
        "imageGCHighThresholdPercent": 100,
    })
}
