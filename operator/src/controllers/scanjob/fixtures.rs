//! A ScanJob, its Job and what was found, for the tables of this room.

use std::sync::Arc;

use breakwater_core::{
    AffectedPackage, Finding, Severity, SeveritySource,
    policy::{Matched, ScannedImage},
};
use breakwater_crds::ScanJob;
use chrono::{DateTime, Utc};
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;

use super::{answer::Manifest, job as jobs};
use crate::intake::fixtures;
pub(super) use crate::intake::fixtures::IMAGE;

pub(super) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

/// Just created; nobody looked yet.
pub(super) fn scan_job() -> ScanJob {
    let mut scan_job = fixtures::scan_job();
    scan_job.status = None;
    scan_job
}

/// The Job of an attempt of [`scan_job`].
pub(super) fn job(attempt: u32) -> Job {
    let mut job = fixtures::job();
    let uid = scan_job().uid().unwrap();
    job.metadata.name = Some(jobs::name(&uid, None, attempt));
    job
}

/// The Job of an attempt of a ScanJob about two repositories.
pub(super) fn registry_job(attempt: u32) -> Job {
    let mut job = fixtures::job_about(fixtures::registry_question());
    let uid = scan_job().uid().unwrap();
    job.metadata.name = Some(jobs::name(&uid, None, attempt));
    job
}

pub(super) fn finding(id: &str, severity: Severity) -> Finding {
    Finding {
        id: id.into(),
        aliases: vec![],
        package: AffectedPackage {
            name: "openssl".into(),
            version: "1.0".into(),
            ecosystem: "Debian:12".into(),
        },
        severity,
        severity_source: SeveritySource::Advisory,
        cvss_tenths: None,
        fixed: None,
        known_exploited: false,
        epss_percentile: None,
        published: None,
        modified: None,
        cwes: Vec::new(),
        summary: String::new(),
        layer: None,
        path: String::new(),
    }
}

pub(super) fn manifest(what: &str, findings: Vec<Finding>) -> Manifest {
    let inventory = fixtures::inventory(what);
    let image = ScannedImage {
        digest: inventory.image.digest.clone(),
        reference: inventory.image.reference.clone(),
        created: None,
        config: Some(inventory.config.clone()),
        software: vec![],
        package_names: vec!["openssl".into()],
        secrets: 0,
        secret_env: vec![],
        setuid_files: 0,
        unanalysed: 0,
        findings,
        matched: Some(Matched { revision: 7, at: at(50), carries: Default::default() }),
        history: breakwater_core::history::ImageHistory::default(),
    };
    Manifest { inventory: Arc::new(inventory), image: Arc::new(image) }
}
