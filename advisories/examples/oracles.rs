//! Asks the package managers themselves: `dpkg --compare-versions` and `rpm --eval '%{lua:…}'`, over the published vectors and over
//! generated versions. Not a test, for it needs them installed: `cargo run -p breakwater-advisories --example oracles`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an example for developers stops where it cannot go on"
)]

use std::cmp::Ordering;
use std::process::Command;

use breakwater_advisories::VersionOrder;

/// How many generated pairs each is asked about.
const PAIRS: usize = 2_000;

fn main() {
    let pairs = generated();
    report("dpkg", VersionOrder::Dpkg, &pairs, |pairs| pairs.iter().map(|(a, b)| dpkg(a, b)).collect());
    let mut pieces: Vec<(String, String)> = include_str!("../testdata/versions/rpmvercmp.txt")
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.len() == 3 && ["<", ">", "=="].contains(&words[1]))
        .map(|words| (words[0].to_owned(), words[2].to_owned()))
        .collect();
    // rpm compares parts: epoch and release are ours to split off.
    pieces.extend(pairs.into_iter().filter(|(a, b)| !a.contains([':', '-']) && !b.contains([':', '-'])));
    report("rpm", VersionOrder::Rpm, &pieces, rpm);
}

fn report(
    name: &str,
    order: VersionOrder,
    pairs: &[(String, String)],
    oracle: impl Fn(&[(String, String)]) -> Vec<Option<Ordering>>,
) {
    if Command::new(name).arg("--version").output().is_err() {
        println!("{name}: not installed, not asked");
        return;
    }
    let (mut agreed, mut refused) = (0, 0);
    for ((left, right), said) in pairs.iter().zip(oracle(pairs)) {
        match said {
            None => refused += 1,
            Some(said) if said == order.compare(left, right) => agreed += 1,
            Some(said) => panic!("{name} says {left} {said:?} {right}, we {:?}", order.compare(left, right)),
        }
    }
    println!("{name}: {agreed} passed / {} total, {refused} refused by it", pairs.len());
}

fn dpkg(left: &str, right: &str) -> Option<Ordering> {
    let holds = |operator: &str| {
        let asked =
            Command::new("dpkg").args(["--compare-versions", left, operator, right]).output().unwrap();
        asked.stderr.is_empty().then_some(asked.status.success())
    };
    Some(match (holds("lt")?, holds("eq")?) {
        (true, _) => Ordering::Less,
        (_, true) => Ordering::Equal,
        _ => Ordering::Greater,
    })
}

fn rpm(pairs: &[(String, String)]) -> Vec<Option<Ordering>> {
    let mut answers = Vec::new();
    for pairs in pairs.chunks(200) {
        let calls: String =
            pairs.iter().map(|(a, b)| format!("print(rpm.vercmp('{a}','{b}')..' ')")).collect();
        let said = Command::new("rpm").args(["--eval", &format!("%{{lua:{calls}}}")]).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        answers.extend(said.split_whitespace().map(|word| word.parse::<i32>().ok().map(|word| word.cmp(&0))));
    }
    assert_eq!(answers.len(), pairs.len());
    answers
}

/// What looks like versions, by a fixed generator, so that a failure can be repeated.
fn generated() -> Vec<(String, String)> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let pieces = ["0", "1", "10", "2", "00", "a", "b", "rc", "~", "~~", "+", ".", ".", "el8", "_", "01", "z"];
    let mut version = || {
        let mut version = ["", "", "", "1:", "0:"][next(5)].to_owned();
        version.push_str(["1", "2", "0"][next(3)]);
        for _ in 0..next(6) {
            version.push_str(pieces[next(pieces.len())]);
        }
        if next(3) == 0 {
            version.push_str(["-1", "-0", "-1+deb12u1", "-2~bpo"][next(4)]);
        }
        version
    };
    (0..PAIRS).map(|_| (version(), version())).collect()
}
