//! npm's ranges with their `vers` form: both must contain the same versions by our order, and the bounds of the latter must ascend.

use std::cmp::Ordering::{Equal, Greater, Less};

use super::{Figures, tests};
use crate::VersionOrder;

/// Whether one comparator holds (`>=1.0.0`, `1.0.0`, `*`).
fn holds(order: VersionOrder, comparator: &str, version: &str) -> bool {
    let bound = comparator.trim_start_matches(['<', '>', '=', '!']);
    let found = order.compare(version, bound);
    match comparator.strip_suffix(bound).unwrap_or_default() {
        _ if bound == "*" => true,
        "" | "=" => found == Equal,
        "!=" => found != Equal,
        ">" => found == Greater,
        "<" => found == Less,
        ">=" => found != Less,
        "<=" => found != Greater,
        other => panic!("{other}"),
    }
}

/// The `vers` specification's containment: single versions, then intervals between neighbouring bounds.
pub(in super::super) fn vers_contains(order: VersionOrder, constraints: &str, version: &str) -> bool {
    let constraints: Vec<&str> = constraints.split('|').collect();
    let is_bound = |c: &&&str| c.starts_with(['<', '>']);
    let single = |c: &&&str| !is_bound(c) && !c.starts_with("!=");
    if constraints.iter().filter(single).any(|c| holds(order, c, version)) {
        return true;
    }
    if constraints.iter().any(|c| c.starts_with("!=") && !holds(order, c, version)) {
        return false;
    }
    let bounds: Vec<&str> = constraints.iter().filter(is_bound).copied().collect();
    let mut place = 0;
    while let Some(bound) = bounds.get(place) {
        match bounds.get(place + 1).filter(|next| bound.starts_with('>') && next.starts_with('<')) {
            Some(next) => {
                if holds(order, bound, version) && holds(order, next, version) {
                    return true;
                }
                place += 2;
            }
            None if holds(order, bound, version) => return true,
            None => place += 1,
        }
    }
    false
}

/// npm's own reading of a range: alternatives of comparators, `~`, `^` and `x` spelled out.
fn npm_contains(range: &str, version: &str) -> bool {
    let single_spaced = range.split_whitespace().collect::<Vec<_>>().join(" ");
    let joined = [">=", "<=", ">", "<", "~", "^", "="]
        .iter()
        .fold(single_spaced, |range, operator| range.replace(&format!("{operator} "), operator));
    joined.split("||").any(|alternative| {
        let words: Vec<&str> = alternative.split_whitespace().collect();
        if let [low, "-", high] = words[..] {
            return holds(VersionOrder::Semver, &format!(">={low}"), version)
                && holds(VersionOrder::Semver, &format!("<={high}"), version);
        }
        // The vectors read several bare versions as a choice.
        if words.iter().all(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
            return words.iter().any(|word| comparator(word, version));
        }
        words.iter().all(|word| comparator(word, version))
    })
}

fn comparator(word: &str, version: &str) -> bool {
    let order = VersionOrder::Semver;
    let bare = word.trim_start_matches(['~', '^', '>', '<', '=', 'v']);
    let core = bare.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<u64> = core.split('.').map_while(|number| number.parse().ok()).collect();
    let next = |place: usize| {
        let mut numbers = numbers.clone();
        numbers.resize(3, 0);
        numbers[place] += 1;
        numbers[place + 1..].fill(0);
        format!("<{}.{}.{}", numbers[0], numbers[1], numbers[2])
    };
    let least = || holds(order, &format!(">={}", bare.replace(".x", ".0").replace(".*", ".0")), version);
    let operator = word.strip_suffix(bare).unwrap_or_default().trim_end_matches('v');
    match (operator, numbers.len()) {
        ("" | "=", 0) => true,
        ("" | "=", places @ (1 | 2)) => least() && holds(order, &next(places - 1), version),
        ("~", places) => least() && holds(order, &next(places.min(2) - 1), version),
        ("^", _) => {
            let first = numbers.iter().position(|number| *number > 0).unwrap_or(numbers.len() - 1);
            least() && holds(order, &next(first), version)
        }
        _ => holds(order, word, version),
    }
}

/// Their `vers` form is not what npm means: intervals that overlap or touch are not joined, `>= 2.2.x` is read as `2.2.x`, `2.1` as
/// `2.1.0`, and of two lower bounds the lower one counts. Only their bounds are looked at.
const DEPARTING: [&str; 8] = [
    ">= 0.2.0 <= 0.9.6 || ~0.8.0-pre",
    ">= 2.2.x",
    "2.0.x || 2.1.x",
    "^2.0.18 || ^3.0.16 || ^3.1.6 || ^4.0.8 || ^5.0.0-beta.5",
    ">=5.0.3 >=4.2.1",
    ">= 1.x",
    ">= 5.2.1 <= 6.0.0 || >=6.0.0 <= 6.0.2",
    "2.1 || 2.6",
];

#[test]
fn npm_ranges() {
    let order = VersionOrder::Semver;
    let tests = tests(include_str!("../../../testdata/versions/npm_range_from_native.json"));
    let constraints_of = |test: &serde_json::Value| {
        let range = test["expected_output"].as_str().unwrap();
        range.split_once('/').unwrap().1.to_owned()
    };
    let mut probes: Vec<String> = tests
        .iter()
        .flat_map(|test| {
            let constraints = constraints_of(test);
            constraints
                .split('|')
                .map(|c| c.trim_start_matches(['<', '>', '=', '!']).to_owned())
                .collect::<Vec<_>>()
        })
        .filter(|bound| bound != "*")
        .collect();
    probes.sort();
    probes.dedup();
    let mut figures = Figures::default();
    for test in &tests {
        let constraints = constraints_of(test);
        let native = test["input"]["native_range"].as_str().unwrap();
        let bounds: Vec<&str> =
            constraints.split('|').map(|c| c.trim_start_matches(['<', '>', '=', '!'])).collect();
        let known =
            !DEPARTING.contains(&native) && bounds.iter().all(|bound| *bound == "*" || order.knows(bound));
        let ascends = bounds.windows(2).all(|pair| order.compare(pair[0], pair[1]) == Less);
        let wrong = probes
            .iter()
            .find(|probe| npm_contains(native, probe) != vers_contains(order, &constraints, probe));
        figures.check(known, ascends && wrong.is_none(), || {
            format!("{native} is {constraints}: ascends {ascends}, apart at {wrong:?}")
        });
    }
    figures.report("npm ranges", tests.len(), DEPARTING.len());
}
