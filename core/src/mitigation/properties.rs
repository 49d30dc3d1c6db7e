//! What holds whatever happens: random histories over the model, with [`super::invariants`] checked at every step.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::{scenario::*, *};
use crate::{policy::Compliance, workload::WorkloadKind};

const TENANT: &str = "policy-2";

#[derive(Debug, Clone)]
enum Happening {
    /// The executor runs meanwhile.
    Seconds(i64),
    /// Nothing runs meanwhile.
    Downtime(i64),
    Verdict {
        object: usize,
        of_tenant: bool,
        compliance: Compliance,
        is_complete: bool,
    },
    Findings(u8),
    Label(bool),
    Access(Option<bool>),
    ModeSet(bool, Mode),
    Grace(bool, i64),
    Action(bool, ActionKind),
    Limit(Option<u32>),
    Paused(bool),
    NamespacePaused(bool),
    Index(Option<(u64, i64)>),
    ScaledByOther(usize, i32),
    RollOut(usize, bool),
    Undo(usize, bool),
    Hold(Option<i64>),
    Breaker(bool),
    PolicyDeleted(bool),
    TenantPolicy,
    Invalid(bool, bool),
    Deleted(usize),
    Recreated(usize),
    Watched(usize, bool),
    Delivers(bool),
    Restarted,
    AllJudged,
    Faulty(usize, usize, Fault),
    LateWritesArrive,
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    let object = || 0..2_usize;
    let compliance = || prop_oneof![3 => Just(Compliance::Violating), 1 => Just(Compliance::Unknown), 2 => Just(Compliance::Compliant)];
    let fault = || {
        prop_oneof![
            Just(Fault::KilledBefore),
            Just(Fault::KilledAfter),
            Just(Fault::Late),
            Just(Fault::Twice)
        ]
    };
    let mode = || prop_oneof![3 => Just(Mode::Enforce), 1 => Just(Mode::DryRun), 1 => Just(Mode::Off)];
    let action =
        || prop_oneof![Just(ActionKind::ScaleToZero), Just(ActionKind::DeletePod), Just(ActionKind::Alert)];
    prop_oneof![
        12 => (1..5000_i64).prop_map(Seconds),
        2 => (1..9000_i64).prop_map(Downtime),
        6 => (object(), any::<bool>(), compliance(), any::<bool>()).prop_map(
            |(object, of_tenant, compliance, is_complete)| Verdict { object, of_tenant, compliance, is_complete }
        ),
        2 => (0..3_u8).prop_map(Findings),
        1 => any::<bool>().prop_map(Label),
        1 => any::<Option<bool>>().prop_map(Access),
        2 => (any::<bool>(), mode()).prop_map(|(tenant, mode)| ModeSet(tenant, mode)),
        1 => (any::<bool>(), 0..180_i64).prop_map(|(tenant, grace)| Grace(tenant, grace)),
        1 => (any::<bool>(), action()).prop_map(|(tenant, action)| Action(tenant, action)),
        1 => proptest::option::of(0..2_u32).prop_map(Limit),
        1 => any::<bool>().prop_map(Paused),
        1 => any::<bool>().prop_map(NamespacePaused),
        1 => proptest::option::of((5..9_u64, 0..20_i64)).prop_map(Index),
        2 => (object(), 0..6_i32).prop_map(|(object, replicas)| ScaledByOther(object, replicas)),
        1 => (object(), any::<bool>()).prop_map(|(object, fixed)| RollOut(object, fixed)),
        2 => (object(), any::<bool>()).prop_map(|(object, right)| Undo(object, right)),
        1 => proptest::option::of(-10..100_i64).prop_map(Hold),
        1 => any::<bool>().prop_map(Breaker),
        1 => any::<bool>().prop_map(PolicyDeleted),
        2 => Just(TenantPolicy),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(tenant, invalid)| Invalid(tenant, invalid)),
        1 => object().prop_map(Deleted),
        2 => object().prop_map(Recreated),
        1 => (object(), any::<bool>()).prop_map(|(object, watched)| Watched(object, watched)),
        1 => any::<bool>().prop_map(Delivers),
        1 => Just(Restarted),
        2 => Just(AllJudged),
        6 => (object(), 0..6_usize, fault()).prop_map(|(object, at, fault)| Faulty(object, at, fault)),
        3 => Just(LateWritesArrive),
    ]
}

/// The newest object of each of the two names.
struct History {
    world: World,
    current: [usize; 2],
}

impl History {
    fn new() -> Self {
        let mut world = World::new();
        let second = world.add_object("shop", "api", "uid-b");
        Self { world, current: [0, second] }
    }

    fn uid(of_tenant: bool) -> &'static str {
        if of_tenant { TENANT } else { POLICY }
    }

    fn policy(&mut self, of_tenant: bool) -> Option<&mut crate::policy::Policy> {
        self.world.policies.iter_mut().find(|policy| policy.id.uid == Self::uid(of_tenant))
    }

    fn live(&mut self, object: usize) -> Option<&mut Target> {
        self.world.objects[self.current[object]].live.as_mut()
    }

    fn happen(&mut self, happening: &Happening) {
        use Happening::*;
        let world = &mut self.world;
        match *happening {
            Seconds(seconds) => {
                world.live_through(TimeDelta::seconds(seconds));
            }
            Downtime(seconds) => world.now += TimeDelta::seconds(seconds),
            Verdict { object, of_tenant, compliance, is_complete } => {
                let mut judged = verdict(compliance);
                judged.is_complete &= is_complete;
                world.objects[self.current[object]].verdicts.insert(Self::uid(of_tenant).into(), judged);
            }
            Findings(n) => {
                for check in world
                    .objects
                    .iter_mut()
                    .flat_map(|object| object.verdicts.values_mut())
                    .flat_map(|judged| &mut judged.checks)
                {
                    check.findings = vec![format!("CVE-2026-{n}")];
                }
            }
            Label(enabled) => world.namespace.enabled = enabled,
            Access(access) => world.access = access,
            ModeSet(tenant, mode) => {
                if let Some(policy) = self.policy(tenant) {
                    policy.remediation.mode = mode;
                }
            }
            Grace(tenant, grace) => {
                if let Some(policy) = self.policy(tenant) {
                    policy.remediation.triggers[0].grace = minutes(grace);
                }
            }
            Action(tenant, action) => {
                if let Some(policy) = self.policy(tenant) {
                    policy.remediation.triggers[0].action = action;
                }
            }
            Limit(most) => {
                if let Some(policy) = self.policy(true) {
                    policy.remediation.limits.max_concurrent = most;
                }
            }
            Paused(paused) => world.paused = paused.then_some("by the configuration"),
            NamespacePaused(paused) => world.namespace.paused = paused,
            Index(index) => {
                let facts =
                    |(revision, days)| IndexFacts { revision, data_at: world.now - TimeDelta::days(days) };
                world.index = index.map(facts);
            }
            ScaledByOther(object, replicas) => {
                if self.live(object).is_some() {
                    self.world.scaled_by_other(self.current[object], replicas);
                }
            }
            RollOut(object, is_fix) => {
                if self.live(object).is_some() {
                    self.world.objects[self.current[object]].roll_out(if is_fix { "2" } else { "1" });
                }
            }
            Undo(object, is_right) => {
                let nonce = world.containment_of(self.current[object]).map(|open| open.nonce.clone());
                if let Some(live) = self.live(object) {
                    live.undo = if is_right { nonce } else { Some("stale".into()) };
                }
            }
            Hold(hours) => {
                let until = hours.map(|hours| world.now + TimeDelta::hours(hours));
                if let Some(live) = self.live(0) {
                    live.hold = until.map(|until| format!("{}; fix in review", until.to_rfc3339()));
                }
            }
            Breaker(is_open) => {
                world.breaker.state = if is_open { BreakerState::Open } else { BreakerState::Closed };
            }
            PolicyDeleted(tenant) => world.delete_policy(Self::uid(tenant)),
            TenantPolicy => self.add(true),
            Invalid(tenant, is_invalid) => {
                world.invalid.remove(Self::uid(tenant));
                if is_invalid && world.policies.iter().any(|policy| policy.id.uid == Self::uid(tenant)) {
                    world.invalid.insert(Self::uid(tenant).into());
                }
            }
            Deleted(object) => world.delete_object(self.current[object]),
            Recreated(object) => self.recreate(object),
            Watched(object, is_watched) => world.objects[self.current[object]].is_watched = is_watched,
            Delivers(delivers) => world.delivers = delivers,
            Restarted => world.restart(),
            AllJudged => world.complete = true,
            Faulty(object, at, fault) => {
                if world.settle_with(self.current[object], Some((at, fault))).is_none() {
                    world.outbox.clear();
                }
            }
            LateWritesArrive => world.deliver_late(),
        }
    }

    fn add(&mut self, of_tenant: bool) {
        if self.policy(of_tenant).is_none() {
            let namespace = if of_tenant { "shop" } else { OWN_NAMESPACE };
            self.world.add_policy(policy(namespace, Self::uid(of_tenant)));
        }
    }

    fn recreate(&mut self, object: usize) {
        if self.live(object).is_some() || self.world.objects.len() >= 8 {
            return;
        }
        let name = self.world.objects[self.current[object]].target.workload.name.clone();
        let uid = format!("uid-{}", self.world.objects.len());
        self.current[object] = self.world.add_object("shop", &name, &uid);
    }

    /// Everything that stood in the way ends.
    fn calm(&mut self) {
        self.add(false);
        for object in 0..2 {
            if self.live(object).is_none() {
                self.recreate(object);
            }
        }
        let world = &mut self.world;
        world.deliver_late();
        (world.namespace, world.access, world.paused) =
            (NamespaceFacts { enabled: true, ..NamespaceFacts::default() }, Some(true), None);
        world.index = Some(IndexFacts { revision: 20, data_at: world.now });
        world.breaker = Breaker { since: Some(world.now), ..Breaker::default() };
        (world.complete, world.delivers) = (true, true);
        world.invalid.clear();
        world.settings = Settings {
            max_per_hour: 1000,
            max_per_namespace_per_hour: 1000,
            max_concurrent: 1000,
            max_concurrent_per_namespace: 1000,
            ..world.settings
        };
        for (id, delivery) in &mut world.outbox {
            if *delivery == Delivery::Pending {
                *delivery = Delivery::Confirmed(world.now);
                world.confirmed.insert(id.clone(), world.now);
            }
        }
        for known in &mut world.policies {
            known.remediation = policy("shop", POLICY).remediation;
        }
        world.judge(Compliance::Violating);
        for object in self.current {
            let this = &mut world.objects[object];
            this.is_watched = true;
            let Some(live) = &mut this.live else { continue };
            (live.hold, live.undo) = (None, None);
            this.roll_out("1");
            world.scaled_by_other(object, 4);
        }
        world.calm_since = Some(world.now);
    }
}

/// The number of histories; the long run sets it.
fn histories() -> u32 {
    std::env::var("BREAKWATER_HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(256)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: histories(), ..ProptestConfig::default() })]

    // Rules 1, 3–7, 9–12, 14, 17, 18: safety at every step, and what is due is done in time.
    #[test]
    fn random_histories(happenings in proptest::collection::vec(happening(), 1..40)) {
        let mut history = History::new();
        for happening in &happenings {
            history.happen(happening);
        }
        history.calm();
        history.world.live_through(TimeDelta::hours(6));
        for object in history.current {
            let world = &mut history.world;
            let Some(live) = world.objects[object].live.as_ref() else { continue };
            let is_stopped = live.replicas == 0 && live.pods.is_empty();
            let statuses = world.settle(object).statuses;
            let reason = &statuses[POLICY].reason;
            let is_left_alone = ["UndoneTooOften", "RemediationContested"].iter().any(|known| reason.starts_with(known));
            prop_assert!(is_stopped || is_left_alone, "{statuses:?}");
        }
    }

    // Rules 3 and 7.
    #[test]
    fn never_in_exempt_namespaces(
        namespace in prop_oneof![
            Just("kube-system"), Just("kube-public"), Just("kube-node-lease"), Just(OWN_NAMESPACE), Just("cni")
        ],
        kind in prop_oneof![
            Just(WorkloadKind::Deployment), Just(WorkloadKind::StatefulSet), Just(WorkloadKind::CronJob),
            Just(WorkloadKind::DaemonSet), Just(WorkloadKind::Job), Just(WorkloadKind::Pod)
        ],
        action in prop_oneof![Just(ActionKind::ScaleToZero), Just(ActionKind::DeletePod), Just(ActionKind::Alert)],
    ) {
        let mut world = World::new();
        world.objects[0].target.workload.namespace = namespace.into();
        world.objects[0].target.workload.kind = kind;
        world.objects[0].cached.id = world.objects[0].target.workload.clone();
        world.exempt = vec!["cni".into()];
        world.policy().remediation.kinds = vec![kind];
        world.policy().remediation.triggers[0].action = action;
        world.live_through(TimeDelta::hours(3));
        prop_assert!(world.log.is_empty() && world.notes.is_empty(), "{:?}", world.log);
    }
}
