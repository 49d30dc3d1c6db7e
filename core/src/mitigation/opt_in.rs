use super::Mode;

/// The three opt-ins that every mutation needs. A missing one means dry-run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptIns {
    /// Whether the operator's role may act in that namespace (granted by an install overlay, found by a SelfSubjectAccessReview).
    pub rbac: bool,
    /// `spec.remediation.mode` of the policy.
    pub mode: Mode,
    /// Whether the namespace is labelled `breakwater.dev/remediation=enabled`.
    pub namespace: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OptIn {
    #[error("the right to update workloads/scale (install overlay remediation)")]
    Rbac,
    #[error("policy mode Enforce")]
    Mode,
    #[error("namespace label breakwater.dev/remediation=enabled")]
    Namespace,
}

impl OptIns {
    #[must_use]
    pub fn missing(&self) -> Vec<OptIn> {
        [
            (self.rbac, OptIn::Rbac),
            (self.mode == Mode::Enforce, OptIn::Mode),
            (self.namespace, OptIn::Namespace),
        ]
        .into_iter()
        .filter_map(|(given, opt_in)| (!given).then_some(opt_in))
        .collect()
    }

    /// Returns what is missing, as users read it; `None` when all three are present.
    #[must_use]
    pub fn explain(&self) -> Option<String> {
        let missing: Vec<String> = self.missing().iter().map(ToString::to_string).collect();
        match missing.len() {
            0 => None,
            1 => Some(format!("missing opt-in: {}", missing.join(""))),
            _ => Some(format!("missing opt-ins: {}", missing.join("; "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missing_opt_in_is_named() {
        let all = OptIns { rbac: true, mode: Mode::Enforce, namespace: true };
        assert_eq!(all.explain(), None);
        let label = OptIns { namespace: false, ..all };
        assert_eq!(
            label.explain().unwrap(),
            "missing opt-in: namespace label breakwater.dev/remediation=enabled"
        );
        assert_eq!(
            OptIns { mode: Mode::DryRun, ..all }.explain().unwrap(),
            "missing opt-in: policy mode Enforce"
        );
        assert!(OptIns { rbac: false, ..all }.explain().unwrap().contains("workloads/scale"));
        let two = OptIns { rbac: false, ..label }.explain().unwrap();
        assert!(two.starts_with("missing opt-ins: ") && two.contains("; namespace label"), "{two}");
    }
}
