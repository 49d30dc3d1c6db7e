//! The kube room.
