//! A plan for people.

use std::fmt::{Result, Write};

use breakwater_core::printable::line;

use super::document::{Document, Entry, LayerPlan, State};
use crate::scan::report::occurring;
use crate::terminal::{Page, count};

/// How many findings that are left are named; the others are counted.
const MAX_REMAINING: usize = 10;

pub(super) fn render(document: &Document<'_>, page: Page) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write_all(&mut out, document, page);
    out
}

fn write_all(out: &mut String, document: &Document<'_>, page: Page) -> Result {
    writeln!(out, "{}", page.palette.bold(&line(&document.image.reference, page.width)))?;
    page.line(out, 0, &format!("now:   {}", state(&document.before)))?;
    page.line(out, 0, &format!("after: {}", state(&document.after)))?;
    if document.layers.is_empty() {
        writeln!(out, "\nno upgrade is needed, or none would help")?;
    }
    document.layers.iter().try_for_each(|plan| layer(out, plan, page))?;
    if !document.unmet.is_empty() {
        writeln!(out, "\n{}", page.palette.bold("rules that upgrades do not clear"))?;
        for check in &document.unmet {
            page.line(out, 2, &format!("{} {}", check.id, check.rule))?;
            page.text(out, 4, &format!("found {}; allowed {}", check.observed, check.allowed))?;
            if !check.findings.is_empty() {
                page.text(out, 4, &check.findings.join(", "))?;
            }
        }
    }
    remaining(out, document, page)
}

fn state(state: &State) -> String {
    let counts: Vec<String> = occurring(&state.findings)
        .into_iter()
        .map(|(severity, number)| format!("{number} {}", severity.as_str().to_lowercase()))
        .collect();
    let counts = if counts.is_empty() { "no findings".to_owned() } else { counts.join(", ") };
    state.verdict.map_or(counts.clone(), |verdict| format!("{}; {counts}", verdict.to_uppercase()))
}

fn layer(out: &mut String, plan: &LayerPlan<'_>, page: Page) -> Result {
    let title = match (plan.number, plan.digest) {
        (Some(number), Some(digest)) => format!("layer {number}, sha256:{}", digest.short()),
        _ => "layer not known".to_owned(),
    };
    writeln!(out, "\n{}", page.palette.bold(&title))?;
    if !plan.created_by.is_empty() {
        page.line(out, 2, plan.created_by)?;
    }
    plan.upgrades.iter().try_for_each(|upgrade| entry(out, upgrade, page))?;
    for command in &plan.commands {
        // Whole, so that it can be copied.
        writeln!(out, "  $ {}", line(command, 4000))?;
    }
    Ok(())
}

fn entry(out: &mut String, upgrade: &Entry, page: Page) -> Result {
    let major = if upgrade.major { " (major version)" } else { "" };
    page.line(out, 2, &format!("{} {} -> {}{major}", upgrade.name, upgrade.from, upgrade.to))?;
    let places: Vec<&str> = upgrade.packages.iter().map(|package| package.path.as_str()).collect();
    let more = places.len().saturating_sub(1);
    let more = if more > 0 { format!(" and {} more", count(more, "place")) } else { String::new() };
    page.line(out, 4, &format!("{}{more}", places.first().copied().unwrap_or_default()))?;
    page.text(out, 4, &format!("clears {}", upgrade.clears.join(", ")))
}

fn remaining(out: &mut String, document: &Document<'_>, page: Page) -> Result {
    let unfixable: Vec<_> = document.remaining.iter().filter(|finding| !finding.fixable).collect();
    let optional = document.remaining.len() - unfixable.len();
    if optional > 0 {
        writeln!(
            out,
            "\n{} could be mended by upgrades that the policy does not ask for",
            count(optional, "finding")
        )?;
    }
    if unfixable.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n{}",
        page.palette.bold(&format!("no fix is known: {}", count(unfixable.len(), "finding")))
    )?;
    for finding in unfixable.iter().take(MAX_REMAINING) {
        page.line(out, 2, &format!("{} in {} {}", finding.id, finding.package, finding.version))?;
    }
    match unfixable.len().checked_sub(MAX_REMAINING) {
        Some(more) if more > 0 => writeln!(out, "  and {more} more (-o json lists all)"),
        _ => Ok(()),
    }
}
