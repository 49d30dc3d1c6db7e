//! The time of one verdict, beside its goal: `cargo bench -p breakwater-core --bench policy`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark measures time, and stops where it cannot"
)]

use std::{hint::black_box, sync::Arc, time::Instant};

use breakwater_core::{
    AffectedPackage, Digest, Finding, Severity, SeveritySource,
    glob::Glob,
    history::ImageHistory,
    inventory::ImageConfig,
    mitigation::Remediation,
    policy::{
        Catalogues, Exception, Grace, ImageFacts, ImageRules, ImageUnderTest, Judge, Matched, MaxFindings,
        NamespaceScope, Policy, PolicyId, Rules, ScannedImage, Scanning, Selector, Subject,
        VulnerabilityRule,
    },
    selector::LabelSelector,
};
use chrono::{DateTime, TimeDelta, Utc};

fn main() {
    let judge = Judge::new(Arc::new(policy(64)));
    for (count, goal) in [(300, None), (2_000, Some("2 ms"))] {
        let image = image(count);
        let subject = Subject { workload: None, images: std::slice::from_ref(&image) };
        let time = median(|| drop(black_box(judge.evaluate(&subject, now()))));
        let goal = goal.map(|goal| format!("   goal < {goal}")).unwrap_or_default();
        println!("evaluate {count:>5} findings, 64 exceptions {:>9.3} ms{goal}", time * 1e3);
    }
    let policy = Arc::new(policy(64));
    let time = median(|| drop(black_box(Judge::new(Arc::clone(&policy)))));
    println!("compile a policy of 64 exceptions      {:>9.3} ms", time * 1e3);
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn median(mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..101)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Exceptions of every shape: ids, globs over packages, both, for images, with an end.
fn policy(exceptions: usize) -> Policy {
    let exception = |n: usize| Exception {
        name: format!("e{n}"),
        cves: if n.is_multiple_of(3) {
            vec![]
        } else {
            vec![format!("CVE-2026-{}", n * 7), format!("GHSA-{n}")]
        },
        packages: if n % 3 == 2 { vec![] } else { vec![Glob::new(&format!("lib*{n}?")).unwrap()] },
        rules: if n.is_multiple_of(2) { vec![] } else { vec!["vulnerabilities.max".into()] },
        images: if n.is_multiple_of(4) { vec![Glob::new("r.test/team-*/**").unwrap()] } else { vec![] },
        workloads: vec![],
        reason: "measured".into(),
        approved_by: None,
        expires_at: n.is_multiple_of(5).then(|| now() + TimeDelta::days(1)),
        expire_when_fixed: n.is_multiple_of(2),
    };
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
        rules: Rules {
            vulnerabilities: Some(VulnerabilityRule {
                max: MaxFindings {
                    critical: Some(0),
                    high: Some(5),
                    medium: Some(50),
                    ..MaxFindings::default()
                },
                unknown_severity: Severity::Medium,
                fixable_only: false,
                grace: Grace { first_seen: Some(TimeDelta::days(7)), ..Grace::default() },
                max_cvss_tenths: Some(90),
                max_epss_percentile: Some(95),
                deny_known_exploited: true,
                deny: vec!["CVE-2021-44228".into()],
            }),
            image: ImageRules::default(),
        },
        exceptions: (0..exceptions).map(exception).collect(),
        remediation: Remediation::default(),
        not_evaluated: vec![],
    }
}

fn image(findings: usize) -> ImageUnderTest<'static> {
    let severity = |n: usize| Severity::ALL[n % Severity::ALL.len()];
    let finding = |n: usize| Finding {
        id: format!("CVE-2026-{n}"),
        aliases: vec![format!("DSA-{n}"), format!("GHSA-{n}")],
        package: AffectedPackage {
            name: format!("library-{}", n % 211),
            version: "1".into(),
            ecosystem: "Debian:12".into(),
        },
        severity: severity(n),
        severity_source: SeveritySource::Advisory,
        cvss_tenths: Some(u8::try_from(n % 100).unwrap()),
        fixed: n.is_multiple_of(2).then(|| "2".into()),
        known_exploited: n.is_multiple_of(500),
        epss_percentile: Some(u8::try_from(n % 100).unwrap()),
        published: Some(1_700_000_000),
        modified: None,
        cwes: vec![],
        summary: String::new(),
        layer: None,
        path: String::new(),
    };
    let facts = ScannedImage {
        digest: Digest::of(b"image"),
        reference: "r.test/team-a/app:1".into(),
        created: None,
        config: Some(ImageConfig::default()),
        software: vec![],
        package_names: vec![],
        secrets: 0,
        secret_env: vec![],
        setuid_files: 0,
        unanalysed: 0,
        findings: (0..findings).map(finding).collect(),
        matched: Some(Matched { revision: 1, at: now(), carries: Catalogues::ALL }),
        history: ImageHistory { since: Some(now() - TimeDelta::days(30)), ..ImageHistory::default() },
    };
    ImageUnderTest {
        container: None,
        image: "r.test/team-a/app:1".into(),
        reference: "r.test/team-a/app:1".parse().ok(),
        reported: None,
        facts: ImageFacts::Scanned(Arc::new(facts)),
    }
}
