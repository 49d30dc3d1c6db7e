#![no_main]
//! Case files and the breaker, as anybody may have written them. They are kept as they were read, and a plan is made whatever they say.
use std::collections::BTreeMap;

use breakwater_core::mitigation::{
    Breaker, Facts, Live, NamespaceFacts, Policies, Settings, Step, Target, plan,
};
use breakwater_operator::mitigation::records;
use chrono::{DateTime, TimeDelta};
use k8s_openapi::api::core::v1::ConfigMap;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(data) = serde_json::from_str(text)
        && let Ok(breaker) = records::read_breaker(data)
    {
        let written = records::write_breaker(&breaker).unwrap();
        assert_eq!(records::read_breaker(written).unwrap(), breaker);
    }
    let data = Some(BTreeMap::from([("record".to_owned(), text.to_owned())]));
    let Ok((case, _)) = records::read(ConfigMap { data, ..ConfigMap::default() }) else { return };
    assert_eq!(records::read(records::write(&case, "fuzz", None).unwrap()).unwrap().0, case);

    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let latch = case.latch.clone();
    let settings = Settings {
        second_look: TimeDelta::minutes(5),
        cooldown: TimeDelta::minutes(10),
        max_per_hour: 20,
        max_per_namespace_per_hour: 5,
        max_concurrent: 10,
        breaker_percent: 20,
        breaker_count: 10,
    };
    let breaker = Breaker::default();
    let _ = breaker.trip([&case], 1, &settings, now);
    let target = Target {
        uid: latch.as_ref().map(|latch| latch.uid.clone()).unwrap_or_default(),
        undo: latch.as_ref().map(|latch| latch.nonce.clone()),
        observed_replicas: Some(0),
        ..Target::default()
    };
    let namespace = NamespaceFacts { enabled: true, paused: false, terminating: false };
    let live = Live { namespace, target: Some(target) };
    for live in [None, Some(&live)] {
        let facts = Facts {
            target: &case.workload,
            workload: None,
            opinions: &[],
            policies: &Policies { known: BTreeMap::new(), complete: true },
            case: Some(&case),
            live,
            rbac: true,
            paused: None,
            index_revision: Some(1),
            settled_since: DateTime::UNIX_EPOCH,
            cases: &[&case],
            breaker: &breaker,
            settings: &settings,
            own_namespace: "breakwater-system",
            exempt_namespaces: &[],
            nonce: "nonce",
        };
        if let Some(Step::Scale { replicas }) = plan(&facts, now).step {
            let recorded = latch.as_ref().and_then(|latch| latch.previous_replicas);
            assert!(replicas == 0 || Some(replicas) == recorded, "to what was, and to nothing else");
        }
    }
});
