//! One workload, one policy, one operator process.

use std::{sync::Arc, time::Duration};

use breakwater_core::{
    Digest, Severity,
    mitigation::{ActionKind, IndexFacts, Limits, Mode, Remediation, Restore, State, Trigger, When},
    policy::{
        Check, Compliance, Effect, ImageRules, NamespaceScope, Policy, PolicyId, Rules, Scanning, Selector,
        Verdict,
    },
    selector::LabelSelector,
    workload::{Container, ContainerKind, ImageIdentity, RunningImage, Workload, WorkloadKind, WorkloadRef},
};
use chrono::TimeDelta;
use tokio::sync::{mpsc, watch};

use super::{
    super::{
        MitigationError,
        executor::{ClusterView, Executor},
        outbox::Outbox,
        status_table::StatusTable,
    },
    api::FakeApi,
};
use crate::{
    clock::Clock,
    config::Config,
    context::Context,
    evaluate::{JudgedWorkload, Verdicts},
    kube::{
        events::Events,
        lease::{Leadership, Term},
    },
};

const NAMESPACE: &str = "breakwater-system";

fn web() -> WorkloadRef {
    WorkloadRef { kind: WorkloadKind::Deployment, namespace: "shop".into(), name: "web".into() }
}

pub(super) fn workload() -> Workload {
    Workload {
        id: web(),
        uid: "uid-web".into(),
        labels: [].into(),
        annotations: [].into(),
        namespace_labels: [("breakwater.dev/remediation".into(), "enabled".into())].into(),
        replicas: Some(3),
        running_pods: 3,
        injected: vec![],
        namespace_paused: false,
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

pub(super) fn policy(mode: Mode, action: ActionKind) -> Policy {
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

pub(super) fn enforce() -> Policy {
    policy(Mode::Enforce, ActionKind::ScaleToZero)
}

fn verdict(compliance: Compliance) -> Verdict {
    let check = Check {
        id: "BW-VUL-001",
        rule: "vulnerabilities.max",
        effect: Effect::Violation,
        container: "web".into(),
        image: "registry.test/web:1".into(),
        digest: None,
        reported: Some(Digest::of(b"1")),
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
        changes_at: None,
        advisories_at: None,
        in_grace: Default::default(),
    }
}

/// One operator process: killed by dropping it.
pub(super) struct Process {
    pub(super) executor: Executor,
    pub(super) verdicts: Arc<Verdicts>,
    pub(super) term: watch::Sender<Option<Term>>,
    context: Context,
    statuses: Arc<StatusTable>,
    outbox: Outbox,
    delivery: tokio::task::JoinHandle<()>,
    /// The caches follow the API server: the annotations and the count are those of the live object.
    _confirmed: mpsc::UnboundedReceiver<breakwater_core::mitigation::TargetId>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.delivery.abort();
    }
}

impl Process {
    pub(super) async fn start(api: &FakeApi) -> Self {
        let mut config = Config::default();
        config.remediation.second_look = Duration::ZERO;
        config.remediation.cooldown = Duration::ZERO;
        let context = Context::new(api.client(), NAMESPACE, "operator-1", config);
        let (term, leadership) = Leadership::new(Clock);
        let until = Clock.monotonic() + Duration::from_secs(60);
        term.send_replace(Some(Term { epoch: 1, until }));
        let (verdicts, statuses) = (Arc::<Verdicts>::default(), Arc::<StatusTable>::default());
        let (outbox, parcels) = Outbox::new();
        let (confirmed, confirmations) = mpsc::unbounded_channel();
        let events = Events::new(context.clone());
        let delivery =
            tokio::spawn(outbox.clone().deliver(parcels, confirmed, events.clone(), context.clock));
        let live = api.clone();
        let view = ClusterView {
            workload: Box::new(move |id| (*id == web()).then(|| Arc::new(live.cached(workload())))),
            total: Box::new(|| 1),
            index: Box::new(|| Some(IndexFacts { revision: 7, data_at: Clock.now() })),
        };
        let executor = Executor::new(
            context.clone(),
            Arc::clone(&verdicts),
            view,
            Arc::clone(&statuses),
            leadership,
            events,
            outbox.clone(),
        );
        let executor = executor.await.unwrap();
        Self { executor, verdicts, term, context, statuses, outbox, delivery, _confirmed: confirmations }
    }

    pub(super) fn judge(&self, policy: Policy, compliance: Compliance) {
        let uid = policy.id.uid.clone();
        self.verdicts.set_policy(&uid, Some(Arc::new(policy)));
        let judged = JudgedWorkload {
            workload: Arc::new(workload()),
            verdicts: [(uid, Arc::new(verdict(compliance)))].into(),
        };
        self.verdicts.set_workload(&web(), Some(judged));
        self.verdicts.set_complete();
    }

    pub(super) fn pause(&self, paused: bool) {
        let mut config = (**self.context.config.load()).clone();
        config.remediation.paused = paused;
        self.context.set_config(config);
    }

    /// Works on every target until nothing is left that could be done now.
    pub(super) async fn settle(&self, api: &FakeApi) -> Result<(), MitigationError> {
        loop {
            let before = (api.writes().len(), self.deliveries());
            for (target, _) in self.executor.targets().await {
                self.executor.work(&target).await?;
            }
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            if (api.writes().len(), self.deliveries()) == before {
                return Ok(());
            }
        }
    }

    fn deliveries(&self) -> String {
        let target = breakwater_core::mitigation::TargetId { workload: web(), uid: "uid-web".into() };
        format!(
            "{:?}",
            self.outbox.deliveries(&target).values().map(std::mem::discriminant).collect::<Vec<_>>()
        )
    }

    pub(super) fn state(&self) -> Option<(State, Mode, String)> {
        let states = self.statuses.states(&enforce().id);
        states.first().map(|state| (state.state, state.mode, state.reason.clone()))
    }
}

pub(super) async fn run_until_killed(api: &FakeApi, compliance: Compliance) {
    let run = async {
        let process = Process::start(api).await;
        process.judge(enforce(), compliance);
        for _ in 0..3 {
            let _ = process.settle(api).await;
        }
    };
    tokio::select! {
        () = run => {}
        () = api.killed() => {}
    }
}
