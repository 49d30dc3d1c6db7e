//! What `/metrics` shows. Label values are `&'static str` only: no name, namespace or digest ever becomes a time series.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Instant,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// All metrics of this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    reconciles: Family<Reconcile, Counter>,
    scan_jobs: Family<State, Gauge>,
    index_revision: Gauge,
    leader: Gauge,
    lease_transitions: Gauge,
    actions: Family<Acted, Counter>,
    configurations: Family<Outcome, Counter>,
    intake: Family<Report, Counter>,
    watch_idle: Family<Watch, Gauge<f64, AtomicU64>>,
    /// One entry per watch of this program: a dozen.
    watched: Mutex<BTreeMap<&'static str, Instant>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reconcile {
    controller: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Acted {
    action: &'static str,
    mode: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Report {
    report: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Watch {
    kind: &'static str,
}

impl Default for Inner {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("breakwater");
        let reconciles = Family::default();
        let scan_jobs = Family::default();
        let index_revision = Gauge::default();
        let leader = Gauge::default();
        let lease_transitions = Gauge::default();
        let actions = Family::default();
        let configurations = Family::default();
        let intake = Family::default();
        let watch_idle = Family::default();
        registry.register(
            "reconciles",
            "Reconciles by controller and outcome: Succeeded or the error's reason",
            reconciles.clone(),
        );
        registry.register("scan_jobs", "Scan Jobs by state: Active or Queued", scan_jobs.clone());
        registry.register(
            "index_revision",
            "Revision of the advisory index in use; 0 without one",
            index_revision.clone(),
        );
        registry.register("leader", "1 while this replica holds the lease", leader.clone());
        registry.register(
            "lease_transitions",
            "The lease's epoch as this replica last saw it",
            lease_transitions.clone(),
        );
        registry.register("actions", "Mitigation actions by action, mode and outcome", actions.clone());
        registry.register(
            "configuration_loads",
            "Loads of the configuration by outcome: Loaded or Invalid",
            configurations.clone(),
        );
        registry.register(
            "intake_reports",
            "Reports of scan Jobs by kind and outcome: Accepted or the reason of the refusal",
            intake.clone(),
        );
        registry.register(
            "watch_idle_seconds",
            "Seconds since the last event of a watch",
            watch_idle.clone(),
        );
        Self {
            registry,
            reconciles,
            scan_jobs,
            index_revision,
            leader,
            lease_transitions,
            actions,
            configurations,
            intake,
            watch_idle,
            watched: Mutex::default(),
        }
    }
}

impl Metrics {
    pub fn reconciled(&self, controller: &'static str, outcome: &'static str) {
        self.0.reconciles.get_or_create(&Reconcile { controller, outcome }).inc();
    }

    /// Unfinished Jobs, and ScanJobs that wait for a place.
    pub fn scan_jobs(&self, active: usize, queued: usize) {
        for (state, count) in [("Active", active), ("Queued", queued)] {
            self.0.scan_jobs.get_or_create(&State { state }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    pub fn index_revision(&self, revision: u64) {
        self.0.index_revision.set(i64::try_from(revision).unwrap_or(i64::MAX));
    }

    pub fn leading(&self, leads: bool, epoch: i64) {
        self.0.leader.set(i64::from(leads));
        self.0.lease_transitions.set(epoch);
    }

    /// One decision of the mitigation executor, by the names of the domain's enums.
    pub fn acted(&self, action: &'static str, mode: &'static str, outcome: &'static str) {
        self.0.actions.get_or_create(&Acted { action, mode, outcome }).inc();
    }

    pub fn configuration_loaded(&self, outcome: &'static str) {
        self.0.configurations.get_or_create(&Outcome { outcome }).inc();
    }

    /// One request to intake: `offer`, `inventory` or `outcome`, and `Accepted` or the refusal's reason.
    pub fn intake(&self, report: &'static str, outcome: &'static str) {
        self.0.intake.get_or_create(&Report { report, outcome }).inc();
    }

    /// A watch of `kind` heard something. Called for every event of every watch.
    pub fn watched(&self, kind: &'static str, now: Instant) {
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, now);
    }

    /// Everything in the OpenMetrics text format.
    #[must_use]
    pub fn render(&self, now: Instant) -> String {
        for (kind, last) in self.0.watched.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let idle = now.saturating_duration_since(*last).as_secs_f64();
            self.0.watch_idle.get_or_create(&Watch { kind }).set(idle);
        }
        let mut text = String::new();
        match encode(&mut text, &self.0.registry) {
            Ok(()) => text,
            Err(std::fmt::Error) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn what_was_counted_is_shown() {
        let metrics = Metrics::default();
        let now = Clock.monotonic();
        metrics.reconciled("scanjob", "Succeeded");
        metrics.reconciled("scanjob", "Succeeded");
        metrics.scan_jobs(3, 7);
        metrics.index_revision(12);
        metrics.leading(true, 4);
        metrics.acted("ScaleToZero", "DryRun", "Planned");
        metrics.watched("Pod", now);
        let text = metrics.render(now + Duration::from_secs(9));
        for line in [
            r#"breakwater_reconciles_total{controller="scanjob",outcome="Succeeded"} 2"#,
            r#"breakwater_scan_jobs{state="Queued"} 7"#,
            "breakwater_index_revision 12",
            "breakwater_leader 1",
            "breakwater_lease_transitions 4",
            r#"breakwater_actions_total{action="ScaleToZero",mode="DryRun",outcome="Planned"} 1"#,
            r#"breakwater_watch_idle_seconds{kind="Pod"} 9.0"#,
        ] {
            assert!(text.contains(line), "{line} not in\n{text}");
        }
    }
}
