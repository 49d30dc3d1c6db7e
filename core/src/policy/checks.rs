//! The table of checks. Documentation, messages and reports of all programs are made from it.

/// One check: its id is never given another meaning. Made here only, so that an id which is not in [`CHECKS`] does not compile.
#[derive(Debug, PartialEq, Eq)]
pub struct CheckInfo {
    /// For example `BW-VUL-001`.
    pub id: &'static str,
    /// The path below `spec.rules` that switches it on, for example `vulnerabilities.max`.
    pub rule: &'static str,
    /// What a failed check has found, as a phrase.
    pub title: &'static str,
    /// When it fails, and when it is Unknown: one sentence of Markdown.
    pub fails_when: &'static str,
    /// What to do about it in a cluster.
    pub remedy_cluster: &'static str,
    /// What to do about it where one image is judged from a command line.
    pub remedy_cli: &'static str,
    family: Family,
}

/// The chapters of the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Knowledge,
    Origin,
    Contents,
    Vulnerabilities,
    General,
}

macro_rules! checks {
    ($($name:ident: $family:ident $id:literal $rule:literal {
        title: $title:literal, fails_when: $fails_when:literal, cluster: $cluster:literal, cli: $cli:literal $(,)?
    })*) => {
        $(pub(super) static $name: CheckInfo = CheckInfo {
            id: $id, rule: $rule, title: $title, fails_when: $fails_when,
            remedy_cluster: $cluster, remedy_cli: $cli, family: Family::$family,
        };)*
        /// Every check, in the order of the documentation.
        pub static CHECKS: &[&CheckInfo] = &[$(&$name),*];
    };
}

checks! {
    IMG_010: Knowledge "BW-IMG-010" "image.unscanned" {
        title: "image not scanned",
        fails_when: "the image was not scanned yet, or cannot be: it was imported into the node, or is of an operating system that is not read",
        cluster: "wait for the scan that is queued, or create a ScanJob; images that were imported into a node have to be deployed from a registry",
        cli: "scan the image",
    }
    IMG_011: Knowledge "BW-IMG-011" "image.scanFailed" {
        title: "scan failed",
        fails_when: "its scan failed; the reason is shown and listed in `status.failures`",
        cluster: "fix what the scan reports; the annotation breakwater.dev/requested-at on the policy starts the scan at once",
        cli: "fix what the scan reports and scan again",
    }
    IMG_012: Knowledge "BW-IMG-012" "image.incomplete" {
        title: "image not read completely",
        fails_when: "parts of it could not be read, or packages could not be matched",
        cluster: "see status.unanalysed of its ScanJob",
        cli: "see what was not analysed, and why",
    }
    IMG_013: Knowledge "BW-IMG-013" "image.maxScanAge" {
        title: "advisory data too old",
        fails_when: "the advisory data that it was last matched against is older than allowed, or it was never matched. Always Unknown",
        cluster: "check the advisories Deployment: images are matched again as soon as it serves newer data",
        cli: "make or fetch a newer index (`breakwater db build`, `breakwater db update`)",
    }
    IMG_001: Origin "BW-IMG-001" "image.trustedRegistries" {
        title: "image not from a trusted registry",
        fails_when: "its canonical name (`docker.io/library/nginx`) matches none of the globs",
        cluster: "use an image from a trusted registry, or add this one to trustedRegistries",
        cli: "use an image from a trusted registry, or add this one to trustedRegistries",
    }
    IMG_002: Origin "BW-IMG-002" "image.requireDigest" {
        title: "image not pinned by digest",
        fails_when: "the workload does not name it by digest",
        cluster: "pin the image to the digest that was tested",
        cli: "pin the image to the digest that was tested",
    }
    IMG_003: Origin "BW-IMG-003" "image.denyLatestTag" {
        title: "image tagged latest",
        fails_when: "the tag is `latest`, written or implied, and there is no digest",
        cluster: "name a version or pin a digest",
        cli: "name a version or pin a digest",
    }
    IMG_020: Contents "BW-IMG-020" "image.allowRootUser" {
        title: "container runs as root",
        fails_when: "with `allowRootUser: false`, the container runs as root: `runAsUser` of container or pod decides, then the image's user; with `runAsNonRoot` the kubelet refuses root itself. Image volumes are not run. Unknown where the user is not known: `breakwater scan` of a directory or an SBOM",
        cluster: "set USER in the image, or runAsUser above 0 in the pod's security context",
        cli: "set USER in the image",
    }
    IMG_021: Contents "BW-IMG-021" "image.bannedSoftware" {
        title: "banned software in the image",
        fails_when: "software of a banned set is in it, as a package or as a file",
        cluster: "build from a smaller base, or remove it in the layer that adds it",
        cli: "build from a smaller base, or remove it in the layer that adds it",
    }
    IMG_022: Contents "BW-IMG-022" "image.bannedPackages" {
        title: "banned package in the image",
        fails_when: "the name of a package matches one of the globs",
        cluster: "remove the package from the image",
        cli: "remove the package from the image",
    }
    IMG_023: Contents "BW-IMG-023" "image.maxAge" {
        title: "image too old",
        fails_when: "it was built longer ago than allowed. Unknown if the image does not record when",
        cluster: "build it again on a current base",
        cli: "build it again on a current base",
    }
    IMG_024: Contents "BW-IMG-024" "image.maxPackages" {
        title: "too many packages",
        fails_when: "it has more packages, counted by name",
        cluster: "build from a smaller base",
        cli: "build from a smaller base",
    }
    IMG_025: Contents "BW-IMG-025" "image.requiredLabels" {
        title: "image label missing",
        fails_when: "an image label is missing. Unknown where there is no image configuration",
        cluster: "add the LABEL to the Containerfile",
        cli: "add the LABEL to the Containerfile",
    }
    IMG_026: Contents "BW-IMG-026" "image.maxSecrets" {
        title: "secrets in the image",
        fails_when: "more secrets were found in its files and configuration ([what is found](contents.md))",
        cluster: "remove them, build again without them, and replace the leaked credentials",
        cli: "remove them, build again without them, and replace the leaked credentials",
    }
    IMG_027: Contents "BW-IMG-027" "image.denySecretEnv" {
        title: "secrets in environment variables of the image",
        fails_when: "an environment variable of the image holds a secret",
        cluster: "pass them to the pod by a Secret, build again without them, and replace the leaked credentials",
        cli: "pass them at run time, build again without them, and replace the leaked credentials",
    }
    IMG_028: Contents "BW-IMG-028" "image.maxSetuidFiles" {
        title: "too many setuid files",
        fails_when: "more files run with the rights of their owner",
        cluster: "remove the bit (chmod u-s), or leave the program out of the image",
        cli: "remove the bit (chmod u-s), or leave the program out of the image",
    }
    VUL_000: Vulnerabilities "BW-VUL-000" "vulnerabilities" {
        title: "no advisory data",
        fails_when: "no advisory index is loaded. Always Unknown",
        cluster: "check the advisories Deployment and the operator's log",
        cli: "make or fetch an index (`breakwater db build`, `breakwater db update`)",
    }
    VUL_001: Vulnerabilities "BW-VUL-001" "vulnerabilities.max" {
        title: "too many findings of a severity",
        fails_when: "there are more findings of a severity than allowed. Findings without a severity count as `unknownSeverity` (default Medium), and the message reports that; with `max.unknown` they have a limit of their own",
        cluster: "upgrade the packages that the check names",
        cli: "upgrade the packages that the check names",
    }
    VUL_002: Vulnerabilities "BW-VUL-002" "vulnerabilities.maxCvss" {
        title: "CVSS score too high",
        fails_when: "a CVSS base score is higher. Findings without a score do not count",
        cluster: "upgrade the packages that the check names",
        cli: "upgrade the packages that the check names",
    }
    VUL_003: Vulnerabilities "BW-VUL-003" "vulnerabilities.denyKnownExploited" {
        title: "vulnerability known to be exploited",
        fails_when: "a finding is in the CISA catalogue of known exploited vulnerabilities. Unknown where the advisory index was built without that catalogue",
        cluster: "upgrade at once, or replace the package; without the catalogue, serve an index that was built with --kev",
        cli: "upgrade at once, or replace the package; without the catalogue, use an index that was built with --kev",
    }
    VUL_004: Vulnerabilities "BW-VUL-004" "vulnerabilities.deny" {
        title: "vulnerability that the policy names",
        fails_when: "a finding has one of these ids, by any alias",
        cluster: "upgrade the packages that the check names",
        cli: "upgrade the packages that the check names",
    }
    VUL_005: Vulnerabilities "BW-VUL-005" "vulnerabilities.maxEpssPercentile" {
        title: "EPSS percentile too high",
        fails_when: "an EPSS percentile is higher. Findings without one do not count. Unknown where the advisory index was built without EPSS scores",
        cluster: "upgrade the packages that the check names; without scores, serve an index that was built with --epss",
        cli: "upgrade the packages that the check names; without scores, use an index that was built with --epss",
    }
    GEN_001: General "BW-GEN-001" "unsupported" {
        title: "rule that this version does not evaluate",
        fails_when: "the policy has a rule that this version does not evaluate. Always Unknown",
        cluster: "remove the rule, or use a version of Breakwater that evaluates it",
        cli: "remove the rule, or use a version of Breakwater that evaluates it",
    }
    GEN_002: General "BW-GEN-002" "noRules" {
        title: "policy without rules",
        fails_when: "the policy has nothing but defaults. Always Unknown",
        cluster: "add a rule to spec.rules",
        cli: "add a rule to spec.rules",
    }
}

/// Returns the check with this id.
#[must_use]
pub fn check(id: &str) -> Option<&'static CheckInfo> {
    CHECKS.iter().copied().find(|check| check.id == id)
}

/// Reports whether `name` is a check id (`BW-IMG-002`) or the path of a rule (`image.requireDigest`): what exceptions and triggers
/// may name.
#[must_use]
pub fn is_rule_or_check(name: &str) -> bool {
    CHECKS.iter().any(|check| check.id == name || check.rule == name)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

    use super::*;

    const FAMILIES: [(Family, &str, &str); 5] = [
        (
            Family::Knowledge,
            "What is known of the image",
            "For the first three, `Allow` shows nothing, `Warn` (the default) makes the verdict Unknown, and `Deny` makes it a violation. None of them is \
             evidence: a workload is not acted upon because of what is not known about it, and `Allow` restores nothing.",
        ),
        (Family::Origin, "Where the image comes from", ""),
        (Family::Contents, "What is inside", ""),
        (
            Family::Vulnerabilities,
            "Vulnerabilities",
            "Counted per image. Counts and scores (001, 002, 005) leave out findings within a grace period and, with `fixableOnly` (the default), \
             findings that no upgrade fixes. Known exploited and denied vulnerabilities (003, 004) have no grace and need no fix.\n\n\
             Grace: a finding is not counted until the longest of the periods that apply has ended, to the second: since the advisory was published, \
             since a fixed version was first known, since it was first found in the repository. A rebuild or a new tag of the same repository starts \
             no period anew; a finding that was absent from every image of the repository for 30 days is new when it returns. `breakwater scan` \
             has no history: it counts `published` and `fixAvailable` from the dates of the records, does not apply `firstSeen`, prints how many \
             findings are in grace, and applies none of them with `--no-grace`.\n\n\
             Exceptions: one that names `cves` or `packages` takes those findings out of the checks it names in `rules` (of all, if it names none); \
             one that names `rules` only covers the whole check. What it names, it is limited to. It ends at the second of `expiresAt` and, with \
             `expireWhenFixed`, for a finding as soon as a fixed version exists.",
        ),
        (Family::General, "The policy itself", ""),
    ];

    /// `docs/checks.md`, from the table.
    fn document() -> String {
        let mut text = String::from(
            "# Checks\n\n<!-- Made from core/src/policy/checks.rs: UPDATE=1 cargo test -p breakwater-core documentation -->\n\n\
             Every check has an id that is never given another meaning, and the path of the rule below `spec.rules` that switches it on. Both can be\n\
             named in `spec.exceptions[].rules` and in `spec.remediation.triggers[].when.rules`. A rule that is absent is not evaluated.\n\n\
             A failed check has one of these effects. The worst one decides the verdict: what is not known never outweighs what is known.\n\n\
             | effect | meaning | verdict |\n|---|---|---|\n\
             | Violation | the rule is broken | Violating |\n\
             | Unknown | whether the rule is kept is not known: the image, the data or the support for it is missing | Unknown: neither acted upon nor restored |\n\
             | Suppressed | an exception covers it; it stays visible, with the exception's name | Compliant |\n",
        );
        for (family, title, notes) in FAMILIES {
            let _ =
                write!(text, "\n## {title}\n\n| id | rule | fails when | what to do |\n|---|---|---|---|\n");
            for check in CHECKS.iter().filter(|check| check.family == family) {
                let _ = writeln!(
                    text,
                    "| {} | `{}` | {} | {} |",
                    check.id, check.rule, check.fails_when, check.remedy_cluster
                );
            }
            if !notes.is_empty() {
                let _ = write!(text, "\n{notes}\n");
            }
        }
        text
    }

    #[test]
    fn the_documentation_is_made_from_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/checks.md");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, document()).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap();
        assert!(
            found == document(),
            "docs/checks.md is out of date: UPDATE=1 cargo test -p breakwater-core documentation"
        );
    }

    #[test]
    fn ids_and_rules_are_unique_and_nothing_is_empty() {
        let ids: BTreeSet<&str> = CHECKS.iter().map(|check| check.id).collect();
        let rules: BTreeSet<&str> = CHECKS.iter().map(|check| check.rule).collect();
        assert_eq!((ids.len(), rules.len()), (CHECKS.len(), CHECKS.len()));
        for check in CHECKS {
            for text in [check.title, check.fails_when, check.remedy_cluster, check.remedy_cli] {
                assert!(!text.is_empty() && !text.ends_with('.') && text.trim() == text, "{check:?}");
            }
        }
    }

    #[test]
    fn exceptions_and_triggers_may_name_checks_and_rules_only() {
        for name in ["BW-IMG-002", "image.requireDigest", "vulnerabilities"] {
            assert!(is_rule_or_check(name), "{name}");
        }
        for name in ["", "bw-img-002", "image", "image.requiredigest", "BW-IMG-099"] {
            assert!(!is_rule_or_check(name), "{name}");
        }
    }
}
