//! What one policy makes of a workload: what its status says and, where the status has no room for it, what the scans say. Pure.

use std::collections::BTreeMap;

use breakwater_core::{
    policy::{
        self as domain, Consequence, Effect, ImageFacts, ImageRules, ImageUnderTest, NamespaceScope, Subject,
    },
    printable::line,
    workload::WorkloadRef,
};
use breakwater_crds::{
    ImagePolicy, ImagePolicyStatus,
    imagepolicy::{AuditMode, ViolationEntry},
};
use chrono::{DateTime, Utc};
use kube::ResourceExt;

use super::explanation::{
    Check, Exception, Finding, Image, Mitigation, Policy, Rule, Source, Verdict, Violation, time, word,
};

/// The workload that is asked about.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) id: WorkloadRef,
    pub(super) labels: BTreeMap<String, String>,
    /// Absent: they may not be read.
    pub(super) namespace_labels: Option<BTreeMap<String, String>>,
}

/// Nothing if the policy does not speak about the workload.
pub(super) fn judge(
    object: &ImagePolicy,
    asked: &Asked,
    images: &[Image],
    operator_namespace: &str,
    now: DateTime<Utc>,
) -> Option<Policy> {
    let name = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
    let none = ImagePolicyStatus::default();
    let status = object.status.as_ref().unwrap_or(&none);
    let listed = status.violations.iter().find(|entry| {
        entry.kind == asked.id.kind && entry.namespace == asked.id.namespace && entry.name == asked.id.name
    });
    let mitigations: Vec<Mitigation> = status
        .mitigations
        .iter()
        .filter(|entry| entry.workload == asked.id.to_string())
        .map(mitigation)
        .collect();
    let mut shown = Policy {
        policy: name,
        verdict: Verdict::NotJudged,
        source: Source::Status,
        violation: listed.map(violation),
        checks: Vec::new(),
        exceptions: Vec::new(),
        mitigations,
        unsupported: object.spec.unsupported(),
        problem: None,
    };
    let policy = match object.validate(operator_namespace) {
        Ok(policy) => policy,
        Err(problems) => {
            shown.problem = Some(format!("the spec is not valid: {problems}"));
            let speaks =
                object.namespace().as_deref() == Some(&asked.id.namespace) || !shown.mitigations.is_empty();
            return speaks.then_some(shown);
        }
    };
    if listed.is_none() && shown.mitigations.is_empty() && !selects(&policy, asked) {
        return None;
    }
    let in_scope: Vec<&Image> = images
        .iter()
        .filter(|image| policy.selector.selects_image(&under_test(image, ImageFacts::NeverScanned).name()))
        .collect();
    shown.checks = checks(&policy, asked, &in_scope, now);
    shown.exceptions = exceptions(object, &shown.checks, &in_scope);
    if object.spec.enforcement.audit == AuditMode::Off {
        shown.problem = Some("spec.enforcement.audit is Off: running workloads are not judged".to_owned());
        return Some(shown);
    }
    if listed.is_some() {
        shown.verdict = Verdict::Violating;
    } else if is_complete(object, status) {
        // The operator judged with everything it knows, and does not list it.
        shown.checks.retain(|check| check.effect != "Violation");
        shown.verdict = worst(&shown.checks);
    } else {
        shown.source = Source::Scans;
        shown.verdict = worst(&shown.checks);
    }
    Some(shown)
}

fn selects(policy: &domain::Policy, asked: &Asked) -> bool {
    let in_scope = match (&policy.selector.namespaces, &asked.namespace_labels) {
        (NamespaceScope::Own, _) => policy.id.namespace == asked.id.namespace,
        (NamespaceScope::Labelled(selector), Some(labels)) => selector.matches(labels),
        (NamespaceScope::Labelled(_), None) => false,
    };
    in_scope && policy.selector.workloads.matches(&asked.labels)
}

/// Reports whether the status is about this very spec and lists every workload that violates it.
fn is_complete(object: &ImagePolicy, status: &ImagePolicyStatus) -> bool {
    let total = status.total_violations.and_then(|total| usize::try_from(total).ok());
    status.observed_generation == object.metadata.generation
        && total.is_some_and(|total| total <= status.violations.len())
}

fn worst(checks: &[Check]) -> Verdict {
    let of = |check: &Check| match check.effect.as_str() {
        "Violation" => Verdict::Violating,
        "Unknown" => Verdict::Unknown,
        _ => Verdict::Compliant,
    };
    checks.iter().map(of).max().unwrap_or(Verdict::Compliant)
}

/// By the same evaluation as the operator's for what the reference tells and for images without an answer; by the ScanJob's verdict
/// for what is inside.
fn checks(policy: &domain::Policy, asked: &Asked, images: &[&Image], now: DateTime<Utc>) -> Vec<Check> {
    let mut reference_only = policy.clone();
    let rules = std::mem::take(&mut reference_only.rules.image);
    reference_only.rules.vulnerabilities = None;
    reference_only.rules.image = ImageRules {
        trusted_registries: rules.trusted_registries,
        require_digest: rules.require_digest,
        deny_latest_tag: rules.deny_latest_tag,
        unscanned: Consequence::Allow,
        ..ImageRules::default()
    };
    let (answered, rest): (Vec<&Image>, Vec<&Image>) =
        images.iter().copied().partition(|image| is_answered(image));
    let mut found = evaluate(&reference_only, asked, &answered, now);
    found.extend(evaluate(policy, asked, &rest, now));
    let name = format!("{}/{}", policy.id.namespace, policy.id.name);
    for image in answered {
        found.extend(inside(&name, image));
    }
    found
}

fn is_answered(image: &Image) -> bool {
    image
        .scan
        .as_ref()
        .is_some_and(|scan| matches!(scan.result.as_str(), "Passed" | "Violating" | "Incomplete"))
}

fn evaluate(policy: &domain::Policy, asked: &Asked, images: &[&Image], now: DateTime<Utc>) -> Vec<Check> {
    let tests: Vec<ImageUnderTest<'_>> = images.iter().map(|image| under_test(image, facts(image))).collect();
    let mut found = Vec::new();
    // One at a time, for the name of the container.
    for (image, test) in images.iter().zip(&tests) {
        let subject = Subject { workload: Some(&asked.id), images: std::slice::from_ref(test) };
        let verdict = domain::evaluate(policy, &subject, now);
        found.extend(verdict.checks.into_iter().map(|check| Check {
            id: check.id.to_owned(),
            rule: check.rule.to_owned(),
            effect: effect(check.effect).to_owned(),
            container: image.container.clone(),
            observed: check.observed,
            allowed: check.allowed,
            remedy: check.remedy,
            suppressed_by: check.suppressed_by,
        }));
    }
    found
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Suppressed => "Suppressed",
        Effect::Warning => "Warning",
        Effect::Unknown => "Unknown",
        Effect::Violation => "Violation",
    }
}

fn under_test(image: &Image, facts: ImageFacts) -> ImageUnderTest<'static> {
    ImageUnderTest {
        container: None,
        image: image.image.clone(),
        reference: image.image.parse().ok(),
        reported: image.digest.as_deref().and_then(|digest| digest.parse().ok()),
        facts,
    }
}

fn facts(image: &Image) -> ImageFacts {
    let failure = image.scan.as_ref().and_then(|scan| scan.failure.as_ref());
    let failed = failure.and_then(|failure| {
        let reason = serde_json::from_value(failure.reason.clone().into()).ok()?;
        Some(ImageFacts::ScanFailed { reason, message: failure.message.clone() })
    });
    failed.unwrap_or(ImageFacts::NeverScanned)
}

/// What the ScanJob says about the image by itself.
fn inside(policy: &str, image: &Image) -> Vec<Check> {
    let Some(scan) = &image.scan else { return Vec::new() };
    let check = |id: &str, effect: &str, observed: String, remedy: &str| Check {
        id: id.to_owned(),
        rule: rule_of(id),
        effect: effect.to_owned(),
        container: image.container.clone(),
        observed,
        allowed: String::new(),
        remedy: remedy.to_owned(),
        suppressed_by: None,
    };
    let by_scan = format!("found by ScanJob {}", scan.scan_job);
    let unknown = |why: &str| {
        check(
            "",
            "Unknown",
            format!("{why} ScanJob {}", scan.scan_job),
            "read its status.unanalysed and conditions",
        )
    };
    let Some(verdict) = scan.verdicts.iter().find(|verdict| verdict.policy == policy) else {
        return vec![unknown("the policy was not part of")];
    };
    match verdict.result.as_str() {
        "Fail" => {
            // The reference was judged above, with the exceptions of this workload.
            let inside = verdict.rules.iter().filter(|id| !is_about_reference(id));
            inside.map(|id| check(id, "Violation", by_scan.clone(), "see the findings of the scan")).collect()
        }
        "Error" => vec![unknown("not everything is known to")],
        _ => Vec::new(),
    }
}

fn is_about_reference(id: &str) -> bool {
    matches!(id, "BW-IMG-001" | "BW-IMG-002" | "BW-IMG-003")
}

/// The rule path of a check; nothing for an id of another version.
pub(super) fn rule_of(id: &str) -> String {
    domain::check(id).map(|check| check.rule.to_owned()).unwrap_or_default()
}

/// The exceptions that hide something here: a check, or a finding of a scan.
fn exceptions(object: &ImagePolicy, checks: &[Check], images: &[&Image]) -> Vec<Exception> {
    let of_checks = checks.iter().filter_map(|check| check.suppressed_by.as_deref());
    let findings = images.iter().filter_map(|image| image.scan.as_ref()).flat_map(|scan| &scan.findings);
    let names: Vec<&str> =
        of_checks.chain(findings.filter_map(|finding| finding.suppressed_by.as_deref())).collect();
    let hides = object.spec.exceptions.iter().filter(|exception| names.contains(&exception.name.as_str()));
    hides
        .map(|exception| Exception {
            name: exception.name.clone(),
            reason: line(&exception.reason, 600),
            approved_by: exception.approved_by.as_deref().map(|by| line(by, 253)),
            ticket: exception.ticket.as_deref().map(|ticket| line(ticket, 253)),
            expires_at: exception.expires_at.clone(),
        })
        .collect()
}

fn violation(entry: &ViolationEntry) -> Violation {
    let finding = |finding: &breakwater_crds::imagepolicy::ViolatingFinding| Finding {
        id: finding.id.clone(),
        severity: None,
        package: finding.package.clone(),
        installed: finding.installed.clone(),
        fixed: finding.fixed.clone(),
        suppressed_by: None,
    };
    Violation {
        since: entry.since.map(|since| time(since.get())),
        rules: entry.rules.iter().map(|id| Rule { id: id.clone(), rule: rule_of(id) }).collect(),
        findings: entry.findings.iter().map(finding).collect(),
        allowed: entry.allowed.clone(),
        remedy: entry.remedy.clone(),
    }
}

fn mitigation(entry: &breakwater_crds::imagepolicy::MitigationEntry) -> Mitigation {
    Mitigation {
        action: word(&entry.action),
        mode: word(&entry.mode),
        state: entry.state.clone(),
        reason: entry.reason.clone(),
        previous_replicas: entry.previous_replicas,
        until: entry.until.map(|until| time(until.get())),
    }
}

#[cfg(test)]
mod tests {
    use breakwater_core::{Digest, workload::WorkloadKind};
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::explanation::{Failure, Scan, ScanVerdict};

    pub(super) fn asked() -> Asked {
        let id = WorkloadRef { kind: WorkloadKind::Deployment, namespace: "shop".into(), name: "web".into() };
        Asked { id, labels: BTreeMap::new(), namespace_labels: None }
    }

    fn policy(spec: Value, status: Value) -> ImagePolicy {
        serde_json::from_value(json!({"apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicy",
            "metadata": {"name": "p", "namespace": "shop", "uid": "u", "generation": 2}, "spec": spec, "status": status}))
        .unwrap()
    }

    fn image(scan: Option<Scan>) -> Image {
        Image {
            container: "app".into(),
            kind: "App",
            image: "r.test/app:1".into(),
            in_template: true,
            digest: Some(Digest::of(b"app").to_string()),
            scan,
        }
    }

    fn scan(result: &str, verdict: &str, rules: &[&str]) -> Scan {
        Scan {
            scan_job: "shop/s".into(),
            result: result.into(),
            failure: (result == "Failed")
                .then(|| Failure { reason: "NotFound".into(), message: "no such tag".into() }),
            completed: None,
            counts: None,
            findings: vec![],
            more_findings: false,
            verdicts: vec![ScanVerdict {
                policy: "shop/p".into(),
                result: verdict.into(),
                rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
            }],
        }
    }

    fn verdict(object: &ImagePolicy, scan: Option<Scan>) -> Policy {
        judge(object, &asked(), &[image(scan)], "breakwater-system", Default::default()).unwrap()
    }

    fn root() -> Value {
        json!({"rules": {"image": {"allowRootUser": false, "requireDigest": true}},
            "exceptions": [{"name": "e", "rules": ["image.requireDigest"], "workloads": ["Deployment/web"], "reason": "later", "ticket": "T-1"}]})
    }

    #[test]
    fn a_violation_beyond_the_list_is_explained_by_the_scan() {
        let many =
            policy(root(), json!({"observedGeneration": 2, "totalViolations": 10_000, "truncated": true}));
        let shown = verdict(&many, Some(scan("Violating", "Fail", &["BW-IMG-002", "BW-IMG-020"])));
        assert_eq!((shown.verdict, shown.source), (Verdict::Violating, Source::Scans));
        let effects: Vec<_> =
            shown.checks.iter().map(|check| (check.id.as_str(), check.effect.as_str())).collect();
        assert_eq!(effects, [("BW-IMG-002", "Suppressed"), ("BW-IMG-020", "Violation")]);
        assert_eq!(shown.exceptions[0].ticket.as_deref(), Some("T-1"));
    }

    #[test]
    fn a_complete_status_that_does_not_list_it_acquits_what_is_known() {
        let few = policy(root(), json!({"observedGeneration": 2, "totalViolations": 0}));
        let shown = verdict(&few, Some(scan("Violating", "Fail", &["BW-IMG-020"])));
        assert_eq!(
            (shown.verdict, shown.source),
            (Verdict::Compliant, Source::Status),
            "the pod sets runAsUser"
        );
        let old = policy(root(), json!({"observedGeneration": 1, "totalViolations": 0}));
        assert_eq!(
            verdict(&old, Some(scan("Violating", "Fail", &["BW-IMG-020"]))).verdict,
            Verdict::Violating
        );
    }

    #[test]
    fn what_is_not_known_says_why_and_what_to_do() {
        let object = policy(root(), json!({"observedGeneration": 2, "totalViolations": 0}));
        for (scan, id, why) in [
            (None, "BW-IMG-010", "has not been scanned"),
            (Some(scan("Failed", "", &[])), "BW-IMG-011", "no such tag"),
            (Some(scan("Incomplete", "Error", &[])), "", "not everything is known"),
        ] {
            let shown = verdict(&object, scan);
            assert_eq!(shown.verdict, Verdict::Unknown);
            let check = shown.checks.iter().find(|check| check.effect == "Unknown").unwrap();
            assert!(check.id == id && check.observed.contains(why) && !check.remedy.is_empty(), "{check:?}");
        }
    }

    #[test]
    fn an_invalid_policy_says_what_is_wrong_and_another_namespace_s_says_nothing() {
        let typo = json!({"exceptions": [{"name": "e", "rules": ["image.requiredigest"], "reason": "x"}]});
        let shown = verdict(&policy(typo, json!({})), None);
        assert_eq!(shown.verdict, Verdict::NotJudged);
        assert!(shown.problem.unwrap().contains("image.requireDigest"));
        let mut other = policy(root(), json!({}));
        other.metadata.namespace = Some("bank".into());
        assert!(judge(&other, &asked(), &[], "breakwater-system", Default::default()).is_none());
    }
}
