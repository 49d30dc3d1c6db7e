#![no_main]
//! One text in every field that holds a small language of its own: cron, durations, globs, networks, keys.
use std::sync::LazyLock;

use breakwater_core::{policy::Policy, printable};
use breakwater_crds::validation::{Baseline, Problems, Scan};
use serde_json::Value;

static SPECS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../seeds/fields.specs.json")).unwrap());

fn with(text: &str, value: &Value) -> Value {
    let text_for = |at: &str| if at == "@" { text.to_owned() } else { at.to_owned() };
    match value {
        Value::String(at) => text_for(at).into(),
        Value::Array(items) => items.iter().map(|item| with(text, item)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| (text_for(name), with(text, field))).collect()
        }
        other => other.clone(),
    }
}

fn check<T>(judged: Result<T, Problems>) {
    for problem in judged.as_ref().err().iter().flat_map(|problems| problems.iter()) {
        let said = problem.to_string();
        assert!(problem.path.starts_with("spec"), "{said}");
        assert_eq!(printable::line(&said, 1_500), said);
    }
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let specs = with(text, &SPECS);
    check(Policy::try_from(&serde_json::from_value(specs["ImagePolicy"].clone()).unwrap()));
    check(Scan::try_from(&serde_json::from_value(specs["ScanJob"].clone()).unwrap()));
    check(Baseline::try_from(&serde_json::from_value(specs["RuntimeBaseline"].clone()).unwrap()));
});
