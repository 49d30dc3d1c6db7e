//! Published vectors; see testdata/versions/README.md. Figures: `cargo test vectors -- --nocapture`.

use std::cmp::Ordering;

use serde_json::Value;

use super::VersionOrder;

/// Runs the comparisons and equalities of a `vers` test file.
fn run(name: &str, json: &str, order: VersionOrder, knows_all: bool) {
    let file: Value = serde_json::from_str(json).unwrap();
    let (mut passed, mut unknown, mut wrong) = (0, 0, Vec::new());
    for test in file["tests"].as_array().unwrap() {
        let versions: Vec<&str> =
            test["input"]["versions"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        let (left, right) = (versions[0], versions[1]);
        if !order.knows(left) || !order.knows(right) {
            unknown += 1;
            continue;
        }
        let expected = match test["test_type"].as_str().unwrap() {
            "equality" => test["expected_output"].as_bool().unwrap().then_some(Ordering::Equal),
            "comparison" if test["expected_output"][0].as_str().unwrap().eq_ignore_ascii_case(left) => {
                Some(Ordering::Less)
            }
            "comparison" => Some(Ordering::Greater),
            other => panic!("{other}"),
        };
        let found = order.compare(left, right);
        // "Comparison" lists equal versions in either order.
        let right_way = match expected {
            Some(Ordering::Equal) => found == Ordering::Equal,
            Some(expected) => found == expected || found == Ordering::Equal && left == right,
            None => found != Ordering::Equal,
        };
        if right_way && order.compare(right, left) == found.reverse() {
            passed += 1;
        } else {
            wrong.push(format!("{left} {found:?} {right}, expected {expected:?}"));
        }
    }
    println!("{name}: {passed} passed, {unknown} unknown, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{name}: {wrong:#?}");
    assert!(passed > 20);
    assert!(!knows_all || unknown == 0, "{name}: {unknown} unknown");
}

#[test]
fn apk() {
    run("apk", include_str!("../../testdata/versions/alpine_version_cmp.json"), VersionOrder::Apk, false);
}

#[test]
fn maven() {
    run("maven", include_str!("../../testdata/versions/maven_version_cmp.json"), VersionOrder::Maven, true);
}

#[test]
fn nuget() {
    run("nuget", include_str!("../../testdata/versions/nuget_version_cmp.json"), VersionOrder::NuGet, false);
}
