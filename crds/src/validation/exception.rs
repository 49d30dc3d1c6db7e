use breakwater_core::policy::Exception;

use super::{policy::Home, problem::Fault, report::Report, selector, text};
use crate::imagepolicy::{DelegateExceptions, PolicyException, VexStatus};

pub(super) fn exceptions(exceptions: &[PolicyException], report: &mut Report) -> Vec<Exception> {
    exceptions
        .iter()
        .enumerate()
        .map(|(position, exception)| read(&format!("spec.exceptions[{position}]"), exception, report))
        .collect()
}

fn read(path: &str, exception: &PolicyException, report: &mut Report) -> Exception {
    let names_findings = !exception.cves.is_empty() || !exception.packages.is_empty();
    if !names_findings && exception.rules.is_empty() {
        let fault = "name what is excepted: at least one of cves, packages and rules";
        report.say(path, Fault::Contradiction(fault));
    }
    if exception.reason.trim().is_empty() {
        report.say(format!("{path}.reason"), Fault::Missing);
    }
    if exception.expire_when_fixed && !names_findings {
        let fault = "only findings are ever fixed: name cves or packages, or remove expireWhenFixed";
        report.say(format!("{path}.expireWhenFixed"), Fault::Contradiction(fault));
    }
    match (exception.vex_status, exception.justification) {
        (Some(VexStatus::NotAffected), None) => {
            let fault = "NotAffected needs a justification";
            report.say(format!("{path}.justification"), Fault::Contradiction(fault));
        }
        (status, Some(_)) if status != Some(VexStatus::NotAffected) => {
            let fault = "a justification belongs to vexStatus NotAffected";
            report.say(format!("{path}.justification"), Fault::Contradiction(fault));
        }
        _ => {}
    }
    Exception {
        name: exception.name.clone(),
        cves: report.each(&format!("{path}.cves"), &exception.cves, text::vulnerability_id),
        packages: report.each(&format!("{path}.packages"), &exception.packages, text::glob),
        rules: report.each(&format!("{path}.rules"), &exception.rules, text::rule),
        images: report.each(&format!("{path}.images"), &exception.images, text::image_glob),
        workloads: report.each(&format!("{path}.workloads"), &exception.workloads, text::glob),
        reason: exception.reason.clone(),
        approved_by: exception.approved_by.clone(),
        expires_at: exception
            .expires_at
            .as_deref()
            .and_then(|time| report.take(&format!("{path}.expiresAt"), text::time(time))),
        expire_when_fixed: exception.expire_when_fixed,
    }
}

pub(super) fn delegate(delegate: &DelegateExceptions, home: &Home<'_>, report: &mut Report) {
    let path = "spec.delegateExceptions";
    if let Some(operator) = home.elsewhere() {
        report.say(path, Fault::OnlyAtHome(operator.to_owned()));
    }
    selector::labels(&format!("{path}.namespaceSelector"), Some(&delegate.namespace_selector), report);
    report.each(&format!("{path}.rules"), &delegate.rules, text::rule);
    if let Some(longest) = &delegate.max_duration {
        report.take(&format!("{path}.maxDuration"), text::some_time(longest));
    }
}
