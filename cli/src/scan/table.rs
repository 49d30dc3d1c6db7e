//! A report for people: what the image is, its findings grouped by package, what a policy says. At most 80 columns.

use std::fmt::Write;

use breakwater_core::inventory::SoftwareSet;
use breakwater_core::policy::{Compliance, Effect, Verdict};
use breakwater_core::printable::line;
use breakwater_core::{AffectedPackage, Finding, Severity, SeverityCounts};
use chrono::{DateTime, Utc};

use super::document::cvss;
use super::report::Report;
use crate::db::age;
use crate::terminal::{Palette, count};

const WIDTH: usize = 80;
/// How many unread items are named; the others are counted.
const MAX_UNREAD: usize = 10;

pub(super) fn render(report: &Report<'_>, palette: Palette, now: DateTime<Utc>) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write_all(&mut out, report, palette, now);
    out
}

fn write_all(
    out: &mut String,
    report: &Report<'_>,
    palette: Palette,
    now: DateTime<Utc>,
) -> std::fmt::Result {
    let inventory = report.inventory;
    writeln!(out, "{}", palette.bold(&line(&inventory.image.reference, WIDTH)))?;
    let os = inventory.os.as_ref().map_or(String::new(), |os| format!(", {}", line(&os.name, 40)));
    writeln!(out, "{}, sha256:{}{os}", inventory.image.platform, inventory.image.digest.short())?;
    let root = if inventory.config.runs_as_root() { "runs as root" } else { "does not run as root" };
    let layers = count(inventory.layers.len(), "layer");
    writeln!(out, "{}, {layers}, {root}", count(inventory.packages.len(), "package"))?;
    match report.index {
        Some(index) => {
            let built = DateTime::from_timestamp(index.built_at(), 0).unwrap_or_default();
            let date = built.format("%Y-%m-%d");
            writeln!(out, "advisories of {date}, revision {}{}", index.revision(), age(built, now))?;
        }
        None => writeln!(out, "not matched: no advisory index was given (--db FILE, `breakwater db build`)")?,
    }
    findings(out, report, palette)?;
    software(out, report, palette)?;
    if !inventory.secrets.is_empty() {
        writeln!(out, "\n{}", palette.bold(&count(inventory.secrets.len(), "secret")))?;
        for secret in &inventory.secrets {
            writeln!(
                out,
                "  {}",
                line(&format!("{} in {}:{}", secret.rule, secret.path, secret.line), WIDTH - 2)
            )?;
        }
    }
    unread(out, report, palette)?;
    if let Some(verdict) = report.verdict {
        self::verdict(out, verdict, palette)?;
    }
    Ok(())
}

fn findings(out: &mut String, report: &Report<'_>, palette: Palette) -> std::fmt::Result {
    let all = &report.matches.findings;
    if report.index.is_none() {
        return Ok(());
    }
    if all.is_empty() {
        return writeln!(out, "\nno findings");
    }
    let counts: SeverityCounts = all.iter().map(|finding| finding.severity).collect();
    let numbers = [counts.critical, counts.high, counts.medium, counts.low, counts.unknown];
    let words: Vec<String> = Severity::ALL
        .iter()
        .zip(numbers)
        .filter(|(_, number)| *number > 0)
        .map(|(severity, number)| {
            palette.severity(*severity, &format!("{number} {}", severity.as_str().to_lowercase()))
        })
        .collect();
    writeln!(out, "\n{}: {}", palette.bold(&count(all.len(), "finding")), words.join(", "))?;
    for (package, findings) in by_package(all) {
        let title = line(&format!("{} {}", package.name, package.version), 54);
        let ecosystem = line(&package.ecosystem, WIDTH - 56);
        writeln!(out, "\n{} {}", palette.bold(&title), palette.dim(&ecosystem))?;
        for finding in findings {
            self::finding(out, finding, palette)?;
        }
    }
    Ok(())
}

/// `  CVE-2021-44906   Critical 9.8  fixed in 1.2.6   exploited`
fn finding(out: &mut String, finding: &Finding, palette: Palette) -> std::fmt::Result {
    let severity = palette.severity(finding.severity, &format!("{:<8}", finding.severity));
    let score = finding.cvss_tenths.map(cvss).unwrap_or_default();
    let exploited = if finding.known_exploited {
        palette.severity(Severity::Critical, " exploited")
    } else {
        String::new()
    };
    let fixed = match &finding.fixed {
        Some(fixed) => format!("fixed in {}", line(fixed, 28)),
        None => "no fix".to_owned(),
    };
    writeln!(out, "  {:<19} {severity} {score:>4}  {fixed}{exploited}", line(&finding.id, 24))
}

/// In the order of each package's most urgent finding.
fn by_package(findings: &[Finding]) -> Vec<(&AffectedPackage, Vec<&Finding>)> {
    let mut groups: Vec<(&AffectedPackage, Vec<&Finding>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for finding in findings {
        let place = *places.entry(&finding.package).or_insert_with(|| {
            groups.push((&finding.package, Vec::new()));
            groups.len() - 1
        });
        if let Some((_, group)) = groups.get_mut(place) {
            group.push(finding);
        }
    }
    groups
}

fn software(out: &mut String, report: &Report<'_>, palette: Palette) -> std::fmt::Result {
    let found = &report.inventory.software;
    if found.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", palette.bold("software that an application rarely needs"))?;
    let sets = [
        (SoftwareSet::PackageManagers, "package managers"),
        (SoftwareSet::NetworkTools, "network tools"),
        (SoftwareSet::Shells, "shells"),
        (SoftwareSet::Compilers, "compilers"),
        (SoftwareSet::Debuggers, "debuggers"),
    ];
    for (set, title) in sets {
        let mut names: Vec<&str> =
            found.iter().filter(|item| item.set == set).map(|item| item.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if !names.is_empty() {
            writeln!(out, "  {title:<17} {}", line(&names.join(", "), WIDTH - 20))?;
        }
    }
    Ok(())
}

fn unread(out: &mut String, report: &Report<'_>, palette: Palette) -> std::fmt::Result {
    let items: Vec<_> = report.inventory.unanalysed.iter().chain(&report.matches.unanalysed).collect();
    if items.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", palette.bold(&format!("not analysed: {}", count(items.len(), "item"))))?;
    for item in items.iter().take(MAX_UNREAD) {
        writeln!(out, "  {}", line(&format!("{}: {}", item.path, item.reason), WIDTH - 2))?;
    }
    match items.len().checked_sub(MAX_UNREAD) {
        Some(more) if more > 0 => writeln!(out, "  and {more} more (-o json lists all)"),
        _ => Ok(()),
    }
}

fn verdict(out: &mut String, verdict: &Verdict, palette: Palette) -> std::fmt::Result {
    let (word, severity) = match verdict.compliance {
        Compliance::Compliant => ("PASS", Severity::Low),
        Compliance::Violating => ("FAIL", Severity::Critical),
        Compliance::Unknown => ("UNKNOWN", Severity::Medium),
    };
    writeln!(out, "\n{} {}", palette.bold("policy"), palette.severity(severity, word))?;
    for check in &verdict.checks {
        let effect = match check.effect {
            Effect::Violation => "violated",
            Effect::Unknown => "unknown",
            Effect::Warning => "warning",
            Effect::Suppressed => "excepted",
        };
        writeln!(out, "  {} {effect:<8} {}", check.id, line(check.rule, WIDTH - 22))?;
        writeln!(
            out,
            "    {}",
            line(&format!("found {}; allowed {}", check.observed, check.allowed), WIDTH - 4)
        )?;
        if !check.remedy.is_empty() {
            writeln!(out, "    {}", line(&format!("remedy: {}", check.remedy), WIDTH - 4))?;
        }
    }
    Ok(())
}
