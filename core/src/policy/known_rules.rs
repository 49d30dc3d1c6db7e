//! The names that exceptions and triggers may use.

/// Check ids and the paths below `spec.rules` that switch them on.
#[must_use]
pub fn known_rules() -> &'static [(&'static str, &'static str)] {
    &[
        ("BW-VUL-000", "vulnerabilities"),
        ("BW-VUL-001", "vulnerabilities.max"),
        ("BW-VUL-002", "vulnerabilities.maxCvss"),
        ("BW-VUL-003", "vulnerabilities.denyKnownExploited"),
        ("BW-VUL-004", "vulnerabilities.deny"),
        ("BW-VUL-005", "vulnerabilities.maxEpssPercentile"),
        ("BW-IMG-001", "image.trustedRegistries"),
        ("BW-IMG-002", "image.requireDigest"),
        ("BW-IMG-003", "image.denyLatestTag"),
        ("BW-IMG-010", "image.unscanned"),
        ("BW-IMG-011", "image.scanFailed"),
        ("BW-IMG-012", "image.incomplete"),
        ("BW-IMG-013", "image.maxScanAge"),
        ("BW-IMG-020", "image.allowRootUser"),
        ("BW-IMG-021", "image.bannedSoftware"),
        ("BW-IMG-022", "image.bannedPackages"),
        ("BW-IMG-023", "image.maxAge"),
        ("BW-IMG-024", "image.maxPackages"),
        ("BW-IMG-025", "image.requiredLabels"),
        ("BW-IMG-026", "image.maxSecrets"),
        ("BW-IMG-027", "image.denySecretEnv"),
        ("BW-IMG-028", "image.maxSetuidFiles"),
    ]
}

/// Reports whether `name` is the id or the rule path of a check.
#[must_use]
pub fn is_rule_or_check(name: &str) -> bool {
    known_rules().iter().any(|(id, rule)| *id == name || *rule == name)
}

/// Returns the valid name that is nearest to `name` by edit distance, the first of equals.
#[must_use]
pub fn closest_rule(name: &str) -> &'static str {
    let names = known_rules().iter().flat_map(|(id, rule)| [*rule, *id]);
    names.min_by_key(|known| distance(known, name)).unwrap_or_default()
}

/// The Levenshtein distance in characters. Both texts are short: the schema allows 64 characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut next = vec![i.saturating_add(1)];
        for ((right, above), diagonal) in b.iter().zip(row.iter().skip(1)).zip(&row) {
            let replaced = diagonal.saturating_add(usize::from(left != *right));
            let before = next.last().copied().unwrap_or_default();
            next.push(replaced.min(above.saturating_add(1)).min(before.saturating_add(1)));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_leads_to_the_name_that_was_meant() {
        for (typo, meant) in [
            ("vulnerabilites.max", "vulnerabilities.max"),
            ("image.requiredigest", "image.requireDigest"),
            ("BW-IMG-200", "BW-IMG-020"),
            ("trustedRegistries", "image.trustedRegistries"),
        ] {
            assert!(!is_rule_or_check(typo));
            assert_eq!(closest_rule(typo), meant);
        }
        assert!(is_rule_or_check("BW-VUL-001") && is_rule_or_check("vulnerabilities.max"));
    }

    #[test]
    fn every_documented_check_is_known() {
        let table = include_str!("../../../docs/checks.md");
        let documented = table.lines().filter_map(|line| line.strip_prefix("| BW-")).count();
        for (id, rule) in known_rules() {
            let row = table.lines().find(|line| line.starts_with(&format!("| {id} |")));
            assert!(row.is_some_and(|row| row.contains(&format!("`{rule}"))), "{id} {rule}");
        }
        // BW-GEN-001 is about rules that are not evaluated: there is nothing to except.
        assert!((known_rules().len()..=known_rules().len() + 2).contains(&documented), "{documented}");
    }
}
