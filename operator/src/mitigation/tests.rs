//! The executor against as much of an API server as it speaks to: which writes, in which order, and what is left when it dies.

mod api;
mod world;

use std::collections::BTreeMap;

use breakwater_core::{
    mitigation::{ActionKind, Mode, State},
    policy::Compliance,
};

use self::{
    api::FakeApi,
    world::{Process, enforce, policy, run_until_killed},
};
use super::MitigationError;

const RECORD: &str = "configmaps/breakwater-mitigation";

#[tokio::test]
async fn record_then_annotate_then_scale_then_verify() {
    let api = FakeApi::new();
    let process = Process::start(&api).await;
    process.judge(enforce(), Compliance::Violating);
    process.settle(&api).await.unwrap();
    let writes: Vec<String> = api.writes().into_iter().filter(|write| !write.contains("events")).collect();
    assert_eq!(
        writes,
        [
            format!("POST {RECORD}"),
            format!("PUT {RECORD}"),
            format!("PUT {RECORD}"),
            format!("PUT {RECORD} Recorded"),
            "PATCH deployments/web breakwater.dev/mitigation".into(),
            "PUT deployments/web/scale 0".into(),
            format!("PUT {RECORD} Applied"),
            format!("PUT {RECORD} Verified"),
        ]
    );
    let notice = api.writes().iter().position(|write| write.contains("MitigationNotice")).unwrap();
    let recorded = api.writes().iter().position(|write| write.contains("Recorded")).unwrap();
    assert!(notice < recorded, "the owner is told first");
    assert_eq!(api.replicas(), 0);
    assert_eq!(process.state().unwrap().0, State::Verified);
    assert!(api.record().contains("\"previousReplicas\":3"), "{}", api.record());
    let read_back = format!("GET {RECORD}");
    assert!(api.requests().iter().any(|request| request.starts_with(&read_back)), "read back");
}

#[tokio::test]
async fn a_second_pass_writes_nothing() {
    let api = FakeApi::new();
    let process = Process::start(&api).await;
    process.judge(enforce(), Compliance::Violating);
    process.settle(&api).await.unwrap();
    let before = api.writes();
    for _ in 0..3 {
        process.judge(enforce(), Compliance::Violating);
        process.settle(&api).await.unwrap();
    }
    assert_eq!(api.writes(), before);
}

#[tokio::test]
async fn a_conflict_rereads_the_replicas_rewrites_the_record_and_then_scales() {
    let api = FakeApi::new();
    // Right before the write a person scales to 5.
    api.meddle(|state| state.scale_by_a_person(5));
    let process = Process::start(&api).await;
    process.judge(enforce(), Compliance::Violating);
    process.settle(&api).await.unwrap();
    let scales: Vec<_> = api.writes().into_iter().filter(|write| write.contains("/scale")).collect();
    assert_eq!(scales, ["PUT deployments/web/scale 0 CONFLICT", "PUT deployments/web/scale 0"]);
    assert!(api.record().contains("\"previousReplicas\":5"), "{}", api.record());
    api.undo();
    process.settle(&api).await.unwrap();
    assert_eq!(api.replicas(), 5);
}

#[tokio::test]
async fn an_undo_by_nonce_restores_the_count_and_removes_the_annotation() {
    let api = FakeApi::new();
    let process = Process::start(&api).await;
    process.judge(enforce(), Compliance::Violating);
    process.settle(&api).await.unwrap();
    api.annotate("breakwater.dev/undo", "an old nonce");
    process.settle(&api).await.unwrap();
    assert_eq!(api.replicas(), 0, "a stale nonce is ignored");
    api.undo();
    process.judge(enforce(), Compliance::Compliant);
    process.settle(&api).await.unwrap();
    assert_eq!(api.replicas(), 3);
    assert_eq!(api.annotation("breakwater.dev/mitigation"), None);
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
        let process = Process::start(&api).await;
        process.judge(policy, Compliance::Violating);
        for _ in 0..3 {
            process.settle(&api).await.unwrap();
        }
        let (state, mode, reason) = process.state().unwrap();
        assert_eq!((state, mode), (State::Planned, Mode::DryRun), "{missing}");
        assert!(reason.starts_with("missing opt-in: "), "{reason}");
        for write in api.writes() {
            assert!(write.contains(RECORD) || write.contains("WouldScaleToZero"), "{write}");
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
            assert_eq!(api.replicas(), 0, "killed at write {nth}, taken: {is_taken}: {:#?}", api.writes());
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

#[tokio::test]
async fn nothing_is_written_without_the_lease() {
    let api = FakeApi::new();
    let process = Process::start(&api).await;
    process.judge(enforce(), Compliance::Violating);
    process.term.send_replace(None);
    assert!(matches!(process.settle(&api).await, Err(MitigationError::NotLeading)));
    assert!(api.writes().is_empty(), "{:?}", api.writes());
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_is_not_stored_starts_no_grace() {
    let api = FakeApi::new();
    api.meddle_now(|state| state.refuses_events = true);
    let process = Process::start(&api).await;
    process.judge(enforce(), Compliance::Violating);
    process.settle(&api).await.unwrap();
    assert!(api.writes().iter().all(|write| !write.contains("scale")), "{:?}", api.writes());
    assert!(process.state().unwrap().2.contains("is being delivered"), "{:?}", process.state());
    api.meddle_now(|state| state.refuses_events = false);
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    process.settle(&api).await.unwrap();
    assert_eq!(api.replicas(), 0);
}

#[tokio::test]
async fn a_policy_deleted_while_the_operator_was_down_releases_and_a_forged_annotation_changes_nothing() {
    let api = FakeApi::new();
    let process = Process::start(&api).await;
    process.judge(enforce(), Compliance::Violating);
    process.settle(&api).await.unwrap();
    drop(process);
    api.annotate("breakwater.dev/mitigation", r#"{"nonce":"forged","previousReplicas":50}"#);
    let process = Process::start(&api).await;
    process.settle(&api).await.unwrap();
    assert_eq!(api.replicas(), 0, "the policies are not known yet");
    process.verdicts.set_complete();
    process.settle(&api).await.unwrap();
    assert_eq!(api.replicas(), 3, "it is deleted");
}

#[tokio::test]
async fn a_policy_that_became_invalid_keeps_what_it_holds() {
    let api = FakeApi::new();
    let process = Process::start(&api).await;
    process.judge(enforce(), Compliance::Violating);
    process.settle(&api).await.unwrap();
    process.verdicts.set_policy("uid-policy", None);
    process.verdicts.set_complete();
    process.settle(&api).await.unwrap();
    assert_eq!(api.replicas(), 0);
    process.verdicts.remove_policy("uid-policy");
    process.settle(&api).await.unwrap();
    assert_eq!(api.replicas(), 3);
}

#[tokio::test]
async fn the_kill_switch_and_the_annotation_of_the_namespace_pause_everything() {
    let api = FakeApi::new();
    let process = Process::start(&api).await;
    process.pause(true);
    process.judge(enforce(), Compliance::Violating);
    process.settle(&api).await.unwrap();
    assert!(process.state().unwrap().2.starts_with("Paused: by the operator's configuration"));
    process.pause(false);
    api.meddle_now(|state| state.paused = true);
    process.settle(&api).await.unwrap();
    assert!(process.state().unwrap().2.starts_with("Paused: by the annotation"), "{:?}", process.state());
    assert_eq!(api.replicas(), 3);
}

#[tokio::test]
async fn pods_are_evicted_with_their_identity_and_a_disruption_budget_is_asked_twice_a_minute_at_most() {
    let api = FakeApi::new();
    api.meddle_now(|state| state.budget = 2);
    let process = Process::start(&api).await;
    process.judge(policy(Mode::Enforce, ActionKind::DeletePod), Compliance::Violating);
    for _ in 0..20 {
        process.settle(&api).await.unwrap();
    }
    assert!(process.state().unwrap().2.starts_with("DisruptionBudget"), "{:?}", process.state());
    let evictions: Vec<_> = api.writes().into_iter().filter(|write| write.contains("eviction")).collect();
    assert_eq!(
        evictions,
        [
            "POST pods/web-0/eviction uid-web-0",
            "POST pods/web-1/eviction uid-web-1",
            "POST pods/web-2/eviction uid-web-2 REFUSED",
        ]
    );
}

#[tokio::test]
async fn a_deleted_record_is_written_again_and_an_unreadable_one_stops_only_its_workload() {
    let api = FakeApi::new();
    let process = Process::start(&api).await;
    process.judge(enforce(), Compliance::Violating);
    process.settle(&api).await.unwrap();
    let before = api.record();
    api.edit_record(BTreeMap::clear);
    process.executor.refresh().await.unwrap();
    assert_eq!(api.record(), before);
    api.edit_record(|maps| {
        for (name, map) in maps.iter_mut().filter(|(name, _)| name.starts_with("breakwater-mitigation-")) {
            map["data"]["record"] = format!("{{ {name}").into();
            map["metadata"]["resourceVersion"] = "1000".into();
        }
    });
    process.executor.refresh().await.unwrap();
    assert_eq!(process.executor.health().await.unreadable_records.len(), 1);
    let told = |reason: &str| api.writes().iter().filter(|write| write.ends_with(reason)).count();
    assert_eq!(told("RecordUnreadable"), 1);
    api.undo_with("anything");
    process.settle(&api).await.unwrap();
    assert_eq!(api.replicas(), 0, "nothing is done to it");
    process.executor.refresh().await.unwrap();
    assert_eq!(told("RecordUnreadable"), 1, "told once");
}

#[tokio::test]
async fn a_breaker_that_cannot_be_read_counts_as_open_and_is_reported() {
    let api = FakeApi::new();
    api.edit_record(|maps| {
        let map = serde_json::json!({"metadata": {"name": "breakwater-breaker", "resourceVersion": "1"}, "data": {"state": "Cosed"}});
        maps.insert("breakwater-breaker".into(), map);
    });
    let process = Process::start(&api).await;
    process.judge(enforce(), Compliance::Violating);
    process.settle(&api).await.unwrap();
    assert!(process.state().unwrap().2.starts_with("BreakerOpen"), "{:?}", process.state());
    let reason = process.executor.health().await.breaker.unwrap();
    assert!(reason.contains("its key state may be Open or Closed"), "{reason}");
    api.edit_record(|maps| {
        maps.get_mut("breakwater-breaker").unwrap()["data"]["state"] = "Closed".into();
    });
    process.executor.refresh().await.unwrap();
    process.settle(&api).await.unwrap();
    assert_eq!(api.replicas(), 0);
}
