//! One page for browsers and printers: no script, nothing fetched, everything escaped.

use std::fmt::{Result, Write};

use breakwater_core::policy::Effect;
use breakwater_core::{Digest, Finding, SeveritySource};

use super::markup::escape;
use super::report::{Group, Judged, Report, cvss, occurring, result, said_by};
use super::wording::{OUT_OF_SUPPORT, base_words, kind_title, not_linked_words, release_name, secret_place};
use crate::terminal::count;

const STYLE: &str = include_str!("html.css");
/// How many rows a list of one kind has; the others are counted.
const MAX_ROWS: usize = 500;

pub(super) fn render(report: &Report<'_>) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = page(&mut out, report);
    out
}

fn page(out: &mut String, report: &Report<'_>) -> Result {
    let title = escape(&report.inventory.image.reference);
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>"
    )?;
    image(out, report)?;
    if let Some(judged) = &report.verdict {
        verdict(out, judged)?;
    }
    support(out, report)?;
    findings(out, report)?;
    contents(out, report)?;
    unanalysed(out, report)?;
    layers(out, report)?;
    writeln!(out, "</body>\n</html>")
}

fn image(out: &mut String, report: &Report<'_>) -> Result {
    let inventory = report.inventory;
    let image = &inventory.image;
    let root = match inventory.known_config() {
        Some(config) if config.runs_as_root() => "root",
        Some(config) => config.user.as_str(),
        None => "not known",
    };
    let advisories = match report.advisories {
        Some(advisories) => {
            format!("revision {} of {}", advisories.revision, advisories.built.format("%Y-%m-%d"))
        }
        None => "none: packages were not matched".to_owned(),
    };
    let facts = [
        ("Digest", image.digest.to_string()),
        ("Platform", image.platform.to_string()),
        (
            "Made",
            image.created.map_or("not said".to_owned(), |time| time.format("%Y-%m-%d %H:%M UTC").to_string()),
        ),
        ("System", inventory.os.as_ref().map_or("none found".to_owned(), release_name)),
        (
            "Supported until",
            report.support().map_or("not known".to_owned(), |support| support.until.to_string()),
        ),
        ("Base", or_not_known(base_words(inventory))),
        ("User", root.to_owned()),
        ("Packages", inventory.packages.len().to_string()),
        ("Advisories", advisories),
        ("Written", report.now.format("%Y-%m-%d %H:%M UTC").to_string()),
    ];
    writeln!(out, "<dl>")?;
    for (name, text) in facts {
        writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escape(&text))?;
    }
    writeln!(out, "</dl>")
}

fn or_not_known(words: String) -> String {
    if words.is_empty() { "not known".to_owned() } else { words }
}

fn support(out: &mut String, report: &Report<'_>) -> Result {
    let Some((os, until)) = report.out_of_support() else { return Ok(()) };
    writeln!(
        out,
        "<h2>Out of support</h2>\n<p>The support of {} ended on {until}. {OUT_OF_SUPPORT}</p>",
        escape(&release_name(os))
    )
}

fn verdict(out: &mut String, judged: &Judged<'_>) -> Result {
    let word = result(judged.verdict.compliance);
    writeln!(
        out,
        "<h2>Verdict <span class=\"badge {word}\">{word}</span> <span class=\"quiet\">by {}</span></h2>",
        escape(judged.by)
    )?;
    if judged.verdict.checks.is_empty() {
        return writeln!(out, "<p>All rules are met.</p>");
    }
    let rows = judged.verdict.checks.iter().map(|check| {
        let (effect, class) = match check.effect {
            Effect::Violation => ("violated", "Fail"),
            Effect::Unknown => ("unknown", "Unknown"),
            Effect::Warning => ("warning", "Warning"),
            Effect::Suppressed => ("excepted", "Unknown"),
        };
        [
            format!("<span class=\"badge {class}\">{effect}</span>"),
            format!("{}<br><span class=\"quiet\">{}</span>", escape(check.rule), escape(check.id)),
            escape(&check.observed),
            escape(&check.allowed),
            escape(&check.remedy),
        ]
    });
    table(out, ["", "Rule", "Found", "Allowed", "Remedy"], rows)
}

fn findings(out: &mut String, report: &Report<'_>) -> Result {
    if report.advisories.is_none() {
        return Ok(());
    }
    writeln!(out, "<h2>{}</h2>", count(report.findings.len(), "finding"))?;
    writeln!(out, "<ul class=\"counts\">")?;
    for (severity, number) in occurring(&report.counts()) {
        writeln!(out, "<li><span class=\"badge {severity}\">{severity}</span> {number}</li>")?;
    }
    writeln!(out, "</ul>")?;
    for (source, number) in report.sources() {
        let by = said_by(source);
        writeln!(out, "<p class=\"quiet\">{number} of these severities said by {by}</p>")?;
    }
    if report.hidden > 0 {
        writeln!(out, "<p class=\"quiet\">{} not listed, as asked</p>", count(report.hidden, "finding"))?;
    }
    if !report.not_linked.is_empty() {
        writeln!(out, "<p class=\"quiet\">{}</p>", not_linked_words(report.not_linked.len()))?;
    }
    report.by_package().into_iter().try_for_each(|group| package(out, report, group))
}

fn package(out: &mut String, report: &Report<'_>, (package, findings): Group<'_>) -> Result {
    let place = findings.first().map(|finding| finding.path.as_str()).unwrap_or_default();
    let layer = match layer_words(report, findings.first().and_then(|finding| finding.layer.as_ref())) {
        number if number.is_empty() => number,
        number => format!(", layer {number}"),
    };
    writeln!(
        out,
        "<section>\n<h3>{} {} <span class=\"quiet\">{}</span></h3>\n<p class=\"quiet\"><code>{}</code>{layer}</p>",
        escape(&package.name),
        escape(&package.version),
        escape(&package.ecosystem),
        escape(place)
    )?;
    let rows = findings.iter().map(|finding| row(finding));
    table(out, ["Vulnerability", "Severity", "Fixed in", "Summary"], rows)?;
    writeln!(out, "</section>")
}

fn row(finding: &Finding) -> [String; 4] {
    let score = finding.cvss_tenths.map_or(String::new(), |tenths| format!(" {}", cvss(tenths)));
    let by = match finding.severity_source {
        SeveritySource::Advisory => String::new(),
        source => format!("<br><span class=\"quiet\">said by {}</span>", said_by(source)),
    };
    let exploited =
        if finding.known_exploited { " <span class=\"badge Critical\">exploited</span>" } else { "" };
    let aliases = finding.aliases.join(", ");
    [
        format!("{}{exploited}<br><span class=\"quiet\">{}</span>", escape(&finding.id), escape(&aliases)),
        format!("<span class=\"badge {0}\">{0}</span>{score}{by}", finding.severity),
        finding.fixed.as_deref().map_or("no fix".to_owned(), escape),
        escape(&finding.summary),
    ]
}

fn contents(out: &mut String, report: &Report<'_>) -> Result {
    let inventory = report.inventory;
    if !inventory.secrets.is_empty() {
        writeln!(out, "<h2>{}</h2>", count(inventory.secrets.len(), "secret"))?;
        let rows = inventory
            .secrets
            .iter()
            .map(|secret| [escape(&secret.rule), format!("<code>{}</code>", escape(&secret_place(secret)))]);
        table(out, ["Rule", "Place"], rows)?;
    }
    if !inventory.software.is_empty() {
        writeln!(out, "<h2>Software that an application rarely needs</h2>")?;
        let rows = inventory.software.iter().map(|software| {
            [
                format!("{:?}", software.set),
                escape(&software.name),
                format!("<code>{}</code>", escape(&software.path)),
            ]
        });
        table(out, ["Set", "Name", "Path"], rows)?;
    }
    special_files(out, report)
}

fn special_files(out: &mut String, report: &Report<'_>) -> Result {
    let kinds = report.special_files();
    if kinds.is_empty() {
        return Ok(());
    }
    let number = report.inventory.files.len();
    writeln!(out, "<h2>{} that grant or hold more than a file should</h2>", count(number, "file"))?;
    for (kind, files) in kinds {
        writeln!(out, "<h3>{} <span class=\"quiet\">{}</span></h3>", kind_title(kind), files.len())?;
        let rows = files.iter().map(|file| {
            [
                format!("<code>{}</code>", escape(&file.path)),
                escape(&file.detail),
                layer_words(report, file.layer.as_ref()),
            ]
        });
        table(out, ["Path", "Why", "Layer"], rows)?;
    }
    Ok(())
}

/// The number of a layer from the bottom, from 1.
fn layer_words(report: &Report<'_>, layer: Option<&Digest>) -> String {
    let place =
        layer.and_then(|digest| report.inventory.layers.iter().position(|layer| layer.digest == *digest));
    place.map_or(String::new(), |place| (place + 1).to_string())
}

fn unanalysed(out: &mut String, report: &Report<'_>) -> Result {
    let items = report.unanalysed().count();
    if items == 0 {
        return Ok(());
    }
    writeln!(out, "<h2>Not analysed: {}</h2>", count(items, "item"))?;
    let rows = report
        .unanalysed()
        .map(|item| [format!("<code>{}</code>", escape(&item.path)), escape(&item.reason)]);
    table(out, ["Path", "Reason"], rows)
}

fn layers(out: &mut String, report: &Report<'_>) -> Result {
    writeln!(out, "<h2>{}</h2>", count(report.inventory.layers.len(), "layer"))?;
    let rows = report.inventory.layers.iter().enumerate().map(|(place, layer)| {
        [
            (place + 1).to_string(),
            format!("<code>{}</code>", layer.digest.short()),
            crate::db::size(layer.size),
            format!("<code>{}</code>", escape(&layer.created_by)),
        ]
    });
    table(out, ["", "Digest", "Size", "Made by"], rows)
}

/// Cells are markup already.
fn table<const N: usize>(
    out: &mut String,
    heads: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Result {
    writeln!(out, "<table>\n<thead><tr><th>{}</th></tr></thead>\n<tbody>", heads.join("</th><th>"))?;
    let mut left_out = 0_usize;
    for (place, row) in rows.enumerate() {
        if place < MAX_ROWS {
            writeln!(out, "<tr><td>{}</td></tr>", row.join("</td><td>"))?;
        } else {
            left_out += 1;
        }
    }
    writeln!(out, "</tbody>\n</table>")?;
    if left_out > 0 {
        writeln!(out, "<p class=\"quiet\">and {left_out} more: see the JSON</p>")
    } else {
        Ok(())
    }
}
