//! `breakwater scan`: an image's inventory, what is known about it, and what a policy says of it.

use std::process::ExitCode;

use breakwater_advisories::{match_inventory, not_linked};
use breakwater_core::policy::{Compliance, Grace, Policy};
use breakwater_core::{Finding, Inventory};
use breakwater_scanner::Source;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::arguments::{Format, Reading, Scan, Target};
use crate::connection;
use crate::terminal::Page;
use crate::{UNTOLD, VIOLATED};
use delivery::deliver;
use report::{Advisories, Judged, Report};

#[cfg(test)]
mod conformance;
mod cyclonedx;
pub(crate) mod delivery;
mod document;
mod html;
mod identity;
pub(crate) mod judgement;
mod junit;
pub(crate) mod knowledge;
mod licence;
mod markup;
mod member;
pub(crate) mod report;
mod sarif;
mod source;
mod spdx;
mod table;
mod wording;

pub(crate) async fn run(arguments: &Scan, now: DateTime<Utc>) -> anyhow::Result<ExitCode> {
    // What can be wrong on this side is said before anybody is asked.
    let policy = demanded(arguments)?;
    let index = knowledge::open(&arguments.knowledge, now)?;
    let inventory = inventory(&arguments.source, &arguments.reading).await?;

    let matches = index.as_ref().map(|index| match_inventory(index, &inventory)).unwrap_or_default();
    let not_linked = index.as_ref().map(|index| not_linked(index, &inventory)).unwrap_or_default();
    let verdict = policy
        .as_ref()
        .map(|(_, policy)| judgement::judge(policy, &inventory, index.as_ref(), &matches, now));
    let findings: Vec<&Finding> =
        matches.findings.iter().filter(|finding| is_listed(arguments, finding)).collect();
    let report = Report {
        inventory: &inventory,
        advisories: index
            .as_ref()
            .map(|index| Advisories { revision: index.revision(), built: knowledge::built(index) }),
        hidden: matches.findings.len() - findings.len(),
        findings,
        not_linked: &not_linked,
        unmatched: &matches.unanalysed,
        verdict: verdict.as_ref().zip(policy.as_ref()).map(|(verdict, (by, _))| Judged { by, verdict }),
        now,
    };
    for target in &arguments.output {
        deliver(&render(target, &report)?, target.file.as_deref())?;
    }
    Ok(verdict.map_or(ExitCode::SUCCESS, |verdict| exit(verdict.compliance)))
}

/// The policy that was asked for, and its name for people.
fn demanded(arguments: &Scan) -> anyhow::Result<Option<(&'static str, Policy)>> {
    Ok(match &arguments.policy {
        Some(path) => {
            let mut policy = judgement::read_policy(path)?;
            if let Some(rule) = policy.rules.vulnerabilities.as_mut().filter(|_| arguments.no_grace) {
                rule.grace = Grace::default();
            }
            Some(("policy", policy))
        }
        None if arguments.fail_on.is_empty() => None,
        None => Some(("--fail-on", judgement::fail_on(&arguments.fail_on, arguments.ignore_unfixed)?)),
    })
}

fn is_listed(arguments: &Scan, finding: &Finding) -> bool {
    arguments.severity.is_none_or(|level| finding.severity >= level.severity())
        && (finding.is_fixable() || !arguments.ignore_unfixed)
}

fn render(target: &Target, report: &Report<'_>) -> anyhow::Result<String> {
    let page = match target.file {
        Some(_) => Page::of_a_file(),
        None => Page::of_stdout(),
    };
    Ok(match target.format {
        Format::Table => table::render(report, page),
        Format::Json => pretty(&document::Document::of(report))?,
        Format::Sarif => pretty(&sarif::render(report))?,
        Format::Cyclonedx => pretty(&cyclonedx::render(report))?,
        Format::Spdx => pretty(&spdx::render(report))?,
        Format::Junit => junit::render(report),
        Format::Html => html::render(report),
    })
}

/// JSON as files have it: indented, with a line's end.
pub(crate) fn pretty(document: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(document)? + "\n")
}

pub(crate) fn exit(compliance: Compliance) -> ExitCode {
    match compliance {
        Compliance::Compliant => ExitCode::SUCCESS,
        Compliance::Violating => ExitCode::from(VIOLATED),
        Compliance::Unknown => ExitCode::from(UNTOLD),
    }
}

/// Reads one image.
pub(crate) async fn inventory(text: &str, arguments: &Reading) -> anyhow::Result<Inventory> {
    let source = source::parse(text, "SOURCE")?;
    let bases: Vec<_> =
        arguments.base.iter().map(|base| source::parse(base, "--base")).collect::<Result<_, _>>()?;
    let references: Vec<_> = std::iter::once(&source).chain(&bases).filter_map(Source::reference).collect();
    let connection = connection::to(&references, &arguments.registry).await?;
    let mut inventory = source::inventory(arguments, &connection, &source).await?;
    source::recognise_base(arguments, &connection, &bases, &mut inventory).await?;
    Ok(inventory)
}
