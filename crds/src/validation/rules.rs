use breakwater_core::{Severity, policy as domain};

use super::{problem::Fault, public_key, report::Report, text};
use crate::imagepolicy::{
    CheckParameters, Consequence, Grace, ImageRules, Keyless, LicenseRules, Rules, Verification, VexSource,
    VulnerabilityRules, WorkloadCheck, WorkloadRule,
};

/// The rules in the domain's words. Those that are not evaluated yet are checked and left out.
pub(super) fn rules(rules: &Rules, report: &mut Report) -> domain::Rules {
    let vulnerabilities = rules.vulnerabilities.as_ref().map(|rule| vulnerabilities(rule, report));
    let image = rules.image.as_ref().map(|rule| image(rule, report)).unwrap_or_default();
    if let Some(licenses) = &rules.licenses {
        check_licenses(licenses, report);
    }
    for (position, rule) in rules.signatures.iter().enumerate() {
        let path = format!("spec.rules.signatures[{position}]");
        report.each(&format!("{path}.images"), &rule.images, text::image_glob);
        trust(&path, rule.key.as_deref(), rule.keyless.as_ref(), report);
    }
    for (position, rule) in rules.reports.iter().enumerate() {
        let path = format!("spec.rules.reports[{position}]");
        verification(&path, rule.verify.as_ref(), report);
        if let Some(age) = &rule.max_age {
            report.take(&format!("{path}.maxAge"), text::some_time(age));
        }
    }
    for (position, rule) in rules.workload.iter().enumerate() {
        workload(&format!("spec.rules.workload[{position}]"), rule, report);
    }
    domain::Rules { vulnerabilities, image }
}

fn vulnerabilities(rule: &VulnerabilityRules, report: &mut Report) -> domain::VulnerabilityRule {
    let path = "spec.rules.vulnerabilities";
    let unknown_severity = rule.unknown_severity.unwrap_or(Severity::Medium);
    if rule.max.unknown.is_some() && unknown_severity != Severity::Unknown {
        let fault =
            "is never reached: findings without severity count as unknownSeverity; set that to Unknown";
        report.say(format!("{path}.max.unknown"), Fault::Contradiction(fault));
    }
    let grace = rule.grace.clone().unwrap_or_default();
    domain::VulnerabilityRule {
        max: domain::MaxFindings {
            critical: rule.max.critical.map(text::unsigned),
            high: rule.max.high.map(text::unsigned),
            medium: rule.max.medium.map(text::unsigned),
            low: rule.max.low.map(text::unsigned),
            unknown: rule.max.unknown.map(text::unsigned),
        },
        unknown_severity,
        fixable_only: rule.fixable_only.unwrap_or(true),
        grace: grace_periods(&grace, report),
        max_cvss_tenths: rule
            .max_cvss
            .as_deref()
            .and_then(|score| report.take(&format!("{path}.maxCvss"), text::cvss_tenths(score))),
        max_epss_percentile: rule.max_epss_percentile.map(text::percent),
        deny_known_exploited: rule.deny_known_exploited.unwrap_or(false),
        deny: report.each(&format!("{path}.deny"), &rule.deny, text::vulnerability_id),
    }
}

fn grace_periods(grace: &Grace, report: &mut Report) -> domain::Grace {
    let path = "spec.rules.vulnerabilities.grace";
    let mut period = |field: &str, text: &Option<String>| {
        text.as_deref().and_then(|text| report.take(&format!("{path}.{field}"), text::duration(text)))
    };
    domain::Grace {
        published: period("published", &grace.published),
        fix_available: period("fixAvailable", &grace.fix_available),
        first_seen: period("firstSeen", &grace.first_seen),
    }
}

fn image(rule: &ImageRules, report: &mut Report) -> domain::ImageRules {
    let path = "spec.rules.image";
    let mut age = |field: &str, text: &Option<String>| {
        text.as_deref().and_then(|text| report.take(&format!("{path}.{field}"), text::some_time(text)))
    };
    let (max_age, max_scan_age) = (age("maxAge", &rule.max_age), age("maxScanAge", &rule.max_scan_age));
    report.each(&format!("{path}.trustedBases"), &rule.trusted_bases, text::image_glob);
    let means = |consequence: Option<Consequence>| consequence.unwrap_or_default().into();
    domain::ImageRules {
        trusted_registries: report.each(
            &format!("{path}.trustedRegistries"),
            &rule.trusted_registries,
            text::image_glob,
        ),
        require_digest: rule.require_digest.unwrap_or(false),
        deny_latest_tag: rule.deny_latest_tag.unwrap_or(false),
        max_age,
        max_scan_age,
        unscanned: means(rule.unscanned),
        scan_failed: means(rule.scan_failed),
        incomplete: means(rule.incomplete),
        allow_root_user: rule.allow_root_user,
        max_packages: rule.max_packages.map(text::unsigned),
        banned_software: rule.banned_software.clone(),
        banned_packages: report.each(&format!("{path}.bannedPackages"), &rule.banned_packages, text::glob),
        required_labels: rule.required_labels.clone(),
        max_secrets: rule.max_secrets.map(text::unsigned),
        deny_secret_env: rule.deny_secret_env.unwrap_or(false),
        max_setuid_files: rule.max_setuid_files.map(text::unsigned),
    }
}

impl From<Consequence> for domain::Consequence {
    fn from(consequence: Consequence) -> Self {
        match consequence {
            Consequence::Allow => Self::Allow,
            Consequence::Warn => Self::Warn,
            Consequence::Deny => Self::Deny,
        }
    }
}

fn check_licenses(rule: &LicenseRules, report: &mut Report) {
    if !rule.deny.is_empty() && !rule.allow.is_empty() {
        let fault = "deny and allow exclude each other: list what is refused, or list all that is accepted";
        report.say("spec.rules.licenses", Fault::Contradiction(fault));
    }
}

pub(super) fn vex(sources: &[VexSource], report: &mut Report) {
    for (position, source) in sources.iter().enumerate() {
        let path = format!("spec.vex[{position}]");
        report.each(&format!("{path}.images"), &source.images, text::image_glob);
        verification(&path, source.verify.as_ref(), report);
    }
}

fn verification(path: &str, verify: Option<&Verification>, report: &mut Report) {
    if let Some(verify) = verify {
        trust(&format!("{path}.verify"), verify.key.as_deref(), verify.keyless.as_ref(), report);
    }
}

fn trust(path: &str, key: Option<&str>, keyless: Option<&Keyless>, report: &mut Report) {
    if key.is_some() == keyless.is_some() {
        report.say(path, Fault::ExactlyOne("key and keyless"));
    }
    if let Some(key) = key {
        report.take(&format!("{path}.key"), public_key::check(key));
    }
}

fn workload(path: &str, rule: &WorkloadRule, report: &mut Report) {
    use WorkloadCheck::{
        AllowedCapabilities, DenyHostPath, DenySecretEnv, DenySecretEnvRefs, MaxBlastRadius,
        RequireNetworkPolicy, RequireOwner, RequireResources,
    };
    let path = format!("{path}.parameters");
    // Taken apart without `..`: a new parameter cannot be forgotten.
    let CheckParameters { capabilities, max, resources, allowed_paths, allowed_names, directions, keys } =
        rule.parameters.clone().unwrap_or_default();
    let belongs = [
        (capabilities.is_some(), rule.check == AllowedCapabilities),
        (max.is_some(), rule.check == MaxBlastRadius),
        (resources.is_some(), rule.check == RequireResources),
        (allowed_paths.is_some(), rule.check == DenyHostPath),
        (allowed_names.is_some(), matches!(rule.check, DenySecretEnv | DenySecretEnvRefs)),
        (directions.is_some(), rule.check == RequireNetworkPolicy),
        (keys.is_some(), rule.check == RequireOwner),
    ];
    if belongs.iter().any(|(given, belongs)| *given && !belongs) {
        report.say(&path, Fault::Contradiction("a parameter does not belong to this check"));
    }
    if rule.check == AllowedCapabilities && capabilities.is_none() {
        let fault = "AllowedCapabilities needs parameters.capabilities; an empty list allows none";
        report.say(&path, Fault::Contradiction(fault));
    }
    if rule.check == MaxBlastRadius && max.is_none() {
        report.say(&path, Fault::Contradiction("MaxBlastRadius needs parameters.max"));
    }
    report.each(&format!("{path}.capabilities"), &capabilities.unwrap_or_default(), text::capability);
    report.each(&format!("{path}.allowedPaths"), &allowed_paths.unwrap_or_default(), text::glob);
    report.each(&format!("{path}.allowedNames"), &allowed_names.unwrap_or_default(), text::glob);
}
