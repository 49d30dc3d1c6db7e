//! CoreDNS as a Deployment behind the cluster's DNS Service.

use crate::address::{HOSTILE_HOST, MIRROR_HOST};
use crate::layout::write;
use crate::{Kubectl, Layout, PushedImage, Registry, Result};

/// `name:tag` in the open registry.
pub(crate) const IMAGE: &str = "cluster/coredns:1";

const MANIFEST: &str = include_str!("../cluster/dns/coredns.yaml");

/// Applies the manifest.
pub(crate) fn apply(layout: &Layout, kubectl: &Kubectl, image: &PushedImage) -> Result<()> {
    let names = [Registry::Open, Registry::Authenticated].map(Registry::domain).join(" ");
    write(&layout.dns_hosts(), format!("{} {names} {MIRROR_HOST}\n", layout.index.node()))?;
    let directory = layout.dns_hosts().with_file_name("");
    let manifest = MANIFEST
        .replace("${IMAGE}", &image.pinned())
        .replace("${SERVICE}", &layout.index.dns_service())
        .replace("${HOSTS}", directory.to_string_lossy().trim_end_matches('/'))
        .replace("${HOSTILE_NAME}", HOSTILE_HOST)
        .replace("${HOSTILE_ADDRESS}", &layout.index.host());
    kubectl.output_of(["apply", "-f", "-"], &manifest)?;
    Ok(())
}

/// Waits until it answers.
pub(crate) fn wait(kubectl: &Kubectl) -> Result<()> {
    kubectl.output(["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=60s"])?;
    Ok(())
}

/// Reports whether it is available.
pub(crate) fn ready(kubectl: &Kubectl) -> bool {
    let replicas = "jsonpath={.status.availableReplicas}";
    kubectl
        .output(["-n", "kube-system", "get", "deployment", "coredns", "-o", replicas])
        .is_ok_and(|available| available == "1")
}
