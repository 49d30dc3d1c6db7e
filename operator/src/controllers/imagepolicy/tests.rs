//! From facts to verdicts and statuses, and one policy's life as the API server sees it.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use breakwater_core::{
    Digest, Platform,
    inventory::{ImageConfig, ImageIdentity as Described, Inventory, Package, ScannerIdentity},
    mitigation::{ActionKind, Mode, State},
    policy::{Compliance, ImageFacts, Policy, Subject, Verdict, evaluate},
    scan::{FailureReason, ScanStage},
    workload::{ImageIdentity, RunningImage, Workload, WorkloadKind, WorkloadRef},
};
use breakwater_crds::{
    ImagePolicy, ImagePolicyStatus,
    names::conditions::{COMPLIANT, DATABASE_STALE, READY, REGISTRY_REACHABLE, STALLED},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    Reconciler, Rooms,
    observe::{Facts, Judged},
    plan::{Plan, PreviousRun},
    reconcile, report,
};
use crate::{
    clock::Clock,
    config::Config,
    context::Context,
    evaluate::{self, PolicyStore, images_under_test},
    inventory::{Failure, Highest, Images, IndexState, Outcome, Scan},
    kube::{
        conditions,
        events::Events,
        lease::{Leadership, Term},
    },
    mitigation::Mitigation,
    rescan::Asks,
    store::{Domain, Key, Store, fake_api::FakeApi},
    workloads::Workloads,
};

const POLICY: &str = "/apis/breakwater.dev/v1alpha1/namespaces/shop/imagepolicies/strict";
const STATUS: &str = "PATCH /apis/breakwater.dev/v1alpha1/namespaces/shop/imagepolicies/strict/status";

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn object(spec: Value) -> ImagePolicy {
    serde_json::from_value(json!({
        "apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicy",
        "metadata": {"name": "strict", "namespace": "shop", "uid": "p-1", "generation": 2,
            "creationTimestamp": "2027-01-15T07:00:00Z"},
        "spec": spec,
    }))
    .unwrap()
}

fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn inventory(name: &str, packages: &[(&str, &str)]) -> Inventory {
    let package = |(name, version): &(&str, &str)| Package {
        name: (*name).into(),
        version: (*version).into(),
        ecosystem: "npm".into(),
        purl: format!("pkg:npm/{name}@{version}"),
        source: None,
        licenses: vec![],
        imports: vec![],
        layer: None,
        path: "package.json".into(),
    };
    Inventory {
        schema_version: 1,
        image: Described {
            reference: format!("r.test/{name}:1"),
            digest: digest(name),
            config_digest: digest("config"),
            platform: Platform::linux("amd64"),
            created: None,
        },
        scanner: ScannerIdentity { name: "breakwater".into(), version: "0".into() },
        os: None,
        base: None,
        layers: vec![],
        packages: packages.iter().map(package).collect(),
        software: vec![],
        files: vec![],
        secrets: vec![],
        config: ImageConfig { user: "5".into(), ..ImageConfig::default() },
        unanalysed: vec![],
    }
}

fn workload(name: &str, image: &str, runs: bool) -> Arc<Workload> {
    let identity = ImageIdentity::Pullable { repository: format!("r.test/{image}"), digest: digest(image) };
    let container = breakwater_core::workload::Container {
        name: "app".into(),
        kind: breakwater_core::workload::ContainerKind::App,
        image: format!("r.test/{image}:1"),
        run_as_user: None,
        run_as_non_root: None,
    };
    let running = RunningImage {
        container: "app".into(),
        image: format!("r.test/{image}:1"),
        identity,
        platform: Platform::linux("amd64"),
    };
    Arc::new(Workload {
        id: WorkloadRef { kind: WorkloadKind::Deployment, namespace: "shop".into(), name: name.into() },
        uid: format!("uid-{name}"),
        labels: Default::default(),
        annotations: [("breakwater.dev/owner".to_owned(), "team-a".to_owned())].into(),
        namespace_labels: Default::default(),
        replicas: Some(i32::from(runs)),
        running_pods: i32::from(runs),
        injected: vec![],
        namespace_paused: false,
        finished: false,
        controlled_by: None,
        containers: vec![container],
        pull_secrets: vec![],
        running: if runs { vec![running] } else { vec![] },
    })
}

fn scanned(image: &str, change: impl FnOnce(&mut breakwater_core::policy::ScannedImage)) -> ImageFacts {
    let mut facts = breakwater_core::policy::ScannedImage {
        digest: digest(image),
        reference: format!("r.test/{image}:1"),
        created: None,
        config: Some(ImageConfig { user: "5".into(), ..ImageConfig::default() }),
        software: vec![],
        package_names: vec![],
        secrets: 0,
        secret_env: vec![],
        setuid_files: 0,
        unanalysed: 0,
        findings: vec![],
        matched: Some(breakwater_core::policy::Matched {
            revision: 7,
            at: at(0),
            carries: Default::default(),
        }),
        history: Default::default(),
    };
    change(&mut facts);
    ImageFacts::Scanned(Arc::new(facts))
}

fn finding(id: &str, severity: breakwater_core::Severity) -> breakwater_core::Finding {
    serde_json::from_value(
        json!({"id": id, "package": {"name": "lodash", "version": "4.17.0", "ecosystem": "npm"},
        "severity": severity, "fixed": "4.17.21"}),
    )
    .unwrap()
}

fn facts(workloads: Vec<Arc<Workload>>, images: Vec<(&str, ImageFacts)>) -> Facts {
    let named = |image: &str| {
        let identity =
            ImageIdentity::Pullable { repository: format!("r.test/{image}"), digest: digest(image) };
        (identity, Platform::linux("amd64"))
    };
    let failure =
        Failure { stage: ScanStage::Resolve, reason: FailureReason::NotFound, message: "no such tag".into() };
    let failures = images
        .iter()
        .filter(|(_, facts)| matches!(facts, ImageFacts::ScanFailed { .. }))
        .map(|(image, _)| (named(image), (failure.clone(), Some(at(1)))))
        .collect();
    let unjudged = |workload| Judged { workload, verdict: Arc::new(Verdict::of([].into_iter())) };
    Facts {
        judged: workloads.into_iter().map(unjudged).collect(),
        tags: HashMap::new(),
        platforms: vec![Platform::linux("amd64")],
        images: images.into_iter().map(|(image, facts)| (named(image), facts)).collect::<HashMap<_, _>>(),
        failures,
        index: IndexState {
            revision: Some(7),
            built_at: Some(at(-60)),
            highest: Highest::Known(7),
            problem: None,
        },
        scans: vec![],
        mitigations: vec![],
        health: crate::mitigation::Health { is_running: true, ..Default::default() },
        paused: false,
        store_full: None,
    }
}

fn past() -> PreviousRun {
    PreviousRun { created: at(0), stale_after: TimeDelta::days(3), ..PreviousRun::default() }
}

/// The facts with this policy's verdicts.
fn judged(policy: &Policy, facts: &Facts, now: DateTime<Utc>) -> Facts {
    let mut facts = facts.clone();
    let known = |named: &_| facts.images.get(named).cloned().unwrap_or(ImageFacts::NeverScanned);
    for judged in &mut facts.judged {
        let images = images_under_test(&judged.workload, &facts.platforms, known, |_, _, _| None);
        let images: Vec<_> = images.into_iter().map(|(image, _)| image).collect();
        let mut verdict =
            evaluate(policy, &Subject { workload: Some(&judged.workload.id), images: &images }, now);
        if facts.index.is_behind() {
            verdict.compliance = Compliance::Unknown;
        }
        judged.verdict = Arc::new(verdict);
    }
    facts
}

fn plan(policy: &Policy, facts: &Facts, past: &PreviousRun, now: DateTime<Utc>) -> Plan {
    super::plan::plan(policy, &judged(policy, facts, now), past, now)
}

fn status(object: &ImagePolicy, facts: &Facts, past: &PreviousRun, now: DateTime<Utc>) -> ImagePolicyStatus {
    let policy = object.validate("breakwater-system").unwrap();
    let facts = &judged(&policy, facts, now);
    let plan = super::plan::plan(&policy, facts, past, now);
    let since = report::violating_since(&plan, &Default::default(), object.status.as_ref(), now);
    report::status(object, &policy, facts, past, &plan, &since, now)
}

fn of<'a>(status: &'a ImagePolicyStatus, type_: &str) -> (&'a str, &'a str) {
    conditions::get(&status.conditions, type_).map_or(("", ""), |found| (&found.status, &found.reason))
}

fn no_high() -> Value {
    json!({"rules": {"vulnerabilities": {"max": {"high": 0, "critical": 0}}, "image": {"allowRootUser": false}}})
}

#[test]
fn a_status_tells_the_worst_first() {
    use breakwater_core::Severity;
    let facts = facts(
        vec![
            workload("api", "bad", true),
            workload("batch", "root", true),
            workload("new", "unknown", true),
            workload("off", "off", false),
            workload("shop", "good", true),
            workload("web", "bad", true),
        ],
        vec![
            (
                "bad",
                scanned("bad", |image| {
                    image.findings = vec![
                        finding("CVE-2026-1000", Severity::Critical),
                        finding("CVE-2026-2", Severity::Low),
                    ]
                }),
            ),
            ("root", scanned("root", |image| image.config = Some(ImageConfig::default()))),
            ("good", scanned("good", |_| {})),
            (
                "unknown",
                ImageFacts::ScanFailed { reason: FailureReason::NotFound, message: "no such tag".into() },
            ),
        ],
    );
    insta::assert_yaml_snapshot!(status(&object(no_high()), &facts, &past(), at(5)));
}

#[test]
fn what_does_not_run_makes_no_policy_unknown_and_is_not_acquitted_either() {
    let object = object(no_high());
    let facts = facts(vec![workload("off", "off", false)], vec![]);
    let plan = plan(&object.validate("breakwater-system").unwrap(), &facts, &past(), at(0));
    assert_eq!(plan.judged[0].verdict.compliance, Compliance::Unknown, "mitigation must not restore on this");
    assert_eq!(of(&status(&object, &facts, &past(), at(0)), COMPLIANT), ("True", "Passed"));
}

#[test]
fn what_was_scaled_to_zero_for_breaking_a_rule_does_not_acquit_the_policy() {
    let contained = |state| crate::mitigation::MitigationState {
        workload: workload("web", "web", false).id.clone(),
        action: ActionKind::ScaleToZero,
        mode: Mode::Enforce,
        state,
        previous_replicas: Some(3),
        reason: String::new(),
        since: at(0),
        until: None,
    };
    for (state, compliance) in [
        (State::Recorded, ("False", "Contained")),
        (State::Verified, ("False", "Contained")),
        (State::Restored, ("True", "Passed")),
    ] {
        let mut facts = facts(vec![workload("web", "web", false)], vec![]);
        facts.mitigations = vec![contained(state)];
        let status = status(&object(no_high()), &facts, &past(), at(10));
        assert_eq!(of(&status, "Compliant"), compliance, "{state:?}");
    }
}

/// The README's own `kubectl wait --for=condition=Compliant`: a policy and its Deployment are applied together, and the policy is seen
/// first.
#[test]
fn a_policy_is_not_compliant_before_the_workloads_written_with_it_were_looked_at() {
    let mut object = object(no_high());
    object.metadata.creation_timestamp = Some(conditions::time(at(0)));
    let facts = facts(vec![], vec![]);
    assert_eq!(of(&status(&object, &facts, &past(), at(0)), COMPLIANT), ("Unknown", "Judging"));
    assert_eq!(report::next_change(&object, &facts, at(0)), Some(at(5)));
    assert_eq!(of(&status(&object, &facts, &past(), at(5)), COMPLIANT), ("True", "Passed"));
    // An edit of the spec by a person begins anew; the operator's own writes of the status do not.
    let entry =
        |subresource: Option<&str>| k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry {
            time: Some(conditions::time(at(100))),
            subresource: subresource.map(str::to_owned),
            ..Default::default()
        };
    object.metadata.managed_fields = Some(vec![entry(Some("status"))]);
    assert_eq!(of(&status(&object, &facts, &past(), at(101)), COMPLIANT).0, "True");
    object.metadata.managed_fields = Some(vec![entry(None)]);
    assert_eq!(of(&status(&object, &facts, &past(), at(101)), COMPLIANT), ("Unknown", "Judging"));
}

#[test]
fn a_workload_that_is_about_to_run_leaves_it_open() {
    let mut starting = (*workload("web", "web", false)).clone();
    starting.replicas = Some(1);
    let facts = facts(vec![Arc::new(starting)], vec![]);
    let status = status(&object(no_high()), &facts, &past(), at(0));
    assert_eq!(of(&status, COMPLIANT), ("Unknown", "Unknown"));
    let message = &conditions::get(&status.conditions, COMPLIANT).unwrap().message;
    for part in ["Deployment/shop/web: unknown: r.test/web:1", "BW-IMG-010", "image.unscanned", "ScanJob"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_policy_that_demands_nothing_is_not_compliant() {
    let facts = facts(vec![workload("web", "good", true)], vec![("good", scanned("good", |_| {}))]);
    for spec in [
        json!({}),
        json!({"rules": {"vulnerabilities": {"fixableOnly": true}, "image": {"unscanned": "Warn"}}}),
    ] {
        assert_eq!(of(&status(&object(spec), &facts, &past(), at(0)), COMPLIANT), ("Unknown", "NoRules"));
    }
    let rule = json!({"rules": {"image": {"denyLatestTag": true}}});
    assert_eq!(of(&status(&object(rule), &facts, &past(), at(0)), COMPLIANT), ("True", "Passed"));
}

#[test]
fn a_job_that_has_finished_does_not_violate() {
    let root = || scanned("root", |image| image.config = Some(ImageConfig::default()));
    let mut job = (*workload("ci", "root", true)).clone();
    job.id.kind = WorkloadKind::Job;
    let running = facts(vec![Arc::new(job.clone())], vec![("root", root())]);
    assert_eq!(status(&object(no_high()), &running, &past(), at(0)).total_violations, Some(1));
    job.finished = true;
    let over = facts(vec![Arc::new(job)], vec![("root", root())]);
    let status = status(&object(no_high()), &over, &past(), at(0));
    let violating = status.summary.as_ref().unwrap().workloads.violating;
    assert_eq!((status.total_violations, violating), (Some(0), 0));
    assert_eq!(of(&status, COMPLIANT).0, "True");
}

#[test]
fn fields_without_effect_are_listed_and_ready_promises_nothing_of_them() {
    let spec = json!({
        "rules": {"image": {"trustedRegistries": ["r.test/**"], "unscanned": "Allow"}},
        "enforcement": {"build": "Enforce", "admission": "Enforce", "replacementPods": "Enforce"},
        "riskThreshold": {"warn": 10}, "notify": {"receivers": ["nobody"]},
        "exceptions": [{"name": "old", "cves": ["CVE-2020-0001"], "reason": "x", "expiresAt": "2020-01-01T00:00:00Z"}],
    });
    let asking = object(spec);
    let facts = facts(vec![], vec![]);
    let shown = status(&asking, &facts, &past(), at(0));
    assert_eq!(of(&shown, "Unsupported"), ("True", "FieldsNotCarriedOut"));
    let message = |type_: &str| conditions::get(&shown.conditions, type_).unwrap().message.clone();
    for path in ["spec.enforcement.admission", "spec.enforcement.build", "spec.notify", "spec.riskThreshold"]
    {
        assert!(message("Unsupported").contains(path), "{}", message("Unsupported"));
    }
    assert!(
        !message(READY).contains("in force") && message(READY).contains("Unsupported"),
        "{}",
        message(READY)
    );
    assert!(message(READY).contains("exceptions no longer in effect: old"), "{}", message(READY));
    assert_eq!(shown.exceptions.as_ref().unwrap().ended, ["old"]);
    assert_eq!(of(&shown, COMPLIANT), ("True", "Passed"), "none of them is a rule");
    assert_eq!(
        (of(&shown, "Enforcing"), of(&shown, "Remediating")),
        (("Unknown", "NotProven"), ("False", "DryRun"))
    );
    let mut plain = object(no_high());
    plain.status = Some(ImagePolicyStatus { conditions: shown.conditions.clone(), ..Default::default() });
    assert_eq!(of(&status(&plain, &facts, &past(), at(0)), "Unsupported"), ("", ""), "taken back");
}

#[test]
fn a_violation_names_findings_what_is_allowed_and_the_remedy() {
    use breakwater_core::Severity;
    let bad = scanned("bad", |image| {
        image.findings = (0..5).map(|n| finding(&format!("CVE-2026-{n}"), Severity::Critical)).collect();
    });
    let mut held = (*workload("web", "bad", true)).clone();
    held.annotations.insert("breakwater.dev/hold-until".into(), "24h; fix in review".into());
    let facts = facts(vec![Arc::new(held)], vec![("bad", bad)]);
    let status = status(&object(no_high()), &facts, &past(), at(0));
    let violation = &status.violations[0];
    assert_eq!(violation.findings.len(), 3);
    let first = &violation.findings[0];
    assert_eq!(
        (first.id.as_str(), first.package.as_str(), first.fixed.as_deref()),
        ("CVE-2026-0", "lodash", Some("4.17.21"))
    );
    assert_eq!(violation.allowed, "at most 0 (vulnerabilities.max)");
    assert!(violation.remedy.contains("upgrade lodash to 4.17.21"), "{}", violation.remedy);
    assert!(violation.remedy.starts_with("correct breakwater.dev/hold-until"), "{}", violation.remedy);
}

#[test]
fn a_running_image_that_nobody_scanned_leaves_it_open() {
    let facts = facts(vec![workload("web", "web", true)], vec![("web", ImageFacts::NeverScanned)]);
    let status = status(&object(no_high()), &facts, &past(), at(0));
    assert_eq!((of(&status, COMPLIANT), of(&status, READY)), (("Unknown", "Unknown"), ("True", "Succeeded")));
}

#[test]
fn nothing_is_concluded_from_an_index_older_than_one_used_before() {
    use breakwater_core::Severity;
    let bad = scanned("bad", |image| image.findings = vec![finding("CVE-1", Severity::High)]);
    let mut facts = facts(vec![workload("web", "bad", true)], vec![("bad", bad)]);
    facts.index.highest = Highest::Known(8);
    let object = object(no_high());
    let plan = plan(&object.validate("breakwater-system").unwrap(), &facts, &past(), at(0));
    assert_eq!(plan.judged[0].verdict.compliance, Compliance::Unknown);
    let status = status(&object, &facts, &past(), at(0));
    assert_eq!((of(&status, COMPLIANT).0, of(&status, DATABASE_STALE)), ("Unknown", ("True", "IndexBehind")));
}

#[test]
fn the_database_is_stale_when_it_is_absent_old_or_refused() {
    let mut facts = facts(vec![], vec![]);
    let stale = |facts: &Facts, now| {
        let status = status(&object(json!({})), facts, &past(), now);
        let (status, reason) = of(&status, DATABASE_STALE);
        (status.to_owned(), reason.to_owned())
    };
    assert_eq!(stale(&facts, at(0)), ("False".into(), "IndexCurrent".into()));
    assert_eq!(stale(&facts, at(-60) + TimeDelta::days(3)), ("True".into(), "IndexOld".into()));
    facts.index.problem = Some("damaged".into());
    assert_eq!(stale(&facts, at(0)), ("True".into(), "IndexRefused".into()));
    facts.index.revision = None;
    assert_eq!(stale(&facts, at(0)), ("True".into(), "NoIndex".into()));
}

#[test]
fn an_expiring_exception_wakes_the_policy_at_its_second() {
    let mut spec = no_high();
    spec["exceptions"] = json!([{"name": "e", "cves": ["CVE-2026-1000"], "reason": "known", "expiresAt": "2027-02-01T00:00:00Z"}]);
    let facts = facts(vec![workload("web", "good", true)], vec![("good", scanned("good", |_| {}))]);
    let first = plan(&object(spec).validate("breakwater-system").unwrap(), &facts, &past(), at(0));
    assert_eq!(first.wake_at, Some(at(-60) + TimeDelta::days(3)), "the index grows old first");
    let mut fresh = facts;
    fresh.index.built_at = Some(at(0) + TimeDelta::days(365));
    let mut spec = no_high();
    spec["exceptions"] = json!([{"name": "e", "cves": ["CVE-2026-1000"], "reason": "known", "expiresAt": "2027-02-01T00:00:00Z"}]);
    let plan = plan(&object(spec).validate("breakwater-system").unwrap(), &fresh, &past(), at(0));
    assert_eq!(plan.wake_at, Some("2027-02-01T00:00:00Z".parse().unwrap()));
}

fn with_registry() -> Value {
    json!({
        "registries": [
            {"name": "main", "url": "https://r.test:5000", "repositories": [{"name": "team/app"}]},
            {"name": "other", "url": "https://o.test:5000", "repositories": [{"name": "team/app"}]},
        ],
        "schedule": {"interval": "1h"},
    })
}

fn registry_scan(name: &str, due: Option<DateTime<Utc>>, outcome: Outcome) -> Arc<Scan> {
    Arc::new(Scan {
        namespace: "shop".into(),
        name: name.into(),
        image: None,
        platforms: vec![],
        trigger: None,
        policy: Some("strict".into()),
        due,
        outcome,
        manifests: vec![],
        digests: vec![],
    })
}

#[test]
fn a_run_that_began_keeps_its_time_and_none_began_in_the_future() {
    let policy = object(with_registry()).validate("breakwater-system").unwrap();
    let began = |due| {
        let mut facts = facts(vec![], vec![]);
        facts.scans.push(registry_scan("a", Some(due), Outcome::Unfinished));
        plan(&policy, &facts, &past(), at(9)).last_scan
    };
    assert_eq!(began(at(3)), Some(at(3)));
    assert_eq!(began(at(10)), Some(at(9)));
    assert_eq!(began(DateTime::<Utc>::MAX_UTC), Some(at(9)));
}

#[test]
fn a_run_is_made_of_one_scan_for_each_registry_and_has_one_name_until_it_is_in_the_status() {
    let policy = object(with_registry()).validate("breakwater-system").unwrap();
    let facts = facts(vec![], vec![]);
    let first = plan(&policy, &facts, &past(), at(0));
    let asks: Vec<_> = first.orders.iter().map(|order| &order.asks).collect();
    let registry = |name: &str| Asks::Registry { policy: "strict".into(), registry: name.into() };
    assert_eq!(asks, [&registry("main"), &registry("other")]);
    assert!(first.orders.iter().all(|order| order.namespace == "shop" && order.due == Some(at(0))));
    assert_eq!((first.last_scan, first.next_scan), (Some(at(0)), Some(at(3600))));
    let again = plan(&policy, &facts, &past(), at(9));
    let names = |plan: &Plan| plan.orders.iter().map(|order| order.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&again), names(&first), "the same run");

    let done = PreviousRun { last_scan: Some(at(0)), ..past() };
    assert!(plan(&policy, &facts, &done, at(3599)).orders.is_empty());
    let second = plan(&policy, &facts, &done, at(3600));
    assert_eq!(second.orders.len(), 2);
    assert_ne!(names(&second), names(&first));
}

#[test]
fn a_request_scans_at_once_and_is_echoed() {
    let mut object = object(with_registry());
    object.metadata.annotations = Some([("breakwater.dev/requested-at".to_owned(), "now".to_owned())].into());
    let policy = object.validate("breakwater-system").unwrap();
    let facts = facts(vec![], vec![]);
    let asked = PreviousRun { last_scan: Some(at(0)), request: Some("now".into()), ..past() };
    let requested = plan(&policy, &facts, &asked, at(10));
    assert_eq!((requested.orders.len(), requested.last_scan), (2, Some(at(10))));
    assert_eq!(status(&object, &facts, &asked, at(10)).last_handled_request_at.as_deref(), Some("now"));
    let mut refused = requested.clone();
    refused.not_ordered(&asked);
    assert_eq!((refused.last_scan, refused.handled_request), (Some(at(0)), None), "it is asked for again");
    let handled = PreviousRun { handled_request: Some("now".into()), ..asked };
    assert!(plan(&policy, &facts, &handled, at(20)).orders.is_empty());
}

#[test]
fn a_suspended_policy_orders_nothing_and_says_so() {
    let mut spec = with_registry();
    spec["suspend"] = json!(true);
    let object = object(spec);
    let facts = facts(vec![], vec![]);
    assert!(plan(&object.validate("breakwater-system").unwrap(), &facts, &past(), at(0)).orders.is_empty());
    assert_eq!(of(&status(&object, &facts, &past(), at(0)), READY), ("True", "Suspended"));
}

#[test]
fn a_registry_is_reachable_until_the_newest_scan_says_otherwise() {
    let mut facts = facts(vec![], vec![]);
    let scan = |name: &str, outcome| registry_scan(name, None, outcome);
    let reachable = |facts: &Facts| {
        let status = status(&object(with_registry()), facts, &past(), at(0));
        of(&status, REGISTRY_REACHABLE).0.to_owned()
    };
    assert_eq!(reachable(&facts), "Unknown");
    facts.scans.push(scan("a", Outcome::Answered { at: Some(at(1)) }));
    assert_eq!(reachable(&facts), "True");
    let failure =
        Failure { stage: ScanStage::Resolve, reason: FailureReason::HostUnknown, message: "no host".into() };
    facts.scans.push(scan("b", Outcome::Failed { at: Some(at(2)), failure }));
    assert_eq!(reachable(&facts), "False");
}

#[test]
fn the_worst_input_makes_a_status_of_less_than_100_kib() {
    use breakwater_core::Severity;
    let long = "x".repeat(4000);
    let mut workloads = Vec::new();
    let mut images = Vec::new();
    let names: Vec<String> = (0..500).map(|n| format!("{n}-{}", "y".repeat(240))).collect();
    for (n, name) in names.iter().enumerate() {
        workloads.push(workload(name, name, true));
        let facts = if n % 2 == 0 {
            scanned(name, |image| {
                image.findings =
                    (0..200).map(|n| finding(&format!("CVE-{n}{long}"), Severity::High)).collect()
            })
        } else {
            ImageFacts::ScanFailed { reason: FailureReason::NotFound, message: long.clone() }
        };
        images.push((name.as_str(), facts));
    }
    let mut facts = facts(workloads, images);
    for (failure, _) in facts.failures.values_mut() {
        failure.message = long.clone();
    }
    let status = status(&object(no_high()), &facts, &past(), at(0));
    assert!(serde_json::to_vec(&status).unwrap().len() < 100 << 10);
    assert_eq!((status.violations.len(), status.total_violations, status.truncated), (20, Some(250), true));
}

/// A cluster with one Deployment `shop/web` that runs lodash 4.17.0, a store with its inventory, and an index file that a test may replace.
struct Story {
    api: FakeApi,
    reconciler: Arc<Reconciler>,
    directory: tempfile::TempDir,
    _term: tokio::sync::watch::Sender<Option<Term>>,
}

impl Story {
    async fn of(spec: Value, indexed: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("osv")).unwrap();
        build(directory.path(), indexed, 1);
        let api = FakeApi::default();
        api.hold("/api/v1/namespaces/shop", json!({"metadata": {"name": "shop", "uid": "n"}}));
        api.hold(
            "/api/v1/nodes/n1",
            json!({"metadata": {"name": "n1", "uid": "node"}, "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "amd64"}}}),
        );
        let template = json!({"spec": {"containers": [{"name": "app", "image": "r.test/web:1"}]}});
        api.hold(
            "/apis/apps/v1/namespaces/shop/deployments/web",
            json!({"metadata": {"name": "web", "namespace": "shop", "uid": "d"}, "spec": {"replicas": 1, "template": template}}),
        );
        let owner = |api: &str, kind: &str, name: &str, uid: &str| json!([{"apiVersion": api, "kind": kind, "name": name, "uid": uid, "controller": true}]);
        api.hold(
            "/apis/apps/v1/namespaces/shop/replicasets/web-1",
            json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                "metadata": {"name": "web-1", "namespace": "shop", "uid": "r", "ownerReferences": owner("apps/v1", "Deployment", "web", "d")}}),
        );
        api.hold(
            "/api/v1/namespaces/shop/pods/web-1-a",
            json!({"metadata": {"name": "web-1-a", "namespace": "shop", "uid": "pod", "ownerReferences": owner("apps/v1", "ReplicaSet", "web-1", "r")},
                "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "r.test/web:1"}]},
                "status": {"phase": "Running", "containerStatuses": [{"name": "app", "imageID": format!("r.test/web@{}", digest("web"))}]}}),
        );
        let mut policy = serde_json::to_value(object(spec)).unwrap();
        policy["status"] = json!({"observedGeneration": -1});
        api.hold(POLICY, policy);

        let mut config = Config::default();
        config.advisories.url = format!("file:{}", directory.path().join("index").display());
        config.advisories.directory = directory.path().join("kept").display().to_string();
        config.store =
            crate::config::Store::File { directory: directory.path().join("store").display().to_string() };
        std::fs::create_dir_all(directory.path().join("store")).unwrap();
        let context = Context::new(api.client(), "breakwater-system", "pod-1", config);
        let store = Store::open(&context).unwrap();
        let content = serde_json::to_vec(&inventory("web", &[("lodash", "4.17.0")])).unwrap();
        store.put(&Key::Inventory(Domain::Everyone, digest("web")), &content).await.unwrap();
        let (term, leadership) = Leadership::new(Clock);
        term.send_replace(Some(Term { epoch: 1, until: Clock.monotonic() + Duration::from_secs(3600) }));
        let workloads = Workloads::start(&context);
        let images = Images::start(&context, store.clone(), &workloads, leadership.clone());
        let events = Events::new(context.clone());
        images.ready().await;
        let mut changed = images.changed();
        while images.index().revision != Some(1) || images.index().is_behind() {
            changed.changed().await.unwrap();
        }
        let policies = PolicyStore::start(&context);
        let verdicts = evaluate::start(&context, &policies, &workloads, &images);
        let mitigation = Mitigation::default();
        let rooms = Arc::new(Rooms { context, policies, verdicts, workloads, images, mitigation, store });
        let (violating, unreported) = Default::default();
        let reconciler = Reconciler { rooms, leadership, events, violating, unreported };
        Self { api, reconciler: Arc::new(reconciler), directory, _term: term }
    }

    /// Reconciles until the status is about this spec.
    async fn reconcile(&self) -> ImagePolicyStatus {
        for _ in 0..200 {
            let outcome = reconcile(Arc::new(self.object()), self.reconciler.clone()).await;
            let status = self.object().status.unwrap();
            if outcome.is_ok() && status.observed_generation == Some(2) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{:?}", self.object().status)
    }

    fn object(&self) -> ImagePolicy {
        serde_json::from_value(self.api.object(POLICY).unwrap()).unwrap()
    }
}

/// Builds the index of these advisories about lodash.
fn build(directory: &Path, ids: &[&str], revision: u64) {
    let everything = [("CVE-2000-1", "left-pad"), ("CVE-2026-1000", "lodash")];
    for (id, package) in everything.into_iter().filter(|(id, _)| ids.contains(id) || *id == "CVE-2000-1") {
        let record = json!({
            "schema_version": "1.7.0", "id": id, "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z",
            "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
            "affected": [{"package": {"ecosystem": "npm", "name": package},
                "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "4.17.21"}]}]}],
        });
        std::fs::write(directory.join("osv").join(format!("{id}.json")), record.to_string()).unwrap();
    }
    let (source, out) = (directory.join("osv"), directory.join("index"));
    let input = breakwater_advisories::BuildInput::new(&source, &out);
    breakwater_advisories::build(input, revision, at(i64::try_from(revision).unwrap())).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_advisory_flags_what_runs_without_any_scan() {
    let story = Story::of(no_high(), &[]).await;
    let status = story.reconcile().await;
    assert_eq!((of(&status, READY), of(&status, COMPLIANT)), (("True", "Succeeded"), ("True", "Passed")));
    let writes = story.api.take_writes();
    assert!(writes.contains(&STATUS.to_owned()), "{writes:?}");

    let mut changed = story.reconciler.rooms.images.changed();
    build(story.directory.path(), &["CVE-2026-1000"], 2);
    while story.reconciler.rooms.images.matched().map(|matched| matched.revision) != Some(2) {
        tokio::time::timeout(Duration::from_secs(20), changed.changed()).await.unwrap().unwrap();
    }
    // The index is in use at once; what runs is matched within moments.
    for _ in 0..100 {
        if of(&story.reconcile().await, COMPLIANT).0 == "False" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let status = story.object().status.unwrap();
    assert_eq!(of(&status, COMPLIANT), ("False", "Violations"));
    let [violation] = status.violations.as_slice() else { panic!("{status:?}") };
    assert_eq!(
        (violation.name.as_str(), violation.rules.as_slice()),
        ("web", ["BW-VUL-001".to_owned()].as_slice())
    );
    assert_eq!(status.summary.unwrap().severities.critical, 1);
    let writes = story.api.take_writes();
    assert!(!writes.iter().any(|write| write.contains("/jobs") || write.contains("/scanjobs")), "{writes:?}");
    assert!(
        writes.iter().any(|write| write.contains("/events")),
        "a verdict that flips is an Event: {writes:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_reconcile_writes_nothing() {
    let story = Story::of(no_high(), &["CVE-2026-1000"]).await;
    assert_eq!(of(&story.reconcile().await, COMPLIANT).0, "False");
    story.api.take_writes();
    story.reconcile().await;
    story.reconcile().await;
    assert_eq!(story.api.take_writes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_spec_is_stalled_with_every_problem_and_takes_its_judgement_back() {
    let mut spec = no_high();
    spec["schedule"] = json!({"cron": "never"});
    spec["rules"]["vulnerabilities"]["maxCvss"] = json!("11");
    let story = Story::of(spec, &[]).await;
    let status = story.reconcile().await;
    assert_eq!((of(&status, STALLED), of(&status, COMPLIANT).0), (("True", "InvalidSpec"), "Unknown"));
    let message = &conditions::get(&status.conditions, READY).unwrap().message;
    assert!(message.contains("spec.schedule") && message.contains("maxCvss"), "{message}");
    story.api.take_writes();
    story.reconcile().await;
    assert_eq!(story.api.take_writes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_namespaces_are_selected_from_the_operators_own_only() {
    let story = Story::of(json!({"selector": {"namespaceSelector": {}}}), &[]).await;
    assert_eq!(of(&story.reconcile().await, STALLED), ("True", "ForeignNamespace"));
}
