//! A real Kubernetes cluster on one Linux machine, without a container engine: etcd, the control plane, a kubelet with
//! containerd, CoreDNS, two registries and an advisory mirror, all in one network namespace and one mount namespace.
//!
//! [`Cluster`] brings it up and down, [`Images`] builds and pushes images, [`deploy`] installs the product;
//! [`ObjectServer`] is an S3 server that needs no cluster.
//! Up to ten clusters run side by side, each with an index that names and addresses follow from ([`ClusterIndex`]); all state of one
//! lies in one directory ([`Layout`]), and no cluster is touched that belongs to another directory.

pub mod address;
mod audit;
mod cache;
mod certificate;
mod cgroup;
mod clock;
mod cluster;
mod command;
mod container_runtime;
mod control_plane;
mod deploy;
mod disk;
mod dns;
mod environment;
mod error;
mod image;
mod ingredient;
pub mod kstatus;
mod kubeconfig;
mod kubectl;
mod kubelet;
mod kwok;
mod layout;
pub mod mirror;
mod node;
mod object_server;
mod owner;
mod package;
mod prerequisites;
mod process;
mod program;
mod progress;
pub mod publication;
mod registry;

pub use address::ClusterIndex;
pub use cluster::{Cluster, Status};
pub use deploy::deploy;
pub use environment::Environment;
pub use error::{Error, Result};
pub use image::{BuiltImage, Images, PushedImage};
pub use kubectl::Kubectl;
pub use layout::Layout;
pub use object_server::ObjectServer;
pub use progress::Progress;
pub use registry::Registry;
