//! The corpus of good and bad objects, and the examples, judged by this crate. `e2e/tests/api_corpus.rs` asks a real API server about the same files.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a test relies on and does not get, fails it"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use breakwater_crds::{
    ImagePolicy, RuntimeBaseline, ScanJob,
    validation::{self, Problems},
};
use serde_json::Value;

const OPERATOR_NAMESPACE: &str = "breakwater-system";

fn judge(object: &Value) -> Result<(), Problems> {
    match object["kind"].as_str().unwrap() {
        "ImagePolicy" => validation::read::<ImagePolicy>(object)?.validate(OPERATOR_NAMESPACE).map(drop),
        "ScanJob" => validation::read::<ScanJob>(object)?.validate(OPERATOR_NAMESPACE).map(drop),
        "RuntimeBaseline" => {
            validation::read::<RuntimeBaseline>(object)?.validate(OPERATOR_NAMESPACE).map(drop)
        }
        other => panic!("{other} is no kind of ours"),
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn corpus(group: &str) -> Vec<(PathBuf, String, Value)> {
    objects(&Path::new("testdata").join(group))
}

/// Path, text and content of each object of ours in a folder of this crate.
fn objects(folder: &Path) -> Vec<(PathBuf, String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    for path in files(&root) {
        let text = fs::read_to_string(&path).unwrap();
        let documents: Vec<Value> = serde_saphyr::from_str_multiple(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let ours = documents.into_iter().filter(|object| {
            object["apiVersion"].as_str().is_some_and(|version| version.starts_with("breakwater.dev/"))
        });
        found.extend(ours.map(|object| (path.clone(), text.clone(), object)));
    }
    found
}

#[test]
fn good_objects_pass() {
    let corpus = corpus("good");
    assert!(corpus.len() >= 25);
    for (path, _, object) in corpus {
        judge(&object).unwrap_or_else(|problems| panic!("{}: {problems}", path.display()));
    }
}

#[test]
fn examples_pass() {
    let examples = objects(Path::new("../examples"));
    assert!(examples.len() >= 8);
    for (path, _, object) in examples {
        judge(&object).unwrap_or_else(|problems| panic!("{}: {problems}", path.display()));
    }
}

/// An example that asks for what this version does not do would teach that it does. Baselines need a sensor, and their status says so.
#[test]
fn examples_use_nothing_that_is_not_carried_out() {
    for (path, _, object) in objects(Path::new("../examples")) {
        if object["kind"] == "ImagePolicy" {
            let policy = validation::read::<ImagePolicy>(&object).unwrap();
            assert_eq!(policy.spec.unsupported(), [""; 0], "{}", path.display());
        }
    }
}

/// The hold that example 3 writes is one that the operator takes.
#[test]
fn the_hold_of_the_example_is_valid() {
    let example = include_str!("../../examples/03-enforce-with-grace.yaml");
    let hold =
        example.split("breakwater.dev/hold-until=").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    assert!(hold.contains("$(date -u -d '+24 hours' +%Y-%m-%dT%H:%M:%SZ)"), "{hold}");
    let (_, reason) = hold.split_once("; ").unwrap();
    let now = "2027-01-01T00:00:00Z".parse().unwrap();
    let written = format!("2027-01-02T00:00:00Z; {reason}");
    assert!(breakwater_core::mitigation::Hold::parse(&written, now).unwrap().is_some());
}

/// What the shipped admission policy refuses on the write is what the operator would not take, but for the length: CEL has no clock.
#[test]
fn holds_are_refused_on_the_write_as_they_are_by_the_operator() {
    use breakwater_core::mitigation::{Hold, InvalidHold};
    let file = include_str!("../../config/admission/annotations.yaml");
    let policies: Vec<Value> = serde_saphyr::from_multiple(file).unwrap();
    let validations = policies[0]["spec"]["validations"].as_array().unwrap();
    let form =
        validations.iter().find_map(|one| one["expression"].as_str()?.split_once(".matches( '")).unwrap();
    let form = regex::Regex::new(form.1.strip_suffix("')").unwrap()).unwrap();
    let now = "2026-12-01T00:00:00Z".parse().unwrap();
    for (hold, is_well_formed) in [
        ("2026-12-01T12:00:00Z; fix in review", true),
        ("2026-12-01T19:32:22+01:00; fix in review", true),
        ("2026-12-01T19:32:22.5Z;x", true),
        ("2026-12-30T12:00:00Z; five days", true),
        ("24h; fix in review", false),
        ("2026-12-01T19:32:22Z", false),
        ("2026-12-01T19:32:22Z; ", false),
        ("2026-12-01; fix in review", false),
        ("2026-12-01T19:32:22; no zone", false),
        ("2026-13-01T19:32:22Z; month", false),
        ("tomorrow; x", false),
        ("", false),
    ] {
        assert_eq!(form.is_match(hold), is_well_formed, "{hold}");
        let parsed = Hold::parse(hold, now);
        let refused = matches!(parsed, Err(InvalidHold::Malformed | InvalidHold::NoReason));
        assert_eq!(!refused, is_well_formed, "{hold}: {parsed:?}");
    }
}

#[test]
fn bad_objects_are_refused_by_the_field_that_is_wrong() {
    let corpus: Vec<_> = ["bad", "bad-controller"].into_iter().flat_map(corpus).collect();
    assert!(corpus.len() >= 60);
    let mut wrong = Vec::new();
    for (path, text, object) in corpus {
        let expected = text.lines().next().and_then(|line| line.strip_prefix("# expect: ")).unwrap();
        match judge(&object) {
            Ok(()) => wrong.push(format!("{}: passes", path.display())),
            Err(problems) => {
                let names = |problem: &validation::Problem| {
                    problem
                        .path
                        .strip_prefix(expected)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                };
                if !problems.iter().all(names) {
                    wrong.push(format!("{}: expected {expected}, said {problems}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn everything_that_is_wrong_is_said() {
    let object = serde_json::json!({
        "apiVersion": "breakwater.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "x", "namespace": "a"},
        "spec": {
            "schedule": {"cron": "nonsense"},
            "selector": {"namespaceSelector": {}},
            "rules": {"vulnerabilities": {"maxCvss": "11", "grace": {"published": "7d"}}},
        },
    });
    let problems = judge(&object).unwrap_err();
    // Shape first: what has no shape has no meaning to ask about.
    assert_eq!(problems.iter().count(), 2, "{problems}");
    let mut mended = object;
    mended["spec"]["rules"] = serde_json::json!({});
    let problems = judge(&mended).unwrap_err();
    let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["spec.schedule", "spec.schedule.cron", "spec.selector.namespaceSelector"]);
}
