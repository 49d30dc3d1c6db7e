//! A small world for tests: one workload, one policy, and an executor that does as it is told.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::{
    Digest, Severity,
    policy::{
        Check, Compliance, Effect, ImageRules, NamespaceScope, Policy, PolicyId, Rules, Scanning, Selector,
        Verdict,
    },
    selector::LabelSelector,
    workload::{Container, ContainerKind, ImageIdentity, RunningImage, Workload, WorkloadKind, WorkloadRef},
};

pub(super) const GRACE: TimeDelta = TimeDelta::hours(1);

pub(super) fn noon() -> DateTime<Utc> {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) now: DateTime<Utc>,
    pub(super) workload: Workload,
    pub(super) policy: Policy,
    pub(super) verdict: Verdict,
    pub(super) policies: Policies,
    pub(super) case: Option<Case>,
    pub(super) live: Live,
    pub(super) rbac: bool,
    pub(super) paused: Option<&'static str>,
    pub(super) index_revision: Option<u64>,
    pub(super) settled_since: DateTime<Utc>,
    pub(super) breaker: Breaker,
    pub(super) settings: Settings,
    pub(super) others: Vec<Case>,
    pub(super) exempt: Vec<String>,
    pub(super) is_judged: bool,
    pub(super) nonces: u32,
    /// Every step but looks.
    pub(super) steps: Vec<Step>,
    pub(super) notes: Vec<Note>,
}

pub(super) fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

pub(super) fn verdict(compliance: Compliance) -> Verdict {
    let checks = match compliance {
        Compliance::Violating => vec![Check {
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
        }],
        _ => vec![],
    };
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

impl World {
    /// Three violating replicas in a namespace with all three keys, nothing known yet.
    pub(super) fn new() -> Self {
        let id = WorkloadRef { kind: WorkloadKind::Deployment, namespace: "shop".into(), name: "web".into() };
        let workload = Workload {
            id,
            uid: "uid-1".into(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            namespace_labels: BTreeMap::from([("breakwater.dev/remediation".into(), "enabled".into())]),
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
                    digest: digest("1"),
                },
                platform: "linux/amd64".parse().unwrap(),
            }],
        };
        let policy = Policy {
            id: PolicyId { namespace: "shop".into(), name: "p".into(), uid: "policy-1".into() },
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
                mode: Mode::Enforce,
                triggers: vec![Trigger {
                    when: When::default(),
                    action: ActionKind::ScaleToZero,
                    grace: GRACE,
                }],
                restore: Restore { on_compliant: true, after: None },
                limits: Limits::default(),
                kinds: vec![],
            },
            not_evaluated: vec![],
        };
        let pods = (0..3).map(|n| LivePod {
            name: format!("web-{n}"),
            uid: format!("pod-{n}"),
            terminating: false,
            mirror: false,
            digests: vec![digest("1")],
        });
        let live = Live {
            namespace: NamespaceFacts { enabled: true, paused: false, terminating: false },
            target: Some(Target {
                uid: "uid-1".into(),
                resource_version: "1".into(),
                replicas: 3,
                observed_replicas: Some(3),
                images: vec!["registry.test/web:1".into()],
                pods: pods.collect(),
                ..Target::default()
            }),
        };
        let mut world = Self {
            now: noon(),
            workload,
            policy,
            verdict: verdict(Compliance::Violating),
            policies: Policies::default(),
            case: None,
            live,
            rbac: true,
            paused: None,
            index_revision: Some(7),
            settled_since: noon(),
            breaker: Breaker::default(),
            settings: Settings {
                second_look: TimeDelta::minutes(5),
                cooldown: TimeDelta::minutes(10),
                max_per_hour: 20,
                max_per_namespace_per_hour: 5,
                max_concurrent: 10,
                breaker_percent: 20,
                breaker_count: 10,
            },
            others: vec![],
            exempt: vec![],
            is_judged: true,
            nonces: 0,
            steps: vec![],
            notes: vec![],
        };
        world.know_policy();
        world
    }

    pub(super) fn know_policy(&mut self) {
        let policy = Some(Arc::new(self.policy.clone()));
        self.policies = Policies { known: BTreeMap::from([("policy-1".into(), policy)]), complete: true };
    }

    pub(super) fn target(&mut self) -> &mut Target {
        self.live.target.as_mut().unwrap()
    }

    pub(super) fn think(&self, has_looked: bool) -> Plan {
        let opinion = Opinion { policy: &self.policy, verdict: &self.verdict, selected: 1 };
        let opinions = if self.is_judged { vec![opinion] } else { vec![] };
        let nonce = format!("nonce-{}", self.nonces);
        let cases: Vec<&Case> = self.others.iter().chain(self.case.iter()).collect();
        let facts = Facts {
            target: &self.workload.id,
            workload: self.is_judged.then_some(&self.workload),
            opinions: &opinions,
            policies: &self.policies,
            case: self.case.as_ref(),
            live: has_looked.then_some(&self.live),
            rbac: self.rbac,
            paused: self.paused,
            index_revision: self.index_revision,
            settled_since: self.settled_since,
            cases: &cases,
            breaker: &self.breaker,
            settings: &self.settings,
            own_namespace: "breakwater-system",
            exempt_namespaces: &self.exempt,
            nonce: &nonce,
        };
        plan(&facts, self.now)
    }

    /// Steps until there is nothing left to do; the last thing said about the workload.
    pub(super) fn settle(&mut self) -> Option<Outlook> {
        self.settle_at_most(usize::MAX).1
    }

    /// Ends after `writes` writes, as if killed there: `false` when that happened.
    pub(super) fn settle_at_most(&mut self, writes: usize) -> (bool, Option<Outlook>) {
        let mut has_looked = false;
        let mut outlook = None;
        let mut written = 0;
        for _ in 0..50 {
            let plan = self.think(has_looked);
            outlook = plan.outlook.or(outlook);
            let Some(step) = plan.step else { return (true, outlook) };
            if step == Step::Look {
                assert!(!has_looked, "looks twice without doing anything");
                has_looked = true;
                continue;
            }
            if written == writes {
                return (false, outlook);
            }
            written += 1;
            has_looked = false;
            self.carry_out(&step);
            self.steps.push(step);
        }
        panic!("never comes to rest: {:#?}", self.steps);
    }

    fn carry_out(&mut self, step: &Step) {
        match step {
            Step::Look => {}
            Step::Notify { notes, case } | Step::Save { case, notes } => {
                self.case = Some((**case).clone());
                self.notes.extend(notes.clone());
                self.nonces += 1;
            }
            Step::Scale { replicas } => {
                self.workload.replicas = Some(*replicas);
                let target = self.target();
                target.replicas = *replicas;
                target.observed_replicas = Some(*replicas);
                target.pods.clear();
            }
            Step::Evict { uid, .. } => self.target().pods.retain(|pod| pod.uid != *uid),
            Step::Annotate { copy } => self.target().copy.clone_from(copy),
            Step::Forget => self.case = None,
        }
    }

    pub(super) fn pass(&mut self, time: TimeDelta) -> Option<Outlook> {
        self.now += time;
        self.settle()
    }

    /// Lets time pass in small steps, as a living executor does.
    pub(super) fn live_through(&mut self, time: TimeDelta) -> Option<Outlook> {
        let end = self.now + time;
        let mut outlook = None;
        while self.now < end {
            outlook = self.pass((end - self.now).min(TimeDelta::minutes(5)));
        }
        outlook
    }

    /// From nothing to verified.
    pub(super) fn mitigated() -> Self {
        let mut world = Self::new();
        world.settle();
        world.live_through(TimeDelta::minutes(66));
        assert_eq!(world.phase(), Some(Phase::Verified), "{:#?}", world.steps);
        world
    }

    pub(super) fn phase(&self) -> Option<Phase> {
        Some(self.case.as_ref()?.latch.as_ref()?.phase)
    }

    pub(super) fn latch(&self) -> &Latch {
        self.case.as_ref().unwrap().latch.as_ref().unwrap()
    }

    pub(super) fn scales(&self) -> Vec<i32> {
        let scale = |step: &Step| if let Step::Scale { replicas } = step { Some(*replicas) } else { None };
        self.steps.iter().filter_map(scale).collect()
    }

    pub(super) fn reasons(&self) -> Vec<&'static str> {
        self.notes
            .iter()
            .filter(|note| matches!(note.about, About::Workload { .. }))
            .map(|note| note.reason)
            .collect()
    }
}
