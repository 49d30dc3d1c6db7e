use chrono::{DateTime, Utc};

/// Why nothing is done to a workload although a policy asks for it. The variant's name is the reason that users see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Blocker {
    #[error("ExemptNamespace: nothing in namespace {0} is ever touched")]
    ExemptNamespace(String),
    #[error("Paused: {0}")]
    Paused(&'static str),
    #[error(
        "PolicyInvalid: the policy's spec is invalid: it keeps what it holds and takes no new action; correct the spec"
    )]
    PolicyInvalid,
    #[error("RecordUnreadable: {0}; correct or delete that ConfigMap")]
    RecordUnreadable(String),
    #[error("AccessUnknown: the API server could not be asked whether the right to act is granted")]
    AccessUnknown,
    #[error(
        "TooManyPolicies: {0} policies ask for actions on this workload, the most that are kept track of"
    )]
    TooManyPolicies(usize),
    #[error("RollOutInProgress: pods without the violating images are being rolled out; acted on at {} if violating pods remain", to_the_second(.0))]
    RollOutInProgress(DateTime<Utc>),
    #[error("NamespaceTerminating: the namespace is being deleted")]
    NamespaceTerminating,
    #[error("TargetTerminating: the workload is being deleted")]
    TargetTerminating,
    #[error("TargetGone: there is no such workload any more")]
    TargetGone,
    #[error(
        "OwnedBy: {0} controls it and would change it back; change that object instead, or add an exception"
    )]
    OwnedBy(String),
    #[error("KindNotEnabled: {0} is not among spec.remediation.kinds")]
    KindNotEnabled(&'static str),
    #[error("DaemonSetNeverScaled: a DaemonSet has no replicas to scale; use the action DeletePod or Alert")]
    DaemonSetNeverScaled,
    #[error("RunningJob: suspending a Job deletes its pods and their work")]
    RunningJob,
    #[error("NoReplicas: a {0} cannot be scaled")]
    NoReplicas(&'static str),
    #[error("MirrorPod: the kubelet runs it from a file; the API server cannot stop it")]
    MirrorPod,
    #[error(
        "VolumesWouldBeDeleted: persistentVolumeClaimRetentionPolicy.whenScaled is Delete; scaling to zero would delete its data"
    )]
    VolumesWouldBeDeleted,
    #[error("NothingRuns: it is at 0 replicas already")]
    NothingRuns,
    #[error("NotAvailable: {0} is not available in this version")]
    NotAvailable(&'static str),
    #[error("NoEvidence: no digest of a violating container is known to run")]
    NoEvidence,
    #[error(
        "EvidenceChanged: the workload is not the one that was judged any more; it is judged again first"
    )]
    EvidenceChanged,
    #[error("IndexMissing: no advisory index is in use, or the highest revision ever used is not known")]
    IndexMissing,
    #[error("IndexOlder: revision {have} of the advisories is in use, the finding was made with {needed}")]
    IndexOlder { have: u64, needed: u64 },
    #[error(
        "AdvisoriesStale: the advisory data is older than advisories.staleAfter allows; look at the advisories Deployment"
    )]
    AdvisoriesStale,
    #[error("ConfirmationPending: planned; announced when it still holds at {}", to_the_second(.0))]
    ConfirmationPending(DateTime<Utc>),
    #[error("CoolDown: the last action on it was a short while ago; not before {}", to_the_second(.0))]
    CoolDown(DateTime<Utc>),
    #[error("BudgetSpent: {0}")]
    BudgetSpent(&'static str),
    #[error("BreakerOpen: too much would be hit at once; a person resets it")]
    BreakerOpen,
    #[error("UndoneTooOften: undone {0} times; this rule pauses for this workload")]
    UndoneTooOften(u32),
    #[error(
        "PodsRecreated: its pods were deleted {0} times within an hour and came back with the same image; use the action ScaleToZero"
    )]
    PodsRecreated(u32),
    #[error("TooManyRecords: {0} workloads are under remediation, the most that are kept track of {1}")]
    TooManyRecords(u32, &'static str),
    #[error("VerdictUnknown: what is known does not suffice to act or to restore")]
    VerdictUnknown,
    #[error("Failed: {0}")]
    Failed(&'static str),
}

fn to_the_second(time: &DateTime<Utc>) -> impl std::fmt::Display {
    time.format("%Y-%m-%dT%H:%M:%SZ")
}

impl Blocker {
    /// When it ends by itself, where that is known.
    pub(super) fn until(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::ConfirmationPending(until) | Self::CoolDown(until) | Self::RollOutInProgress(until) => {
                Some(*until)
            }
            _ => None,
        }
    }

    /// Reports whether a notice that was given cannot come true while this is so.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            Self::ExemptNamespace(_)
            | Self::OwnedBy(_)
            | Self::KindNotEnabled(_)
            | Self::DaemonSetNeverScaled
            | Self::RunningJob
            | Self::NoReplicas(_)
            | Self::VolumesWouldBeDeleted
            | Self::NothingRuns
            | Self::NotAvailable(_)
            | Self::UndoneTooOften(_)
            | Self::TargetTerminating => true,
            Self::Paused(_)
            | Self::PolicyInvalid
            | Self::RecordUnreadable(_)
            | Self::AccessUnknown
            | Self::TooManyPolicies(_)
            | Self::RollOutInProgress(_)
            | Self::AdvisoriesStale
            | Self::NamespaceTerminating
            | Self::TargetGone
            | Self::MirrorPod
            | Self::NoEvidence
            | Self::EvidenceChanged
            | Self::IndexMissing
            | Self::IndexOlder { .. }
            | Self::ConfirmationPending(_)
            | Self::CoolDown(_)
            | Self::BudgetSpent(_)
            | Self::BreakerOpen
            | Self::PodsRecreated(_)
            | Self::TooManyRecords(..)
            | Self::VerdictUnknown
            | Self::Failed(_) => false,
        }
    }
}
