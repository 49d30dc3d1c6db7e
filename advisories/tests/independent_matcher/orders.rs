//! Version orders, a second time and as simple as can be: each version becomes a list of words whose own order is the rule's.

use std::cmp::Ordering;

/// deb-version(7), "Sorting algorithm": alternating runs of non-digits and digits.
pub(crate) fn dpkg(left: &str, right: &str) -> Ordering {
    /// Ranks of non-digits, then a number.
    type Runs = Vec<(Vec<i32>, u128)>;
    fn parts(version: &str) -> (u64, Runs, Runs) {
        let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
        (epoch.parse().unwrap(), runs(upstream), runs(revision))
    }
    /// Non-digits as ranks ending with that of the end (0), so that `~` (-1) is below it.
    fn runs(part: &str) -> Runs {
        let mut characters = part.chars().peekable();
        let mut runs = Vec::new();
        while characters.peek().is_some() {
            let mut ranks = Vec::new();
            while let Some(c) = characters.next_if(|c| !c.is_ascii_digit()) {
                ranks.push(match c {
                    '~' => -1,
                    c if c.is_ascii_alphabetic() => c as i32,
                    c => c as i32 + 1000,
                });
            }
            ranks.push(0);
            let mut number = 0_u128;
            while let Some(c) = characters.next_if(char::is_ascii_digit) {
                number = number * 10 + u128::from(c.to_digit(10).unwrap());
            }
            runs.push((ranks, number));
        }
        runs
    }
    fn compare(left: &[(Vec<i32>, u128)], right: &[(Vec<i32>, u128)]) -> Ordering {
        let end = (vec![0], 0);
        (0..left.len().max(right.len()))
            .map(|place| left.get(place).unwrap_or(&end).cmp(right.get(place).unwrap_or(&end)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
    let (left, right) = (parts(left), parts(right));
    left.0.cmp(&right.0).then(compare(&left.1, &right.1)).then(compare(&left.2, &right.2))
}

/// rpm-version(7): segments of digits or letters; `~` below the end, `^` above it, a number above letters.
pub(crate) fn rpm(left: &str, right: &str) -> Ordering {
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    enum Segment {
        Tilde,
        End,
        Caret,
        Letters(String),
        Number(u128),
    }
    fn segments(part: &str) -> Vec<Segment> {
        let mut characters = part.chars().peekable();
        let mut segments = Vec::new();
        while let Some(first) = characters.next() {
            let mut word = first.to_string();
            match first {
                '~' => segments.push(Segment::Tilde),
                '^' => segments.push(Segment::Caret),
                c if c.is_ascii_digit() => {
                    word.extend(std::iter::from_fn(|| characters.next_if(char::is_ascii_digit)));
                    segments.push(Segment::Number(word.parse().unwrap()));
                }
                c if c.is_ascii_alphabetic() => {
                    word.extend(std::iter::from_fn(|| characters.next_if(char::is_ascii_alphabetic)));
                    segments.push(Segment::Letters(word));
                }
                _ => {}
            }
        }
        segments.push(Segment::End);
        segments
    }
    fn parts(version: &str) -> (u64, Vec<Segment>, Vec<Segment>) {
        let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
        let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch.parse().unwrap(), segments(version), segments(release))
    }
    parts(left).cmp(&parts(right))
}

/// Whether apk's grammar has it.
pub(crate) fn is_apk(version: &str) -> bool {
    let (version, revision) = version.rsplit_once("-r").unwrap_or((version, "0"));
    let mut pieces = version.split('_');
    let main = pieces.next().unwrap();
    let main = main.strip_suffix(|c: char| c.is_ascii_lowercase()).unwrap_or(main);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number(revision) && main.split('.').all(is_number) && pieces.all(|suffix| !suffix.is_empty())
}

/// apk-tools, `doc/apk-package.5`, "PACKAGE NAME AND VERSION": numbers with dots, a letter, suffixes, a revision. A number after a dot
/// that begins with a zero is compared as text, as Gentoo's specification has it.
pub(crate) fn apk(left: &str, right: &str) -> Ordering {
    #[derive(Debug)]
    struct Version {
        numbers: Vec<String>,
        letter: Option<char>,
        /// Rank (0 is "none") and number.
        suffixes: Vec<(i32, u64)>,
        revision: u64,
    }
    fn parse(version: &str) -> Version {
        let (version, revision) = version.rsplit_once("-r").unwrap_or((version, "0"));
        let mut pieces = version.split('_');
        let main = pieces.next().unwrap();
        let letter = main.chars().last().filter(char::is_ascii_alphabetic);
        let names = ["alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"];
        let suffixes = pieces.map(|suffix| {
            let name = suffix.trim_end_matches(|c: char| c.is_ascii_digit());
            let rank = names.iter().position(|known| *known == name).unwrap() as i32 - 4;
            (rank, suffix[name.len()..].parse().unwrap_or(0))
        });
        Version {
            numbers: main
                .trim_end_matches(|c: char| c.is_ascii_alphabetic())
                .split('.')
                .map(str::to_owned)
                .collect(),
            letter,
            suffixes: suffixes.collect(),
            revision: revision.parse().unwrap_or(0),
        }
    }
    let (left, right) = (parse(left), parse(right));
    for place in 0..left.numbers.len().max(right.numbers.len()) {
        let order = match (left.numbers.get(place), right.numbers.get(place)) {
            (Some(left), Some(right)) if place > 0 && (left.starts_with('0') || right.starts_with('0')) => {
                left.cmp(right)
            }
            (Some(left), Some(right)) => left.parse::<u128>().unwrap().cmp(&right.parse::<u128>().unwrap()),
            (left, right) => left.is_some().cmp(&right.is_some()),
        };
        if order.is_ne() {
            return order;
        }
    }
    let order = left.letter.cmp(&right.letter);
    if order.is_ne() {
        return order;
    }
    for place in 0..left.suffixes.len().max(right.suffixes.len()) {
        let none = (0, 0);
        let order = left.suffixes.get(place).unwrap_or(&none).cmp(right.suffixes.get(place).unwrap_or(&none));
        if order.is_ne() {
            return order;
        }
    }
    left.revision.cmp(&right.revision)
}
