//! The seeds of the fuzz targets about what people write into our kinds, in every test run: nothing panics, and those named `good-…`
//! are understood.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{collections::BTreeSet, fs, path::Path};

use breakwater_core::{policy::Policy, printable};
use breakwater_crds::{
    ImagePolicy, ImagePolicySpec, ImagePolicyStatus, MAX_STATUS, RuntimeBaseline, RuntimeBaselineSpec,
    RuntimeBaselineStatus, ScanJob, ScanJobSpec, ScanJobStatus,
    validation::{self, Baseline, Problems, Scan},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

const HOME: &str = "breakwater-system";

/// Runs each seed of `target` through `is_understood`.
fn seeds(target: &str, is_understood: impl Fn(&str) -> bool) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let is_good = path.file_name().unwrap().to_str().unwrap().starts_with("good-");
        assert!(is_understood(&fs::read_to_string(&path).unwrap()) || !is_good, "{}", path.display());
        count += 1;
    }
    assert!(count > 0, "{}", directory.display());
}

/// Paths of the fields that are wrong. All that is said of them is printable.
fn wrong<T>(judged: Result<T, Problems>) -> BTreeSet<String> {
    let Err(problems) = judged else { return BTreeSet::new() };
    for said in problems.iter().map(ToString::to_string) {
        assert_eq!(printable::line(&said, 1_500), said);
    }
    problems.iter().map(|problem| problem.path.clone()).collect()
}

#[test]
fn objects() {
    seeds("custom_resource", |yaml| {
        let objects: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap_or_default();
        objects.iter().any(|object| {
            let policy = validation::read::<ImagePolicy>(object).and_then(|it| it.validate(HOME));
            let scan = validation::read::<ScanJob>(object).and_then(|it| it.validate(HOME));
            let baseline = validation::read::<RuntimeBaseline>(object).and_then(|it| it.validate(HOME));
            [wrong(policy), wrong(scan), wrong(baseline)].contains(&BTreeSet::new())
        })
    });
}

/// `value` with `text` for each `@`.
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

/// One text in every field that holds a small language of its own: no text is good in all of them. One is understood if it is in some
/// field where nonsense is not.
#[test]
fn small_languages() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/fields.specs.json");
    let specs: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let wrong = |text: &str| {
        let of = |kind: &str| with(text, &specs[kind]);
        let policy: ImagePolicySpec = serde_json::from_value(of("ImagePolicy")).unwrap();
        let scan: ScanJobSpec = serde_json::from_value(of("ScanJob")).unwrap();
        let baseline: RuntimeBaselineSpec = serde_json::from_value(of("RuntimeBaseline")).unwrap();
        let mut paths = wrong(Policy::try_from(&policy));
        paths.extend(wrong(Scan::try_from(&scan)));
        paths.extend(wrong(Baseline::try_from(&baseline)));
        // Where the text itself is a key, each has paths of its own.
        paths.retain(|path| !path.contains("matchLabels."));
        paths
    };
    let nonsense = wrong("\u{1}");
    seeds("fields", |text| !nonsense.is_subset(&wrong(text)));
}

#[test]
fn statuses() {
    fn is_read<S: Serialize + DeserializeOwned>(json: &str, fitted: impl Fn(S) -> S) -> bool {
        let read = serde_json::from_str::<S>(json).map(fitted);
        read.is_ok_and(|status| serde_json::to_string(&status).unwrap().len() <= MAX_STATUS)
    }
    seeds("status", |json| {
        [
            is_read(json, ImagePolicyStatus::fitted),
            is_read(json, ScanJobStatus::fitted),
            is_read(json, RuntimeBaselineStatus::fitted),
        ]
        .contains(&true)
    });
}
