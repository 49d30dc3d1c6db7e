//! Labels and annotations that decisions read. The API's other names stand in `breakwater-crds`, which takes these from here.

/// On workloads: the nonce of the containment to undo. Custom verb `undo`.
pub const UNDO: &str = "breakwater.dev/undo";

/// On workloads: `<RFC 3339 time>; <reason>`, at most 72 h ahead. Custom verb `hold`.
pub const HOLD_UNTIL: &str = "breakwater.dev/hold-until";

/// On namespaces: `enabled` is one of the three opt-ins that mitigation needs.
pub const REMEDIATION: &str = "breakwater.dev/remediation";

/// On namespaces: any value but `false` pauses every action there; containments stay.
pub const PAUSE: &str = "breakwater.dev/pause-remediation";

/// The value of [`REMEDIATION`] that opts in.
pub const ENABLED: &str = "enabled";
