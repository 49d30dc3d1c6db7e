//! Which target is next. A target that waits, or whose request is slow, delays no other.

use std::collections::{BTreeMap, BTreeSet};

use breakwater_core::mitigation::TargetId;
use chrono::{DateTime, Utc};

/// What comes first among targets that are ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// A person asked for an undo, or a release is under way.
    Release,
    /// Contained.
    Contained,
    /// The owner was told, or is to be told.
    Announced,
    New,
}

/// Targets that are ready, targets that wait for a time, and targets that are worked on. Holds as many as there are records and
/// violating workloads.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ready: BTreeSet<(Urgency, TargetId)>,
    urgency: BTreeMap<TargetId, Urgency>,
    timers: BTreeSet<(DateTime<Utc>, TargetId)>,
    due: BTreeMap<TargetId, DateTime<Utc>>,
    /// Worked on now; `true`: to be worked on once more, for something changed meanwhile.
    working: BTreeMap<TargetId, bool>,
}

impl Queue {
    /// Makes a target ready now.
    pub(super) fn add(&mut self, target: &TargetId, urgency: Urgency) {
        if let Some(again) = self.working.get_mut(target) {
            *again = true;
            return;
        }
        self.forget_timer(target);
        if let Some(before) = self.urgency.insert(target.clone(), urgency) {
            self.ready.remove(&(before, target.clone()));
        }
        self.ready.insert((urgency, target.clone()));
    }

    /// Takes the most urgent target that is ready, to be worked on by one worker until [`Queue::finish`].
    pub(super) fn next(&mut self) -> Option<TargetId> {
        let (_, target) = self.ready.pop_first()?;
        self.urgency.remove(&target);
        self.working.insert(target.clone(), false);
        Some(target)
    }

    /// The work on a target has ended; it is ready again at `wake`, or at once if it changed meanwhile.
    pub(super) fn finish(&mut self, target: &TargetId, wake: Option<DateTime<Utc>>) {
        let again = self.working.remove(target).unwrap_or(false);
        if again {
            self.add(target, Urgency::Announced);
        } else if let Some(wake) = wake {
            self.due.insert(target.clone(), wake);
            self.timers.insert((wake, target.clone()));
        }
    }

    /// Makes every target ready whose time has come. Returns when the next one is.
    pub(super) fn expire(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        while let Some((time, _)) = self.timers.first() {
            if *time > now {
                return Some(*time);
            }
            if let Some((_, target)) = self.timers.pop_first() {
                self.due.remove(&target);
                self.add(&target, Urgency::Announced);
            }
        }
        None
    }

    fn forget_timer(&mut self, target: &TargetId) {
        if let Some(time) = self.due.remove(target) {
            self.timers.remove(&(time, target.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use breakwater_core::workload::{WorkloadKind, WorkloadRef};

    use super::*;

    fn target(name: &str) -> TargetId {
        let workload =
            WorkloadRef { kind: WorkloadKind::Deployment, namespace: "shop".into(), name: name.into() };
        TargetId { workload, uid: format!("uid-{name}") }
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn the_most_urgent_comes_first_and_each_is_worked_on_once() {
        let mut queue = Queue::default();
        queue.add(&target("new"), Urgency::New);
        queue.add(&target("held"), Urgency::Contained);
        queue.add(&target("undo"), Urgency::Contained);
        queue.add(&target("undo"), Urgency::Release);
        let order: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(order, ["undo", "held", "new"].map(target));
    }

    #[test]
    fn what_changes_while_it_is_worked_on_is_ready_again() {
        let mut queue = Queue::default();
        queue.add(&target("a"), Urgency::New);
        let a = queue.next().unwrap();
        queue.add(&a, Urgency::New);
        assert_eq!(queue.next(), None, "one worker at a time");
        queue.finish(&a, Some(at(100)));
        assert_eq!(queue.next(), Some(a.clone()));
        queue.finish(&a, Some(at(100)));
        assert_eq!((queue.expire(at(99)), queue.next()), (Some(at(100)), None));
        assert_eq!((queue.expire(at(100)), queue.next()), (None, Some(a)));
    }

    #[test]
    fn a_change_takes_the_place_of_a_timer() {
        let mut queue = Queue::default();
        queue.add(&target("a"), Urgency::New);
        let a = queue.next().unwrap();
        queue.finish(&a, Some(at(100)));
        queue.add(&a, Urgency::New);
        assert_eq!(queue.next(), Some(a.clone()));
        queue.finish(&a, None);
        assert_eq!((queue.expire(at(1000)), queue.next()), (None, None));
    }
}
