//! Which waiting ScanJobs may start now. A pure function over who waits and what runs: nobody holds a place by accident of timing.

use std::collections::{BTreeMap, BTreeSet};

use breakwater_crds::scanjob::Trigger;
use chrono::{DateTime, Utc};

/// A ScanJob that could start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub uid: String,
    pub namespace: String,
    pub registry: String,
    pub trigger: Trigger,
    /// Higher first among the same trigger.
    pub priority: i32,
    pub created: DateTime<Utc>,
    /// Absent: no policy's.
    pub policy: Option<PolicyShare>,
}

/// A policy's registries wait for each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PolicyShare {
    /// Its name; it is in the ScanJob's namespace.
    pub policy: String,
    /// The most of its ScanJobs at work.
    pub at_once: usize,
}

/// A place that is taken: an unfinished Job, or one that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Active {
    /// Of the ScanJob.
    pub uid: String,
    pub namespace: String,
    pub registry: String,
    /// The policy of whose registry it is.
    pub policy: Option<String>,
}

/// The most unfinished Jobs, in all and of one registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub jobs: usize,
    pub per_registry: usize,
}

/// The UIDs of those that start now, first first.
///
/// By trigger (Admission, NewImage, Manual, Schedule); among equals the namespace that has the fewest at work, then the higher priority, then
/// the older. A registry that is at its limit delays nobody who asks another one, and a policy's nobody but its own.
#[must_use]
pub(super) fn admit(mut waiting: Vec<Waiting>, active: &[Active], limits: Limits) -> Vec<String> {
    let running: BTreeSet<&str> = active.iter().map(|active| active.uid.as_str()).collect();
    waiting.retain(|waiting| !running.contains(waiting.uid.as_str()));
    waiting.sort_by(|a, b| {
        let rank = |w: &Waiting| (w.trigger, std::cmp::Reverse(w.priority), w.created);
        rank(a).cmp(&rank(b)).then_with(|| a.uid.cmp(&b.uid))
    });
    let mut namespaces: BTreeMap<String, usize> = BTreeMap::new();
    let mut registries: BTreeMap<String, usize> = BTreeMap::new();
    let mut policies: BTreeMap<(String, String), usize> = BTreeMap::new();
    for active in active {
        *namespaces.entry(active.namespace.clone()).or_default() += 1;
        *registries.entry(active.registry.clone()).or_default() += 1;
        if let Some(policy) = &active.policy {
            *policies.entry((active.namespace.clone(), policy.clone())).or_default() += 1;
        }
    }
    let mut free = limits.jobs.saturating_sub(active.len());
    let mut admitted = Vec::new();
    while free > 0 {
        let has_share = |w: &Waiting| {
            let Some(share) = &w.policy else { return true };
            let at_work = policies.get(&(w.namespace.clone(), share.policy.clone()));
            at_work.copied().unwrap_or(0) < share.at_once
        };
        let open = |w: &&Waiting| {
            registries.get(&w.registry).copied().unwrap_or(0) < limits.per_registry && has_share(w)
        };
        let at_work = |w: &Waiting| namespaces.get(&w.namespace).copied().unwrap_or(0);
        // The first of the least busy namespace: `min_by_key` keeps the earlier of equals, and they are sorted.
        let next =
            waiting.iter().enumerate().filter(|(_, w)| open(w)).min_by_key(|(_, w)| (w.trigger, at_work(w)));
        let Some(index) = next.map(|(index, _)| index) else { break };
        let next = waiting.remove(index);
        if let Some(share) = next.policy {
            *policies.entry((next.namespace.clone(), share.policy)).or_default() += 1;
        }
        *namespaces.entry(next.namespace).or_default() += 1;
        *registries.entry(next.registry).or_default() += 1;
        admitted.push(next.uid);
        free -= 1;
    }
    admitted
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { jobs: 5, per_registry: 5 };

    fn waiting(uid: &str, namespace: &str, trigger: Trigger, age: i64) -> Waiting {
        Waiting {
            uid: uid.into(),
            namespace: namespace.into(),
            registry: "r.test".into(),
            trigger,
            priority: 0,
            created: DateTime::from_timestamp(1_000_000 - age, 0).unwrap(),
            policy: None,
        }
    }

    fn active(uid: &str, namespace: &str, registry: &str) -> Active {
        Active { uid: uid.into(), namespace: namespace.into(), registry: registry.into(), policy: None }
    }

    #[test]
    fn the_urgent_first_then_the_higher_priority_then_the_older() {
        let mut important = waiting("important", "a", Trigger::Manual, 1);
        important.priority = 5;
        let all = vec![
            waiting("scheduled", "a", Trigger::Schedule, 900),
            waiting("young", "a", Trigger::Manual, 1),
            waiting("old", "a", Trigger::Manual, 9),
            important,
            waiting("new image", "a", Trigger::NewImage, 1),
            waiting("admission", "a", Trigger::Admission, 0),
        ];
        let order = ["admission", "new image", "important", "old", "young"];
        assert_eq!(admit(all, &[], LIMITS), order);
    }

    #[test]
    fn namespaces_take_turns() {
        let mut all: Vec<Waiting> =
            (0..10).map(|n| waiting(&format!("a{n}"), "a", Trigger::Manual, 100 - n)).collect();
        all.push(waiting("b0", "b", Trigger::Manual, 1));
        all.push(waiting("b1", "b", Trigger::Manual, 0));
        assert_eq!(admit(all.clone(), &[], LIMITS), ["a0", "b0", "a1", "b1", "a2"]);
        let busy = [active("x", "a", "r.test"), active("y", "a", "r.test")];
        assert_eq!(admit(all, &busy, LIMITS), ["b0", "b1", "a0"]);
    }

    #[test]
    fn a_full_registry_delays_only_its_own() {
        let mut elsewhere = waiting("elsewhere", "a", Trigger::Schedule, 0);
        elsewhere.registry = "other.test".into();
        let all = vec![waiting("here", "a", Trigger::Admission, 9), elsewhere];
        let limits = Limits { jobs: 5, per_registry: 1 };
        assert_eq!(admit(all, &[active("x", "a", "r.test")], limits), ["elsewhere"]);
    }

    #[test]
    fn a_policys_registries_wait_for_each_other_and_nobody_else_does() {
        let of = |uid: &str, namespace: &str, age| Waiting {
            policy: Some(PolicyShare { policy: "nightly".into(), at_once: 2 }),
            ..waiting(uid, namespace, Trigger::Schedule, age)
        };
        let mut all = vec![of("a1", "a", 9), of("a2", "a", 8), of("a3", "a", 7), of("b1", "b", 6)];
        all.push(waiting("by hand", "a", Trigger::Schedule, 1));
        assert_eq!(admit(all.clone(), &[], LIMITS), ["a1", "b1", "a2", "by hand"]);
        let busy = Active { policy: Some("nightly".into()), ..active("x", "a", "r.test") };
        assert_eq!(admit(all, &[busy], LIMITS), ["b1", "a1", "by hand"]);
    }

    #[test]
    fn two_hundred_wait_and_never_more_than_five_work() {
        let mut queue: Vec<Waiting> = (0..200)
            .map(|n| waiting(&format!("{n:03}"), &format!("ns{}", n % 7), Trigger::NewImage, n))
            .collect();
        let mut at_work: Vec<Active> = Vec::new();
        let mut done = 0;
        while done < 200 {
            let admitted = admit(queue.clone(), &at_work, LIMITS);
            queue.retain(|w| !admitted.contains(&w.uid));
            at_work.extend(admitted.iter().map(|uid| active(uid, "ns", "r.test")));
            assert_eq!(at_work.len(), 5.min(200 - done));
            assert_eq!(admit(queue.clone(), &at_work, LIMITS), Vec::<String>::new());
            at_work.remove(done % at_work.len());
            done += 1;
        }
    }

    #[test]
    fn who_is_at_work_is_not_admitted_again() {
        let all = vec![waiting("a", "a", Trigger::Manual, 0)];
        assert_eq!(admit(all, &[active("a", "a", "r.test")], LIMITS), Vec::<String>::new());
    }
}
