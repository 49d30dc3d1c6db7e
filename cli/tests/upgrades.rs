//! `breakwater fix-plan` and `breakwater diff` against a registry of this test.

#![allow(clippy::unwrap_used, reason = "helpers of tests stop where they cannot go on")]

mod registry;

use std::process::Output;

use registry::{
    Image, READING, breakwater, debian, index, npm, old_application, policy, python, registry, text,
};
use serde_json::{Value, json};

/// The old application with a base of its own layer.
fn layered() -> Image {
    let application = vec![python("Jinja2", "2.10"), npm("lodash", "4.17.15"), npm("minimist", "1.2.0")];
    Image { name: "layered", layers: vec![debian(), application], config: json!({"User": "app"}) }
}

/// What the plan makes of it.
fn mended() -> Image {
    let application = vec![python("Jinja2", "99.0"), npm("lodash", "99.0.0"), npm("minimist", "99.0.0")];
    Image {
        name: "mended",
        layers: vec![debian(), application],
        config: json!({"User": "app", "Env": ["A=b"]}),
    }
}

async fn run(arguments: &[&str]) -> Output {
    breakwater(&[arguments, READING.as_slice()].concat()).await
}

fn parsed(output: &Output) -> Value {
    assert!(!output.stdout.is_empty(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_clears_the_policy_layer_by_layer() {
    let directory = tempfile::tempdir().unwrap();
    let image = format!("{}/layered:1", registry(vec![layered()]).await);
    let db = index(directory.path()).await;
    let db = db.to_str().unwrap();

    let all = parsed(&run(&["fix-plan", &image, "--db", db, "-o", "json"]).await);
    let remaining = all["remaining"].as_array().unwrap();
    assert!(
        !remaining.is_empty() && remaining.iter().all(|finding| finding["fixable"] == false),
        "{remaining:?}"
    );
    let layers = all["layers"].as_array().unwrap();
    assert_eq!(
        (layers.len(), &layers[0]["number"]),
        (1, &json!(2)),
        "the base has nothing that an upgrade mends"
    );
    let upgrades = layers[0]["upgrades"].as_array().unwrap();
    let names: Vec<&str> = upgrades.iter().map(|upgrade| upgrade["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["jinja2", "lodash", "minimist"]);

    let rules = json!({"vulnerabilities": {"max": {"critical": 0}}});
    let policy = policy(directory.path(), "critical.yaml", &rules);
    let some = run(&["fix-plan", &image, "--db", db, "--policy", &policy, "-o", "json"]).await;
    assert_eq!(some.status.code(), Some(0), "{}", text(&some.stderr));
    let some = parsed(&some);
    assert_eq!((&some["before"]["verdict"], &some["after"]["verdict"]), (&json!("Fail"), &json!("Pass")));
    assert_eq!(some["after"]["findings"]["critical"], 0);
    let fewer = some["layers"][0]["upgrades"].as_array().unwrap();
    assert!(!fewer.is_empty() && fewer.len() < upgrades.len(), "{fewer:?}");

    let table = run(&["fix-plan", &image, "--db", db, "--policy", &policy]).await;
    let shown = text(&table.stdout);
    println!("{shown}");
    for words in
        ["now:   FAIL", "after: PASS", "layer 2", "$ npm install", "clears CVE-2020-7598, CVE-2021-44906"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }

    let impossible = json!({"vulnerabilities": {"max": {"critical": 0}}, "image": {"requireDigest": true}});
    let impossible = registry::policy(directory.path(), "impossible.yaml", &impossible);
    let left = run(&["fix-plan", &image, "--db", db, "--policy", &impossible]).await;
    assert_eq!(left.status.code(), Some(1));
    assert!(text(&left.stdout).contains("rules that upgrades do not clear"), "{}", text(&left.stdout));
    assert!(text(&left.stdout).contains("BW-IMG-002 image.requireDigest"));

    let blind = run(&["fix-plan", &image]).await;
    assert_eq!(blind.status.code(), Some(2));
    assert!(text(&blind.stderr).contains("db build"), "{}", text(&blind.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_names_what_came_and_went() {
    let directory = tempfile::tempdir().unwrap();
    let registry = registry(vec![layered(), mended(), old_application()]).await;
    let name = |image: &str| format!("{registry}/{image}:1");
    let (old, new) = (name("layered"), name("mended"));
    let db = index(directory.path()).await;
    let db = db.to_str().unwrap();

    let table = run(&["diff", &old, &new, "--db", db]).await;
    assert_eq!(table.status.code(), Some(0), "{}", text(&table.stderr));
    let shown = text(&table.stdout);
    println!("{shown}");
    for words in [
        "lodash 4.17.15 -> 99.0.0",
        "the lowest 1 layer shared of 2 and 2",
        "- CVE-2021-44906",
        "env: \"\" -> \"A\"",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");

    let forth = parsed(&run(&["diff", &old, &new, "--db", db, "-o", "json"]).await);
    let back = run(&["diff", &new, &old, "--db", db, "-o", "json", "--fail-on-new", "critical"]).await;
    assert_eq!(back.status.code(), Some(1));
    let back = parsed(&back);
    let number = |value: &Value| value.as_array().unwrap().len();
    assert!(number(&forth["findings"]["fixed"]) > 0);
    assert_eq!(number(&forth["findings"]["fixed"]), number(&back["findings"]["new"]));
    assert_eq!(number(&forth["findings"]["new"]), 0);

    let same = run(&["diff", &old, &old, "--db", db, "-o", "json", "--fail-on-new", "low"]).await;
    assert_eq!(same.status.code(), Some(0));
    let same = parsed(&same);
    assert_eq!((number(&same["packages"]), number(&same["findings"]["new"])), (0, 0));

    let blind = run(&["diff", &old, &new, "--fail-on-new", "low"]).await;
    assert_eq!(blind.status.code(), Some(2));
    let packages = run(&["diff", &old, &new]).await;
    assert!(text(&packages.stdout).contains("findings not compared"), "{}", text(&packages.stdout));
}
