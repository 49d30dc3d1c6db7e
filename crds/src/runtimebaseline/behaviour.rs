use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{imagepolicy::NetworkDirection, schema};

/// Behaviour that is allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Allowed {
    /// Programs that may run. At most 128.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub processes: Vec<ProcessBehaviour>,
    /// Connections that may be made or taken. At most 128.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub network: Vec<NetworkBehaviour>,
    /// Capabilities that may be used, without CAP_: NET_BIND_SERVICE. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::capabilities")]
    pub capabilities: Vec<String>,
    /// User ids that may be used. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::users")]
    pub users: Vec<i64>,
}

/// Behaviour that is never allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Denied {
    /// Programs that never run. At most 128.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub processes: Vec<ProcessBehaviour>,
    /// Connections that are never made or taken. At most 128.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub network: Vec<NetworkBehaviour>,
    /// Capabilities that are never used, without CAP_. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::capabilities")]
    pub capabilities: Vec<String>,
}

/// A program. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessBehaviour {
    /// The executable's path in the container, or a glob over such paths: /usr/sbin/nginx, /opt/app/**.
    #[schemars(schema_with = "schema::path_glob")]
    pub path: String,
    /// The name a multi-call binary is run by: ls of /bin/busybox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub argv0: Option<String>,
    /// SHA-256 of the executable, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64), regex(pattern = schema::SHA256))]
    pub sha256: Option<String>,
    /// The user it runs as. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_294_967_295_i64))]
    pub user: Option<i64>,
}

/// A connection. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.endPort) || (has(self.port) && self.endPort >= self.port)").message("endPort needs a port and must not be below it").field_path(".endPort"),
    validation = Rule::new("has(self.port) || has(self.peer)").message("name at least a port or a peer")
)]
pub struct NetworkBehaviour {
    /// Ingress or Egress, seen from the pod.
    pub direction: NetworkDirection,
    /// TCP, UDP or SCTP. Default: TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The port of the side that is connected to. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<i32>,
    /// With it all ports from port to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub end_port: Option<i32>,
    /// The other side. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

/// The other side of a connection, by what stays: never a pod's address. Exactly one of its fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.cidr) || isCIDR(self.cidr)").message("not a network: write address/prefix, for example 10.0.0.0/8").field_path(".cidr"),
    validation = Rule::new("[has(self.workload), has(self.service), has(self.dnsName), has(self.cidr)].filter(given, given).size() == 1").message("exactly one of workload, service, dnsName and cidr is needed")
)]
pub struct Peer {
    /// Pods of a workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadPeer>,
    /// A Service of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceRef>,
    /// A name; a leading *. takes all names below: *.example.com.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = schema::DNS_NAME)
    )]
    pub dns_name: Option<String>,
    /// A network, as address/prefix: 10.0.0.0/8, 2001:db8::/32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 4, max = 43), regex(pattern = schema::NETWORK))]
    pub cidr: Option<String>,
}

/// Pods of a workload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadPeer {
    /// Default: the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::dns_label")]
    pub namespace: Option<String>,
    /// Kind of the top owner.
    pub kind: super::TargetKind,
    /// Its name.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
}

/// A Service of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRef {
    /// Default: the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::dns_label")]
    pub namespace: Option<String>,
    /// Its name.
    #[schemars(schema_with = "schema::dns_label")]
    pub name: String,
}
