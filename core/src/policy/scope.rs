//! What a policy speaks about.

use super::{NamespaceScope, Policy, Selector};
use crate::{Digest, ImageReference, workload::Workload};

impl Policy {
    /// Reports whether the policy selects the workload and at least one image of its template.
    #[must_use]
    pub fn covers(&self, workload: &Workload) -> bool {
        let name = |image: &str| {
            image.parse().map_or_else(|_| image.to_owned(), |image: ImageReference| image.name())
        };
        let mut images = workload.containers.iter().map(|container| name(&container.image));
        self.selector.selects(workload, &self.id.namespace)
            && images.any(|image| self.selector.selects_image(&image))
    }
}

impl Selector {
    /// Reports whether the workload's namespace is in scope, whatever the workload's own labels.
    #[must_use]
    pub fn selects_namespace(&self, workload: &Workload, policy_namespace: &str) -> bool {
        match &self.namespaces {
            NamespaceScope::Own => workload.id.namespace == policy_namespace,
            NamespaceScope::Labelled(selector) => selector.matches(&workload.namespace_labels),
        }
    }

    /// Returns a value that is equal for equal selectors, to tell an edited selector from an edited workload.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        Digest::of(format!("{self:?}").as_bytes()).short()
    }
}
