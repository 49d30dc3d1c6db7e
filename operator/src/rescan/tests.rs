//! Which running images are scanned, when again, and in whose turn.

use std::sync::Arc;

use breakwater_core::{
    Digest, Platform,
    policy::{ImageFacts, Policy, Scanning},
    scan::{FailureReason, ScanStage},
    workload::{ImageIdentity, RunningImage, Workload, WorkloadKind, WorkloadRef},
};
use breakwater_crds::{ImagePolicySpec, scanjob::Trigger};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{
    order::{self, Asks, Credentials, Order},
    plan::{Asker, Facts, MAX_OUTSTANDING, Plan, Source, Subject, plan},
};
use crate::inventory::{Failure, Outcome, Scan};

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap()
}

fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn everywhere() -> Policy {
    let spec: ImagePolicySpec =
        serde_json::from_value(json!({"selector": {"namespaceSelector": {}}})).unwrap();
    Policy::try_from(&spec).unwrap()
}

fn asker() -> Asker {
    Asker { policy: Arc::new(everywhere()), credentials: Source::Unsaid, at_once: false }
}

fn workload(namespace: &str, name: &str, images: &[&str]) -> Workload {
    let running = images.iter().map(|image| RunningImage {
        container: "app".into(),
        image: format!("r.test/{image}:1"),
        identity: ImageIdentity::Pullable { repository: format!("r.test/{image}"), digest: digest(image) },
        platform: Platform::linux("amd64"),
    });
    Workload {
        id: WorkloadRef { kind: WorkloadKind::Deployment, namespace: namespace.into(), name: name.into() },
        uid: name.into(),
        labels: Default::default(),
        annotations: Default::default(),
        namespace_labels: Default::default(),
        replicas: Some(1),
        running_pods: 1,
        injected: vec![],
        namespace_paused: false,
        finished: false,
        controlled_by: None,
        containers: vec![],
        pull_secrets: vec![],
        running: running.collect(),
    }
}

fn scan(name: &str, outcome: Outcome) -> Arc<Scan> {
    Arc::new(Scan {
        namespace: "breakwater-system".into(),
        name: name.into(),
        image: None,
        platforms: vec![],
        trigger: Some(Trigger::NewImage),
        policy: None,
        due: None,
        outcome,
        manifests: vec![],
        digests: vec![],
    })
}

fn failed(name: &str, reason: FailureReason, at: DateTime<Utc>) -> Arc<Scan> {
    let failure = Failure { stage: ScanStage::Resolve, reason, message: String::new() };
    scan(name, Outcome::Failed { at: Some(at), failure })
}

fn plan_of(askers: &[Asker], workloads: Vec<Workload>, scans: &[Arc<Scan>], now: DateTime<Utc>) -> Plan {
    let workloads: Vec<_> = workloads.into_iter().map(Arc::new).collect();
    let facts = Facts {
        askers,
        workloads: &workloads,
        scans,
        platforms: &[Platform::linux("amd64")],
        own_namespace: "breakwater-system",
    };
    plan(&facts, |_, _| ImageFacts::NeverScanned, |_, _, _| None, now)
}

fn name(image: &str) -> String {
    order::name(&Subject::Digest(digest(image)), &Platform::linux("amd64"))
}

fn credentials(order: &Order) -> &Credentials {
    let Asks::Image { credentials, .. } = &order.asks else { panic!("{order:?}") };
    credentials
}

#[test]
fn one_image_in_many_workloads_is_one_scan() {
    let workloads = vec![workload("a", "x", &["web"]), workload("b", "y", &["web"])];
    let plan = plan_of(&[asker()], workloads, &[], at(0));
    let [order] = plan.orders.as_slice() else { panic!("{plan:?}") };
    assert_eq!((order.name.as_str(), order.namespace.as_str()), (name("web").as_str(), "breakwater-system"));
    let object = order.scan_job(std::time::Duration::from_secs(3600));
    assert_eq!(object.spec.image, Some(format!("r.test/web@{}", digest("web"))));
    assert_eq!(object.spec.platforms, ["linux/amd64"]);
    assert_eq!(object.spec.ttl_after_finished.as_deref(), Some("3600s"));
    assert_eq!(object.spec.timeout, None, "what the API has without a word");
    assert_eq!(object.metadata.labels.unwrap()["breakwater.dev/trigger"], "NewImage");
}

#[test]
fn the_object_is_one_that_the_api_accepts() {
    let plan = plan_of(&[asker()], vec![workload("a", "x", &["web"])], &[], at(0));
    let id = breakwater_core::policy::PolicyId {
        namespace: "shop".into(),
        name: "a-policy.with-a-name-that-is-longer-than-most".into(),
        uid: "u".into(),
    };
    let scanning = Scanning { timeout: TimeDelta::minutes(40), registries_at_once: 3 };
    let registry = Order::registry(&Policy { id, scanning, ..everywhere() }, "main", "first", at(0));
    let object = registry.scan_job(std::time::Duration::from_secs(60));
    assert_eq!(object.spec.timeout.as_deref(), Some("2400s"));
    assert_eq!(object.metadata.annotations.unwrap()["breakwater.dev/at-once"], "3");
    for order in plan.orders.iter().chain([&registry]) {
        let mut object = serde_json::to_value(order.scan_job(std::time::Duration::from_secs(60))).unwrap();
        object.as_object_mut().unwrap().remove("status");
        let read: breakwater_crds::ScanJob = breakwater_crds::validation::read(&object).unwrap();
        assert!(order.name.len() <= 63, "{}", read.metadata.name.unwrap());
    }
}

#[test]
fn of_several_policies_the_most_patient_counts() {
    let of = |minutes| {
        let scanning = Scanning { timeout: TimeDelta::minutes(minutes), ..Scanning::default() };
        Asker { policy: Arc::new(Policy { scanning, ..everywhere() }), ..asker() }
    };
    let timeout = |askers: &[Asker]| {
        let plan = plan_of(askers, vec![workload("a", "x", &["web"])], &[], at(0));
        plan.orders[0].scanning.timeout
    };
    assert_eq!(timeout(&[of(5)]), TimeDelta::minutes(5));
    assert_eq!(timeout(&[of(5), of(30), asker()]), TimeDelta::minutes(30));
    assert_eq!(timeout(&[of(5), asker()]), TimeDelta::minutes(15));
}

#[test]
fn without_a_policy_no_registry_is_asked() {
    assert_eq!(plan_of(&[], vec![workload("a", "x", &["web"])], &[], at(0)), Plan::default());
    let mut narrow = asker();
    Arc::make_mut(&mut narrow.policy).selector.images =
        vec![breakwater_core::glob::Glob::new("other.test/**").unwrap()];
    assert_eq!(plan_of(&[narrow], vec![workload("a", "x", &["web"])], &[], at(0)), Plan::default());
}

#[test]
fn what_is_known_imported_or_of_another_system_is_not_scanned() {
    let workloads = [Arc::new(workload("a", "x", &["web"]))];
    let askers = [asker()];
    let facts = Facts {
        askers: &askers,
        workloads: &workloads,
        scans: &[],
        platforms: &[Platform::linux("amd64")],
        own_namespace: "breakwater-system",
    };
    let unreadable = |_: &ImageIdentity, _: &Platform| ImageFacts::Unreadable { reason: "windows".into() };
    assert_eq!(plan(&facts, unreadable, |_, _, _| None, at(0)), Plan::default());
    let mut imported = workload("a", "x", &["web"]);
    imported.running[0].identity = ImageIdentity::Imported { config_digest: digest("web") };
    assert_eq!(plan_of(&[asker()], vec![imported], &[], at(0)), Plan::default());
}

#[test]
fn a_scan_that_runs_is_waited_for() {
    let running = [scan(&name("web"), Outcome::Unfinished)];
    assert_eq!(plan_of(&[asker()], vec![workload("a", "x", &["web"])], &running, at(0)), Plan::default());
}

#[test]
fn failures_are_tried_again_later_and_later() {
    let web = || vec![workload("a", "x", &["web"])];
    let base = name("web");
    let first = failed(&base, FailureReason::ConnectionFailed, at(0));
    let waits = plan_of(&[asker()], web(), std::slice::from_ref(&first), at(0));
    assert_eq!((waits.orders.len(), waits.wake_at), (0, Some(at(1))));
    let again = plan_of(&[asker()], web(), std::slice::from_ref(&first), at(1));
    assert_eq!(again.orders[0].name, format!("{base}-1"), "an object of its own");
    for (attempt, minutes) in [(1, 2), (3, 8), (6, 60), (40, 60)] {
        let scans = [first.clone(), failed(&format!("{base}-{attempt}"), FailureReason::RateLimited, at(0))];
        assert_eq!(plan_of(&[asker()], web(), &scans, at(0)).wake_at, Some(at(minutes)), "attempt {attempt}");
    }
    let lasting = [failed(&base, FailureReason::Unauthorized, at(0))];
    assert_eq!(plan_of(&[asker()], web(), &lasting, at(0)).wake_at, Some(at(10)));
    let day = [failed(&format!("{base}-20"), FailureReason::NotFound, at(0))];
    assert_eq!(plan_of(&[asker()], web(), &day, at(0)).wake_at, Some(at(24 * 60)));
}

#[test]
fn a_request_does_not_wait_for_what_failed() {
    let base = name("web");
    let failed = [failed(&base, FailureReason::Unauthorized, at(0))];
    let asked = Asker { at_once: true, ..asker() };
    let plan = plan_of(&[asked], vec![workload("a", "x", &["web"])], &failed, at(1));
    assert_eq!(plan.orders[0].name, format!("{base}-1"));
}

#[test]
fn an_answer_that_left_the_image_unknown_is_no_reason_to_ask_without_end() {
    let answered = [scan(&name("web"), Outcome::Answered { at: Some(at(0)) })];
    let plan = plan_of(&[asker()], vec![workload("a", "x", &["web"])], &answered, at(0));
    assert_eq!((plan.orders.len(), plan.wake_at), (0, Some(at(10))));
}

#[test]
fn the_bound_holds_and_namespaces_take_turns() {
    let many: Vec<String> = (0..500).map(|n| format!("big-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let workloads = || vec![workload("big", "x", &many), workload("small", "y", &["one", "two"])];
    let plan = plan_of(&[asker()], workloads(), &[], at(0));
    assert_eq!(plan.orders.len(), MAX_OUTSTANDING);
    let first: Vec<_> = plan.orders.iter().take(4).map(|order| order.name.clone()).collect();
    assert!(first.contains(&name("one")) && first.contains(&name("two")), "{first:?}");
    let outstanding: Vec<_> =
        (0..MAX_OUTSTANDING - 1).map(|n| scan(&format!("run-{n:012}"), Outcome::Unfinished)).collect();
    assert_eq!(plan_of(&[asker()], workloads(), &outstanding, at(0)).orders.len(), 1);
}

#[test]
fn credentials_are_the_policys_or_the_workloads_and_each_attempt_takes_the_next() {
    let mut keeper = workload("a", "x", &["web"]);
    keeper.pull_secrets = vec!["pull".into()];
    let open = plan_of(&[asker()], vec![workload("a", "x", &["web"])], &[], at(0));
    assert_eq!(credentials(&open.orders[0]), &Credentials::Anonymous);
    let named = plan_of(&[asker()], vec![keeper.clone()], &[], at(0));
    assert_eq!(credentials(&named.orders[0]), &Credentials::Workload(keeper.id.clone()));
    let forbidden = Asker { credentials: Source::Policy(vec![]), ..asker() };
    let anonymous = plan_of(&[forbidden], vec![keeper.clone()], &[], at(0));
    assert_eq!(credentials(&anonymous.orders[0]), &Credentials::Anonymous);

    let mut own = Asker { credentials: Source::Policy(vec!["reader".into()]), ..asker() };
    Arc::make_mut(&mut own.policy).id.namespace = "breakwater-system".into();
    let both = [own, asker()];
    let first = plan_of(&both, vec![keeper.clone()], &[], at(0));
    assert_eq!(credentials(&first.orders[0]), &Credentials::Secrets(vec!["reader".into()]));
    let once = [failed(&name("web"), FailureReason::Unauthorized, at(0) - TimeDelta::days(2))];
    let second = plan_of(&both, vec![keeper.clone()], &once, at(0));
    assert_eq!(credentials(&second.orders[0]), &Credentials::Workload(keeper.id));
}

#[test]
fn a_name_tells_which_attempt_it_is() {
    assert_eq!(order::attempt("run-0123456789ab"), Some(("run-0123456789ab", 0)));
    assert_eq!(order::attempt("run-0123456789ab-12"), Some(("run-0123456789ab", 12)));
    for other in ["walk-0123456789ab", "run-0123456789ab-x", "nightly"] {
        assert_eq!(order::attempt(other), None, "{other}");
    }
}

/// A Deployment at 0 replicas whose template names a tag: c03, a fixed image that was applied without replicas.
fn stopped(namespace: &str, image: &str) -> Workload {
    let container = breakwater_core::workload::Container {
        name: "app".into(),
        kind: breakwater_core::workload::ContainerKind::App,
        image: image.into(),
        run_as_user: None,
        run_as_non_root: None,
    };
    Workload {
        replicas: Some(0),
        running_pods: 0,
        containers: vec![container],
        ..workload(namespace, "web", &[])
    }
}

#[test]
fn the_tag_of_a_template_at_zero_is_scanned_once_for_each_namespace_and_platform() {
    let askers = [asker()];
    let workloads = [Arc::new(stopped("a", "r.test/web:2")), Arc::new(stopped("b", "r.test/web:2"))];
    let platforms = [Platform::linux("amd64"), Platform::linux("arm64")];
    let facts = Facts {
        askers: &askers,
        workloads: &workloads,
        scans: &[],
        platforms: &platforms,
        own_namespace: "breakwater-system",
    };
    let orders = plan(&facts, |_, _| ImageFacts::NeverScanned, |_, _, _| None, at(0)).orders;
    let names: std::collections::BTreeSet<_> = orders.iter().map(|order| order.name.clone()).collect();
    assert_eq!((orders.len(), names.len()), (4, 4));
    for order in &orders {
        let Asks::Image { reference, .. } = &order.asks else { panic!("{order:?}") };
        assert_eq!(reference.to_string(), "r.test/web:2");
    }
    // Resolved for one namespace, it is known there and nowhere else.
    let tag = |namespace: &str, _: &breakwater_core::ImageReference, _: &Platform| {
        (namespace == "a").then(|| digest("web"))
    };
    let known = |_: &ImageIdentity, _: &Platform| ImageFacts::Unreadable { reason: "known".into() };
    assert_eq!(plan(&facts, known, tag, at(0)).orders.len(), 2);
}

#[test]
fn a_template_whose_pods_are_on_their_way_is_left_to_the_nodes() {
    let orders = |workload| plan_of(&[asker()], vec![workload], &[], at(0)).orders.len();
    let mut starting = stopped("a", "r.test/web:2");
    starting.replicas = Some(2);
    assert_eq!(orders(starting), 0);
    let mut finished = stopped("a", "r.test/web:2");
    finished.finished = true;
    assert_eq!(orders(finished), 0);
    assert_eq!(orders(stopped("a", "r.test/web:2")), 1);
}
