use super::Mode;

/// The three keys that every mutation needs. A missing one means dry-run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// The operator's role may scale in that namespace (granted by an install overlay, found by a SelfSubjectAccessReview).
    pub rbac: bool,
    /// `spec.remediation.mode` of the policy.
    pub mode: Mode,
    /// The namespace is labelled `breakwater.dev/remediation=enabled`.
    pub namespace: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Key {
    #[error("the right to update workloads/scale (install overlay remediation)")]
    Rbac,
    #[error("policy mode Enforce")]
    Mode,
    #[error("namespace label breakwater.dev/remediation=enabled")]
    Namespace,
}

impl Keys {
    #[must_use]
    pub fn missing(&self) -> Vec<Key> {
        [(self.rbac, Key::Rbac), (self.mode == Mode::Enforce, Key::Mode), (self.namespace, Key::Namespace)]
            .into_iter()
            .filter_map(|(turned, key)| (!turned).then_some(key))
            .collect()
    }

    /// What is missing, as users read it; `None` when all three are turned.
    #[must_use]
    pub fn explain(&self) -> Option<String> {
        let missing: Vec<String> = self.missing().iter().map(ToString::to_string).collect();
        match missing.len() {
            0 => None,
            1 => Some(format!("missing key: {}", missing.join(""))),
            _ => Some(format!("missing keys: {}", missing.join("; "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missing_key_is_named() {
        let all = Keys { rbac: true, mode: Mode::Enforce, namespace: true };
        assert_eq!(all.explain(), None);
        let label = Keys { namespace: false, ..all };
        assert_eq!(
            label.explain().unwrap(),
            "missing key: namespace label breakwater.dev/remediation=enabled"
        );
        assert_eq!(Keys { mode: Mode::DryRun, ..all }.explain().unwrap(), "missing key: policy mode Enforce");
        assert!(Keys { rbac: false, ..all }.explain().unwrap().contains("workloads/scale"));
        let two = Keys { rbac: false, ..label }.explain().unwrap();
        assert!(two.starts_with("missing keys: ") && two.contains("; namespace label"), "{two}");
    }
}
