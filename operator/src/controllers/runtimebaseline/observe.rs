use std::sync::Arc;

use breakwater_core::workload::Workload;

use crate::workloads::Workloads;

/// What is known of the cluster.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) workloads: Vec<Arc<Workload>>,
}

/// Reads the caches.
pub(super) fn observe(workloads: &Workloads) -> Facts {
    Facts { workloads: workloads.all() }
}
