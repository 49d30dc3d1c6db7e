//! The name that was meant, where an exception or a trigger names a rule that does not exist.

use super::CHECKS;

/// Returns the valid name that is nearest to `name` by edit distance, the first of equals.
#[must_use]
pub fn closest_rule(name: &str) -> &'static str {
    let names = CHECKS.iter().flat_map(|check| [check.rule, check.id]);
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
    use crate::policy::is_rule_or_check;

    #[test]
    fn a_typo_leads_to_the_name_that_was_meant() {
        for (typo, meant) in [
            ("vulnerabilites.max", "vulnerabilities.max"),
            ("image.requiredigest", "image.requireDigest"),
            ("trustedRegistries", "image.trustedRegistries"),
        ] {
            assert!(!is_rule_or_check(typo));
            assert_eq!(closest_rule(typo), meant);
        }
        assert!(is_rule_or_check("BW-VUL-001") && is_rule_or_check("vulnerabilities.max"));
    }
}
