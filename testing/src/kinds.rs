//! The kinds that the fake API server serves.

/// A kind of objects, as discovery would name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Empty for the core group.
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    pub is_namespaced: bool,
    /// Whether it has the subresource `status`, and with it `metadata.generation`.
    pub has_status: bool,
}

const fn kind(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    is_namespaced: bool,
    has_status: bool,
) -> Kind {
    Kind { group, version, kind, plural, is_namespaced, has_status }
}

/// What the operator and the command line speak to. A test adds others with [`crate::FakeApi::define`].
pub(crate) const KINDS: &[Kind] = &[
    kind("", "v1", "ConfigMap", "configmaps", true, false),
    kind("", "v1", "Endpoints", "endpoints", true, false),
    kind("", "v1", "Event", "events", true, false),
    kind("", "v1", "Namespace", "namespaces", false, true),
    kind("", "v1", "Node", "nodes", false, true),
    kind("", "v1", "Pod", "pods", true, true),
    kind("", "v1", "Secret", "secrets", true, false),
    kind("", "v1", "Service", "services", true, true),
    kind("", "v1", "ServiceAccount", "serviceaccounts", true, false),
    kind(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        false,
        false,
    ),
    kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", false, true),
    kind("apps", "v1", "DaemonSet", "daemonsets", true, true),
    kind("apps", "v1", "Deployment", "deployments", true, true),
    kind("apps", "v1", "ReplicaSet", "replicasets", true, true),
    kind("apps", "v1", "StatefulSet", "statefulsets", true, true),
    kind("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", false, false),
    kind("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", false, false),
    kind("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", false, false),
    kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true, true),
    kind("batch", "v1", "CronJob", "cronjobs", true, true),
    kind("batch", "v1", "Job", "jobs", true, true),
    kind("breakwater.dev", "v1alpha1", "ImagePolicy", "imagepolicies", true, true),
    kind("breakwater.dev", "v1alpha1", "RuntimeBaseline", "runtimebaselines", true, true),
    kind("breakwater.dev", "v1alpha1", "ScanJob", "scanjobs", true, true),
    kind("coordination.k8s.io", "v1", "Lease", "leases", true, false),
    kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", true, false),
    kind("events.k8s.io", "v1", "Event", "events", true, false),
    kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", true, false),
    kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", true, true),
];

impl Kind {
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.into() } else { format!("{}/{}", self.group, self.version) }
    }

    /// As in messages: `deployments.apps`.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.into() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Reports whether objects of it are questions that are answered at once and never stored.
    pub(crate) fn is_review(&self) -> bool {
        matches!(self.group, "authentication.k8s.io" | "authorization.k8s.io")
    }

    /// Reports whether a replace without resourceVersion is accepted: `AllowUnconditionalUpdate` of the kind's strategy. It is false for
    /// custom resources and for Leases.
    pub(crate) fn allows_unconditional_update(&self) -> bool {
        let is_custom = self.group.contains('.') && !self.group.ends_with(".k8s.io");
        !is_custom && self.plural != "leases"
    }
}
