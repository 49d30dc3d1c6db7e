//! A report for people: what the image is, its findings grouped by package, what a policy says. At most 80 columns.

use std::fmt::Write;

use breakwater_core::inventory::{ImageConfig, SoftwareSet, SpecialFileKind};
use breakwater_core::policy::{Compliance, Effect};
use breakwater_core::printable::line;
use breakwater_core::{Finding, Severity, SeveritySource};

use super::report::{Group, Judged, Report, cvss, occurring, said_by};
use super::wording::{OUT_OF_SUPPORT, base_words, kind_title, not_linked_words, release_name, secret_place};
use crate::db::{MAKING_AN_INDEX, age};
use crate::terminal::{Page, count};

/// How many items of a list are named (unread ones, secrets); the others are counted.
const MAX_ITEMS: usize = 10;
/// How many special files of one kind are.
const MAX_FILES: usize = 5;

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
    let os = inventory.os.as_ref().map_or(String::new(), |os| format!(", {}", release_name(os)));
    page.line(out, 0, &format!("{}, sha256:{}{os}", image.platform, image.digest.short()))?;
    if let Some(support) = report.support().filter(|support| !support.ended) {
        page.line(out, 0, &format!("the distribution supports this release until {}", support.until))?;
    }
    if inventory.base.is_some() {
        page.text(out, 0, &format!("built from {}", base_words(inventory)))?;
    }
    let root = match inventory.known_config().map(ImageConfig::runs_as_root) {
        Some(true) => "runs as root",
        Some(false) => "does not run as root",
        None => "user not known",
    };
    let layers = count(inventory.layers.len(), "layer");
    page.line(out, 0, &format!("{}, {layers}, {root}", count(inventory.packages.len(), "package")))?;
    match report.advisories {
        Some(advisories) => {
            let date = advisories.built.format("%Y-%m-%d");
            let age = age(advisories.built, report.now);
            page.text(out, 0, &format!("advisories of {date}, revision {}{age}", advisories.revision))?;
        }
        None => {
            let missing = "not judged: there is no advisory index. Packages are listed by -o json";
            page.text(out, 0, &format!("{missing}; {MAKING_AN_INDEX}"))?;
        }
    }
    support(out, report, page)?;
    findings(out, report, page)?;
    software(out, report, page)?;
    special_files(out, report, page)?;
    if !inventory.secrets.is_empty() {
        writeln!(out, "\n{}", page.palette.bold(&count(inventory.secrets.len(), "secret")))?;
        for secret in inventory.secrets.iter().take(MAX_ITEMS) {
            page.text(out, 2, &format!("{} in {}", secret.rule, secret_place(secret)))?;
        }
        more(out, 2, inventory.secrets.len(), MAX_ITEMS)?;
    }
    unread(out, report, page)?;
    match &report.verdict {
        Some(judged) => verdict(out, judged, page),
        None => Ok(()),
    }
}

fn support(out: &mut String, report: &Report<'_>, page: Page) -> std::fmt::Result {
    let Some((os, until)) = report.out_of_support() else { return Ok(()) };
    writeln!(out, "\n{}", page.palette.severity(Severity::High, "out of support"))?;
    page.text(out, 2, &format!("The support of {} ended on {until}. {OUT_OF_SUPPORT}", release_name(os)))
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
    if !report.not_linked.is_empty() {
        page.text(out, 0, &not_linked_words(report.not_linked.len()))?;
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

/// By kind; the path gives way where path and reason do not fit.
fn special_files(out: &mut String, report: &Report<'_>, page: Page) -> std::fmt::Result {
    let kinds = report.special_files();
    if kinds.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", page.palette.bold("files that grant or hold more than a file should"))?;
    for (kind, files) in kinds {
        let title = format!("{} ({})", kind_title(kind), files.len());
        let is_alarm = kind == SpecialFileKind::Miner;
        writeln!(
            out,
            "  {}",
            if is_alarm { page.palette.severity(Severity::Critical, &title) } else { title }
        )?;
        for file in files.iter().take(MAX_FILES) {
            let detail = line(&file.detail, page.width / 2);
            let room = page.width.saturating_sub(4 + 2 + detail.chars().count());
            writeln!(out, "    {}  {}", line(&file.path, room), page.palette.dim(&detail))?;
        }
        more(out, 4, files.len(), MAX_FILES)?;
    }
    Ok(())
}

fn unread(out: &mut String, report: &Report<'_>, page: Page) -> std::fmt::Result {
    let items: Vec<_> = report.unanalysed().collect();
    if items.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", page.palette.bold(&format!("not analysed: {}", count(items.len(), "item"))))?;
    for item in items.iter().take(MAX_ITEMS) {
        page.text(out, 2, &format!("{}: {}", item.path, item.reason))?;
    }
    more(out, 2, items.len(), MAX_ITEMS)
}

/// Says how many of `found` items are left out where `most` are listed.
fn more(out: &mut String, indent: usize, found: usize, most: usize) -> std::fmt::Result {
    match found.saturating_sub(most) {
        0 => Ok(()),
        others => writeln!(out, "{:indent$}and {others} more (-o json lists all)", ""),
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
    let grace = judged.verdict.in_grace;
    if let Some(first) = grace.first_ends {
        let counted = count(usize::try_from(grace.count).unwrap_or(usize::MAX), "finding");
        let text = format!(
            "{counted} in grace, counted from the dates of the records; the first ends on {}. See --no-grace",
            first.format("%F %R UTC")
        );
        page.text(out, 2, &text)?;
    }
    Ok(())
}
