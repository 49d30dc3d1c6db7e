//! JUnit XML, as CI systems read it (there is no standard; this is what Jenkins, GitLab and Azure DevOps have in common): a test case
//! per package with findings, for a distribution out of support, per check of the policy, per secret, and per item that could not be analysed.

use std::fmt::Write;

use breakwater_core::Finding;
use breakwater_core::policy::{Check, Effect};

use super::markup::escape;
use super::report::{Group, Report};
use super::wording::release_name;

pub(super) fn render(report: &Report<'_>) -> String {
    let mut packages: Vec<Case> = report.by_package().into_iter().map(package).collect();
    if packages.is_empty() {
        packages.push(match report.advisories {
            Some(_) => Case::passed("packages", "no findings"),
            None => Case {
                outcome: Some(Outcome::Skipped("no advisory index was given")),
                ..Case::passed("packages", "not matched")
            },
        });
    }
    let secrets = report.inventory.secrets.iter().map(|secret| Case {
        outcome: Some(Outcome::Failure { kind: "secret", message: secret.rule.clone() }),
        ..Case::passed("secrets", &format!("{}:{}", secret.path, secret.line))
    });
    let checks = report.verdict.iter().flat_map(|judged| &judged.verdict.checks).map(check);
    let unread = report.unanalysed().map(|item| Case {
        outcome: Some(Outcome::Error { kind: "unanalysed", message: item.reason.clone() }),
        ..Case::passed("unanalysed", &item.path)
    });
    let release = report.out_of_support().map(|(os, until)| Case {
        outcome: Some(Outcome::Failure {
            kind: "end-of-support",
            message: format!("its support ended on {until}"),
        }),
        ..Case::passed("distribution", &release_name(os))
    });
    let suites = [
        ("vulnerabilities", packages),
        ("distribution", release.into_iter().collect()),
        ("secrets", secrets.collect()),
        ("policy", checks.collect()),
        ("analysis", unread.collect()),
    ];
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String does not fail.
    let _ = write_suites(&mut out, report, &suites);
    out
}

struct Case {
    class: String,
    name: String,
    outcome: Option<Outcome>,
    /// One line each.
    details: Vec<String>,
}

enum Outcome {
    Failure { kind: &'static str, message: String },
    Error { kind: &'static str, message: String },
    Skipped(&'static str),
}

impl Case {
    fn passed(class: &str, name: &str) -> Self {
        Self { class: class.to_owned(), name: name.to_owned(), outcome: None, details: Vec::new() }
    }
}

fn package((package, findings): Group<'_>) -> Case {
    let ids: Vec<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
    let detail = |finding: &&Finding| {
        let mends = finding.fixed.as_ref().map_or("no fix".to_owned(), |fixed| format!("fixed in {fixed}"));
        format!("{} {} {mends}", finding.id, finding.severity)
    };
    Case {
        outcome: Some(Outcome::Failure { kind: "vulnerability", message: ids.join(", ") }),
        details: findings.iter().map(detail).collect(),
        ..Case::passed(&package.ecosystem, &format!("{} {}", package.name, package.version))
    }
}

fn check(check: &Check) -> Case {
    let message = format!("found {}; allowed {}", check.observed, check.allowed);
    let outcome = match check.effect {
        Effect::Violation => Some(Outcome::Failure { kind: "policy", message: message.clone() }),
        Effect::Unknown => Some(Outcome::Error { kind: "policy", message: message.clone() }),
        Effect::Suppressed => Some(Outcome::Skipped("an exception of the policy covers it")),
        Effect::Warning => None,
    };
    Case {
        outcome,
        details: vec![message, format!("remedy: {}", check.remedy)],
        ..Case::passed("policy", &format!("{} {}", check.id, check.rule))
    }
}

fn write_suites(out: &mut String, report: &Report<'_>, suites: &[(&str, Vec<Case>)]) -> std::fmt::Result {
    let image = escape(&report.inventory.image.reference);
    let all = suites.iter().flat_map(|(_, cases)| cases);
    writeln!(out, "<testsuites name=\"{image}\" {} time=\"0\">", totals(all))?;
    for (name, cases) in suites.iter().filter(|(_, cases)| !cases.is_empty()) {
        let time = report.dated();
        let time = time.trim_end_matches('Z');
        writeln!(
            out,
            "  <testsuite name=\"{name}\" hostname=\"{image}\" {} time=\"0\" timestamp=\"{time}\">",
            totals(cases)
        )?;
        cases.iter().try_for_each(|case| write_case(out, case))?;
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn totals<'a>(cases: impl IntoIterator<Item = &'a Case>) -> String {
    let (mut tests, mut failures, mut errors, mut skipped) = (0, 0, 0, 0);
    for case in cases {
        tests += 1;
        match &case.outcome {
            Some(Outcome::Failure { .. }) => failures += 1,
            Some(Outcome::Error { .. }) => errors += 1,
            Some(Outcome::Skipped(_)) => skipped += 1,
            None => {}
        }
    }
    format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"")
}

fn write_case(out: &mut String, case: &Case) -> std::fmt::Result {
    let (class, name) = (escape(&case.class), escape(&case.name));
    write!(out, "    <testcase classname=\"{class}\" name=\"{name}\" time=\"0\"")?;
    let details: Vec<String> = case.details.iter().map(|detail| escape(detail)).collect();
    let details = details.join("\n");
    let (element, kind, message) = match &case.outcome {
        None => return writeln!(out, "/>"),
        Some(Outcome::Skipped(why)) => {
            return writeln!(out, ">\n      <skipped message=\"{}\"/>\n    </testcase>", escape(why));
        }
        Some(Outcome::Failure { kind, message }) => ("failure", kind, message),
        Some(Outcome::Error { kind, message }) => ("error", kind, message),
    };
    writeln!(
        out,
        ">\n      <{element} type=\"{kind}\" message=\"{}\">{details}</{element}>\n    </testcase>",
        escape(message)
    )
}
