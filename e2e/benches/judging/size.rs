//! How large the cluster is that is judged.

/// Pods, policies and images.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) pods: usize,
    pub(crate) policies: usize,
    pub(crate) images: usize,
}

const SIZES: [Size; 3] = [
    Size { name: "small", pods: 1_000, policies: 10, images: 100 },
    Size { name: "medium", pods: 10_000, policies: 100, images: 1_000 },
    Size { name: "large", pods: 10_000, policies: 1_000, images: 5_000 },
];

/// Pods of one workload.
pub(crate) const REPLICAS: usize = 10;
/// The most namespaces; more policies share one, each for its own workloads.
const MAX_NAMESPACES: usize = 100;

impl Size {
    /// Those that `BREAKWATER_BENCH_SIZE` names; all without it.
    pub(crate) fn chosen() -> Vec<Self> {
        let names = std::env::var("BREAKWATER_BENCH_SIZE").unwrap_or_default();
        if names.is_empty() {
            return SIZES.to_vec();
        }
        let named = |name: &str| SIZES.into_iter().find(|size| size.name == name);
        let chosen =
            names.split(',').map(|name| named(name).unwrap_or_else(|| panic!("unknown size {name}")));
        chosen.collect()
    }

    pub(crate) fn workloads(&self) -> usize {
        self.pods / REPLICAS
    }

    pub(crate) fn namespaces(&self) -> usize {
        self.policies.min(MAX_NAMESPACES)
    }

    /// Containers of one pod, each of another image; no two workloads share one.
    pub(crate) fn containers(&self) -> usize {
        self.images / self.workloads()
    }

    pub(crate) fn policies_per_namespace(&self) -> usize {
        self.policies / self.namespaces()
    }

    /// Workloads that one policy selects.
    pub(crate) fn workloads_per_policy(&self) -> usize {
        self.workloads() / self.policies
    }

    /// RssAnon below which it must stay, in megabytes.
    pub(crate) fn memory_goal(&self) -> f64 {
        if self.images > 1_000 { 128.0 } else { 64.0 }
    }
}
