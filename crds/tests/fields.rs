//! Nothing is accepted and ignored: every field of the three specs is in effect, or is reported by its path in `Unsupported`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a test relies on and does not get, fails it"
)]

use std::{collections::BTreeMap, fs, path::Path};

use breakwater_core::policy::Policy;
use breakwater_crds::{
    ImagePolicy, RuntimeBaseline, ScanJob, definition,
    validation::{Baseline, Scan, read},
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use serde_json::Value;

/// Fields in effect: where they are used, and by which text of that source tree. Without its field an object must be refused or mean
/// something else, except for fields that are read from the object itself ([`READ_RAW`]).
const IN_EFFECT: &[(&str, &str, &str)] = &[
    ("ImagePolicy spec.suspend", "core/src/mitigation", "suspended"),
    ("ImagePolicy spec.selector.namespaceSelector.matchLabels", "core/src/policy", "namespace_labels"),
    (
        "ImagePolicy spec.selector.namespaceSelector.matchExpressions[].key",
        "core/src",
        "NamespaceScope::Labelled",
    ),
    ("ImagePolicy spec.selector.namespaceSelector.matchExpressions[].operator", "core/src", "Requirement"),
    ("ImagePolicy spec.selector.namespaceSelector.matchExpressions[].values[]", "core/src", "Requirement"),
    ("ImagePolicy spec.selector.workloadSelector.matchLabels", "core/src/policy", "workloads.matches"),
    (
        "ImagePolicy spec.selector.workloadSelector.matchExpressions[].key",
        "core/src/policy",
        "workloads.matches",
    ),
    ("ImagePolicy spec.selector.workloadSelector.matchExpressions[].operator", "core/src", "Requirement"),
    ("ImagePolicy spec.selector.workloadSelector.matchExpressions[].values[]", "core/src", "Requirement"),
    ("ImagePolicy spec.selector.images[]", "core/src/policy", "self.images"),
    ("ImagePolicy spec.selector.excludeImages[]", "core/src/policy", "exclude_images"),
    ("ImagePolicy spec.registries[].name", "operator/src", "source.name"),
    ("ImagePolicy spec.registries[].url", "operator/src", "source.host"),
    ("ImagePolicy spec.registries[].mirrors[]", "operator/src", "mirrors"),
    ("ImagePolicy spec.registries[].repositories[].name", "operator/src", "repository.name"),
    ("ImagePolicy spec.registries[].repositories[].tags.include[]", "operator/src", "repository.include"),
    ("ImagePolicy spec.registries[].repositories[].tags.exclude[]", "operator/src", "repository.exclude"),
    ("ImagePolicy spec.registries[].repositories[].tags.semver", "operator/src", "repository.versions"),
    ("ImagePolicy spec.registries[].repositories[].tags.newest", "operator/src", "repository.newest"),
    ("ImagePolicy spec.registries[].platforms[]", "operator/src", "source.platforms"),
    ("ImagePolicy spec.registries[].authSecretRef.name", "operator/src", "auth_secret"),
    ("ImagePolicy spec.registries[].serviceAccountName", "operator/src", "service_account"),
    ("ImagePolicy spec.registries[].caSecretRef.name", "operator/src", "ca_secret"),
    ("ImagePolicy spec.registries[].maxImages", "operator/src", "max_images"),
    ("ImagePolicy spec.schedule.cron", "core/src", "cron"),
    ("ImagePolicy spec.schedule.interval", "core/src", "interval"),
    ("ImagePolicy spec.schedule.timeZone", "core/src", "zone"),
    ("ImagePolicy spec.schedule.jitter", "core/src", "jitter"),
    ("ImagePolicy spec.schedule.startingDeadline", "core/src", "deadline"),
    ("ImagePolicy spec.schedule.concurrency", "operator/src", "registries_at_once"),
    ("ImagePolicy spec.scan.timeout", "operator/src", "scanning.timeout"),
    ("ImagePolicy spec.rules.vulnerabilities.max.critical", "core/src/policy", "max.of"),
    ("ImagePolicy spec.rules.vulnerabilities.max.high", "core/src/policy", "max.of"),
    ("ImagePolicy spec.rules.vulnerabilities.max.medium", "core/src/policy", "max.of"),
    ("ImagePolicy spec.rules.vulnerabilities.max.low", "core/src/policy", "max.of"),
    ("ImagePolicy spec.rules.vulnerabilities.max.unknown", "core/src/policy", "max.of"),
    ("ImagePolicy spec.rules.vulnerabilities.unknownSeverity", "core/src/policy", "unknown_severity"),
    ("ImagePolicy spec.rules.vulnerabilities.fixableOnly", "core/src/policy", "fixable_only"),
    ("ImagePolicy spec.rules.vulnerabilities.grace.published", "core/src/policy", "grace.published"),
    ("ImagePolicy spec.rules.vulnerabilities.grace.fixAvailable", "core/src/policy", "grace.fix_available"),
    ("ImagePolicy spec.rules.vulnerabilities.grace.firstSeen", "core/src/policy", "grace.first_seen"),
    ("ImagePolicy spec.rules.vulnerabilities.maxCvss", "core/src/policy", "max_cvss_tenths"),
    ("ImagePolicy spec.rules.vulnerabilities.maxEpssPercentile", "core/src/policy", "max_epss_percentile"),
    ("ImagePolicy spec.rules.vulnerabilities.denyKnownExploited", "core/src/policy", "deny_known_exploited"),
    ("ImagePolicy spec.rules.vulnerabilities.deny[]", "core/src/policy", "rule.deny"),
    ("ImagePolicy spec.rules.image.trustedRegistries[]", "core/src/policy", "trusted_registries"),
    ("ImagePolicy spec.rules.image.requireDigest", "core/src/policy", "require_digest"),
    ("ImagePolicy spec.rules.image.denyLatestTag", "core/src/policy", "deny_latest_tag"),
    ("ImagePolicy spec.rules.image.maxAge", "core/src/policy", "rules.max_age"),
    ("ImagePolicy spec.rules.image.maxScanAge", "core/src/policy", "rules.max_scan_age"),
    ("ImagePolicy spec.rules.image.unscanned", "core/src/policy", "rules.unscanned"),
    ("ImagePolicy spec.rules.image.scanFailed", "core/src/policy", "rules.scan_failed"),
    ("ImagePolicy spec.rules.image.incomplete", "core/src/policy", "rules.incomplete"),
    ("ImagePolicy spec.rules.image.allowRootUser", "core/src/policy", "allow_root_user"),
    ("ImagePolicy spec.rules.image.maxPackages", "core/src/policy", "max_packages"),
    ("ImagePolicy spec.rules.image.bannedSoftware[]", "core/src/policy", "banned_software"),
    ("ImagePolicy spec.rules.image.bannedPackages[]", "core/src/policy", "banned_packages"),
    ("ImagePolicy spec.rules.image.requiredLabels[]", "core/src/policy", "required_labels"),
    ("ImagePolicy spec.rules.image.maxSecrets", "core/src/policy", "max_secrets"),
    ("ImagePolicy spec.rules.image.denySecretEnv", "core/src/policy", "deny_secret_env"),
    ("ImagePolicy spec.rules.image.maxSetuidFiles", "core/src/policy", "max_setuid_files"),
    ("ImagePolicy spec.enforcement.audit", "operator/src", "AuditMode"),
    ("ImagePolicy spec.exceptions[].name", "core/src/policy", "exception.name"),
    ("ImagePolicy spec.exceptions[].cves[]", "core/src/policy", "self.cves"),
    ("ImagePolicy spec.exceptions[].packages[]", "core/src/policy", "self.packages"),
    ("ImagePolicy spec.exceptions[].rules[]", "core/src/policy", "self.rules"),
    ("ImagePolicy spec.exceptions[].images[]", "core/src/policy", "self.images"),
    ("ImagePolicy spec.exceptions[].workloads[]", "core/src/policy", "self.workloads"),
    ("ImagePolicy spec.exceptions[].reason", "cli/src/cluster", "exception.reason"),
    ("ImagePolicy spec.exceptions[].approvedBy", "cli/src/cluster", "exception.approved_by"),
    ("ImagePolicy spec.exceptions[].ticket", "cli/src/cluster", "exception.ticket"),
    ("ImagePolicy spec.exceptions[].expiresAt", "core/src/policy", "expires_at"),
    ("ImagePolicy spec.exceptions[].expireWhenFixed", "core/src/policy", "expire_when_fixed"),
    ("ImagePolicy spec.remediation.mode", "core/src/mitigation", "remediation.mode"),
    ("ImagePolicy spec.remediation.triggers[].action", "core/src/mitigation", "trigger.action"),
    ("ImagePolicy spec.remediation.triggers[].gracePeriod", "core/src/mitigation", "trigger.grace"),
    (
        "ImagePolicy spec.remediation.triggers[].when.fixableCritical",
        "core/src/mitigation",
        "when.fixable_critical",
    ),
    (
        "ImagePolicy spec.remediation.triggers[].when.knownExploited",
        "core/src/mitigation",
        "when.known_exploited",
    ),
    ("ImagePolicy spec.remediation.triggers[].when.rules[]", "core/src/mitigation", "when.rules"),
    ("ImagePolicy spec.remediation.restore.onCompliant", "core/src/mitigation", "on_compliant"),
    ("ImagePolicy spec.remediation.restore.after", "core/src/mitigation", "restore.after"),
    ("ImagePolicy spec.remediation.limits.maxPerHour", "core/src/mitigation", "max_per_hour"),
    ("ImagePolicy spec.remediation.limits.maxConcurrent", "core/src/mitigation", "max_concurrent"),
    ("ImagePolicy spec.remediation.limits.maxPercent", "core/src/mitigation", "max_percent"),
    ("ImagePolicy spec.remediation.kinds[]", "core/src/mitigation", "kinds"),
    ("ScanJob spec.image", "operator/src", "ScanOf::Image"),
    ("ScanJob spec.registry.policyRef.name", "operator/src", "ScanOf::Registry"),
    ("ScanJob spec.registry.name", "operator/src", "ScanOf::Registry"),
    ("ScanJob spec.registry.repositories[]", "operator/src", "ScanOf::Registry"),
    ("ScanJob spec.platforms[]", "operator/src", "scan.platforms"),
    ("ScanJob spec.imagePullSecrets[].name", "operator/src", "scan.pull_secrets"),
    ("ScanJob spec.serviceAccountName", "operator/src", "scan.service_account"),
    ("ScanJob spec.caSecretRef.name", "operator/src", "ca_secret"),
    ("ScanJob spec.credentialsFrom.namespace", "operator/src", "credentials_from"),
    ("ScanJob spec.credentialsFrom.kind", "operator/src", "credentials_from"),
    ("ScanJob spec.credentialsFrom.name", "operator/src", "credentials_from"),
    ("ScanJob spec.timeout", "operator/src", "scan.timeout"),
    ("ScanJob spec.attempts", "operator/src", "attempts"),
    ("ScanJob spec.parallelism", "operator/src", "scan.parallelism"),
    ("ScanJob spec.priority", "operator/src", "priority"),
    ("ScanJob spec.ttlAfterFinished", "operator/src", "ttl_after_finished"),
    ("ScanJob spec.suspend", "operator/src", "suspended"),
    ("RuntimeBaseline spec.targetRef.apiVersion", "operator/src", "BaselineTarget::Workload"),
    ("RuntimeBaseline spec.targetRef.kind", "operator/src", "BaselineTarget::Workload"),
    ("RuntimeBaseline spec.targetRef.name", "operator/src", "BaselineTarget::Workload"),
    (
        "RuntimeBaseline spec.selector.namespaceSelector.matchLabels",
        "operator/src",
        "BaselineTarget::Selected",
    ),
    (
        "RuntimeBaseline spec.selector.namespaceSelector.matchExpressions[].key",
        "operator/src",
        "NamespaceScope",
    ),
    (
        "RuntimeBaseline spec.selector.namespaceSelector.matchExpressions[].operator",
        "core/src",
        "Requirement",
    ),
    (
        "RuntimeBaseline spec.selector.namespaceSelector.matchExpressions[].values[]",
        "core/src",
        "Requirement",
    ),
    (
        "RuntimeBaseline spec.selector.workloadSelector.matchLabels",
        "operator/src",
        "BaselineTarget::Selected",
    ),
    ("RuntimeBaseline spec.selector.workloadSelector.matchExpressions[].key", "core/src", "Requirement"),
    ("RuntimeBaseline spec.selector.workloadSelector.matchExpressions[].operator", "core/src", "Requirement"),
    ("RuntimeBaseline spec.selector.workloadSelector.matchExpressions[].values[]", "core/src", "Requirement"),
];

/// Fields that code reads from the object, not from what validation makes of it.
const READ_RAW: &[&str] = &["ImagePolicy spec.enforcement.audit", "ImagePolicy spec.exceptions[].ticket"];

/// What an object means, and the paths it reports as not carried out.
#[derive(Debug, PartialEq)]
enum Meaning {
    Policy(Box<Policy>),
    Scan(Box<Scan>),
    Baseline(Box<Baseline>),
}

fn meaning(object: &Value) -> Option<(Meaning, Vec<String>)> {
    let home = "breakwater-system";
    match object["kind"].as_str()? {
        "ImagePolicy" => {
            let policy = read::<ImagePolicy>(object).ok()?;
            Some((Meaning::Policy(Box::new(policy.validate(home).ok()?)), policy.spec.unsupported()))
        }
        "ScanJob" => {
            let scan = read::<ScanJob>(object).ok()?;
            Some((Meaning::Scan(Box::new(scan.validate(home).ok()?)), scan.spec.unsupported()))
        }
        "RuntimeBaseline" => {
            let baseline = read::<RuntimeBaseline>(object).ok()?;
            Some((Meaning::Baseline(Box::new(baseline.validate(home).ok()?)), baseline.spec.unsupported()))
        }
        _ => None,
    }
}

/// The leaves of a spec: values, items of lists, maps as a whole, objects of other APIs as a whole.
fn leaves(path: &str, schema: &JSONSchemaProps, found: &mut Vec<String>) {
    let properties: Vec<_> = schema.properties.iter().flatten().collect();
    for (name, property) in &properties {
        leaves(&format!("{path}.{name}"), property, found);
    }
    match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => leaves(&format!("{path}[]"), items, found),
        _ if properties.is_empty() => found.push(path.to_owned()),
        _ => {}
    }
}

fn fields(kind: &str) -> Vec<String> {
    let definition = definition::all().into_iter().find(|it| it.spec.names.kind == kind).unwrap();
    let root = definition.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
    let mut found = Vec::new();
    leaves("spec", &root.properties.as_ref().unwrap()["spec"], &mut found);
    found
}

/// JSON pointers of this leaf in an object.
fn pointers(leaf: &str, object: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    for segment in leaf.split('.') {
        let (name, is_list) = segment.strip_suffix("[]").map_or((segment, false), |name| (name, true));
        let below: Vec<String> = found.into_iter().map(|path| format!("{path}/{name}")).collect();
        found = if is_list {
            let count = |path: &String| object.pointer(path).and_then(Value::as_array).map_or(0, Vec::len);
            below.iter().flat_map(|path| (0..count(path)).map(move |at| format!("{path}/{at}"))).collect()
        } else {
            below
        };
    }
    found.retain(|path| object.pointer(path).is_some());
    found
}

fn without(object: &Value, pointer: &str) -> Value {
    let mut changed = object.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match changed.pointer_mut(parent).unwrap() {
        Value::Object(fields) => _ = fields.remove(name),
        Value::Array(items) => _ = items.remove(name.parse().unwrap()),
        other => panic!("{other}"),
    }
    changed
}

/// `/spec/exceptions/0/vexStatus` as a report writes it: `spec.exceptions[0].vexStatus`.
fn as_path(pointer: &str) -> String {
    let mut path = String::new();
    for segment in pointer.split('/').skip(1) {
        match segment.parse::<usize>() {
            Ok(position) => path.push_str(&format!("[{position}]")),
            Err(_) if path.is_empty() => path.push_str(segment),
            Err(_) => path.push_str(&format!(".{segment}")),
        }
    }
    path
}

/// A valid object.
struct Sample {
    object: Value,
    meaning: Meaning,
    reported: Vec<String>,
}

/// The objects of `testdata/good`.
fn samples(kind: &str) -> Vec<Sample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/good").join(kind.to_lowercase());
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let sample = |path| {
        let object: Value = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let (meaning, reported) = meaning(&object).unwrap();
        Sample { object, meaning, reported }
    };
    files.iter().map(sample).collect()
}

fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// What is wrong with one field, if anything is.
fn problem(kind: &str, leaf: &str, samples: &[Sample]) -> Option<String> {
    let name = format!("{kind} {leaf}");
    let set: Vec<_> = samples.iter().map(|sample| (sample, pointers(leaf, &sample.object))).collect();
    if set.iter().all(|(_, pointers)| pointers.is_empty()) {
        return Some(format!("{name}: no file of testdata/good sets it"));
    }
    let is_reported = |sample: &Sample, pointer: &String| {
        let path = as_path(pointer);
        let covers = |reported: &String| {
            path.strip_prefix(reported).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        sample.reported.iter().any(covers)
    };
    let all = set.iter().flat_map(|(sample, pointers)| pointers.iter().map(move |at| (*sample, at)));
    let (reported, rest): (Vec<_>, Vec<_>) = all.partition(|(sample, at)| is_reported(sample, at));
    let row = IN_EFFECT.iter().any(|(path, ..)| *path == name);
    if row && !READ_RAW.contains(&name.as_str()) {
        let matters = |(sample, at): &(&Sample, &String)| {
            let after = meaning(&without(&sample.object, at)).map(|(meaning, _)| meaning);
            after.as_ref() != Some(&sample.meaning)
        };
        if !rest.iter().any(matters) {
            return Some(format!("{name}: is said to be in effect, and means the same with and without it"));
        }
    }
    (!row && reported.is_empty()).then(|| format!("{name}: neither in effect nor reported as unsupported"))
}

#[test]
fn every_field_is_in_effect_or_reported() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for kind in ["ImagePolicy", "ScanJob", "RuntimeBaseline"] {
        let samples = samples(kind);
        for leaf in fields(kind) {
            count += 1;
            wrong.extend(problem(kind, &leaf, &samples));
        }
    }
    assert!(count > 180, "{count}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_in_effect_is_used_where_it_is_said_to_be() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut trees: BTreeMap<&str, String> = BTreeMap::new();
    let of =
        |kind: &str| fields(kind).into_iter().map(move |leaf| format!("{kind} {leaf}")).collect::<Vec<_>>();
    let known = [of("ImagePolicy"), of("ScanJob"), of("RuntimeBaseline")].concat();
    for (field, folder, text) in IN_EFFECT {
        assert!(known.iter().any(|known| known == field), "{field} does not exist");
        let tree = trees.entry(folder).or_insert_with(|| {
            let mut text = String::new();
            sources(&root.join(folder), &mut text);
            text
        });
        assert!(tree.contains(text), "{field}: {text} is not in {folder}");
    }
}

#[test]
fn a_default_asks_for_nothing_that_is_missing() {
    let object = serde_json::json!({
        "apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicy",
        "metadata": {"name": "x", "namespace": "a"},
        "spec": {"enforcement": {"build": "Warn", "admission": "Audit", "audit": "Audit", "replacementPods": "Allow"},
            "remediation": {"triggers": [{"action": "Alert"}]}},
    });
    assert_eq!(meaning(&object).unwrap().1, [""; 0]);
    let asking = serde_json::json!({
        "apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicy",
        "metadata": {"name": "x", "namespace": "a"},
        "spec": {"rules": {"image": {"trustedBases": ["r.test/**"]}}, "enforcement": {"admission": "Enforce"},
            "remediation": {"triggers": [{"action": "Alert"}, {"action": "Quarantine", "when": {"risk": 3}}]}},
    });
    let (policy, reported) = meaning(&asking).unwrap();
    assert_eq!(
        reported,
        [
            "spec.rules.image.trustedBases",
            "spec.enforcement.admission",
            "spec.remediation.triggers[1].when.risk",
            "spec.remediation.triggers[1].action",
        ]
    );
    let Meaning::Policy(policy) = policy else { panic!("{policy:?}") };
    assert_eq!(policy.not_evaluated, ["image.trustedBases"], "rules alone make a verdict Unknown");
}
