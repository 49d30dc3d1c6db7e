//! Each check by itself, exceptions and grace at the very second, and what must hold whatever the input.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;
use crate::{
    AffectedPackage, SeveritySource,
    history::ImageHistory,
    workload::{Container, ContainerKind, WorkloadKind, WorkloadRef},
};

const DAY: TimeDelta = TimeDelta::days(1);

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn policy(rules: Rules) -> Policy {
    Policy {
        id: PolicyId { namespace: "shop".into(), name: "p".into(), uid: "u".into() },
        suspended: false,
        selector: Selector {
            namespaces: NamespaceScope::Own,
            workloads: LabelSelector::default(),
            images: vec![],
            exclude_images: vec![],
        },
        registries: vec![],
        schedule: None,
        scanning: Scanning::default(),
        rules,
        exceptions: vec![],
        remediation: Remediation::default(),
        not_evaluated: vec![],
    }
}

fn image_policy(image: ImageRules) -> Policy {
    policy(Rules { vulnerabilities: None, image })
}

fn vulnerability_policy(change: impl FnOnce(&mut VulnerabilityRule)) -> Policy {
    let mut rule = VulnerabilityRule {
        max: MaxFindings::default(),
        unknown_severity: Severity::Medium,
        fixable_only: true,
        grace: Grace::default(),
        max_cvss_tenths: None,
        max_epss_percentile: None,
        deny_known_exploited: false,
        deny: vec![],
    };
    change(&mut rule);
    policy(Rules { vulnerabilities: Some(rule), image: ImageRules::default() })
}

fn zero_high() -> Policy {
    vulnerability_policy(|rule| rule.max.high = Some(0))
}

fn finding(id: &str, severity: Severity) -> Finding {
    Finding {
        id: id.into(),
        aliases: vec![format!("GHSA-{id}")],
        package: AffectedPackage {
            name: "openssl".into(),
            version: "1".into(),
            ecosystem: "Debian:12".into(),
        },
        severity,
        severity_source: SeveritySource::Advisory,
        cvss_tenths: None,
        fixed: Some("2".into()),
        known_exploited: false,
        epss_percentile: None,
        published: None,
        modified: None,
        cwes: Vec::new(),
        summary: String::new(),
        layer: None,
        path: String::new(),
    }
}

fn running_as(user: &str) -> Option<ImageConfig> {
    Some(ImageConfig { user: user.into(), ..ImageConfig::default() })
}

fn scanned(findings: Vec<Finding>) -> ScannedImage {
    ScannedImage {
        digest: Digest::of(b"image"),
        reference: "r.test/app:1".into(),
        created: Some(at(0) - DAY),
        config: running_as("1000"),
        software: vec![],
        package_names: vec!["bash".into(), "openssl".into()],
        secrets: 0,
        secret_env: vec![],
        setuid_files: 0,
        unanalysed: 0,
        findings,
        matched: Some(Matched { revision: 1, at: at(0), carries: Catalogues::ALL }),
        history: ImageHistory { since: Some(at(0)), ..ImageHistory::default() },
    }
}

fn facts(change: impl FnOnce(&mut ScannedImage)) -> ImageFacts {
    let mut image = scanned(vec![]);
    change(&mut image);
    ImageFacts::Scanned(Arc::new(image))
}

fn found(findings: Vec<Finding>) -> ImageFacts {
    ImageFacts::Scanned(Arc::new(scanned(findings)))
}

fn web() -> WorkloadRef {
    WorkloadRef { kind: WorkloadKind::Deployment, namespace: "shop".into(), name: "web".into() }
}

fn container(run_as_user: Option<i64>, run_as_non_root: Option<bool>) -> Container {
    Container {
        name: "app".into(),
        kind: ContainerKind::App,
        image: "r.test/app:1".into(),
        run_as_user,
        run_as_non_root,
    }
}

fn judge_image(policy: &Policy, image: &str, facts: ImageFacts, now: DateTime<Utc>) -> Verdict {
    let container = container(None, None);
    let image = ImageUnderTest {
        container: Some(&container),
        image: image.into(),
        reference: image.parse().ok(),
        reported: None,
        facts,
    };
    evaluate(policy, &Subject { workload: Some(&web()), images: &[image] }, now)
}

fn judge(policy: &Policy, facts: ImageFacts, now: DateTime<Utc>) -> Verdict {
    judge_image(policy, "r.test/app:1", facts, now)
}

/// The only check that fails, its effect, what was observed.
fn only(verdict: &Verdict) -> (&'static str, Effect, &str) {
    let [check] = verdict.checks.as_slice() else { panic!("{:#?}", verdict.checks) };
    assert!(!check.allowed.is_empty() && !check.remedy.is_empty(), "{check:?}");
    (check.id, check.effect, &check.observed)
}

fn glob(text: &str) -> Glob {
    Glob::new(text).unwrap()
}

#[test]
fn every_image_check_fails_when_it_should_and_only_then() {
    let digest = Digest::of(b"x");
    let pinned = format!("r.test/app@{digest}");
    type Change = fn(&mut ImageRules);
    let by_reference: [(&str, Change, &str, &str); 3] = [
        ("BW-IMG-001", |r| r.trusted_registries = vec![glob("r.test/**")], "evil.test/app:1", "r.test/app:1"),
        ("BW-IMG-002", |r| r.require_digest = true, "r.test/app:1", &pinned),
        ("BW-IMG-003", |r| r.deny_latest_tag = true, "r.test/app", "r.test/app:1"),
    ];
    for (id, change, bad, good) in by_reference {
        let mut rules = ImageRules::default();
        change(&mut rules);
        let policy = image_policy(rules);
        let verdict = judge_image(&policy, bad, found(vec![]), at(0));
        assert_eq!((only(&verdict).0, verdict.compliance), (id, Compliance::Violating));
        assert_eq!(judge_image(&policy, good, found(vec![]), at(0)).checks, [], "{id}");
    }

    type Make = fn(&mut ScannedImage);
    let by_contents: [(&str, Change, Make); 8] = [
        ("BW-IMG-020", |r| r.allow_root_user = Some(false), |i| i.config = running_as("root")),
        (
            "BW-IMG-021",
            |r| r.banned_software = vec![SoftwareSet::Shells],
            |i| {
                i.software =
                    vec![Software { set: SoftwareSet::Shells, name: "bash".into(), path: "/bin/bash".into() }]
            },
        ),
        ("BW-IMG-022", |r| r.banned_packages = vec![glob("tel*")], |i| i.package_names.push("telnet".into())),
        ("BW-IMG-023", |r| r.max_age = Some(DAY), |i| i.created = Some(at(-1) - DAY)),
        ("BW-IMG-024", |r| r.max_packages = Some(2), |i| i.package_names.push("third".into())),
        ("BW-IMG-026", |r| r.max_secrets = Some(0), |i| i.secrets = 1),
        ("BW-IMG-027", |r| r.deny_secret_env = true, |i| i.secret_env = vec!["API_TOKEN".into()]),
        ("BW-IMG-028", |r| r.max_setuid_files = Some(1), |i| i.setuid_files = 2),
    ];
    for (id, change, make) in by_contents {
        let mut rules = ImageRules::default();
        change(&mut rules);
        let policy = image_policy(rules);
        let verdict = judge(&policy, facts(make), at(0));
        assert_eq!((only(&verdict).0, verdict.compliance), (id, Compliance::Violating));
        assert_eq!(judge(&policy, facts(|_| {}), at(0)).checks, [], "{id}");
    }
    let labels = image_policy(ImageRules { required_labels: vec!["team".into()], ..ImageRules::default() });
    assert_eq!(only(&judge(&labels, found(vec![]), at(0))).0, "BW-IMG-025");
    let labelled = facts(|i| {
        let labels = BTreeMap::from([("team".into(), "a".into())]);
        i.config = Some(ImageConfig { labels, ..ImageConfig::default() });
    });
    assert_eq!(judge(&labels, labelled, at(0)).checks, []);
}

#[test]
fn without_a_configuration_nothing_is_claimed_of_it() {
    let rules = ImageRules {
        allow_root_user: Some(false),
        required_labels: vec!["team".into()],
        ..ImageRules::default()
    };
    let verdict = judge(&image_policy(rules), facts(|image| image.config = None), at(0));
    let effects: Vec<_> = verdict.checks.iter().map(|check| (check.id, check.effect)).collect();
    assert_eq!(effects, [("BW-IMG-020", Effect::Unknown), ("BW-IMG-025", Effect::Unknown)]);
    assert_eq!(verdict.compliance, Compliance::Unknown);
}

#[test]
fn what_is_not_known_is_as_bad_as_the_policy_says() {
    let never = || ImageFacts::NeverScanned;
    let unreadable = || ImageFacts::Unreadable { reason: "imported".into() };
    let failed = || ImageFacts::ScanFailed { reason: FailureReason::Unauthorized, message: "401".into() };
    let incomplete = || facts(|image| image.unanalysed = 1);
    type Set = fn(&mut ImageRules, Consequence);
    let cases: [(&str, &dyn Fn() -> ImageFacts, Set); 4] = [
        ("BW-IMG-010", &never, |r, c| r.unscanned = c),
        ("BW-IMG-010", &unreadable, |r, c| r.unscanned = c),
        ("BW-IMG-011", &failed, |r, c| r.scan_failed = c),
        ("BW-IMG-012", &incomplete, |r, c| r.incomplete = c),
    ];
    for (id, facts, set) in cases {
        for (consequence, compliance) in [
            (Consequence::Allow, Compliance::Compliant),
            (Consequence::Warn, Compliance::Unknown),
            (Consequence::Deny, Compliance::Violating),
        ] {
            let mut rules = ImageRules::default();
            set(&mut rules, consequence);
            rules.deny_latest_tag = true;
            let verdict = judge(&image_policy(rules), facts(), at(0));
            assert_eq!(verdict.compliance, compliance, "{id} {consequence:?}");
            assert!(compliance == Compliance::Compliant || only(&verdict).0 == id);
            assert!(!verdict.is_complete, "what is tolerated is not known");
            assert!(verdict.checks.iter().all(|check| !check.is_evidence), "and justifies nothing");
        }
    }
}

#[test]
fn without_an_index_nothing_is_concluded_about_vulnerabilities() {
    let verdict = judge(&zero_high(), facts(|image| image.matched = None), at(0));
    assert_eq!((only(&verdict).0, verdict.compliance), ("BW-VUL-000", Compliance::Unknown));
    let other = image_policy(ImageRules { deny_latest_tag: true, ..ImageRules::default() });
    let verdict = judge(&other, facts(|image| image.matched = None), at(0));
    assert_eq!(verdict.compliance, Compliance::Compliant, "the policy has no rule about vulnerabilities");
    assert!(!verdict.is_complete);
}

#[test]
fn a_scan_is_stale_one_second_after_its_age_and_that_is_unknown() {
    let policy =
        image_policy(ImageRules { max_scan_age: Some(TimeDelta::seconds(60)), ..ImageRules::default() });
    let fresh = judge(&policy, found(vec![]), at(60));
    assert_eq!((fresh.compliance, fresh.changes_at), (Compliance::Compliant, Some(at(61))));
    let stale = judge(&policy, found(vec![]), at(61));
    assert_eq!((only(&stale).0, stale.compliance), ("BW-IMG-013", Compliance::Unknown));
    let never = judge(&policy, facts(|image| image.matched = None), at(0));
    assert_eq!(only(&never).0, "BW-IMG-013");
}

#[test]
fn an_image_of_unknown_age_is_neither_young_nor_old() {
    let policy = image_policy(ImageRules { max_age: Some(DAY), ..ImageRules::default() });
    let verdict = judge(&policy, facts(|image| image.created = None), at(0));
    assert_eq!((only(&verdict).0, verdict.compliance), ("BW-IMG-023", Compliance::Unknown));
}

#[test]
fn more_knowledge_could_not_acquit_what_is_violated() {
    let mut policy = zero_high();
    policy.rules.image.max_scan_age = Some(TimeDelta::seconds(1));
    let mut image = scanned(vec![finding("CVE-1", Severity::High)]);
    image.unanalysed = 3;
    policy.not_evaluated = vec!["rules.licenses".into()];
    let verdict = judge(&policy, ImageFacts::Scanned(Arc::new(image)), at(100));
    assert_eq!(verdict.compliance, Compliance::Violating);
    assert_eq!(verdict.violated(), ["BW-VUL-001"]);
    let unknown: Vec<_> = verdict.with(Effect::Unknown).map(|check| check.id).collect();
    assert_eq!(unknown, ["BW-GEN-001", "BW-IMG-012", "BW-IMG-013"], "worst first, and nothing is hidden");
}

#[test]
fn each_severity_has_its_own_limit() {
    let findings = || {
        vec![
            finding("CVE-1", Severity::Critical),
            finding("CVE-2", Severity::High),
            finding("CVE-3", Severity::High),
            finding("CVE-4", Severity::Low),
        ]
    };
    for (max, expected) in [
        (MaxFindings { critical: Some(0), ..MaxFindings::default() }, vec![Severity::Critical]),
        (MaxFindings { critical: Some(1), high: Some(2), ..MaxFindings::default() }, vec![]),
        (
            MaxFindings { high: Some(1), low: Some(0), ..MaxFindings::default() },
            vec![Severity::High, Severity::Low],
        ),
    ] {
        let verdict = judge(&vulnerability_policy(|rule| rule.max = max), found(findings()), at(0));
        let mut severities: Vec<_> = verdict.checks.iter().map(|check| check.severity).collect();
        severities.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(severities, expected);
    }
    let verdict = judge(&zero_high(), found(findings()), at(0));
    let [check] = verdict.checks.as_slice() else { panic!() };
    assert_eq!((check.observed.as_str(), check.allowed.as_str()), ("2 fixable High findings", "at most 0"));
    assert_eq!(
        (check.findings.as_slice(), check.remedy.as_str()),
        (["CVE-2".to_owned(), "CVE-3".into()].as_slice(), "upgrade openssl to 2")
    );
    assert_eq!(verdict.fixable_critical, 1);
}

#[test]
fn only_fixable_findings_count_unless_the_policy_says_otherwise() {
    let unfixable = || {
        let mut finding = finding("CVE-1", Severity::High);
        finding.fixed = None;
        found(vec![finding])
    };
    assert_eq!(judge(&zero_high(), unfixable(), at(0)).compliance, Compliance::Compliant);
    let strict = vulnerability_policy(|rule| (rule.max.high, rule.fixable_only) = (Some(0), false));
    let verdict = judge(&strict, unfixable(), at(0));
    assert_eq!(only(&verdict).2, "1 High finding");
    assert!(verdict.checks[0].remedy.starts_with("no fixed version is known"));
}

#[test]
fn a_severity_nobody_said_is_assumed_and_shown_as_such() {
    let unknown = || found(vec![finding("CVE-1", Severity::Unknown)]);
    let medium = vulnerability_policy(|rule| rule.max.medium = Some(0));
    assert_eq!(
        only(&judge(&medium, unknown(), at(0))).2,
        "1 fixable Medium finding, 1 of them of assumed severity"
    );
    let high =
        vulnerability_policy(|rule| (rule.max.high, rule.unknown_severity) = (Some(0), Severity::High));
    assert_eq!(judge(&high, unknown(), at(0)).compliance, Compliance::Violating);
    assert_eq!(judge(&zero_high(), unknown(), at(0)).compliance, Compliance::Compliant);
    let own_limit = vulnerability_policy(|rule| (rule.max.medium, rule.max.unknown) = (Some(0), Some(1)));
    assert_eq!(judge(&own_limit, unknown(), at(0)).compliance, Compliance::Compliant, "a limit of its own");
}

#[test]
fn scores_exploits_and_named_vulnerabilities() {
    let cvss = vulnerability_policy(|rule| rule.max_cvss_tenths = Some(70));
    let scored = |score| {
        let mut finding = finding("CVE-1", Severity::High);
        finding.cvss_tenths = score;
        found(vec![finding])
    };
    assert_eq!(only(&judge(&cvss, scored(Some(71)), at(0))).0, "BW-VUL-002");
    assert_eq!(judge(&cvss, scored(Some(70)), at(0)).checks, []);
    assert_eq!(judge(&cvss, scored(None), at(0)).checks, []);

    let epss = vulnerability_policy(|rule| rule.max_epss_percentile = Some(90));
    let likely = |percentile| {
        let mut finding = finding("CVE-1", Severity::High);
        finding.epss_percentile = Some(percentile);
        found(vec![finding])
    };
    assert_eq!(only(&judge(&epss, likely(91), at(0))).0, "BW-VUL-005");
    assert_eq!(judge(&epss, likely(90), at(0)).checks, []);
    let denied = vulnerability_policy(|rule| rule.deny = vec!["ghsa-cve-1".into()]);
    assert_eq!(only(&judge(&denied, found(vec![finding("CVE-1", Severity::Low)]), at(0))).0, "BW-VUL-004");
    assert_eq!(judge(&denied, found(vec![finding("CVE-2", Severity::Low)]), at(0)).checks, []);
}

#[test]
fn what_is_exploited_or_denied_has_no_grace_and_needs_no_fix() {
    let mut exploited = finding("CVE-1", Severity::Low);
    (exploited.known_exploited, exploited.fixed) = (true, None);
    let strict = vulnerability_policy(|rule| {
        rule.grace.first_seen = Some(DAY);
        rule.deny_known_exploited = true;
        rule.deny = vec!["CVE-1".into()];
        rule.max.low = Some(0);
    });
    let verdict = judge(&strict, found(vec![exploited]), at(0));
    assert_eq!(verdict.violated(), ["BW-VUL-003", "BW-VUL-004"]);
    assert_eq!(verdict.known_exploited, 1);
}

#[test]
fn grace_ends_at_the_very_second_and_the_longest_wins() {
    let policy = vulnerability_policy(|rule| {
        rule.max.high = Some(0);
        rule.grace = Grace {
            published: Some(TimeDelta::seconds(30)),
            fix_available: None,
            first_seen: Some(TimeDelta::seconds(10)),
        };
    });
    let image = || {
        let mut finding = finding("CVE-1", Severity::High);
        finding.published = Some(at(0).timestamp());
        found(vec![finding])
    };
    let before = judge(&policy, image(), at(29));
    assert_eq!((before.compliance, before.changes_at), (Compliance::Compliant, Some(at(30))));
    let after = judge(&policy, image(), at(30));
    assert_eq!((after.compliance, after.changes_at), (Compliance::Violating, None));
}

#[test]
fn grace_for_a_fix_begins_when_the_fix_is_first_known() {
    let policy = vulnerability_policy(|rule| {
        rule.max.high = Some(0);
        rule.grace.fix_available = Some(TimeDelta::seconds(10));
    });
    let image = |now| {
        let history = ImageHistory {
            since: Some(at(0)),
            later: BTreeMap::new(),
            fix_later: BTreeMap::from([("CVE-1 openssl".to_owned(), at(100))]),
        };
        let mut image = scanned(vec![finding("CVE-1", Severity::High)]);
        image.history = history;
        judge(&policy, ImageFacts::Scanned(Arc::new(image)), now).compliance
    };
    assert_eq!(image(at(109)), Compliance::Compliant);
    assert_eq!(image(at(110)), Compliance::Violating);
}

fn exception(change: impl FnOnce(&mut Exception)) -> Exception {
    let mut exception = Exception {
        name: "known".into(),
        cves: vec![],
        packages: vec![],
        rules: vec![],
        images: vec![],
        workloads: vec![],
        reason: "looked at".into(),
        approved_by: None,
        expires_at: None,
        expire_when_fixed: false,
    };
    change(&mut exception);
    exception
}

#[test]
fn an_exception_is_gone_at_the_very_second_it_expires() {
    let mut policy = zero_high();
    policy.exceptions =
        vec![exception(|e| (e.cves, e.expires_at) = (vec!["GHSA-CVE-1".into()], Some(at(10))))];
    let image = || found(vec![finding("CVE-1", Severity::High)]);
    let before = judge(&policy, image(), at(9));
    assert_eq!(
        (before.compliance, before.suppressed, before.changes_at),
        (Compliance::Compliant, 1, Some(at(10)))
    );
    let after = judge(&policy, image(), at(10));
    assert_eq!((after.compliance, after.suppressed, after.changes_at), (Compliance::Violating, 0, None));
}

#[test]
fn an_exception_is_limited_to_everything_it_names() {
    let image = || found(vec![finding("CVE-1", Severity::High)]);
    let covers = |change: &dyn Fn(&mut Exception)| {
        let mut policy = zero_high();
        policy.exceptions = vec![exception(|e| {
            e.cves = vec!["CVE-1".into()];
            change(e);
        })];
        judge(&policy, image(), at(0)).compliance == Compliance::Compliant
    };
    assert!(covers(&|_| {}));
    assert!(covers(&|e| e.packages = vec![glob("open*")]) && !covers(&|e| e.packages = vec![glob("curl")]));
    assert!(
        covers(&|e| e.images = vec![glob("r.test/*")]) && !covers(&|e| e.images = vec![glob("other.test/*")])
    );
    assert!(
        covers(&|e| e.workloads = vec![glob("web")])
            && covers(&|e| e.workloads = vec![glob("Deployment/w*")])
    );
    assert!(!covers(&|e| e.workloads = vec![glob("StatefulSet/web")]));
    assert!(
        covers(&|e| e.rules = vec!["BW-VUL-001".into()])
            && covers(&|e| e.rules = vec!["vulnerabilities.max".into()])
    );
    assert!(!covers(&|e| e.rules = vec!["BW-VUL-003".into()]), "another rule's exception");
    assert!(!covers(&|e| e.cves = vec!["CVE-2".into()]));
    assert!(!covers(&|e| e.expire_when_fixed = true), "a fixed version exists");
}

#[test]
fn an_exception_for_one_rule_leaves_the_others_standing() {
    let mut policy =
        vulnerability_policy(|rule| (rule.max.high, rule.deny_known_exploited) = (Some(0), true));
    policy.exceptions =
        vec![exception(|e| (e.cves, e.rules) = (vec!["CVE-1".into()], vec!["vulnerabilities.max".into()]))];
    let mut exploited = finding("CVE-1", Severity::High);
    exploited.known_exploited = true;
    let verdict = judge(&policy, found(vec![exploited]), at(0));
    assert_eq!((verdict.violated().as_slice(), verdict.suppressed), (["BW-VUL-003"].as_slice(), 1));
}

#[test]
fn an_excepted_check_stays_visible_with_the_name_of_who_hides_it() {
    let mut policy = image_policy(ImageRules { require_digest: true, ..ImageRules::default() });
    policy.exceptions = vec![exception(|e| e.rules = vec!["image.requireDigest".into()])];
    let verdict = judge(&policy, found(vec![]), at(0));
    assert_eq!(verdict.compliance, Compliance::Compliant);
    assert_eq!(only(&verdict), ("BW-IMG-002", Effect::Suppressed, "image is not pinned to a digest"));
    assert_eq!(verdict.checks[0].suppressed_by.as_deref(), Some("known"));
}

#[test]
fn root_is_what_the_kubelet_makes_of_image_and_pod() {
    let policy = image_policy(ImageRules { allow_root_user: Some(false), ..ImageRules::default() });
    for (user, run_as_user, run_as_non_root, is_root) in [
        ("", None, None, true),
        ("0:0", None, None, true),
        ("app", None, None, false),
        ("", Some(1000), None, false),
        ("app", Some(0), None, true),
        ("app", Some(0), Some(true), true),
        // The kubelet refuses to start it as root.
        ("root", None, Some(true), false),
        ("root", None, Some(false), true),
    ] {
        let container = container(run_as_user, run_as_non_root);
        let image = ImageUnderTest {
            container: Some(&container),
            image: "r.test/app:1".into(),
            reference: "r.test/app:1".parse().ok(),
            reported: None,
            facts: facts(|image| image.config = running_as(user)),
        };
        let verdict = evaluate(&policy, &Subject { workload: None, images: &[image] }, at(0));
        assert_eq!(
            verdict.compliance == Compliance::Violating,
            is_root,
            "{user:?} {run_as_user:?} {run_as_non_root:?}"
        );
    }
}

#[test]
fn an_image_that_is_mounted_does_not_run_as_root() {
    let policy = image_policy(ImageRules { allow_root_user: Some(false), ..ImageRules::default() });
    let mut volume = container(None, None);
    volume.kind = ContainerKind::Volume;
    let image = ImageUnderTest {
        container: Some(&volume),
        image: "r.test/data:1".into(),
        reference: None,
        reported: None,
        facts: facts(|image| image.config = running_as("")),
    };
    assert_eq!(evaluate(&policy, &Subject { workload: None, images: &[image] }, at(0)).checks, []);
}

#[test]
fn images_out_of_scope_are_not_judged() {
    let mut policy = image_policy(ImageRules { require_digest: true, ..ImageRules::default() });
    policy.selector.images = vec![glob("docker.io/**")];
    policy.selector.exclude_images = vec![glob("docker.io/library/busybox")];
    let judged = |image| judge_image(&policy, image, found(vec![]), at(0)).compliance;
    assert_eq!(judged("nginx:1"), Compliance::Violating);
    assert_eq!(judged("busybox:1"), Compliance::Compliant);
    assert_eq!(judged("r.test/app:1"), Compliance::Compliant);
}

#[test]
fn rules_this_version_does_not_evaluate_leave_the_verdict_unknown() {
    let mut policy = image_policy(ImageRules::default());
    policy.not_evaluated = vec!["rules.licenses".into()];
    let verdict = judge(&policy, found(vec![]), at(0));
    assert_eq!((only(&verdict).0, verdict.compliance), ("BW-GEN-001", Compliance::Unknown));
}

#[test]
fn hostile_names_reach_nobody() {
    let policy =
        image_policy(ImageRules { trusted_registries: vec![glob("r.test/**")], ..ImageRules::default() });
    let verdict = judge_image(&policy, "evil\u{1b}[2J\u{202e}", ImageFacts::NeverScanned, at(0));
    let text = format!("{:?}", verdict.checks);
    assert!(!text.contains('\u{1b}') && !text.contains("\\u{1b}") && !text.contains('\u{202e}'), "{text}");
}

#[test]
fn a_verdict_reads_as_it_was_meant() {
    let mut policy = vulnerability_policy(|rule| {
        rule.max = MaxFindings { critical: Some(0), high: Some(0), ..MaxFindings::default() };
        rule.deny_known_exploited = true;
    });
    policy.rules.image = ImageRules {
        trusted_registries: vec![glob("registry.test:5000/**")],
        allow_root_user: Some(false),
        banned_software: vec![SoftwareSet::Shells, SoftwareSet::PackageManagers],
        ..ImageRules::default()
    };
    policy.exceptions = vec![exception(|e| e.rules = vec!["image.bannedSoftware".into()])];
    let mut image =
        scanned(vec![finding("CVE-2026-1", Severity::Critical), finding("CVE-2026-2", Severity::Unknown)]);
    image.config = running_as("");
    image.software = vec![
        Software { set: SoftwareSet::Shells, name: "bash".into(), path: "/bin/bash".into() },
        Software { set: SoftwareSet::PackageManagers, name: "apt".into(), path: "/usr/bin/apt".into() },
        Software { set: SoftwareSet::Shells, name: "dash".into(), path: "/bin/dash".into() },
    ];
    let verdict = judge_image(&policy, "docker.io/app:1", ImageFacts::Scanned(Arc::new(image)), at(0));
    insta::assert_json_snapshot!(verdict);
}

/// Any image: facts and findings of every kind.
fn any_image() -> impl Strategy<Value = (String, ImageFacts)> {
    let severities = proptest::sample::select(Severity::ALL.to_vec());
    let finding =
        (0..6_u8, severities, any::<bool>(), any::<bool>()).prop_map(|(id, severity, fixed, exploited)| {
            let mut finding = finding(&format!("CVE-{id}"), severity);
            finding.fixed = fixed.then(|| "2".to_owned());
            finding.known_exploited = exploited;
            finding
        });
    let scanned = (proptest::collection::vec(finding, 0..6), any::<bool>(), 0..2_u32, any::<bool>())
        .prop_map(|(findings, matched, unanalysed, root)| {
            facts(|image| {
                image.findings = if matched { findings } else { vec![] };
                image.matched = image.matched.filter(|_| matched);
                image.unanalysed = unanalysed;
                image.config = running_as(if root { "" } else { "5" });
            })
        });
    let facts = prop_oneof![
        4 => scanned,
        1 => Just(ImageFacts::NeverScanned),
        1 => Just(ImageFacts::Unreadable { reason: "imported".into() }),
        1 => Just(ImageFacts::ScanFailed { reason: FailureReason::NotFound, message: "404".into() }),
    ];
    ("[ab]\\.test/[a-c]:[12]", facts)
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let limit = || proptest::option::of(0..3_u32);
    let consequence =
        || proptest::sample::select(vec![Consequence::Allow, Consequence::Warn, Consequence::Deny]);
    (limit(), limit(), any::<[bool; 5]>(), consequence(), consequence(), proptest::option::of(0..20_i64))
        .prop_map(
            |(
                critical,
                high,
                [exploited, root, trusted, excepted, fixable],
                unscanned,
                incomplete,
                expires,
            )| {
                let mut policy = vulnerability_policy(|rule| {
                    (rule.max.critical, rule.max.high) = (critical, high);
                    (rule.deny_known_exploited, rule.fixable_only) = (exploited, fixable);
                });
                let image = &mut policy.rules.image;
                image.allow_root_user = root.then_some(false);
                image.trusted_registries = if trusted { vec![glob("a.test/*")] } else { vec![] };
                (image.unscanned, image.incomplete) = (unscanned, incomplete);
                if excepted {
                    policy.exceptions =
                        vec![exception(|e| (e.cves, e.expires_at) = (vec!["CVE-1".into()], expires.map(at)))];
                }
                policy
            },
        )
}

fn judge_all(policy: &Policy, images: &[(String, ImageFacts)], now: DateTime<Utc>) -> Verdict {
    let images: Vec<_> = images
        .iter()
        .map(|(image, facts)| ImageUnderTest {
            container: None,
            image: image.clone(),
            reference: image.parse().ok(),
            reported: None,
            facts: facts.clone(),
        })
        .collect();
    evaluate(policy, &Subject { workload: None, images: &images }, now)
}

proptest! {
    #[test]
    fn the_order_of_images_does_not_matter(
        policy in any_policy(),
        images in proptest::collection::vec(any_image(), 0..5),
        turn in 0..5_usize,
    ) {
        let verdict = judge_all(&policy, &images, at(5));
        let mut other = images.clone();
        other.reverse();
        let turn = turn.min(other.len());
        other.rotate_left(turn);
        prop_assert_eq!(judge_all(&policy, &other, at(5)), verdict);
    }

    #[test]
    fn another_image_never_makes_a_workload_better(
        policy in any_policy(),
        images in proptest::collection::vec(any_image(), 1..5),
    ) {
        let all = judge_all(&policy, &images, at(5));
        let fewer = judge_all(&policy, &images[1..], at(5));
        prop_assert!(all.compliance >= fewer.compliance);
        prop_assert!(all.known_exploited >= fewer.known_exploited);
    }

    #[test]
    fn an_exception_never_makes_it_worse(
        policy in any_policy(),
        images in proptest::collection::vec(any_image(), 0..4),
    ) {
        let mut without = policy.clone();
        without.exceptions.clear();
        prop_assert!(judge_all(&policy, &images, at(5)).compliance <= judge_all(&without, &images, at(5)).compliance);
    }

    #[test]
    fn nothing_changes_before_it_is_said_to(
        policy in any_policy(),
        images in proptest::collection::vec(any_image(), 0..4),
        now in 0..30_i64,
        later in 0..30_i64,
    ) {
        let verdict = judge_all(&policy, &images, at(now));
        let then = at(now + later);
        if verdict.changes_at.is_none_or(|change| then < change) {
            prop_assert_eq!(judge_all(&policy, &images, then).checks, verdict.checks);
        }
    }

    #[test]
    fn what_was_not_scanned_is_never_compliant_unless_allowed(policy in any_policy(), image in any_image()) {
        let (name, _) = image;
        let verdict = judge_all(&policy, &[(name, ImageFacts::NeverScanned)], at(5));
        if policy.rules.image.unscanned != Consequence::Allow {
            prop_assert_ne!(verdict.compliance, Compliance::Compliant);
        }
    }
}

#[test]
fn a_rule_without_its_data_is_unknown() {
    let exploited = vulnerability_policy(|rule| rule.deny_known_exploited = true);
    let likely = vulnerability_policy(|rule| rule.max_epss_percentile = Some(90));
    for (policy, id, carries) in [
        (exploited, "BW-VUL-003", Catalogues { known_exploited: true, epss: false }),
        (likely, "BW-VUL-005", Catalogues { known_exploited: false, epss: true }),
    ] {
        let judged = |carries| {
            let matched = Matched { revision: 1, at: at(0), carries };
            judge(&policy, facts(|image| image.matched = Some(matched)), at(0))
        };
        let without = judged(Catalogues { known_exploited: !carries.known_exploited, epss: !carries.epss });
        assert_eq!((only(&without).0, without.compliance), (id, Compliance::Unknown));
        assert!(!without.is_complete);
        let with = judged(carries);
        assert_eq!((with.compliance, with.is_complete), (Compliance::Compliant, true));
    }
}

#[test]
fn a_policy_without_rules_is_unknown() {
    let mut rules =
        ImageRules { allow_root_user: Some(true), unscanned: Consequence::Allow, ..ImageRules::default() };
    let policy = |image: &ImageRules| {
        let mut policy = vulnerability_policy(|_| ());
        policy.rules.image = image.clone();
        policy
    };
    assert!(!policy(&rules).has_rules());
    assert_eq!(only(&judge(&policy(&rules), found(vec![]), at(0))).0, "BW-GEN-002");
    rules.unscanned = Consequence::Deny;
    assert!(policy(&rules).has_rules());
    assert!(zero_high().has_rules());
}

#[test]
fn what_was_matched_against_stale_data_justifies_nothing() {
    let mut policy = zero_high();
    policy.rules.image.max_scan_age = Some(TimeDelta::seconds(60));
    let mut exploited = finding("CVE-1", Severity::Critical);
    exploited.known_exploited = true;
    let image = || found(vec![exploited.clone(), finding("CVE-2", Severity::High)]);
    let fresh = judge(&policy, image(), at(60));
    assert_eq!((fresh.known_exploited, fresh.fixable_critical), (1, 1));
    assert!(fresh.with(Effect::Violation).all(|check| check.is_evidence));
    assert_eq!(fresh.advisories_at, Some(at(0)));
    let stale = judge(&policy, image(), at(61));
    assert_eq!(
        (stale.compliance, stale.known_exploited, stale.fixable_critical),
        (Compliance::Violating, 0, 0)
    );
    assert!(stale.checks.iter().all(|check| !check.is_evidence) && !stale.is_complete);
}

#[test]
fn findings_in_grace_are_counted_with_the_first_end() {
    let policy = vulnerability_policy(|rule| {
        rule.max.high = Some(0);
        rule.grace.published = Some(TimeDelta::seconds(30));
    });
    let published = |id: &str, second| {
        let mut finding = finding(id, Severity::High);
        finding.published = Some(at(second).timestamp());
        finding
    };
    let verdict = judge(
        &policy,
        found(vec![published("CVE-1", 0), published("CVE-2", -5), published("CVE-3", -30)]),
        at(0),
    );
    assert_eq!(verdict.in_grace, InGrace { count: 2, first_ends: Some(at(25)) });
    assert_eq!((verdict.compliance, verdict.changes_at), (Compliance::Violating, Some(at(25))));
}

#[test]
fn without_history_a_fix_is_known_since_the_record_was_published() {
    let policy = vulnerability_policy(|rule| {
        rule.max.high = Some(0);
        rule.grace = Grace { fix_available: Some(DAY), first_seen: Some(DAY), ..Grace::default() };
    });
    let judged = |published| {
        let mut finding = finding("CVE-1", Severity::High);
        finding.published = Some(at(published).timestamp());
        let mut image = scanned(vec![finding]);
        image.history = ImageHistory::default();
        judge(&policy, ImageFacts::Scanned(Arc::new(image)), at(0)).compliance
    };
    assert_eq!(judged(-10), Compliance::Compliant);
    assert_eq!(judged(-86_400), Compliance::Violating, "and first seen is never");
}

/// What exceptions mean, written as plainly as possible: the oracle of the compiled form.
fn is_excepted(exceptions: &[Exception], finding: &Finding, check: &CheckInfo, now: DateTime<Utc>) -> bool {
    exceptions.iter().any(|e| {
        e.names_findings()
            && e.is_active(now)
            && (e.rules.is_empty() || e.rules.iter().any(|rule| rule == check.id || rule == check.rule))
            && (e.cves.is_empty() || e.cves.iter().any(|id| finding.is_called(id)))
            && (e.packages.is_empty() || e.packages.iter().any(|glob| glob.matches(&finding.package.name)))
            && !(e.expire_when_fixed && finding.is_fixable())
    })
}

fn any_exception() -> impl Strategy<Value = Exception> {
    let some = |values: &'static [&'static str]| {
        proptest::sample::subsequence(values.to_vec(), 0..=2)
            .prop_map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    (
        some(&["cve-1", "GHSA-CVE-2", "CVE-3"]),
        some(&["openssl", "open*", "curl"]),
        some(&["BW-VUL-001", "vulnerabilities.deny", "image.unscanned"]),
        any::<bool>(),
        proptest::option::of(0..10_i64),
    )
        .prop_map(|(cves, packages, rules, expire_when_fixed, expires)| {
            exception(|e| {
                e.packages = packages.iter().map(|text| glob(text)).collect();
                (e.cves, e.rules, e.expire_when_fixed, e.expires_at) =
                    (cves, rules, expire_when_fixed, expires.map(at));
            })
        })
}

proptest! {
    #[test]
    fn compiled_exceptions_mean_what_they_say(
        exceptions in proptest::collection::vec(any_exception(), 0..5),
        id in 0..5_u8,
        package in proptest::sample::select(vec!["openssl", "curl", "zlib"]),
        fixed in any::<bool>(),
    ) {
        let mut finding = finding(&format!("CVE-{id}"), Severity::High);
        finding.package.name = package.into();
        finding.fixed = fixed.then(|| "2".into());
        let compiled = super::exception::Exceptions::new(&exceptions);
        let excepted = compiled.in_force("r.test/app", None, at(5)).of_finding(&finding);
        for check in super::vulnerability::FINDING_CHECKS {
            prop_assert_eq!(excepted.intersects(super::vulnerability::CheckSet::of(check)), is_excepted(&exceptions, &finding, check, at(5)));
        }
    }
}
