use breakwater_core::policy::{Policy, PolicyId, Scanning, Selector};
use chrono::TimeDelta;
use kube::ResourceExt as _;

use super::{
    exception,
    problem::{Fault, Problems},
    registry, remediation,
    report::Report,
    rules, selector, shape, text,
};
use crate::{
    ImagePolicy, ImagePolicySpec,
    imagepolicy::{PolicySelector, PostDeploy},
    notify::Notify,
};

/// Where an object lives, and where the operator does: some fields are for objects in the operator's namespace only.
#[derive(Debug, Clone, Copy)]
pub(super) struct Home<'a> {
    namespace: Option<&'a str>,
    operator: Option<&'a str>,
}

impl<'a> Home<'a> {
    /// An object in `namespace` of a cluster whose operator runs in `operator`.
    pub(super) fn new(namespace: &'a str, operator: &'a str) -> Self {
        Self { namespace: Some(namespace), operator: Some(operator) }
    }

    /// Where neither is known, as in a pipeline: nothing is refused for its place.
    pub(super) fn anywhere() -> Self {
        Self { namespace: None, operator: None }
    }

    /// The operator's namespace, if the object is known to live somewhere else.
    pub(super) fn elsewhere(&self) -> Option<&'a str> {
        self.operator.filter(|operator| self.namespace != Some(*operator))
    }
}

impl ImagePolicy {
    /// What this policy demands, in the domain's words.
    ///
    /// # Errors
    /// Everything that is wrong with the spec, by field.
    pub fn validate(&self, operator_namespace: &str) -> Result<Policy, Problems> {
        let namespace = self.namespace().unwrap_or_default();
        let mut policy = validate(&self.spec, Home::new(&namespace, operator_namespace))?;
        policy.id = PolicyId { namespace, name: self.name_any(), uid: self.uid().unwrap_or_default() };
        Ok(policy)
    }
}

/// A policy that has no name yet; nothing is refused for its place. See [`ImagePolicy::validate`].
impl TryFrom<&ImagePolicySpec> for Policy {
    type Error = Problems;

    fn try_from(spec: &ImagePolicySpec) -> Result<Self, Problems> {
        validate(spec, Home::anywhere())
    }
}

fn validate(spec: &ImagePolicySpec, home: Home<'_>) -> Result<Policy, Problems> {
    let mut report = Report::default();
    let selector = select(&spec.selector, &home, &mut report);
    let registries = registry::sources(&spec.registries, &mut report);
    let schedule = spec.schedule.as_ref().and_then(|schedule| registry::schedule(schedule, &mut report));
    if spec.schedule.is_some() && spec.registries.is_empty() {
        let fault =
            "schedule says when registries are scanned: name at least one in registries, or remove schedule";
        report.say("spec.schedule", Fault::Contradiction(fault));
    }
    let scanning = scanning(spec, &mut report);
    let rules = rules::rules(&spec.rules, &mut report);
    rules::vex(&spec.vex, &mut report);
    if let Some(threshold) = &spec.risk_threshold
        && let (Some(warn), Some(deny)) = (threshold.warn, threshold.deny)
        && warn > deny
    {
        report.say("spec.riskThreshold", Fault::Contradiction("warn must not be above deny"));
    }
    let exceptions = exception::exceptions(&spec.exceptions, &mut report);
    if let Some(delegate) = &spec.delegate_exceptions {
        exception::delegate(delegate, &home, &mut report);
    }
    if let Some(told) = &spec.notify {
        notify(told, &mut report);
    }
    let remediation =
        spec.remediation.as_ref().map(|remediation| remediation::remediation(remediation, &mut report));
    if let Some(post_deploy) = &spec.post_deploy {
        job(post_deploy, spec, &mut report);
    }
    let mut shapes = Report::default();
    shape::check_spec("ImagePolicy", &serde_json::to_value(spec).unwrap_or_default(), &mut shapes);
    report.add_shape(shapes);
    report.finish(Some(Policy {
        id: PolicyId { namespace: String::new(), name: String::new(), uid: String::new() },
        suspended: spec.suspend,
        selector,
        registries,
        schedule,
        scanning,
        rules,
        exceptions,
        remediation: remediation.unwrap_or_default(),
        not_evaluated: spec.unsupported_rules(),
    }))
}

fn select(spec: &PolicySelector, home: &Home<'_>, report: &mut Report) -> Selector {
    let path = "spec.selector";
    let namespaces = selector::namespaces(
        &format!("{path}.namespaceSelector"),
        spec.namespace_selector.as_ref(),
        home,
        report,
    );
    let workloads =
        selector::labels(&format!("{path}.workloadSelector"), spec.workload_selector.as_ref(), report);
    let images = report.each(&format!("{path}.images"), &spec.images, text::image_glob);
    let exclude_images =
        report.each(&format!("{path}.excludeImages"), &spec.exclude_images, text::image_glob);
    if !images.is_empty() && images.iter().all(|glob| exclude_images.contains(glob)) {
        let fault = "takes out everything that images takes in: the policy would select nothing";
        report.say(format!("{path}.excludeImages"), Fault::Contradiction(fault));
    }
    Selector { namespaces, workloads, images, exclude_images }
}

/// The shortest scan, and how it is written.
pub(super) const MIN_TIMEOUT: (TimeDelta, &str) = (TimeDelta::seconds(10), "10s");

fn scanning(spec: &ImagePolicySpec, report: &mut Report) -> Scanning {
    let mut scanning = Scanning::default();
    if let Some(timeout) = spec.scan.as_ref().and_then(|scan| scan.timeout.as_deref()) {
        let (min, shown) = MIN_TIMEOUT;
        let timeout = report.take("spec.scan.timeout", text::duration_of(timeout, min, shown));
        scanning.timeout = timeout.unwrap_or(scanning.timeout);
    }
    if let Some(at_once) = spec.schedule.as_ref().and_then(|schedule| schedule.concurrency) {
        scanning.registries_at_once = text::unsigned(at_once);
    }
    scanning
}

pub(super) fn notify(notify: &Notify, report: &mut Report) {
    if let Some(interval) = &notify.group_interval {
        report.take("spec.notify.groupInterval", text::duration(interval));
    }
}

/// The largest template, in bytes of JSON.
const MAX_TEMPLATE: usize = 32 << 10;

fn job(post_deploy: &PostDeploy, spec: &ImagePolicySpec, report: &mut Report) {
    let path = "spec.postDeploy.jobTemplate";
    let template = &post_deploy.job_template;
    let size = template.to_string().len();
    if size > MAX_TEMPLATE {
        report.say(path, Fault::TooLong { length: size, max: MAX_TEMPLATE as i64 });
    }
    let containers = template.pointer("/spec/template/spec/containers").and_then(serde_json::Value::as_array);
    if containers.is_none_or(Vec::is_empty) {
        report.say(path, Fault::JobTemplate);
    }
    if let Some(name) = &post_deploy.report
        && !spec.rules.reports.iter().any(|report| &report.name == name)
    {
        report.say("spec.postDeploy.report", Fault::NoSuchReport(breakwater_core::printable::line(name, 63)));
    }
}
