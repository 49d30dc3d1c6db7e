//! Which scan counts for an image: one of its digest, in the trust domain of the workload. Pure.

use breakwater_core::{ImageReference, printable::line};
use breakwater_crds::{
    ScanJob,
    names::conditions,
    scanjob::{FindingEntry, ScanResult},
};
use kube::ResourceExt;

use super::explanation::{Counts, Failure, Finding, Scan, ScanVerdict, time, word};

/// The most findings of one image that are shown.
const MAX_FINDINGS: usize = 5;

/// Where a workload lives, and where the operator does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) namespace: &'a str,
    pub(super) operator: &'a str,
}

impl Place<'_> {
    /// Reports whether what `job` found is a fact for the workload: it was asked with the namespace's own credentials, or by the
    /// operator with those or none.
    pub(super) fn trusts(&self, job: &ScanJob) -> bool {
        let namespace = job.namespace().unwrap_or_default();
        let foreign = job.spec.credentials_from.as_ref().is_some_and(|from| from.namespace != self.namespace);
        namespace == self.namespace || namespace == self.operator && !foreign
    }
}

/// The scan that counts for this image: the newest with an answer about its digest, else the newest that failed, else one under way.
/// Without a digest it is the newest of the very same reference.
pub(super) fn counting<'a>(jobs: &'a [ScanJob], image: &str, digest: Option<&str>) -> Option<&'a ScanJob> {
    let about = jobs.iter().filter(|job| match digest {
        Some(digest) => is_of_digest(job, digest),
        None => is_of_reference(job, image),
    });
    about.max_by_key(|job| {
        let status = job.status.as_ref();
        let rank = match result(job) {
            ScanResult::Passed | ScanResult::Violating | ScanResult::Incomplete => 2,
            ScanResult::Failed => 1,
            ScanResult::Pending | ScanResult::Running => 0,
        };
        (rank, status.and_then(|status| status.completion_time), job.name_any())
    })
}

fn result(job: &ScanJob) -> ScanResult {
    job.status.as_ref().and_then(|status| status.result).unwrap_or_default()
}

fn is_of_digest(job: &ScanJob, digest: &str) -> bool {
    let target = job.status.as_ref().and_then(|status| status.target.as_ref());
    let found = target.is_some_and(|target| {
        let manifests = target.platforms.iter().filter_map(|platform| platform.digest.as_deref());
        manifests.chain(target.index_digest.as_deref()).any(|found| found == digest)
    });
    let asked = job.spec.image.as_deref().and_then(|image| image.split_once('@'));
    found || asked.is_some_and(|(_, asked)| asked == digest)
}

fn is_of_reference(job: &ScanJob, image: &str) -> bool {
    let parsed = |text: &str| text.parse::<ImageReference>().ok();
    job.spec
        .image
        .as_deref()
        .is_some_and(|asked| asked == image || parsed(asked).is_some() && parsed(asked) == parsed(image))
}

pub(super) fn shown(job: &ScanJob) -> Scan {
    let status = job.status.clone().unwrap_or_default();
    let failed = status.conditions.iter().find(|condition| condition.type_ == conditions::FAILED);
    let failure = failed.filter(|condition| condition.status == "True").map(|condition| Failure {
        reason: condition.reason.clone(),
        message: line(&condition.message, 600),
    });
    let counts = status.summary.as_ref().map(|summary| Counts {
        critical: summary.critical,
        high: summary.high,
        medium: summary.medium,
        low: summary.low,
        unknown: summary.unknown,
        fixable: summary.fixable_total,
        packages: summary.packages,
    });
    let total =
        usize::try_from(status.total_findings.unwrap_or(0)).unwrap_or(0).max(status.top_findings.len());
    Scan {
        scan_job: format!("{}/{}", job.namespace().unwrap_or_default(), job.name_any()),
        result: word(&result(job)),
        failure,
        completed: status.completion_time.map(|end| time(end.get())),
        counts,
        findings: status.top_findings.iter().take(MAX_FINDINGS).map(finding).collect(),
        more_findings: total > MAX_FINDINGS,
        verdicts: status
            .verdicts
            .iter()
            .map(|verdict| ScanVerdict {
                policy: verdict.policy.clone(),
                result: word(&verdict.result),
                rules: verdict.rules.clone(),
            })
            .collect(),
    }
}

fn finding(entry: &FindingEntry) -> Finding {
    Finding {
        id: entry.id.clone(),
        severity: Some(entry.severity.to_string()),
        package: entry.package.clone(),
        installed: entry.installed.clone(),
        fixed: entry.fixed.clone(),
        suppressed_by: entry.suppressed_by.clone(),
    }
}

#[cfg(test)]
mod tests {
    use breakwater_core::Digest;
    use serde_json::{Value, json};

    use super::*;

    fn job(namespace: &str, name: &str, image: &str, status: Value) -> ScanJob {
        serde_json::from_value(json!({"apiVersion": "breakwater.dev/v1alpha1", "kind": "ScanJob",
            "metadata": {"namespace": namespace, "name": name}, "spec": {"image": image}, "status": status}))
        .unwrap()
    }

    fn of(digest: &Digest, result: &str, second: u32) -> Value {
        json!({"result": result, "completionTime": format!("2026-01-01T00:00:{second:02}Z"),
            "target": {"reference": "r.test/app:1", "platforms": [{"platform": "linux/amd64", "digest": digest}]}})
    }

    #[test]
    fn only_scans_of_the_digest_count() {
        let (ours, other) = (Digest::of(b"a"), Digest::of(b"b"));
        let jobs = [
            job("shop", "old", "r.test/app:1", of(&ours, "Passed", 1)),
            job("shop", "newer-other", "r.test/app:1", of(&other, "Violating", 9)),
            job("shop", "failed", "r.test/app:1", of(&ours, "Failed", 8)),
        ];
        let name = |digest: Option<&str>| counting(&jobs, "r.test/app:1", digest).map(ResourceExt::name_any);
        assert_eq!(
            name(Some(&ours.to_string())).as_deref(),
            Some("old"),
            "an answer outlives a later failure"
        );
        assert_eq!(name(Some(&Digest::of(b"c").to_string())), None);
        assert_eq!(name(None).as_deref(), Some("newer-other"), "without a digest by the very same tag");
        assert!(counting(&jobs, "r.test/app:2", None).is_none());
    }

    #[test]
    fn other_namespaces_are_not_asked() {
        let place = Place { namespace: "shop", operator: "breakwater-system" };
        assert!(place.trusts(&job("shop", "a", "x/y:1", json!({}))));
        assert!(!place.trusts(&job("bank", "a", "x/y:1", json!({}))));
        let mut central = job("breakwater-system", "a", "x/y:1", json!({}));
        assert!(place.trusts(&central));
        central.spec.credentials_from =
            serde_json::from_value(json!({"namespace": "bank", "kind": "Deployment", "name": "x"})).unwrap();
        assert!(!place.trusts(&central));
    }

    #[test]
    fn a_failure_is_shown_with_its_reason() {
        let failed = json!({"result": "Failed", "conditions": [{"type": "Failed", "status": "True", "reason": "NotFound",
            "message": "no such tag", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
        let scan = shown(&job("shop", "a", "r.test/app:1", failed));
        assert_eq!(scan.failure, Some(Failure { reason: "NotFound".into(), message: "no such tag".into() }));
        assert_eq!(scan.result, "Failed");
    }
}
