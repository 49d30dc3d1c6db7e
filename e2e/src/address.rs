//! Fixed names and addresses. None of them is reachable from outside this machine.

/// The network namespace that is the node.
pub const NAMESPACE: &str = "bw0";
/// The host's end of the veth pair.
pub const HOST_LINK: &str = "bw-host";
/// The host as the node and its pods see it; tests serve hostile content here.
pub const HOST: &str = "192.168.234.1";
/// The node as the host sees it: API server, registries and mirror listen here.
pub const NODE: &str = "192.168.234.2";
/// Prefix length of the veth pair's network.
pub const LINK_PREFIX: u8 = 30;
/// Name of the only real node.
pub const NODE_NAME: &str = "node1";

/// Addresses of pods.
pub const PODS: &str = "10.244.0.0/16";
/// Addresses of the pods on the real node: 510, for 250 pods and their successors.
pub const NODE_PODS: &str = "10.244.0.0/23";
/// Addresses of Services.
pub const SERVICES: &str = "10.96.0.0/16";
/// The API server's own Service.
pub const API_SERVICE: &str = "10.96.0.1";
/// The cluster's DNS Service.
pub const DNS_SERVICE: &str = "10.96.0.10";

/// Port of the API server on [`NODE`].
pub const API_PORT: u16 = 6443;
/// Port of the advisory mirror on [`NODE`].
pub const MIRROR_PORT: u16 = 8089;
/// The advisory mirror's host name inside the cluster.
pub const MIRROR_HOST: &str = "mirror.test";
/// Inside the cluster this name and every name below it resolve to [`HOST`].
pub const HOSTILE_HOST: &str = "hostile.test";
