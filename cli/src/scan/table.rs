//! A report for people: what the image is, its findings grouped by package, what a policy says. At most 80 columns.

use std::fmt::Write;

use breakwater_core::inventory::SoftwareSet;
use breakwater_core::policy::{Compliance, Effect};
use breakwater_core::printable::line;
use breakwater_core::{Finding, Severity, SeveritySource};

use super::report::{Group, Judged, Report, cvss, occurring, said_by};
use crate::db::age;
use crate::terminal::{Page, count};

/// How many unread items are named; the others are counted.
const MAX_UNREAD: usize = 10;

pub(super) fn render(report: &Report<'_>, page: Page) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write_all(&mut out, report, page);
    out
}

fn write_all(out: &mut String, report: &Report<'_>, page: Page) -> std::fmt::Result {
    let inventory = report.inventory;
    let image = &inventory.image;
    writeln!(out, "{}", page.palette.bold(&line(&image.reference, page.width)))?;
    let os = inventory.os.as_ref().map_or(String::new(), |os| format!(", {}", os.name));
    page.line(out, 0, &format!("{}, sha256:{}{os}", image.platform, image.digest.short()))?;
    let root = if inventory.config.runs_as_root() { "runs as root" } else { "does not run as root" };
    let layers = count(inventory.layers.len(), "layer");
    page.line(out, 0, &format!("{}, {layers}, {root}", count(inventory.packages.len(), "package")))?;
    match report.advisories {
        Some(advisories) => {
            let date = advisories.built.format("%Y-%m-%d");
            let age = age(advisories.built, report.now);
            page.line(out, 0, &format!("advisories of {date}, revision {}{age}", advisories.revision))?;
        }
        None => {
            let missing = "not judged: there is no advisory index. Packages are listed by -o json; make an index \
                           with `breakwater db build` and name it with --db FILE";
            page.text(out, 0, missing)?;
        }
    }
    findings(out, report, page)?;
    software(out, report, page)?;
    if !inventory.secrets.is_empty() {
        writeln!(out, "\n{}", page.palette.bold(&count(inventory.secrets.len(), "secret")))?;
        for secret in &inventory.secrets {
            page.line(out, 2, &format!("{} in {}:{}", secret.rule, secret.path, secret.line))?;
        }
    }
    unread(out, report, page)?;
    match &report.verdict {
        Some(judged) => verdict(out, judged, page),
        None => Ok(()),
    }
}

fn findings(out: &mut String, report: &Report<'_>, page: Page) -> std::fmt::Result {
    if report.advisories.is_none() {
        return Ok(());
    }
    let (all, palette) = (&report.findings, page.palette);
    let words: Vec<String> = occurring(&report.counts())
        .into_iter()
        .map(|(severity, number)| {
            palette.severity(severity, &format!("{number} {}", severity.as_str().to_lowercase()))
        })
        .collect();
    match words.is_empty() {
        true => writeln!(out, "\nno findings")?,
        false => writeln!(out, "\n{}: {}", palette.bold(&count(all.len(), "finding")), words.join(", "))?,
    }
    for (source, number) in report.sources() {
        let mark = match mark(source) {
            "" => String::new(),
            mark => format!(" ({mark})"),
        };
        page.line(out, 0, &format!("severity said by {}{mark}: {number}", said_by(source)))?;
    }
    if report.hidden > 0 {
        page.line(out, 0, &format!("{} not listed, as asked", count(report.hidden, "finding")))?;
    }
    report.by_package().into_iter().try_for_each(|group| package(out, group, page))
}

fn package(out: &mut String, (package, findings): Group<'_>, page: Page) -> std::fmt::Result {
    let ecosystem = line(&package.ecosystem, page.width / 4);
    let room = page.width.saturating_sub(ecosystem.chars().count() + 1);
    let title = line(&format!("{} {}", package.name, package.version), room);
    writeln!(out, "\n{} {}", page.palette.bold(&title), page.palette.dim(&ecosystem))?;
    findings.into_iter().try_for_each(|finding| self::finding(out, finding, page))
}

/// `  CVE-2021-44906      Critical  9.8   fixed in 1.2.6 exploited`
fn finding(out: &mut String, finding: &Finding, page: Page) -> std::fmt::Result {
    let palette = page.palette;
    let id = line(&finding.id, 24);
    let severity = palette.severity(finding.severity, &format!("{:<8}", finding.severity));
    let score = finding.cvss_tenths.map(cvss).unwrap_or_default();
    let exploited = if finding.known_exploited { " exploited" } else { "" };
    // Two spaces, the id's column, a space, the severity, a space, the score, a space, the source, a space.
    let taken = 2 + id.chars().count().max(19) + 1 + 8 + 1 + 4 + 1 + 1 + 1 + exploited.len();
    let fixed = match &finding.fixed {
        Some(fixed) => format!("fixed in {fixed}"),
        None => "no fix".to_owned(),
    };
    let fixed = line(&fixed, page.width.saturating_sub(taken).max(7));
    let exploited = palette.severity(Severity::Critical, exploited);
    let mark = mark(finding.severity_source);
    writeln!(out, "  {id:<19} {severity} {score:>4} {mark:<1} {fixed}{exploited}")
}

/// What stands beside a severity that the advisory itself does not say.
fn mark(source: SeveritySource) -> &'static str {
    match source {
        SeveritySource::Advisory => "",
        SeveritySource::SameCve => "c",
        SeveritySource::Vendor => "d",
        SeveritySource::CveFile => "f",
        SeveritySource::None => "?",
    }
}

fn software(out: &mut String, report: &Report<'_>, page: Page) -> std::fmt::Result {
    let found = &report.inventory.software;
    if found.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", page.palette.bold("software that an application rarely needs"))?;
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
            page.line(out, 2, &format!("{title:<17} {}", names.join(", ")))?;
        }
    }
    Ok(())
}

fn unread(out: &mut String, report: &Report<'_>, page: Page) -> std::fmt::Result {
    let items: Vec<_> = report.unanalysed().collect();
    if items.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", page.palette.bold(&format!("not analysed: {}", count(items.len(), "item"))))?;
    for item in items.iter().take(MAX_UNREAD) {
        page.text(out, 2, &format!("{}: {}", item.path, item.reason))?;
    }
    match items.len().checked_sub(MAX_UNREAD) {
        Some(more) if more > 0 => writeln!(out, "  and {more} more (-o json lists all)"),
        _ => Ok(()),
    }
}

fn verdict(out: &mut String, judged: &Judged<'_>, page: Page) -> std::fmt::Result {
    let (word, severity) = match judged.verdict.compliance {
        Compliance::Compliant => ("PASS", Severity::Low),
        Compliance::Violating => ("FAIL", Severity::Critical),
        Compliance::Unknown => ("UNKNOWN", Severity::Medium),
    };
    writeln!(out, "\n{} {}", page.palette.bold(judged.by), page.palette.severity(severity, word))?;
    for check in &judged.verdict.checks {
        let effect = match check.effect {
            Effect::Violation => "violated",
            Effect::Unknown => "unknown",
            Effect::Warning => "warning",
            Effect::Suppressed => "excepted",
        };
        page.line(out, 2, &format!("{} {effect:<8} {}", check.id, check.rule))?;
        page.text(out, 4, &format!("found {}; allowed {}", check.observed, check.allowed))?;
        if !check.remedy.is_empty() {
            page.text(out, 4, &format!("remedy: {}", check.remedy))?;
        }
    }
    Ok(())
}
