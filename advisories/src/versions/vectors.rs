//! Published vectors, one figure per order: `cargo test -p breakwater-advisories vectors -- --nocapture`. Sources and licences:
//! testdata/versions/README.md. A pair whose versions an order does not know is unparsable, which matching reports; none may be wrong.

use std::cmp::Ordering::{self, Equal, Greater, Less};

use serde_json::Value;

use super::VersionOrder;

mod documented;
mod npm_ranges;

/// What was compared.
#[derive(Default)]
pub(super) struct Figures {
    passed: usize,
    unparsable: usize,
    wrong: Vec<String>,
}

impl Figures {
    pub(super) fn compare(&mut self, order: VersionOrder, left: &str, expected: &[Ordering], right: &str) {
        let found = order.compare(left, right);
        let is_right = expected.contains(&found) && order.compare(right, left) == found.reverse();
        self.check(order.knows(left) && order.knows(right), is_right, || {
            format!("{left} {found:?} {right}, expected {expected:?}")
        });
    }

    pub(super) fn check(&mut self, known: bool, is_right: bool, say: impl FnOnce() -> String) {
        if !known {
            self.unparsable += 1;
        } else if is_right {
            self.passed += 1;
        } else {
            self.wrong.push(say());
        }
    }

    /// Prints the line, and ends the test unless every vector was seen and none was wrong.
    pub(super) fn report(self, name: &str, total: usize, unparsable: usize) {
        println!(
            "{name:<12} {:>5} passed / {total:>5} total, {:>3} unparsable, {} wrong",
            self.passed,
            self.unparsable,
            self.wrong.len()
        );
        assert!(self.wrong.is_empty(), "{name}: {:#?}", self.wrong);
        assert_eq!((self.passed + self.unparsable, self.unparsable), (total, unparsable), "{name}");
    }
}

fn tests(json: &str) -> Vec<Value> {
    let mut file: Value = serde_json::from_str(json).unwrap();
    match file["tests"].take() {
        Value::Array(tests) => tests,
        other => panic!("{other}"),
    }
}

/// The comparisons and equalities of a `vers` test file. A comparison lists two versions ascending, equal ones in any order.
fn vers(json: &str, order: VersionOrder) -> Figures {
    let mut figures = Figures::default();
    for test in tests(json) {
        let [left, right] = [0, 1].map(|place| test["input"]["versions"][place].as_str().unwrap().to_owned());
        let ascending = || test["expected_output"][0].as_str().unwrap().eq_ignore_ascii_case(&left);
        let expected: &[Ordering] = match test["test_type"].as_str().unwrap() {
            "equality" if test["expected_output"] == true => &[Equal],
            "equality" => &[Less, Greater],
            "comparison" if left == right => &[Equal],
            "comparison" if ascending() => &[Less],
            "comparison" => &[Greater],
            other => panic!("{other}"),
        };
        figures.compare(order, &left, expected, &right);
    }
    figures
}

#[test]
fn apk() {
    vers(include_str!("../../testdata/versions/alpine_version_cmp.json"), VersionOrder::Apk)
        .report("apk", 716, 0);
}

#[test]
fn maven() {
    vers(include_str!("../../testdata/versions/maven_version_cmp.json"), VersionOrder::Maven)
        .report("maven", 977, 0);
}

#[test]
fn nuget() {
    vers(include_str!("../../testdata/versions/nuget_version_cmp.json"), VersionOrder::NuGet)
        .report("nuget", 33, 0);
}

#[test]
fn conan() {
    vers(include_str!("../../testdata/versions/conan_version_cmp.json"), VersionOrder::Conan)
        .report("conan", 47, 0);
}

#[test]
fn rpm() {
    let mut figures = Figures::default();
    for line in include_str!("../../testdata/versions/rpmvercmp.txt").lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [left, operator, right] = words[..] else { continue };
        let expected = match operator {
            "<" => Less,
            ">" => Greater,
            "==" => Equal,
            // A comment.
            _ => continue,
        };
        // Nine are about pieces such as `^` alone, which are no versions and have their place all the same.
        let (order, known) = (VersionOrder::Rpm, true);
        let is_right =
            order.compare(left, right) == expected && order.compare(right, left) == expected.reverse();
        figures.check(known, is_right, || line.to_owned());
    }
    figures.report("rpm", 113, 0);
}

/// Ranges of PyPI as `vers` writes them, and whether a version lies within.
#[test]
fn pypi_ranges() {
    let mut figures = Figures::default();
    let tests = tests(include_str!("../../testdata/versions/pypi_range_containment.json"));
    let total = tests.len();
    for test in tests {
        let (range, version) =
            (test["input"]["vers"].as_str().unwrap(), test["input"]["version"].as_str().unwrap());
        let (_, constraints) = range.split_once('/').unwrap();
        let within = npm_ranges::vers_contains(VersionOrder::Pep440, constraints, version);
        figures.check(VersionOrder::Pep440.knows(version), within == test["expected_output"], || {
            format!("{version} in {range}: {within}")
        });
    }
    figures.report("pypi ranges", total, 0);
}
