//! CoreDNS as a Deployment behind the cluster's DNS Service.

use crate::address::{DNS_SERVICE, HOST, HOSTILE_HOST, MIRROR_HOST, NODE};
use crate::layout::write;
use crate::{Kubectl, Layout, PushedImage, Registry, Result};

/// `name:tag` in the open registry.
pub(crate) const IMAGE: &str = "cluster/coredns:1";

const MANIFEST: &str = include_str!("../cluster/dns/coredns.yaml");

/// Applies the manifest.
pub(crate) fn apply(layout: &Layout, kubectl: &Kubectl, image: &PushedImage) -> Result<()> {
    let names = [Registry::Open, Registry::Authenticated].map(Registry::domain).join(" ");
    write(&layout.dns_hosts(), format!("{NODE} {names} {MIRROR_HOST}\n"))?;
    let directory = layout.dns_hosts().with_file_name("");
    let manifest = MANIFEST
        .replace("${IMAGE}", &image.pinned())
        .replace("${SERVICE}", DNS_SERVICE)
        .replace("${HOSTS}", directory.to_string_lossy().trim_end_matches('/'))
        .replace("${HOSTILE_NAME}", HOSTILE_HOST)
        .replace("${HOSTILE_ADDRESS}", HOST);
    kubectl.output_of(["apply", "-f", "-"], &manifest)?;
    Ok(())
}

/// Waits until it answers.
pub(crate) fn wait(kubectl: &Kubectl) -> Result<()> {
    kubectl.output(["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=60s"])?;
    Ok(())
}

/// Whether it is available.
pub(crate) fn ready(kubectl: &Kubectl) -> bool {
    let replicas = "jsonpath={.status.availableReplicas}";
    kubectl
        .output(["-n", "kube-system", "get", "deployment", "coredns", "-o", replicas])
        .is_ok_and(|available| available == "1")
}
