//! Builders of domain types, for tests: what a test does not name has a value that changes nothing.
//!
//! `policy("p").enforce().max_critical(0).scale_to_zero().grace(h(1)).build()`. A new field of a type is one edit here.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    AffectedPackage, Digest, Finding, Inventory, Platform, Severity, SeveritySource,
    history::ImageHistory,
    inventory::{self, ImageConfig, SCHEMA_VERSION, ScannerIdentity},
    mitigation::{ActionKind, Mode, Remediation, Restore, Trigger, When},
    policy::{
        Catalogues, Check, Compliance, Effect, Grace, ImageFacts, ImageRules, Matched, MaxFindings,
        NamespaceScope, Policy, PolicyId, Rules, ScannedImage, Scanning, Selector, Verdict,
        VulnerabilityRule,
    },
    selector::LabelSelector,
    workload::{Container, ContainerKind, ImageIdentity, RunningImage, Workload, WorkloadKind, WorkloadRef},
};

/// The namespace of what names none.
pub const NAMESPACE: &str = "shop";

/// Seconds after the start of 2027-01-15T08:00:00Z, the time of tests.
#[must_use]
pub fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_800_000_000 + second)
}

/// Hours.
#[must_use]
pub fn h(hours: i64) -> TimeDelta {
    TimeDelta::hours(hours)
}

/// The digest of a text, which stands for an image.
#[must_use]
pub fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// A policy of the namespace [`NAMESPACE`] without rules, that dry-runs nothing. Its uid is `uid-NAME`.
#[must_use]
pub fn policy(name: &str) -> PolicyBuilder {
    PolicyBuilder(Policy {
        id: PolicyId { namespace: NAMESPACE.into(), name: name.into(), uid: format!("uid-{name}") },
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
        rules: Rules::default(),
        exceptions: vec![],
        remediation: Remediation::default(),
        not_evaluated: vec![],
    })
}

/// Built by [`policy`].
#[derive(Debug, Clone)]
pub struct PolicyBuilder(Policy);

impl PolicyBuilder {
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.0.id.namespace = namespace.into();
        self
    }

    /// Selects workloads in all namespaces.
    #[must_use]
    pub fn everywhere(mut self) -> Self {
        self.0.selector.namespaces = NamespaceScope::Labelled(LabelSelector::default());
        self
    }

    #[must_use]
    pub fn enforce(self) -> Self {
        self.mode(Mode::Enforce)
    }

    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.0.remediation.mode = mode;
        self
    }

    /// Changes the rule for vulnerabilities, which allows everything at first.
    #[must_use]
    pub fn vulnerabilities(mut self, change: impl FnOnce(&mut VulnerabilityRule)) -> Self {
        change(self.0.rules.vulnerabilities.get_or_insert_with(|| VulnerabilityRule {
            max: MaxFindings::default(),
            unknown_severity: Severity::Medium,
            fixable_only: true,
            grace: Grace::default(),
            max_cvss_tenths: None,
            max_epss_percentile: None,
            deny_known_exploited: false,
            deny: vec![],
        }));
        self
    }

    #[must_use]
    pub fn max_critical(self, findings: u32) -> Self {
        self.vulnerabilities(|rule| rule.max.critical = Some(findings))
    }

    #[must_use]
    pub fn max_high(self, findings: u32) -> Self {
        self.vulnerabilities(|rule| rule.max.high = Some(findings))
    }

    /// Changes the rules for images.
    #[must_use]
    pub fn image(mut self, change: impl FnOnce(&mut ImageRules)) -> Self {
        change(&mut self.0.rules.image);
        self
    }

    /// Adds a trigger of this condition and action, without grace.
    #[must_use]
    pub fn on(mut self, when: When, action: ActionKind) -> Self {
        self.0.remediation.triggers.push(Trigger { when, action, grace: TimeDelta::zero() });
        self
    }

    /// Adds a trigger that scales to zero at any violation.
    #[must_use]
    pub fn scale_to_zero(self) -> Self {
        self.on(any(), ActionKind::ScaleToZero)
    }

    /// The grace of the trigger added last.
    #[must_use]
    pub fn grace(mut self, grace: TimeDelta) -> Self {
        if let Some(trigger) = self.0.remediation.triggers.last_mut() {
            trigger.grace = grace;
        }
        self
    }

    #[must_use]
    pub fn restore_on_compliant(mut self) -> Self {
        self.0.remediation.restore = Restore { on_compliant: true, ..self.0.remediation.restore };
        self
    }

    /// Changes whatever has no word of its own.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut self.0);
        self
    }

    #[must_use]
    pub fn build(self) -> Policy {
        self.0
    }
}

/// The condition of a trigger that any violation meets.
#[must_use]
pub fn any() -> When {
    When::default()
}

/// A Deployment of one replica and no container in [`NAMESPACE`]. Its uid is `uid-NAME`.
#[must_use]
pub fn workload(name: &str) -> WorkloadBuilder {
    WorkloadBuilder(Workload {
        id: WorkloadRef { kind: WorkloadKind::Deployment, namespace: NAMESPACE.into(), name: name.into() },
        uid: format!("uid-{name}"),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        namespace_labels: BTreeMap::new(),
        replicas: Some(1),
        running_pods: 1,
        controlled_by: None,
        containers: vec![],
        injected: vec![],
        namespace_paused: false,
        finished: false,
        pull_secrets: vec![],
        running: vec![],
    })
}

/// Built by [`workload`].
#[derive(Debug, Clone)]
pub struct WorkloadBuilder(Workload);

impl WorkloadBuilder {
    #[must_use]
    pub fn kind(mut self, kind: WorkloadKind) -> Self {
        self.0.id.kind = kind;
        self
    }

    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.0.id.namespace = namespace.into();
        self
    }

    /// Adds a container that runs this image on `linux/amd64`, by the digest that [`digest`] makes of its name.
    #[must_use]
    pub fn runs(mut self, image: &str) -> Self {
        let name = match self.0.containers.len() {
            0 => "app".to_owned(),
            n => format!("app-{n}"),
        };
        let repository = match image.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => repository,
            _ => image,
        };
        self.0.containers.push(Container {
            name: name.clone(),
            kind: ContainerKind::App,
            image: image.into(),
            run_as_user: None,
            run_as_non_root: None,
        });
        self.0.running.push(RunningImage {
            container: name,
            image: image.into(),
            identity: ImageIdentity::Pullable { repository: repository.into(), digest: digest(image) },
            platform: Platform::linux("amd64"),
        });
        self
    }

    /// So many replicas, all of them running.
    #[must_use]
    pub fn replicas(mut self, replicas: i32) -> Self {
        self.0.replicas = Some(replicas);
        self.0.running_pods = replicas;
        self
    }

    /// The namespace's opt-in.
    #[must_use]
    pub fn in_opted_in_namespace(mut self) -> Self {
        self.0.namespace_labels.insert("breakwater.dev/remediation".into(), "enabled".into());
        self
    }

    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.0.annotations.insert(key.into(), value.into());
        self
    }

    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.0.labels.insert(key.into(), value.into());
        self
    }

    /// Changes whatever has no word of its own.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Workload)) -> Self {
        change(&mut self.0);
        self
    }

    #[must_use]
    pub fn build(self) -> Workload {
        self.0
    }
}

/// A complete verdict: compliant, without checks.
#[must_use]
pub fn verdict() -> VerdictBuilder {
    VerdictBuilder(Verdict {
        compliance: Compliance::Compliant,
        is_complete: true,
        checks: vec![],
        suppressed: 0,
        fixable_critical: 0,
        known_exploited: 0,
        changes_at: None,
        advisories_at: None,
        in_grace: Default::default(),
    })
}

/// Built by [`verdict`].
#[derive(Debug, Clone)]
pub struct VerdictBuilder(Verdict);

impl VerdictBuilder {
    /// Adds a violated check of critical severity with the evidence of one finding.
    #[must_use]
    pub fn violating(self, id: &'static str, rule: &'static str, finding: &str) -> Self {
        let violated = check(id, rule);
        self.check(Check { findings: vec![finding.into()], ..violated })
    }

    /// Adds a check; a violation makes the verdict violating.
    #[must_use]
    pub fn check(mut self, check: Check) -> Self {
        if check.effect == Effect::Violation {
            self.0.compliance = Compliance::Violating;
        }
        self.0.checks.push(check);
        self
    }

    /// Not known and incomplete.
    #[must_use]
    pub fn unknown(mut self) -> Self {
        self.0.compliance = Compliance::Unknown;
        self.0.is_complete = false;
        self
    }

    #[must_use]
    pub fn fixable_critical(mut self, findings: u32) -> Self {
        self.0.fixable_critical = findings;
        self
    }

    #[must_use]
    pub fn known_exploited(mut self, findings: u32) -> Self {
        self.0.known_exploited = findings;
        self
    }

    #[must_use]
    pub fn build(self) -> Verdict {
        self.0
    }
}

/// A violation of critical severity with evidence, in the image of `workload("web").runs("registry.test/web:1")`.
#[must_use]
pub fn check(id: &'static str, rule: &'static str) -> Check {
    Check {
        id,
        rule,
        effect: Effect::Violation,
        container: "app".into(),
        image: "registry.test/web:1".into(),
        digest: Some(digest("registry.test/web:1")),
        reported: None,
        is_evidence: true,
        severity: Severity::Critical,
        observed: "1 critical".into(),
        allowed: "0".into(),
        remedy: "upgrade".into(),
        findings: vec![],
        suppressed_by: None,
    }
}

/// A fixable finding of critical severity in openssl 1, fixed in 2.
#[must_use]
pub fn finding(id: &str) -> FindingBuilder {
    FindingBuilder(Finding {
        id: id.into(),
        aliases: vec![],
        package: AffectedPackage {
            name: "openssl".into(),
            version: "1".into(),
            ecosystem: "Debian:12".into(),
        },
        severity: Severity::Critical,
        severity_source: SeveritySource::Advisory,
        cvss_tenths: None,
        fixed: Some("2".into()),
        known_exploited: false,
        epss_percentile: None,
        published: None,
        modified: None,
        cwes: vec![],
        summary: String::new(),
        layer: None,
        path: String::new(),
    })
}

/// Built by [`finding`].
#[derive(Debug, Clone)]
pub struct FindingBuilder(Finding);

impl FindingBuilder {
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.0.severity = severity;
        self
    }

    #[must_use]
    pub fn package(mut self, name: &str, version: &str) -> Self {
        self.0.package.name = name.into();
        self.0.package.version = version.into();
        self
    }

    #[must_use]
    pub fn unfixed(mut self) -> Self {
        self.0.fixed = None;
        self
    }

    #[must_use]
    pub fn exploited(mut self) -> Self {
        self.0.known_exploited = true;
        self
    }

    /// Changes whatever has no word of its own.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Finding)) -> Self {
        change(&mut self.0);
        self
    }

    #[must_use]
    pub fn build(self) -> Finding {
        self.0
    }
}

/// An image that was scanned and matched at `at(0)` and runs as user 1000, with these findings.
#[must_use]
pub fn scanned_image(reference: &str, findings: Vec<Finding>) -> ScannedImage {
    ScannedImage {
        digest: digest(reference),
        reference: reference.into(),
        created: Some(at(-86_400)),
        config: Some(ImageConfig { user: "1000".into(), ..ImageConfig::default() }),
        software: vec![],
        package_names: vec![],
        secrets: 0,
        secret_env: vec![],
        setuid_files: 0,
        unanalysed: 0,
        findings,
        matched: Some(Matched { revision: 1, at: at(0), carries: Catalogues::ALL }),
        history: ImageHistory { since: Some(at(0)), ..ImageHistory::default() },
    }
}

/// The facts of [`scanned_image`].
#[must_use]
pub fn scanned(reference: &str, findings: Vec<Finding>) -> ImageFacts {
    ImageFacts::Scanned(Arc::new(scanned_image(reference, findings)))
}

/// A complete inventory of an image without packages.
#[must_use]
pub fn inventory(reference: &str) -> Inventory {
    Inventory {
        schema_version: SCHEMA_VERSION,
        image: inventory::ImageIdentity {
            reference: reference.into(),
            digest: digest(reference),
            config_digest: digest(&format!("config of {reference}")),
            platform: Platform::linux("amd64"),
            created: Some(at(-86_400)),
        },
        scanner: ScannerIdentity { name: "breakwater".into(), version: "0".into() },
        os: None,
        base: None,
        layers: vec![],
        packages: vec![],
        software: vec![],
        files: vec![],
        secrets: vec![],
        config: ImageConfig { user: "1000".into(), ..ImageConfig::default() },
        unanalysed: vec![],
    }
}
