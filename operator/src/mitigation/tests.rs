//! The executor against a small API server in memory, at the HTTP seam: what is written, in which order, and what a kill leaves behind.

mod api;

use std::{sync::Arc, time::Duration};

use breakwater_core::{
    Digest, Severity,
    mitigation::{ActionKind, Limits, Mode, Remediation, Restore, State, Trigger, When},
    policy::{
        Check, Compliance, Effect, ImageRules, NamespaceScope, Policy, PolicyId, Rules, Scanning, Selector,
        Verdict,
    },
    selector::LabelSelector,
    workload::{Container, ContainerKind, ImageIdentity, RunningImage, Workload, WorkloadKind, WorkloadRef},
};
use chrono::TimeDelta;
use tokio::sync::watch;

use self::api::FakeApi;
use super::{Board, Executor, Judgement, MitigationError, executor::Surroundings};
use crate::{
    clock::Clock,
    config::Config,
    context::Context,
    kube::{
        events::Events,
        lease::{Leadership, Term},
    },
};

const NAMESPACE: &str = "breakwater-system";

fn web() -> WorkloadRef {
    WorkloadRef { kind: WorkloadKind::Deployment, namespace: "shop".into(), name: "web".into() }
}

fn workload() -> Workload {
    Workload {
        id: web(),
        uid: "uid-web".into(),
        labels: [].into(),
        annotations: [].into(),
        namespace_labels: [("breakwater.dev/remediation".into(), "enabled".into())].into(),
        replicas: Some(3),
        running_pods: 3,
        injected: vec![],
        finished: false,
        controlled_by: None,
        pull_secrets: vec![],
        containers: vec![Container {
            name: "web".into(),
            kind: ContainerKind::App,
            image: "registry.test/web:1".into(),
            run_as_user: None,
            run_as_non_root: None,
        }],
        running: vec![RunningImage {
            container: "web".into(),
            image: "registry.test/web:1".into(),
            identity: ImageIdentity::Pullable {
                repository: "registry.test/web".into(),
                digest: Digest::of(b"1"),
            },
            platform: "linux/amd64".parse().unwrap(),
        }],
    }
}

fn policy(mode: Mode, action: ActionKind) -> Policy {
    Policy {
        id: PolicyId { namespace: "shop".into(), name: "strict".into(), uid: "uid-policy".into() },
        suspended: false,
        selector: Selector {
            namespaces: NamespaceScope::Own,
            workloads: LabelSelector::default(),
            images: vec![],
            exclude_images: vec![],
        },
        registries: vec![],
        schedule: None,
        scanning: Scanning::default(),
        rules: Rules { vulnerabilities: None, image: ImageRules::default() },
        exceptions: vec![],
        remediation: Remediation {
            mode,
            triggers: vec![Trigger { when: When::default(), action, grace: TimeDelta::zero() }],
            restore: Restore { on_compliant: true, after: None },
            limits: Limits::default(),
            kinds: vec![],
        },
        not_evaluated: vec![],
    }
}

fn verdict(compliance: Compliance) -> Verdict {
    let check = Check {
        id: "BW-VUL-001",
        rule: "vulnerabilities.max",
        effect: Effect::Violation,
        container: "web".into(),
        image: "registry.test/web:1".into(),
        digest: None,
        reported: None,
        is_evidence: true,
        severity: Severity::Critical,
        observed: "1 critical".into(),
        allowed: "0".into(),
        remedy: "upgrade".into(),
        findings: vec!["CVE-2026-0001".into()],
        suppressed_by: None,
    };
    let checks = if compliance == Compliance::Violating { vec![check] } else { vec![] };
    Verdict {
        compliance,
        is_complete: compliance != Compliance::Unknown,
        checks,
        suppressed: 0,
        fixable_critical: 1,
        known_exploited: 0,
        in_grace: Default::default(),
        advisories_at: None,
        changes_at: None,
    }
}

/// One operator process: killed by dropping it.
struct Process {
    executor: Executor,
    board: Arc<Board>,
    term: watch::Sender<Option<Term>>,
    context: Context,
}

impl Process {
    async fn start(api: &FakeApi) -> Self {
        let mut config = Config::default();
        config.remediation.second_look = Duration::ZERO;
        config.remediation.cooldown = Duration::ZERO;
        let context = Context::new(api.client(), NAMESPACE, "operator-1", config);
        let (term, leadership) = Leadership::new(Clock);
        let until = Clock.monotonic() + Duration::from_secs(60);
        term.send_replace(Some(Term { epoch: 1, until }));
        let board = Arc::new(Board::default());
        let events = Events::new(context.clone());
        let executor = Executor::new(context.clone(), Arc::clone(&board), leadership, events).await.unwrap();
        Self { executor, board, term, context }
    }

    fn judge(&self, policy: Policy, compliance: Compliance) {
        let judgement = Judgement { workload: Arc::new(workload()), verdict: verdict(compliance) };
        self.board.submit(Arc::new(policy), vec![judgement], Clock.now());
    }

    /// The caches follow the API server: the annotations and the count are those of the live object.
    async fn pass(&mut self, api: &FakeApi) -> Result<(), MitigationError> {
        let cached = api.cached(workload());
        let around = Surroundings {
            workload: &move |id| (*id == cached.id).then(|| Arc::new(cached.clone())),
            total: 1,
            revision: Some(7),
        };
        self.executor.pass(&around).await.map(|_| ())
    }

    fn state(&self) -> Option<(State, Mode, String)> {
        let id = policy(Mode::Enforce, ActionKind::ScaleToZero).id;
        self.board.states(&id).first().map(|state| (state.state, state.mode, state.reason.clone()))
    }
}

fn enforce() -> Policy {
    policy(Mode::Enforce, ActionKind::ScaleToZero)
}

#[tokio::test]
async fn record_then_scale_then_copy_then_verify() {
    let api = FakeApi::new();
    let mut process = Process::start(&api).await;
    process.judge(enforce(), Compliance::Violating);
    process.pass(&api).await.unwrap();
    let record = "configmaps/breakwater-latch";
    assert_eq!(
        api.writes(),
        [
            format!("POST {record}"),
            "POST events MitigationNotice".into(),
            "POST events MitigationNotice".into(),
            format!("PUT {record}"),
            format!("PUT {record} Latched"),
            "PUT deployments/web/scale 0".into(),
            format!("PUT {record} Applied"),
            "POST events ScaledToZero".into(),
            "POST events ScaledToZero".into(),
            "PATCH deployments/web breakwater.dev/latch".into(),
            format!("PUT {record} Verified"),
        ]
    );
    assert_eq!(api.replicas(), 0);
    assert_eq!(process.state().unwrap().0, State::Verified);
    assert!(api.record().contains("\"previousReplicas\":3"), "{}", api.record());
    assert!(
        api.requests().iter().any(|request| request.starts_with("GET configmaps/breakwater-latch")),
        "read back"
    );
}

#[tokio::test]
async fn a_second_pass_writes_nothing() {
    let api = FakeApi::new();
    let mut process = Process::start(&api).await;
    process.judge(enforce(), Compliance::Violating);
    process.pass(&api).await.unwrap();
    let before = api.writes();
    for _ in 0..3 {
        process.pass(&api).await.unwrap();
        process.judge(enforce(), Compliance::Violating);
    }
    assert_eq!(api.writes(), before);
}

#[tokio::test]
async fn a_conflict_rereads_the_replicas_rewrites_the_record_and_then_scales() {
    let api = FakeApi::new();
    // Right before our write somebody scales to 5.
    api.meddle(|state| state.scale_by_somebody(5));
    let mut process = Process::start(&api).await;
    process.judge(enforce(), Compliance::Violating);
    process.pass(&api).await.unwrap();
    let scales: Vec<_> = api.writes().into_iter().filter(|write| write.contains("/scale")).collect();
    assert_eq!(scales, ["PUT deployments/web/scale 0 CONFLICT", "PUT deployments/web/scale 0"]);
    assert!(api.record().contains("\"previousReplicas\":5"), "{}", api.record());
    api.undo();
    process.pass(&api).await.unwrap();
    assert_eq!(api.replicas(), 5);
}

#[tokio::test]
async fn an_undo_by_nonce_restores_the_count_and_takes_the_copy_away() {
    let api = FakeApi::new();
    let mut process = Process::start(&api).await;
    process.judge(enforce(), Compliance::Violating);
    process.pass(&api).await.unwrap();
    api.annotate("breakwater.dev/undo", "somebody's old nonce");
    process.pass(&api).await.unwrap();
    assert_eq!(api.replicas(), 0, "a stale nonce is ignored");
    api.undo();
    process.judge(enforce(), Compliance::Compliant);
    process.pass(&api).await.unwrap();
    assert_eq!(api.replicas(), 3);
    assert_eq!(api.annotation("breakwater.dev/latch"), None);
    let writes = api.writes().join("\n");
    assert!(writes.contains("Restoring") && writes.contains("POST events Restored"), "{writes}");
}

#[tokio::test]
async fn dry_run_writes_records_and_events_only() {
    for missing in ["mode", "label", "rbac"] {
        let api = FakeApi::new();
        let mut policy = enforce();
        match missing {
            "mode" => policy.remediation.mode = Mode::DryRun,
            "label" => api.meddle_now(|state| state.enabled = false),
            _ => api.meddle_now(|state| state.granted = false),
        }
        let mut process = Process::start(&api).await;
        process.judge(policy, Compliance::Violating);
        for _ in 0..3 {
            process.pass(&api).await.unwrap();
        }
        let (state, mode, reason) = process.state().unwrap();
        assert_eq!((state, mode), (State::Planned, Mode::DryRun), "{missing}");
        assert!(reason.starts_with("missing key: "), "{reason}");
        for write in api.writes() {
            assert!(
                write.contains("configmaps/breakwater-latch") || write.contains("WouldScaleToZero"),
                "{write}"
            );
        }
        assert_eq!(api.replicas(), 3);
    }
}

/// Killed at the n-th write, once before and once after the API server took it; then a new process goes on with what is stored.
#[tokio::test]
async fn killed_at_every_write_it_acts_exactly_once_and_undo_restores_three() {
    for is_taken in [false, true] {
        for nth in 0..12 {
            let api = FakeApi::new();
            api.kill_at(nth, is_taken);
            run_until_killed(&api, Compliance::Violating).await;
            api.live_on();
            for _ in 0..2 {
                run_until_killed(&api, Compliance::Violating).await;
            }
            assert_eq!(api.replicas(), 0, "killed at write {nth}, taken: {is_taken}");
            let zero =
                |writes: Vec<String>| writes.iter().filter(|w| *w == "PUT deployments/web/scale 0").count();
            assert_eq!(
                zero(api.writes()),
                1,
                "killed at write {nth}, taken: {is_taken}: {:#?}",
                api.writes()
            );
            assert!(api.record().contains("\"previousReplicas\":3"), "{}", api.record());

            api.undo();
            api.kill_at(nth % 7, is_taken);
            run_until_killed(&api, Compliance::Compliant).await;
            api.live_on();
            run_until_killed(&api, Compliance::Compliant).await;
            assert_eq!(api.replicas(), 3, "undo killed at write {nth}, taken: {is_taken}");
        }
    }
}

async fn run_until_killed(api: &FakeApi, compliance: Compliance) {
    let run = async {
        let mut process = Process::start(api).await;
        process.judge(enforce(), compliance);
        for _ in 0..3 {
            let _ = process.pass(api).await;
        }
    };
    tokio::select! {
        () = run => {}
        () = api.killed() => {}
    }
}

#[tokio::test]
async fn nothing_is_written_without_the_lease() {
    let api = FakeApi::new();
    let mut process = Process::start(&api).await;
    process.judge(enforce(), Compliance::Violating);
    process.term.send_replace(None);
    assert!(matches!(process.pass(&api).await, Err(MitigationError::NotLeading)));
    assert!(api.writes().is_empty(), "{:?}", api.writes());
}

#[tokio::test]
async fn a_notice_that_cannot_be_sent_starts_no_grace() {
    let api = FakeApi::new();
    api.meddle_now(|state| state.refuses_events = true);
    let mut process = Process::start(&api).await;
    process.judge(enforce(), Compliance::Violating);
    process.pass(&api).await.unwrap();
    assert!(api.writes().iter().all(|write| !write.contains("scale")), "{:?}", api.writes());
    assert_eq!(process.state().unwrap().0, State::Failed);
    api.meddle_now(|state| state.refuses_events = false);
    process.pass(&api).await.unwrap();
    assert_eq!(api.replicas(), 0);
}

#[tokio::test]
async fn a_policy_deleted_while_nobody_ran_lets_go_and_a_forged_copy_changes_nothing() {
    let api = FakeApi::new();
    let mut process = Process::start(&api).await;
    process.judge(enforce(), Compliance::Violating);
    process.pass(&api).await.unwrap();
    drop(process);
    api.annotate("breakwater.dev/latch", r#"{"nonce":"forged","previousReplicas":50}"#);
    let mut process = Process::start(&api).await;
    process.pass(&api).await.unwrap();
    assert_eq!(api.replicas(), 0, "the policy exists, though nobody judged by it yet");
    api.meddle_now(|state| state.policies.clear());
    let mut process = Process::start(&api).await;
    process.pass(&api).await.unwrap();
    assert_eq!(api.replicas(), 3);
}

#[tokio::test]
async fn the_kill_switch_and_the_annotation_of_the_namespace_pause_everything() {
    let api = FakeApi::new();
    let mut process = Process::start(&api).await;
    let mut paused = (**process.context.config.load()).clone();
    paused.remediation.paused = true;
    let unpaused = process.context.config.swap(Arc::new(paused));
    process.judge(enforce(), Compliance::Violating);
    process.pass(&api).await.unwrap();
    assert!(process.state().unwrap().2.starts_with("Paused: by the operator's configuration"));
    process.context.config.store(unpaused);
    api.meddle_now(|state| state.paused = true);
    process.pass(&api).await.unwrap();
    assert!(process.state().unwrap().2.starts_with("Paused: by the annotation"), "{:?}", process.state());
    assert_eq!(api.replicas(), 3);
}

#[tokio::test]
async fn pods_are_evicted_with_their_identity_and_a_disruption_budget_is_waited_for() {
    let api = FakeApi::new();
    api.meddle_now(|state| state.budget = 2);
    let mut process = Process::start(&api).await;
    process.judge(policy(Mode::Enforce, ActionKind::DeletePod), Compliance::Violating);
    process.pass(&api).await.unwrap();
    assert_eq!(process.state().unwrap().0, State::Failed);
    assert!(process.state().unwrap().2.starts_with("DisruptionBudget"), "{:?}", process.state());
    api.meddle_now(|state| state.budget = 9);
    process.pass(&api).await.unwrap();
    let evictions: Vec<_> = api.writes().into_iter().filter(|write| write.contains("eviction")).collect();
    assert_eq!(
        evictions,
        [
            "POST pods/web-0/eviction uid-web-0",
            "POST pods/web-1/eviction uid-web-1",
            "POST pods/web-2/eviction uid-web-2 REFUSED",
            "POST pods/web-2/eviction uid-web-2",
        ]
    );
    assert_eq!(api.replicas(), 3);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_stops_everything() {
    let api = FakeApi::new();
    api.meddle_now(|state| state.store_record("breakwater-latch-x", "{}"));
    let context = Context::new(api.client(), NAMESPACE, "operator-1", Config::default());
    let (_term, leadership) = Leadership::new(Clock);
    let events = Events::new(context.clone());
    let outcome = Executor::new(context, Arc::default(), leadership, events).await;
    assert!(matches!(outcome, Err(MitigationError::RecordMalformed { .. })));
}
