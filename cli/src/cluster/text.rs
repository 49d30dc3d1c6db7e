//! The explanation for people.

use std::fmt::Write as _;

use super::explanation::{Check, Explanation, Finding, HoldState, Image, Policy, Scan, Source};
use crate::terminal::{Page, count};

pub(super) fn render(explanation: &Explanation, page: Page) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(out, "{}", page.palette.bold(&explanation.workload))?;
    if !explanation.via.is_empty() {
        page.text(&mut out, 2, &format!("owner of {}", explanation.via.join(", ")))?;
    }
    match &explanation.hold {
        Some(HoldState::InForce { until, reason }) => {
            page.text(&mut out, 2, &format!("held until {until}: {reason}"))?;
        }
        Some(HoldState::Over) => page.text(&mut out, 2, "its hold is over: remediation is not held back")?,
        Some(HoldState::Invalid { problem }) => {
            let text = format!("not held: breakwater.dev/hold-until is not valid: {problem}");
            page.text(&mut out, 2, &text)?;
        }
        None => {}
    }
    for image in &explanation.images {
        self::image(&mut out, image, page)?;
    }
    if explanation.policies.is_empty() {
        writeln!(out)?;
        page.text(&mut out, 0, "no policy that can be read selects it")?;
    }
    for policy in &explanation.policies {
        self::policy(&mut out, policy, page)?;
    }
    for note in &explanation.notes {
        writeln!(out)?;
        page.text(&mut out, 0, &format!("note: {note}"))?;
    }
    Ok(out)
}

fn image(out: &mut String, image: &Image, page: Page) -> std::fmt::Result {
    let kind = match image.kind {
        "App" => "container",
        "Init" => "init container",
        "Ephemeral" => "debug container",
        _ => "image volume",
    };
    let besides = if image.in_template { "" } else { " (not in the template)" };
    writeln!(out)?;
    writeln!(out, "{}", page.palette.bold(&format!("{kind} {}{besides}", image.container)))?;
    page.text(out, 2, &image.image)?;
    match &image.digest {
        Some(digest) => page.text(out, 2, digest)?,
        None => page.text(out, 2, "its digest is not known: no pod reports one")?,
    }
    match &image.scan {
        Some(scan) => self::scan(out, scan, page),
        None => page.text(out, 2, "not scanned: there is no ScanJob about it that counts for this namespace"),
    }
}

fn scan(out: &mut String, scan: &Scan, page: Page) -> std::fmt::Result {
    let completed = scan.completed.as_ref().map(|time| format!(" at {time}")).unwrap_or_default();
    page.text(out, 2, &format!("ScanJob {}: {}{completed}", scan.scan_job, scan.result))?;
    if let Some(failure) = &scan.failure {
        page.text(out, 4, &format!("{}: {}", failure.reason, failure.message))?;
    }
    if let Some(counts) = &scan.counts {
        let packages = count(usize::try_from(counts.packages).unwrap_or(0), "package");
        let text = format!(
            "{} critical, {} high, {} medium, {} low, {} unknown in {packages}; {} fixable",
            counts.critical, counts.high, counts.medium, counts.low, counts.unknown, counts.fixable
        );
        page.text(out, 4, &text)?;
    }
    findings(out, &scan.findings, page)?;
    if scan.more_findings {
        page.text(out, 4, "and more: see status.topFindings of the ScanJob")?;
    }
    Ok(())
}

fn findings(out: &mut String, findings: &[Finding], page: Page) -> std::fmt::Result {
    for finding in findings {
        let fixed =
            finding.fixed.as_ref().map_or("no fix is known".to_owned(), |fixed| format!("fixed in {fixed}"));
        let severity = finding.severity.as_ref().map(|severity| format!(" {severity}")).unwrap_or_default();
        let hidden =
            finding.suppressed_by.as_ref().map(|name| format!(" (exception {name})")).unwrap_or_default();
        let text =
            format!("{}{severity} {} {}, {fixed}{hidden}", finding.id, finding.package, finding.installed);
        page.text(out, 4, &text)?;
    }
    Ok(())
}

fn policy(out: &mut String, policy: &Policy, page: Page) -> std::fmt::Result {
    writeln!(out)?;
    writeln!(out, "{}", page.palette.bold(&format!("policy {}: {:?}", policy.policy, policy.verdict)))?;
    if let Some(problem) = &policy.problem {
        page.text(out, 2, problem)?;
    }
    if policy.source == Source::Scans {
        page.text(out, 2, "by its ScanJobs: the policy's status does not list every workload, or is older")?;
    }
    if let Some(violation) = &policy.violation {
        let rules: Vec<String> =
            violation.rules.iter().map(|rule| format!("{} {}", rule.id, rule.rule)).collect();
        let since = violation.since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
        page.text(out, 2, &format!("breaks {}{since}", rules.join(", ")))?;
        findings(out, &violation.findings, page)?;
        for (label, text) in [("allowed", &violation.allowed), ("remedy", &violation.remedy)] {
            if !text.is_empty() {
                page.text(out, 4, &format!("{label}: {text}"))?;
            }
        }
    }
    for check in &policy.checks {
        self::check(out, check, page)?;
    }
    for exception in &policy.exceptions {
        let by = exception
            .approved_by
            .as_ref()
            .map(|by| format!(", said to be approved by {by}"))
            .unwrap_or_default();
        let ticket = exception.ticket.as_ref().map(|ticket| format!(", {ticket}")).unwrap_or_default();
        let until = exception.expires_at.as_ref().map(|until| format!(", until {until}")).unwrap_or_default();
        page.text(out, 2, &format!("exception {}: {}{by}{ticket}{until}", exception.name, exception.reason))?;
    }
    for mitigation in &policy.mitigations {
        page.text(out, 2, &format!("{} ({}): {}", mitigation.action, mitigation.mode, mitigation.state))?;
        if !mitigation.reason.is_empty() {
            page.text(out, 4, &mitigation.reason)?;
        }
        if let Some(replicas) = mitigation.previous_replicas {
            page.text(out, 4, &format!("replicas before: {replicas}; `breakwater undo` restores them"))?;
        }
        if let Some(until) = &mitigation.until {
            page.text(out, 4, &format!("next step at {until}"))?;
        }
    }
    if !policy.unsupported.is_empty() {
        page.text(out, 2, &format!("not carried out by this version: {}", policy.unsupported.join(", ")))?;
    }
    Ok(())
}

fn check(out: &mut String, check: &Check, page: Page) -> std::fmt::Result {
    let id = [check.id.as_str(), check.rule.as_str()].into_iter().filter(|text| !text.is_empty());
    let id = id.collect::<Vec<_>>().join(" ");
    let separator = if id.is_empty() { "" } else { " " };
    let hidden = check.suppressed_by.as_ref().map(|name| format!(" by exception {name}")).unwrap_or_default();
    page.text(
        out,
        2,
        &format!("{}{hidden}: {}: {id}{separator}{}", check.effect, check.container, check.observed),
    )?;
    for (label, text) in [("allowed", &check.allowed), ("remedy", &check.remedy)] {
        if !text.is_empty() && check.suppressed_by.is_none() {
            page.text(out, 4, &format!("{label}: {text}"))?;
        }
    }
    Ok(())
}
