//! The words other programs and people rely on: labels, annotations, finalizers, condition types, reasons, custom verbs.

/// The API group of all three kinds.
pub const GROUP: &str = "breakwater.dev";
/// The one version served.
pub const VERSION: &str = "v1alpha1";

/// Field managers: one writer per field, and the manager says who.
pub mod managers {
    /// Status and child objects.
    pub const CONTROLLER: &str = "breakwater/controller";
    /// `ScanJob.status.target`.
    pub const INTAKE: &str = "breakwater/intake";
    /// What mitigation writes on workloads.
    pub const MITIGATION: &str = "breakwater/mitigation";
}

pub mod labels {
    /// On ScanJobs: why the operator made it (`Manual`, `Schedule`, `NewImage`, `Admission`).
    pub const TRIGGER: &str = "breakwater.dev/trigger";
    /// On scan Jobs and their Secrets: UID of the ScanJob that asks. No ownerReference crosses namespaces, so a label carries it.
    pub const SCANJOB_UID: &str = "breakwater.dev/scanjob-uid";
    /// On ScanJobs and Jobs: hash of the question, so that a retry meets the same object.
    pub const QUESTION: &str = "breakwater.dev/question";
    /// On namespaces: `enabled` is one of the three opt-ins that mitigation needs.
    pub const REMEDIATION: &str = breakwater_core::names::REMEDIATION;
    /// On namespaces: `true` makes admission refuse when no replica answers.
    pub const FAIL_CLOSED: &str = "breakwater.dev/fail-closed";
    /// On pods: isolated, by which action.
    pub const QUARANTINE: &str = "breakwater.dev/quarantine";
    /// On the ConfigMaps of mitigation records: `open` or `closed`.
    pub const MITIGATION: &str = "breakwater.dev/mitigation";

    /// The value of [`REMEDIATION`] that turns the key.
    pub const ENABLED: &str = breakwater_core::names::ENABLED;
}

pub mod annotations {
    /// On the three kinds: any new value asks for work now; echoed in `status.lastHandledRequestAt`.
    pub const REQUESTED_AT: &str = "breakwater.dev/requested-at";
    /// On ScanJobs that a schedule made: when the run was due, RFC 3339.
    pub const DUE: &str = "breakwater.dev/due";
    /// On ScanJobs that a schedule made: how many of its policy's registries may be scanned at the same time.
    pub const AT_ONCE: &str = "breakwater.dev/at-once";
    /// On workloads: the nonce of the containment to undo. Custom verb `undo`.
    pub const UNDO: &str = breakwater_core::names::UNDO;
    /// On workloads: `<RFC 3339 time>; <reason>`, at most 72 h ahead. Custom verb `hold`.
    pub const HOLD_UNTIL: &str = breakwater_core::names::HOLD_UNTIL;
    /// On workloads: a copy of the mitigation record, for people. Never believed.
    pub const MITIGATION: &str = "breakwater.dev/mitigation";
    /// On workloads: `<reason>; until=<RFC 3339 time>` passes admission. Custom verb `break-glass`.
    pub const BREAK_GLASS: &str = "breakwater.dev/break-glass";
    /// On pods: any value lifts the quarantine. Custom verb `unquarantine`.
    pub const UNQUARANTINE: &str = "breakwater.dev/unquarantine";
    /// On namespaces: `true` pauses every action there; containments stay.
    pub const PAUSE: &str = breakwater_core::names::PAUSE;
    /// On workloads and namespaces: who owns it.
    pub const OWNER: &str = "breakwater.dev/owner";
}

/// Custom verbs that the shipped ValidatingAdmissionPolicy checks on the annotating write.
pub mod verbs {
    pub const UNDO: &str = "undo";
    pub const HOLD: &str = "hold";
    pub const BREAK_GLASS: &str = "break-glass";
    pub const UNQUARANTINE: &str = "unquarantine";
}

/// Condition types. `Ready` is always there; `Reconciling` and `Stalled` only while true (kstatus).
pub mod conditions {
    pub const READY: &str = "Ready";
    pub const RECONCILING: &str = "Reconciling";
    pub const STALLED: &str = "Stalled";

    /// ImagePolicy: every selected workload keeps the rules. Never part of readiness.
    pub const COMPLIANT: &str = "Compliant";
    /// ImagePolicy: admission refuses what breaks a rule, as was last proven. Unknown until something proves it.
    pub const ENFORCING: &str = "Enforcing";
    /// ImagePolicy: workloads that break a rule are acted upon: all three opt-ins are given and nothing stops it.
    pub const REMEDIATING: &str = "Remediating";
    /// The spec has fields that this version does not carry out; the message lists their paths. Absent when it has none.
    pub const UNSUPPORTED: &str = "Unsupported";
    /// ImagePolicy: the report store takes no more inventories of the selected namespaces. Only while true.
    pub const STORE_FULL: &str = "StoreFull";
    /// ImagePolicy: the advisory index is older than the bound, or absent.
    pub const DATABASE_STALE: &str = "DatabaseStale";
    /// ImagePolicy: every configured registry answers.
    pub const REGISTRY_REACHABLE: &str = "RegistryReachable";
    /// Something else keeps writing what mitigation wrote.
    pub const REMEDIATION_CONTESTED: &str = "RemediationContested";
    /// Receivers refuse or do not answer.
    pub const NOTIFICATIONS_FAILING: &str = "NotificationsFailing";

    /// ScanJob: it ended with an answer about every image that could be read.
    pub const COMPLETE: &str = "Complete";
    /// ScanJob: it ended without an answer.
    pub const FAILED: &str = "Failed";
    pub const SUSPENDED: &str = "Suspended";
    /// ScanJob: the policies' verdict, apart from `Complete`.
    pub const POLICY_PASSED: &str = "PolicyPassed";

    /// RuntimeBaseline: sensors report for the selected pods.
    pub const SENSOR_CONNECTED: &str = "SensorConnected";
    /// RuntimeBaseline: the evidence suffices and the baseline is sealed.
    pub const LEARNED: &str = "Learned";
    /// RuntimeBaseline: may go one mode up; the message says what is missing.
    pub const PROMOTABLE: &str = "Promotable";
    /// RuntimeBaseline: incidents are open.
    pub const ANOMALOUS: &str = "Anomalous";
    /// RuntimeBaseline: an action is in force.
    pub const MITIGATED: &str = "Mitigated";
}

/// Condition reasons that are not the name of an error.
pub mod reasons {
    pub const SUCCEEDED: &str = "Succeeded";
    pub const PROGRESSING: &str = "Progressing";
    pub const SUSPENDED: &str = "Suspended";
    /// The spec breaks a rule; the message lists every problem.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// `namespaceSelector` outside the operator's namespace.
    pub const FOREIGN_NAMESPACE: &str = "ForeignNamespace";
    /// A registry scan where some images failed.
    pub const COMPLETED_WITH_FAILURES: &str = "CompletedWithFailures";
    pub const PASSED: &str = "Passed";
    pub const VIOLATIONS: &str = "Violations";
    /// What broke a rule is held down and does not run.
    pub const CONTAINED: &str = "Contained";
    /// Not everything is known: nothing is concluded.
    pub const UNKNOWN: &str = "Unknown";
    /// The workloads are being looked at after the object's last change.
    pub const JUDGING: &str = "Judging";
    /// The policy demands nothing.
    pub const NO_RULES: &str = "NoRules";
    /// The policy has a rule that this version does not evaluate.
    pub const NOT_EVALUATED: &str = "NotEvaluated";
    /// Admission has not proven that it refuses anything.
    pub const NOT_PROVEN: &str = "NotProven";
    /// Paths of the spec have no effect in this version.
    pub const FIELDS_NOT_CARRIED_OUT: &str = "FieldsNotCarriedOut";
    /// An exception was over when it was written, or has ended since.
    pub const EXCEPTION_EXPIRED: &str = "ExceptionExpired";
    /// No sensor reports.
    pub const NO_SENSOR: &str = "NoSensor";
}
