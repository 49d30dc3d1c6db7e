//! From a bearer token to the question that its pod was given, in four small checks. Each looks at one object.

use breakwater_core::{ImageReference, scan::Question};
use breakwater_crds::{ScanJob, names::labels};
use k8s_openapi::api::{authentication::v1::TokenReviewStatus, batch::v1::Job, core::v1::Pod};
use kube::ResourceExt as _;

use super::{Offered, Refusal, record};
use crate::{
    controllers::scanjob::{SERVICE_ACCOUNT, question, requester},
    store::Domain,
};

/// The pod a token is bound to (KEP-1205, KEP-4193).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) pod: String,
    uid: String,
}

/// The Job that controls a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) job: String,
    uid: String,
}

/// What a Job was asked, and by whom.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) job: String,
    pub(super) namespace: String,
    pub(super) scan_job: String,
    pub(super) question: Question,
    /// The question's images, or those that were found in its repositories.
    pub(super) images: Vec<ImageReference>,
}

impl Asked {
    /// For whom the inventories of one image of this Job are facts.
    pub(super) fn domain(&self, offered: &Offered) -> Domain {
        Domain::of(&self.question, offered.manifests.len(), &self.namespace)
    }
}

const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// A token of the scan pods' service account in `namespace`, for `audience`, bound to a pod.
pub(super) fn caller(review: &TokenReviewStatus, namespace: &str, audience: &str) -> Result<Caller, Refusal> {
    let for_us = review.audiences.iter().flatten().any(|given| given == audience);
    if review.authenticated != Some(true) || !for_us {
        return Err(Refusal::TokenInvalid);
    }
    let user = review.user.clone().unwrap_or_default();
    let name = user.username.unwrap_or_default();
    let not_a_scan_pod = || Refusal::NotAScanPod(breakwater_core::printable::line(&name, 200));
    if name != format!("system:serviceaccount:{namespace}:{SERVICE_ACCOUNT}") {
        return Err(not_a_scan_pod());
    }
    let extra = |key: &str| user.extra.as_ref()?.get(key)?.first().cloned();
    match (extra(POD_NAME), extra(POD_UID)) {
        (Some(pod), Some(uid)) => Ok(Caller { pod, uid }),
        _ => Err(not_a_scan_pod()),
    }
}

/// The pod still is the one that the token was given to, it runs, and a Job controls it.
pub(super) fn owner(pod: Option<&Pod>, caller: &Caller) -> Result<Owner, Refusal> {
    let pod = pod.filter(|pod| pod.uid().as_ref() == Some(&caller.uid)).ok_or(Refusal::PodGone)?;
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if pod.metadata.deletion_timestamp.is_some() || matches!(phase, Some("Succeeded" | "Failed")) {
        return Err(Refusal::PodGone);
    }
    let controller = pod.owner_references().iter().find(|owner| owner.controller == Some(true));
    let job = controller.filter(|owner| owner.kind == "Job" && owner.api_version == "batch/v1");
    job.map(|job| Owner { job: job.name.clone(), uid: job.uid.clone() }).ok_or(Refusal::JobUnknown)
}

/// The Job is the one that controls the pod, it has not ended, and it asks something on behalf of a ScanJob.
pub(super) fn asked(job: Option<&Job>, owner: &Owner) -> Result<Asked, Refusal> {
    let job = job.filter(|job| job.uid().as_ref() == Some(&owner.uid)).ok_or(Refusal::JobUnknown)?;
    if job.metadata.deletion_timestamp.is_some() || crate::controllers::scanjob::ended(job).is_some() {
        return Err(Refusal::JobFinished);
    }
    let uid = job.labels().get(labels::SCANJOB_UID).ok_or(Refusal::JobUnknown)?;
    let question = question(job).filter(|question| question.scan_job == *uid).ok_or(Refusal::JobUnknown)?;
    let (namespace, scan_job) = requester(job).ok_or(Refusal::JobUnknown)?;
    let images = record::images(job, &question);
    Ok(Asked { job: owner.job.clone(), namespace, scan_job, question, images })
}

/// The ScanJob is the one that asked, it still waits, and it waits for this Job.
pub(super) fn open(scan_job: Option<&ScanJob>, asked: &Asked) -> Result<(), Refusal> {
    let same = |scan_job: &&ScanJob| scan_job.uid().as_ref() == Some(&asked.question.scan_job);
    let scan_job = scan_job.filter(same).ok_or(Refusal::ScanJobGone)?;
    if scan_job.metadata.deletion_timestamp.is_some() {
        return Err(Refusal::ScanJobGone);
    }
    let status = scan_job.status.clone().unwrap_or_default();
    if status.completion_time.is_some() {
        return Err(Refusal::ScanJobFinished);
    }
    match status.job_ref {
        Some(job) if job.name == asked.job => Ok(()),
        Some(_) => Err(Refusal::OtherAttempt),
        // The controller makes the Job first and says so then; a fast pod may be here in between.
        None => Err(Refusal::Busy),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::intake::fixtures;

    fn review(change: impl Fn(&mut Value)) -> Result<Caller, &'static str> {
        let mut review = fixtures::review();
        change(&mut review);
        let review = serde_json::from_value(review["status"].clone()).unwrap();
        caller(&review, "breakwater-system", "breakwater-intake").map_err(|refusal| refusal.reason())
    }

    #[test]
    fn only_a_token_of_a_scan_pod_for_intake() {
        assert_eq!(review(|_| ()), Ok(Caller { pod: "scan-1-abcde".into(), uid: "pod-uid".into() }));
        for (change, reason) in [
            (("/status/authenticated", json!(false)), "TokenInvalid"),
            (("/status/audiences", json!(["https://kubernetes.default.svc"])), "TokenInvalid"),
            (("/status/audiences", json!([])), "TokenInvalid"),
            (
                ("/status/user/username", json!("system:serviceaccount:breakwater-system:default")),
                "NotAScanPod",
            ),
            (("/status/user/username", json!("system:serviceaccount:tenant:breakwater-scan")), "NotAScanPod"),
            (("/status/user/extra", json!({})), "NotAScanPod"),
        ] {
            let (path, value) = change;
            assert_eq!(review(|r| *r.pointer_mut(path).unwrap() = value.clone()), Err(reason), "{path}");
        }
    }

    #[test]
    fn only_a_running_pod_that_a_job_controls() {
        let caller = Caller { pod: "scan-1-abcde".into(), uid: "pod-uid".into() };
        let check = |change: fn(&mut Pod)| {
            let mut pod = fixtures::pod();
            change(&mut pod);
            owner(Some(&pod), &caller).map_err(|refusal| refusal.reason())
        };
        assert_eq!(check(|_| ()), Ok(Owner { job: "scan-1".into(), uid: "job-uid".into() }));
        assert_eq!(check(|pod| pod.metadata.uid = Some("another".into())), Err("PodGone"));
        assert_eq!(check(|pod| pod.status.as_mut().unwrap().phase = Some("Failed".into())), Err("PodGone"));
        assert_eq!(check(|pod| pod.metadata.owner_references = None), Err("JobUnknown"));
        let uncontrolled =
            |pod: &mut Pod| pod.metadata.owner_references.as_mut().unwrap()[0].controller = None;
        assert_eq!(check(uncontrolled), Err("JobUnknown"));
        let of_another_kind =
            |pod: &mut Pod| pod.metadata.owner_references.as_mut().unwrap()[0].kind = "ReplicaSet".into();
        assert_eq!(check(of_another_kind), Err("JobUnknown"));
        assert_eq!(owner(None, &caller).map_err(|r| r.reason()), Err("PodGone"));
    }

    #[test]
    fn only_a_job_that_runs_and_asks() {
        let owner = Owner { job: "scan-1".into(), uid: "job-uid".into() };
        let check = |change: fn(&mut Job)| {
            let mut job = fixtures::job();
            change(&mut job);
            asked(Some(&job), &owner).map(|asked| asked.scan_job).map_err(|refusal| refusal.reason())
        };
        assert_eq!(check(|_| ()), Ok("web".into()));
        assert_eq!(check(|job| job.metadata.uid = Some("another".into())), Err("JobUnknown"));
        assert_eq!(check(|job| job.metadata.labels = None), Err("JobUnknown"));
        assert_eq!(check(|job| job.metadata.annotations = None), Err("JobUnknown"));
        let foreign_label = |job: &mut Job| {
            job.labels_mut().insert(labels::SCANJOB_UID.into(), "foreign".into());
        };
        assert_eq!(check(foreign_label), Err("JobUnknown"));
        let failed = |job: &mut Job| {
            job.status =
                serde_json::from_value(json!({"conditions": [{"type": "Failed", "status": "True"}]}))
                    .unwrap();
        };
        assert_eq!(check(failed), Err("JobFinished"));
        assert_eq!(asked(None, &owner).map_err(|r| r.reason()), Err("JobUnknown"));
    }

    #[test]
    fn a_job_about_repositories_is_asked_about_what_it_listed() {
        let owner = Owner { job: "scan-1".into(), uid: "job-uid".into() };
        let mut job = fixtures::job_about(fixtures::registry_question());
        assert_eq!(asked(Some(&job), &owner).unwrap().images, []);
        let image: ImageReference = "registry.test:5000/app:1".parse().unwrap();
        let listing = breakwater_core::scan::Listing { images: vec![image.clone()], ..Default::default() };
        let patch = record::listing_patch(&listing);
        for (key, value) in patch["metadata"]["annotations"].as_object().unwrap() {
            job.annotations_mut().insert(key.clone(), value.as_str().unwrap().into());
        }
        assert_eq!(asked(Some(&job), &owner).unwrap().images, [image]);
    }

    #[test]
    fn only_for_a_scan_job_that_waits_for_this_job() {
        let asked =
            asked(Some(&fixtures::job()), &Owner { job: "scan-1".into(), uid: "job-uid".into() }).unwrap();
        let check = |change: fn(&mut ScanJob)| {
            let mut scan_job = fixtures::scan_job();
            change(&mut scan_job);
            open(Some(&scan_job), &asked).map_err(|refusal| refusal.reason())
        };
        assert_eq!(check(|_| ()), Ok(()));
        assert_eq!(check(|s| s.metadata.uid = Some("recreated".into())), Err("ScanJobGone"));
        let moment = chrono::DateTime::UNIX_EPOCH.into();
        assert_eq!(
            check(|s| s.status.as_mut().unwrap().job_ref.as_mut().unwrap().name = "scan-2".into()),
            Err("OtherAttempt")
        );
        assert_eq!(check(|s| s.status = None), Err("Busy"));
        let mut finished = fixtures::scan_job();
        finished.status.as_mut().unwrap().completion_time = Some(moment);
        assert_eq!(open(Some(&finished), &asked).map_err(|r| r.reason()), Err("ScanJobFinished"));
        assert_eq!(open(None, &asked).map_err(|r| r.reason()), Err("ScanJobGone"));
    }
}
