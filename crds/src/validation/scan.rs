use breakwater_core::{ImageReference, Platform, policy::SCAN_TIMEOUT, workload::WorkloadRef};
use chrono::TimeDelta;
use kube::ResourceExt as _;

use super::{
    policy::{Home, MIN_TIMEOUT},
    problem::{Fault, Problems},
    report::Report,
    shape, text,
};
use crate::{ScanJob, ScanJobSpec};

/// A validated `ScanJob`: what is asked, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    pub of: ScanOf,
    /// Empty: the platforms of the cluster's nodes.
    pub platforms: Vec<Platform>,
    /// Names of Secrets in the ScanJob's namespace.
    pub pull_secrets: Vec<String>,
    pub service_account: Option<String>,
    pub ca_secret: Option<String>,
    pub credentials_from: Option<WorkloadRef>,
    pub timeout: TimeDelta,
    pub attempts: u32,
    pub parallelism: u32,
    /// Higher goes first among ScanJobs of the same trigger.
    pub priority: i32,
    /// `None`: kept for ever.
    pub ttl_after_finished: Option<TimeDelta>,
    pub suspended: bool,
}

/// What is scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanOf {
    Image(ImageReference),
    /// Repositories of an entry of a policy's registries; none named: all of them.
    Registry {
        policy: String,
        name: String,
        repositories: Vec<String>,
    },
}

const ATTEMPTS: i32 = 3;

impl ScanJob {
    /// What this ScanJob asks.
    ///
    /// # Errors
    /// Everything that is wrong with the spec, by field.
    pub fn validate(&self, operator_namespace: &str) -> Result<Scan, Problems> {
        validate(&self.spec, Home::new(&self.namespace().unwrap_or_default(), operator_namespace))
    }
}

/// Nothing is refused for its place. See [`ScanJob::validate`].
impl TryFrom<&ScanJobSpec> for Scan {
    type Error = Problems;

    fn try_from(spec: &ScanJobSpec) -> Result<Self, Problems> {
        validate(spec, Home::anywhere())
    }
}

fn validate(spec: &ScanJobSpec, home: Home<'_>) -> Result<Scan, Problems> {
    let mut report = Report::default();
    let of = scan_of(spec, &mut report);
    let platforms = report.each("spec.platforms", &spec.platforms, text::platform);
    let (min, shown) = MIN_TIMEOUT;
    let timeout =
        spec.timeout.as_deref().map_or(Ok(SCAN_TIMEOUT), |timeout| text::duration_of(timeout, min, shown));
    let timeout = report.take("spec.timeout", timeout);
    let ttl = spec.ttl_after_finished.as_deref();
    let ttl = ttl.and_then(|ttl| report.take("spec.ttlAfterFinished", text::duration(ttl)));
    if spec.parallelism.is_some() && spec.registry.is_none() {
        let fault = "parallelism belongs to registry: one image is one scan";
        report.say("spec.parallelism", Fault::Contradiction(fault));
    }
    if spec.credentials_from.is_some() {
        if let Some(operator) = home.elsewhere() {
            report.say("spec.credentialsFrom", Fault::OnlyAtHome(operator.to_owned()));
        }
        if spec.service_account_name.is_some() || !spec.image_pull_secrets.is_empty() {
            let fault = "credentialsFrom excludes imagePullSecrets and serviceAccountName";
            report.say("spec.credentialsFrom", Fault::Contradiction(fault));
        }
    }
    let mut shapes = Report::default();
    shape::check_spec("ScanJob", &serde_json::to_value(spec).unwrap_or_default(), &mut shapes);
    report.add_shape(shapes);
    let scan = of.zip(timeout).map(|(of, timeout)| Scan {
        of,
        platforms,
        pull_secrets: spec.image_pull_secrets.iter().map(|secret| secret.name.clone()).collect(),
        service_account: spec.service_account_name.clone(),
        ca_secret: spec.ca_secret_ref.as_ref().map(|secret| secret.name.clone()),
        credentials_from: spec.credentials_from.as_ref().map(|from| WorkloadRef {
            kind: from.kind,
            namespace: from.namespace.clone(),
            name: from.name.clone(),
        }),
        timeout,
        attempts: text::unsigned(spec.attempts.unwrap_or(ATTEMPTS)),
        parallelism: text::unsigned(spec.parallelism.unwrap_or(1)),
        priority: spec.priority.unwrap_or(0),
        ttl_after_finished: ttl,
        suspended: spec.suspend,
    });
    report.finish(scan)
}

fn scan_of(spec: &ScanJobSpec, report: &mut Report) -> Option<ScanOf> {
    match (&spec.image, &spec.registry) {
        (Some(image), None) => report.take("spec.image", image.parse().map(ScanOf::Image)),
        (None, Some(registry)) => Some(ScanOf::Registry {
            policy: registry.policy_ref.name.clone(),
            name: registry.name.clone(),
            repositories: registry.repositories.clone(),
        }),
        _ => {
            report.say("spec", Fault::ExactlyOne("image and registry"));
            None
        }
    }
}
