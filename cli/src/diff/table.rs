//! A difference for people.

use std::fmt::{Result, Write};

use breakwater_core::printable::line;
use breakwater_core::{Finding, SeverityCounts};

use super::difference::{Change, Difference, Findings, Image};
use crate::db::size;
use crate::scan::report::occurring;
use crate::terminal::{Page, count};

/// How many entries of one kind are named; the others are counted.
const MAX_ROWS: usize = 50;

pub(super) fn render(difference: &Difference<'_>, page: Page) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write_all(&mut out, difference, page);
    out
}

fn write_all(out: &mut String, difference: &Difference<'_>, page: Page) -> Result {
    for (word, image) in [("before", &difference.before), ("after", &difference.after)] {
        self::image(out, word, image, page)?;
    }
    let layers = &difference.layers;
    // Directories and SBOMs have none.
    if layers.before + layers.after > 0 {
        let shared = count(layers.shared, "layer");
        let shared = format!("the lowest {shared} shared of {} and {}", layers.before, layers.after);
        page.line(out, 0, &shared)?;
    }
    match &difference.findings {
        Some(findings) => self::findings(out, findings, page)?,
        None => page.text(
            out,
            0,
            "findings not compared: there is no advisory index (`breakwater db build`, --db FILE)",
        )?,
    }
    let packages =
        difference.packages.iter().map(|change| match (change.before.as_slice(), change.after.as_slice()) {
            ([], after) => format!("+ {} {} ({})", change.name, after.join(", "), change.ecosystem),
            (before, []) => format!("- {} {} ({})", change.name, before.join(", "), change.ecosystem),
            (before, after) => {
                format!(
                    "  {} {} -> {} ({})",
                    change.name,
                    before.join(", "),
                    after.join(", "),
                    change.ecosystem
                )
            }
        });
    list(out, "packages", packages.collect(), page)?;
    let software = changed(&difference.software, |software| format!("{} ({})", software.name, software.path));
    list(out, "software that an application rarely needs", software, page)?;
    let secrets =
        changed(&difference.secrets, |secret| format!("{} in {}:{}", secret.rule, secret.path, secret.line));
    list(out, "secrets", secrets, page)?;
    let config = difference
        .config
        .iter()
        .map(|change| format!("  {}: {:?} -> {:?}", change.field, change.before, change.after));
    list(out, "configuration", config.collect(), page)
}

fn image(out: &mut String, word: &str, image: &Image<'_>, page: Page) -> Result {
    let title = line(&image.image.reference, page.width.saturating_sub(8));
    writeln!(out, "{word:<7} {}", page.palette.bold(&title))?;
    let digest = image.image.digest.short();
    let size = if image.size == 0 { String::new() } else { format!(", {}", size(image.size)) };
    page.line(out, 8, &format!("sha256:{digest}{size}, {}", count(image.packages, "package")))
}

fn findings(out: &mut String, findings: &Findings<'_>, page: Page) -> Result {
    let words = |counts: &SeverityCounts| {
        let words: Vec<String> = occurring(counts)
            .into_iter()
            .map(|(severity, number)| format!("{number} {}", severity.as_str().to_lowercase()))
            .collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    };
    page.text(out, 0, &format!("findings: {} -> {}", words(&findings.before), words(&findings.after)))?;
    let rows = |sign: char, findings: &[&Finding]| -> Vec<String> {
        findings
            .iter()
            .map(|finding| {
                let package = &finding.package;
                format!(
                    "{sign} {:<19} {:<8} {} {}",
                    finding.id, finding.severity, package.name, package.version
                )
            })
            .collect()
    };
    list(out, "new findings", rows('+', &findings.new), page)?;
    list(out, "findings that are gone", rows('-', &findings.fixed), page)?;
    if findings.remaining > 0 {
        writeln!(out, "\n{} in both", count(findings.remaining, "finding"))
    } else {
        Ok(())
    }
}

fn changed<T>(change: &Change<T>, text: impl Fn(&T) -> String) -> Vec<String> {
    let added = change.added.iter().map(|it| format!("+ {}", text(it)));
    added.chain(change.removed.iter().map(|it| format!("- {}", text(it)))).collect()
}

fn list(out: &mut String, title: &str, rows: Vec<String>, page: Page) -> Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", page.palette.bold(&format!("{title}: {}", rows.len())))?;
    rows.iter().take(MAX_ROWS).try_for_each(|row| page.line(out, 2, row))?;
    match rows.len().checked_sub(MAX_ROWS) {
        Some(more) if more > 0 => writeln!(out, "  and {more} more (-o json lists all)"),
        _ => Ok(()),
    }
}
