//! SARIF 2.1.0 (OASIS): findings as code scanning shows them. One rule per vulnerability, one result per finding.

use std::collections::HashMap;

use breakwater_core::policy::{self, Check, Effect};
use breakwater_core::printable::line;
use breakwater_core::{Finding, Severity};
use serde_json::{Value, json};

use super::cyclonedx::url;
use super::identity::fingerprint;
use super::member::put;
use super::report::{Report, cvss, said_by};
use super::wording::{OUT_OF_SUPPORT, release_name};

const MAX_TEXT: usize = 1000;
/// The base of paths inside of the image.
const ROOT: &str = "IMAGE";
const END_OF_SUPPORT: &str = "end-of-support";

pub(super) fn render(report: &Report<'_>) -> Value {
    let mut rules = Rules::default();
    let mut by_id: HashMap<&str, Vec<&Finding>> = HashMap::new();
    for finding in &report.findings {
        by_id.entry(&finding.id).or_default().push(finding);
    }
    let mut results: Vec<Value> =
        report.findings.iter().map(|finding| vulnerability(&by_id, &mut rules, finding)).collect();
    results.extend(report.inventory.secrets.iter().map(|secret| {
        let id = format!("secret/{}", line(&secret.rule, 200));
        let rule = rules.place(&id, || secret_rule(&id));
        let said = format!("A secret ({}) is in {}, line {}.", secret.rule, secret.path, secret.line);
        let mut result = result(&id, rule, "error", &said, &[&id, &secret.path, &secret.fingerprint]);
        put(
            &mut result,
            "locations",
            json!([{"physicalLocation": {"artifactLocation": artifact(&secret.path),
            "region": {"startLine": secret.line.max(1)}}}]),
        );
        result
    }));
    results.extend(report.out_of_support().map(|(os, until)| {
        let rule = rules.place(END_OF_SUPPORT, end_of_support_rule);
        let said = format!("The support of {} ended on {until}.", release_name(os));
        let mut result = result(END_OF_SUPPORT, rule, "warning", &said, &[END_OF_SUPPORT, &os.id, &os.version]);
        put(
            &mut result,
            "locations",
            json!([{"physicalLocation": {"artifactLocation": artifact("etc/os-release"), "region": {"startLine": 1}}}]),
        );
        result
    }));
    let violated = report.verdict.iter().flat_map(|judged| judged.verdict.with(Effect::Violation));
    // What findings violate is there already, by its own name.
    for check in violated.filter(|check| check.findings.is_empty()) {
        let rule = rules.place(check.id, || check_rule(check));
        let said =
            format!("{}: found {}; allowed {}. {}", check.rule, check.observed, check.allowed, check.remedy);
        let mut result = result(check.id, rule, "error", &said, &[check.id, check.rule, &check.observed]);
        put(
            &mut result,
            "locations",
            json!([{"physicalLocation": {"artifactLocation": {"uri": uri(&check.image)}}}]),
        );
        results.push(result);
    }
    let notes: Vec<Value> = report
        .unanalysed()
        .map(|item| {
            let text = line(&format!("{}: {}", item.path, item.reason), MAX_TEXT);
            json!({"level": "warning", "message": {"text": format!("not analysed: {text}")}})
        })
        .collect();
    let image = &report.inventory.image;
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "Breakwater",
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.rules,
            }},
            "automationDetails": {"id": format!("breakwater/{}/", line(&image.reference, 600))},
            "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the image's file system"}}},
            "invocations": [{"executionSuccessful": true, "toolExecutionNotifications": notes}],
            "columnKind": "unicodeCodePoints",
            "properties": {"image": line(&image.reference, 600), "digest": image.digest, "platform": image.platform.to_string()},
            "results": results,
        }],
    })
}

/// Rules in the order of their first result.
#[derive(Default)]
struct Rules {
    rules: Vec<Value>,
    places: HashMap<String, usize>,
}

impl Rules {
    fn place(&mut self, id: &str, rule: impl FnOnce() -> Value) -> usize {
        if let Some(place) = self.places.get(id) {
            return *place;
        }
        self.rules.push(rule());
        self.places.insert(id.to_owned(), self.rules.len() - 1);
        self.rules.len() - 1
    }
}

fn vulnerability(by_id: &HashMap<&str, Vec<&Finding>>, rules: &mut Rules, finding: &Finding) -> Value {
    let all = by_id.get(finding.id.as_str()).map(Vec::as_slice).unwrap_or_default();
    let rule = rules.place(&finding.id, || vulnerability_rule(&finding.id, all));
    let package = &finding.package;
    let mends = match &finding.fixed {
        Some(fixed) => format!("Upgrade to {fixed}."),
        None => "No fixed version is known.".to_owned(),
    };
    let said = format!(
        "{} {} ({}) is affected by {}. {mends}",
        package.name, package.version, package.ecosystem, finding.id
    );
    let names = [finding.id.as_str(), &package.ecosystem, &package.name, &finding.path];
    let mut result = result(&finding.id, rule, level(finding.severity), &said, &names);
    let qualified = line(&format!("{}/{}@{}", package.ecosystem, package.name, package.version), MAX_TEXT);
    put(
        &mut result,
        "locations",
        json!([{
            "physicalLocation": {"artifactLocation": artifact(&finding.path), "region": {"startLine": 1}},
            "logicalLocations": [{"name": line(&package.name, MAX_TEXT), "fullyQualifiedName": qualified, "kind": "module"}],
        }]),
    );
    put(
        &mut result,
        "properties",
        json!({
            "severity": finding.severity,
            "severitySource": finding.severity_source,
            "fixed": finding.fixed,
            "knownExploited": finding.known_exploited,
            "layer": finding.layer,
        }),
    );
    result
}

/// The rule of a vulnerability says the worst of what is found of it.
fn vulnerability_rule(id: &str, findings: &[&Finding]) -> Value {
    let worst = findings.iter().map(|finding| finding.severity).max().unwrap_or_default();
    let source =
        findings.iter().find(|finding| finding.severity == worst).map(|finding| finding.severity_source);
    let said = findings.iter().map(|finding| finding.summary.as_str()).find(|summary| !summary.is_empty());
    let summary = line(said.unwrap_or(id), MAX_TEXT);
    let by = source.map(said_by).unwrap_or_default();
    let score = findings.iter().filter_map(|finding| finding.cvss_tenths).max();
    let scored = score.map_or(String::new(), |score| format!(", CVSS {}", cvss(score)));
    let help = format!("{summary} Severity {worst}{scored}, said by {by}.");
    let mut tags = vec!["security", "vulnerability"];
    if findings.iter().any(|finding| finding.known_exploited) {
        tags.push("known-exploited");
    }
    let mut properties = json!({"tags": tags, "severitySource": source});
    if let Some(number) = security_severity(worst, score) {
        put(&mut properties, "security-severity", json!(number));
    }
    json!({
        "id": id,
        "name": "Vulnerability",
        "shortDescription": {"text": line(&format!("{id}: {summary}"), 200)},
        "fullDescription": {"text": summary},
        "help": {"text": format!("{help} {}", url(id)), "markdown": format!("{} [{id}]({})", markdown(&help), url(id))},
        "helpUri": url(id),
        "defaultConfiguration": {"level": level(worst)},
        "properties": properties,
    })
}

fn secret_rule(id: &str) -> Value {
    json!({
        "id": id,
        "name": "Secret",
        "shortDescription": {"text": "A secret is in a file of the image"},
        "help": {"text": "Remove it, build again without it, and replace the leaked credential: whoever can pull the image has it."},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["security", "secret"], "security-severity": "8.0"},
    })
}

fn end_of_support_rule() -> Value {
    json!({
        "id": END_OF_SUPPORT,
        "name": "EndOfSupport",
        "shortDescription": {"text": "The distribution's release is out of support"},
        "help": {"text": OUT_OF_SUPPORT},
        "defaultConfiguration": {"level": "warning"},
        "properties": {"tags": ["security", "end-of-support"]},
    })
}

fn check_rule(check: &Check) -> Value {
    json!({
        "id": check.id,
        "name": "Policy",
        "shortDescription": {"text": policy::check(check.id).map_or(check.rule, |info| info.title)},
        "help": {"text": line(&check.remedy, MAX_TEXT)},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["security", "policy"]},
    })
}

fn result(id: &str, rule: usize, level: &str, text: &str, identity: &[&str]) -> Value {
    json!({
        "ruleId": id,
        "ruleIndex": rule,
        "level": level,
        "message": {"text": line(text, MAX_TEXT)},
        "partialFingerprints": {"breakwater/v1": fingerprint(identity)},
    })
}

/// A finding whose severity nobody knows is worth a look, not an alarm.
fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium | Severity::Unknown => "warning",
        Severity::Low => "note",
    }
}

/// Code scanning sorts by a number: the score, unless the severity was said by somebody who said otherwise; then the middle of its band
/// (CVSS v3.1 §5). What nobody said has none.
fn security_severity(severity: Severity, score: Option<u8>) -> Option<String> {
    let banded = score.filter(|score| Severity::from_cvss_tenths(*score) == severity);
    let middle = match severity {
        Severity::Critical => 95,
        Severity::High => 80,
        Severity::Medium => 55,
        Severity::Low => 20,
        Severity::Unknown => return None,
    };
    Some(cvss(banded.unwrap_or(middle)))
}

fn artifact(path: &str) -> Value {
    if path.is_empty() { json!({"uri": "."}) } else { json!({"uri": uri(path), "uriBaseId": ROOT}) }
}

/// A relative reference (RFC 3986 §4.2): all but unreserved characters and slashes is percent-encoded.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.trim_start_matches('/').bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn markdown(text: &str) -> String {
    let special = |c: char| {
        matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '<' | '>' | '#' | '|' | '!' | '&')
    };
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

#[cfg(test)]
mod tests {
    use breakwater_core::Severity;

    use super::{markdown, security_severity, uri};

    #[test]
    fn scores_agree_with_severities() {
        assert_eq!(security_severity(Severity::High, Some(71)), Some("7.1".into()));
        assert_eq!(security_severity(Severity::Low, Some(98)), Some("2.0".into()));
        assert_eq!(security_severity(Severity::Unknown, None), None);
    }

    #[test]
    fn paths_are_relative_references_and_text_is_no_markup() {
        assert_eq!(uri("/usr/lib/a b%:ü"), "usr/lib/a%20b%25%3A%C3%BC");
        assert_eq!(markdown("[x](javascript:1)"), "\\[x\\]\\(javascript:1\\)");
    }
}
