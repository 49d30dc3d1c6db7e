#![no_main]
//! Mitigation records and the breaker, as anything may have written them. They are kept as they were read, and a plan is made whatever
//! they contain.
use std::collections::BTreeMap;

use breakwater_core::mitigation::{
    Breaker, BudgetUse, Facts, IndexFacts, Live, NamespaceFacts, Policies, Settings, Step, Target,
    WorkloadRecord, plan, record_name,
};
use breakwater_operator::mitigation::{breaker, records};
use chrono::{DateTime, TimeDelta};
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(data) = serde_json::from_str(text)
        && let Ok(known) = breaker::read(data)
    {
        let written = breaker::write(&known).unwrap();
        assert_eq!(breaker::read(written).unwrap(), known);
    }
    let Ok(record) = serde_json::from_str::<WorkloadRecord>(text) else { return };
    let name = record_name(&record.target, record.cause);
    let data = Some(BTreeMap::from([("record".to_owned(), text.to_owned())]));
    let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
    let Ok((record, _)) = records::read(ConfigMap { metadata, data, ..ConfigMap::default() }) else { return };
    assert_eq!(records::read(records::write(&record, &name, None).unwrap()).unwrap().0, record);

    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let containment = record.containment.clone();
    let settings = Settings {
        second_look: TimeDelta::minutes(5),
        cooldown: TimeDelta::minutes(10),
        stale_after: TimeDelta::days(3),
        max_per_hour: 20,
        max_per_namespace_per_hour: 5,
        max_concurrent: 10,
        max_concurrent_per_namespace: 5,
        breaker_percent: 20,
        breaker_count: 10,
    };
    let breaker = Breaker::default();
    let _ = breaker.trip([&record], 1, &settings, now);
    let mut budget = BudgetUse::default();
    budget.replace(None, Some(&record));
    let target = Target {
        uid: record.target.uid.clone(),
        undo: containment.as_ref().map(|containment| containment.nonce.clone()),
        observed_replicas: Some(0),
        ..Target::default()
    };
    let namespace = NamespaceFacts { enabled: true, paused: false, terminating: false };
    let live = Live { namespace, target: Some(target) };
    for live in [None, Some(&live)] {
        let facts = Facts {
            target: &record.target,
            workload: None,
            verdicts: &[],
            policies: &Policies { known: BTreeMap::new(), complete: true },
            record: Some(&record),
            predecessor: Some(&record),
            live,
            access: Some(true),
            paused: None,
            index: Some(IndexFacts { revision: 1, data_at: now }),
            deliveries: &BTreeMap::new(),
            budget: &budget,
            breaker: &breaker,
            settings: &settings,
            own_namespace: "breakwater-system",
            exempt_namespaces: &[],
            nonce: "nonce",
        };
        if let Some(Step::Scale { replicas }) = plan(&facts, now).step {
            let recorded = containment.as_ref().and_then(|containment| containment.previous_replicas);
            assert!(replicas == 0 || Some(replicas) == recorded, "to what was, and to nothing else");
        }
    }
});
