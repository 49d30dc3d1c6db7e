//! etcd, API server, controller manager and scheduler.

use std::time::Duration;

use crate::address::API_PORT;
use crate::certificate::Authority;
use crate::kubeconfig::{CONTROLLER_MANAGER, SCHEDULER};
use crate::layout::write;
use crate::node::Node;
use crate::{Kubectl, Layout, Result, audit, clock, kubeconfig};

pub(crate) const ETCD: &str = "etcd";
pub(crate) const API_SERVER: &str = "kube-apiserver";

/// Starts etcd and the API server; they find each other.
pub(crate) fn start_api(layout: &Layout, node: &Node<'_>, authority: &Authority<'_>) -> Result<()> {
    let at = |name: &str| layout.bin().join(name).display().to_string();
    let data = layout.state.join("etcd");
    node.start(
        ETCD,
        [
            at(ETCD),
            format!("--data-dir={}", data.display()),
            // The data live as long as the cluster: nothing is lost that a power cut would not end anyway.
            "--unsafe-no-fsync".to_owned(),
            "--listen-client-urls=http://127.0.0.1:2379".to_owned(),
            "--advertise-client-urls=http://127.0.0.1:2379".to_owned(),
            "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
            "--log-level=warn".to_owned(),
        ],
    )?;
    let names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    let (address, service) = (layout.index.node(), layout.index.api_service());
    let addresses = [address.as_str(), &service, "127.0.0.1", "localhost"];
    authority.server(API_SERVER, &[&addresses[..], &names].concat())?;
    authority.user("apiserver-kubelet", "apiserver-kubelet", Some("system:masters"))?;
    authority.token_signer()?;
    let policy = layout.state.join("audit-policy.json");
    write(&policy, audit::policy().to_string())?;
    let pki = |file: &str| layout.pki(file).display().to_string();
    node.start(
        API_SERVER,
        [
            at(API_SERVER),
            "--etcd-servers=http://127.0.0.1:2379".to_owned(),
            format!("--service-cluster-ip-range={}", layout.index.services()),
            format!("--advertise-address={address}"),
            format!("--secure-port={API_PORT}"),
            format!("--tls-cert-file={}", pki("kube-apiserver.crt")),
            format!("--tls-private-key-file={}", pki("kube-apiserver.key")),
            format!("--client-ca-file={}", pki("ca.crt")),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-signing-key-file={}", pki("sa.key")),
            format!("--service-account-key-file={}", pki("sa.pub")),
            // Otherwise the API server quietly makes one-hour tokens live for a year.
            "--service-account-extend-token-expiration=false".to_owned(),
            format!("--kubelet-client-certificate={}", pki("apiserver-kubelet.crt")),
            format!("--kubelet-client-key={}", pki("apiserver-kubelet.key")),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            format!("--audit-policy-file={}", policy.display()),
            format!("--audit-log-path={}", layout.audit_log().display()),
            "--audit-log-maxsize=1000".to_owned(),
            "--audit-log-maxbackup=1".to_owned(),
            "--profiling=false".to_owned(),
        ],
    )?;
    Ok(())
}

/// Waits for the API server, then starts what follows it; earlier they would exit on its missing ConfigMap.
pub(crate) fn start_controllers(layout: &Layout, node: &Node<'_>, kubectl: &Kubectl) -> Result<()> {
    clock::wait("API server ready", Duration::from_secs(60), || {
        kubectl.succeeds(["get", "--raw=/readyz"]) || node.running(API_SERVER).is_err()
    })?;
    node.running(API_SERVER)?;
    let common = |component: &str| {
        let kubeconfig = layout.kubeconfig(component).display().to_string();
        [
            layout.bin().join(component).display().to_string(),
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            "--leader-elect=false".to_owned(),
            "--kube-api-qps=500".to_owned(),
            "--kube-api-burst=1000".to_owned(),
        ]
    };
    let pki = |file: &str| layout.pki(file).display().to_string();
    let manager = [
        format!("--service-account-private-key-file={}", pki("sa.key")),
        format!("--root-ca-file={}", pki("ca.crt")),
        format!("--cluster-signing-cert-file={}", pki("ca.crt")),
        format!("--cluster-signing-key-file={}", pki("ca.key")),
        "--use-service-account-credentials=true".to_owned(),
        // The real node's addresses are fixed; the thousands that kwok adds would exhaust any range.
        "--allocate-node-cidrs=false".to_owned(),
    ];
    node.start(CONTROLLER_MANAGER, common(CONTROLLER_MANAGER).into_iter().chain(manager))?;
    node.start(SCHEDULER, common(SCHEDULER))?;
    Ok(())
}

/// In the order in which they can be stopped without waiting for each other.
pub(crate) const COMPONENTS: [&str; 4] = [SCHEDULER, kubeconfig::CONTROLLER_MANAGER, API_SERVER, ETCD];
