//! Several policies, tenants' policies, edits and deletions.

use chrono::TimeDelta;

use super::super::{scenario::*, *};
use crate::{
    policy::{Compliance, Policy},
    selector::{LabelSelector, Requirement},
    workload::WorkloadKind,
};

fn tenant() -> Policy {
    let mut tenant = policy("shop", "policy-2");
    tenant.remediation.triggers[0].grace = TimeDelta::zero();
    tenant
}

// T-33, rule 9, L3, a_shield_by_limits.
#[test]
fn a_tenant_policy_shields_nothing() {
    let changes: [fn(&mut Policy); 7] = [
        |tenant| tenant.remediation.limits.max_concurrent = Some(0),
        |tenant| tenant.remediation.limits.max_per_hour = Some(0),
        |tenant| tenant.remediation.limits.max_percent = Some(1),
        |tenant| tenant.remediation.kinds = vec![WorkloadKind::CronJob],
        |tenant| {
            tenant.remediation.kinds = vec![WorkloadKind::CronJob];
            tenant.remediation.mode = Mode::DryRun;
        },
        |tenant| tenant.remediation.triggers[0].action = ActionKind::Quarantine,
        |tenant| tenant.remediation.triggers[0].when.risk = Some(1),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let mut world = World::new();
        let mut tenant = tenant();
        change(&mut tenant);
        world.add_policy(tenant);
        world.live_through(TimeDelta::hours(2));
        assert_eq!(world.scaled_at(), Some(noon() + minutes(65)), "change {n}");
    }
}

// T-33, q_policy_changes_starve.
#[test]
fn endless_edits_delay_nothing() {
    let mut world = World::new();
    world.add_policy(tenant());
    world.policies[1].remediation.mode = Mode::DryRun;
    for n in 0..17 {
        world.policies[1].remediation.triggers[0].grace = minutes(n);
        world.objects[0].verdicts.get_mut("policy-2").unwrap().checks[0].findings = vec![format!("CVE-{n}")];
        world.live_through(minutes(4));
    }
    assert_eq!(world.scaled_at(), Some(noon() + minutes(65)));
}

// Rule 9: the operator's DeletePod, a tenant's ScaleToZero that would delete volumes.
#[test]
fn a_stronger_action_that_may_not_act_blocks_no_weaker_one() {
    let mut world = World::new();
    world.objects[0].target.workload.kind = WorkloadKind::StatefulSet;
    world.objects[0].cached.id.kind = WorkloadKind::StatefulSet;
    world.policy().remediation.kinds = vec![WorkloadKind::StatefulSet];
    world.policy().remediation.triggers[0].action = ActionKind::DeletePod;
    world.target().deletes_volumes = true;
    let mut tenant = tenant();
    tenant.remediation.kinds = vec![WorkloadKind::StatefulSet];
    world.add_policy(tenant);
    world.live_through(minutes(70));
    assert_eq!(world.evicted().len(), 3);
    assert!(world.scales(0).is_empty());
}

// p_two_leads: each policy shows its own request.
#[test]
fn each_policy_shows_its_own_state() {
    let mut world = World::new();
    world.policy().remediation.triggers[0].action = ActionKind::Alert;
    world.add_policy(tenant());
    world.policies[1].remediation.mode = Mode::DryRun;
    world.live_through(TimeDelta::hours(2));
    let statuses = world.settle(0).statuses;
    assert_eq!((statuses[POLICY].action, statuses[POLICY].state), (ActionKind::Alert, State::Applied));
    assert_eq!(statuses["policy-2"].action, ActionKind::ScaleToZero);
    assert_eq!(statuses["policy-2"].mode, Mode::DryRun);
    assert!(!world.has_mutated());
}

// T-32, rule 14, L1.
#[test]
fn a_policy_that_became_invalid_keeps_what_it_holds_and_takes_no_new_action() {
    let mut world = World::contained();
    world.invalid.insert(POLICY.into());
    world.live_through(TimeDelta::hours(24));
    assert_eq!(world.scales(0), [0]);
    world.delete_policy(POLICY);
    world.live_through(minutes(10));
    assert_eq!(world.scales(0), [0, 3]);

    let mut world = World::new();
    world.live_through(minutes(5));
    world.invalid.insert(POLICY.into());
    world.live_through(TimeDelta::hours(24));
    assert!(!world.has_mutated());
    assert_eq!(world.reasons(), ["MitigationNotice"], "it cancels nothing");
}

// T-32: also between record and act.
#[test]
fn an_edit_to_invalid_between_record_and_act_loses_nothing() {
    for at in 0..3 {
        let mut world = World::due();
        world.settle_with(0, Some((at, Fault::KilledAfter)));
        world.invalid.insert(POLICY.into());
        world.live_through(TimeDelta::hours(2));
        world.delete_policy(POLICY);
        world.live_through(minutes(20));
        assert_eq!(world.target().replicas, 3, "write {at}");
    }
}

// Rule 14, L8, j_second_policy_takes_no_hold.
#[test]
fn a_later_policy_becomes_a_holder() {
    let mut world = World::contained();
    world.add_policy(tenant());
    world.live_through(TimeDelta::hours(1));
    assert_eq!(world.containment().holders.len(), 2);
    world.delete_policy(POLICY);
    world.live_through(TimeDelta::hours(1));
    assert_eq!(world.scales(0), [0]);
    world.delete_policy("policy-2");
    world.live_through(minutes(10));
    assert_eq!(world.scales(0), [0, 3]);
}

// Rule 14: at 0 replicas no pod reports a digest, and the tag of the template may not be resolved.
#[test]
fn a_later_policy_becomes_a_holder_though_no_digest_is_reported() {
    let mut world = World::contained();
    world.add_policy(tenant());
    for check in world.objects[0].verdicts.values_mut().flat_map(|verdict| &mut verdict.checks) {
        (check.reported, check.digest) = (None, None);
    }
    world.live_through(minutes(10));
    assert_eq!(world.containment().holders.len(), 2);
}

// Rules 1 and 14: a policy without opt-in holds nothing.
#[test]
fn a_dry_run_policy_becomes_no_holder() {
    let mut world = World::contained();
    world.add_policy(tenant());
    world.policies[1].remediation.mode = Mode::DryRun;
    world.live_through(minutes(30));
    assert_eq!(world.containment().holders.len(), 1);
    assert_eq!(world.settle(0).statuses["policy-2"].mode, Mode::DryRun);
}

// Rule 14: deleted is known from a complete list only.
#[test]
fn the_last_holder_releases() {
    let mut world = World::contained();
    world.delete_policy(POLICY);
    world.restart();
    world.live_through(minutes(30));
    assert_eq!(world.scales(0), [0], "until all policies are known none is deleted");
    world.complete = true;
    world.settle(0);
    assert_eq!(world.scales(0), [0, 3]);

    let mut world = World::contained();
    world.policy().remediation.mode = Mode::DryRun;
    world.settle(0);
    assert_eq!(world.scales(0), [0, 3]);

    let mut world = World::contained();
    world.policy().suspended = true;
    world.live_through(minutes(60));
    assert_eq!(world.scales(0), [0], "suspending releases nothing");
}

// Rule 14: a relabelled workload stays held by an operator's policy; an edited selector releases.
#[test]
fn a_workload_that_leaves_the_selector_stays_held_and_an_edited_selector_releases() {
    let selects =
        |value: &str| LabelSelector(vec![Requirement::In { key: "app".into(), values: vec![value.into()] }]);
    let mut world = World::new();
    world.objects[0].cached.labels.insert("app".into(), "web".into());
    world.policy().selector.workloads = selects("web");
    world.live_through(minutes(66));
    assert_eq!(world.phase(), Some(Phase::Verified));
    let mut edited = world.clone();

    world.objects[0].cached.labels.clear();
    world.objects[0].verdicts.clear();
    world.live_through(TimeDelta::hours(24));
    assert_eq!(world.scales(0), [0], "a tenant relabels it");

    edited.policy().selector.workloads = selects("other");
    edited.objects[0].verdicts.clear();
    edited.live_through(minutes(10));
    assert_eq!(edited.scales(0), [0, 3], "the policy was edited");
}

// Rule 7 and 9: a stronger demand takes the place of an open, weaker one.
#[test]
fn a_stronger_request_supersedes_an_open_eviction() {
    let mut world = World::new();
    world.policy().remediation.triggers[0].action = ActionKind::DeletePod;
    let mut stronger = policy(OWN_NAMESPACE, "policy-2");
    stronger.remediation.triggers[0].grace = minutes(70);
    world.add_policy(stronger);
    world.live_through(minutes(64));
    for pod in &mut world.target().pods {
        pod.terminating = true;
        pod.digests = vec![digest("1")];
    }
    world.target().pods[0].terminating = false;
    world.now += minutes(1);
    world.settle_with(0, Some((0, Fault::KilledAfter)));
    assert_eq!(world.containment().action, ActionKind::DeletePod);
    world.live_through(minutes(20));
    assert_eq!(world.containment().action, ActionKind::ScaleToZero, "{:?}", world.phase());
    assert_eq!(world.target().replicas, 0);
}

// Rule 14, L11: a template that moved to an image that no policy covers is released.
#[test]
fn a_template_out_of_every_scope_is_released() {
    let mut world = World::new();
    world.policy().selector.images = vec![crate::glob::Glob::new("registry.test/web").unwrap()];
    world.live_through(minutes(66));
    world.objects[0].cached.containers[0].image = "registry.test/other:1".into();
    world.target().images = vec!["registry.test/other:1".into()];
    world.objects[0].verdicts.clear();
    world.live_through(minutes(10));
    assert_eq!(world.scales(0), [0, 3]);
    assert!(matches!(world.phase(), Some(Phase::Closed(CloseReason::OutOfScope))));
}

// Rule 14: what is announced by a policy that is deleted is cancelled; not before that is known.
#[test]
fn a_deleted_policy_cancels_its_notice_once_that_is_known() {
    let mut world = World::new();
    world.live_through(minutes(30));
    world.delete_policy(POLICY);
    world.complete = false;
    world.live_through(minutes(5));
    assert_eq!(world.reasons(), ["MitigationNotice"]);
    world.complete = true;
    world.live_through(minutes(5));
    assert_eq!(world.reasons(), ["MitigationNotice", "MitigationCancelled"]);
    assert!(world.records.is_empty());
    assert_eq!(world.objects[0].verdicts[POLICY].compliance, Compliance::Violating);
}
