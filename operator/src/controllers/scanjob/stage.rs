//! Where a ScanJob stands: read from the object and its Jobs alone, so that an operator that was killed at any point knows on.

use std::sync::Arc;

use breakwater_core::{
    ImageReference,
    scan::{FailureReason, Listing, RepositoryQuestion, ScanFailure, ScanStage},
};
use breakwater_crds::{ScanJob, ScanJobStatus, names::annotations};
use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;

use super::job;
use crate::intake::{Ended, Scanned, record};

/// The first wait before another attempt; each further one is three times as long.
const FIRST_BACKOFF: TimeDelta = TimeDelta::seconds(10);
/// The longest wait of our own.
const LONGEST_BACKOFF: TimeDelta = TimeDelta::minutes(10);
/// The longest wait that a registry's `Retry-After` gets.
const LONGEST_RETRY_AFTER: TimeDelta = TimeDelta::hours(1);

/// Where a ScanJob stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stage {
    /// It ended, and nobody asked again.
    Finished,
    Suspended,
    /// This attempt wants to start.
    Due {
        attempt: u32,
    },
    Running {
        attempt: u32,
        job: String,
        ended: u32,
    },
    /// The attempt failed for a reason that may pass; the next one starts at `until`.
    BackOff {
        attempt: u32,
        until: DateTime<Utc>,
        failure: ScanFailure,
    },
    /// There is a last word about every image. No Job and no outcomes: the last Job was deleted by somebody.
    Answered {
        attempt: u32,
        job: Option<Arc<Job>>,
        outcomes: Vec<ImageOutcome>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct ImageOutcome {
    pub(super) image: ImageReference,
    pub(super) scanned: Option<Scanned>,
    pub(super) failure: Option<ScanFailure>,
}

/// The value of the requested-at annotation, bounded as the status field is.
pub(super) fn requested(scan_job: &ScanJob) -> Option<String> {
    let value = scan_job.annotations().get(annotations::REQUESTED_AT)?;
    Some(breakwater_core::printable::line(value, 253))
}

/// Whether the status is about the run that is asked for, not about an earlier one.
fn is_of_this_run(status: &ScanJobStatus, requested: Option<&str>) -> bool {
    status.last_handled_request_at.as_deref() == requested
}

/// `jobs`: all Jobs of this ScanJob; `starting`: its Job was made a moment ago and may not be among them yet.
pub(super) fn stage(
    scan_job: &ScanJob,
    jobs: &[Arc<Job>],
    starting: bool,
    max_attempts: u32,
    now: DateTime<Utc>,
) -> Stage {
    let status = scan_job.status.clone().unwrap_or_default();
    let requested = requested(scan_job);
    let this_run = is_of_this_run(&status, requested.as_deref());
    if this_run && status.completion_time.is_some() {
        return Stage::Finished;
    }
    if scan_job.spec.suspend {
        return Stage::Suspended;
    }
    let uid = scan_job.uid().unwrap_or_default();
    let max_attempts = max_attempts.max(1);
    let name = |attempt| job::name(&uid, requested.as_deref(), attempt);
    let find = |attempt| jobs.iter().find(|job| job.name_any() == name(attempt));
    let recorded = status.attempts.filter(|_| this_run).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    // A Job that is there counts also if the operator was killed before it could say so.
    let highest = max_attempts.max(recorded.saturating_add(1));
    let attempt = (1..=highest).rev().find(|n| find(*n).is_some()).unwrap_or(0).max(recorded);
    if attempt == 0 {
        return Stage::Due { attempt: 1 };
    }
    let Some(job) = find(attempt) else {
        if starting {
            return Stage::Running { attempt, job: name(attempt), ended: 0 };
        }
        // A suspension removed it: that costs no attempt, but the name is taken until the old pod is gone.
        let suspended = status.job_ref.is_none();
        // When it went is not known, so nothing is waited for.
        return if suspended || attempt < max_attempts {
            Stage::Due { attempt: attempt + 1 }
        } else {
            Stage::Answered { attempt, job: None, outcomes: Vec::new() }
        };
    };
    let question = job::question(job);
    let images = question.as_ref().map(|question| record::images(job, question)).unwrap_or_default();
    let listing = record::listing(job);
    let repositories = question.map(|question| question.repositories).unwrap_or_default();
    let ending = job::ended(job);
    let ended: Vec<_> = images.iter().map(|image| record::ended(job, image)).collect();
    let unlisted = listing.as_ref().map_or(0, |listing| listing.failures.len());
    let count = ended.iter().flatten().count().saturating_add(unlisted);
    let is_listed = listing.is_some() || (repositories.is_empty() && !images.is_empty());
    if ending.is_none() && (ended.iter().any(Option::is_none) || !is_listed) {
        let ended = u32::try_from(count).unwrap_or(u32::MAX);
        return Stage::Running { attempt, job: job.name_any(), ended };
    }
    let last_word = ended.iter().flatten().map(|ended| ended.at).max();
    let at = last_word.or(ending.as_ref().and_then(|ending| ending.at)).unwrap_or(now);
    let silence = match ending.as_ref().map(|ending| ending.reason.as_str()) {
        Some("DeadlineExceeded") => timed_out(),
        _ => died("the scan pod ended without a word: killed, evicted, or out of memory"),
    };
    let scanned = images.into_iter().zip(ended).map(|(image, ended)| match ended {
        Some(Ended { scanned, failure, .. }) => ImageOutcome { image, scanned, failure },
        None => ImageOutcome { image, scanned: None, failure: Some(silence.clone()) },
    });
    let mut outcomes = unlisted_repositories(&repositories, listing, &silence);
    outcomes.extend(scanned);
    if outcomes.is_empty() {
        let nothing = |repository: &RepositoryQuestion| ImageOutcome {
            image: repository.reference(),
            scanned: None,
            failure: Some(nothing_selected(repository)),
        };
        outcomes.extend(repositories.iter().map(nothing));
    }
    after(attempt, max_attempts, Some(job.clone()), outcomes, at, now)
}

/// Repositories that could not be listed, each as one image without a tag. Without a word about any, all of them are silent.
fn unlisted_repositories(
    repositories: &[RepositoryQuestion],
    listing: Option<Listing>,
    silence: &ScanFailure,
) -> Vec<ImageOutcome> {
    let outcome = |repository: &RepositoryQuestion, failure: ScanFailure| ImageOutcome {
        image: repository.reference(),
        scanned: None,
        failure: Some(failure),
    };
    let Some(listing) = listing else {
        return repositories.iter().map(|repository| outcome(repository, silence.clone())).collect();
    };
    let failed = listing.failures.into_iter();
    failed.filter_map(|failed| Some(outcome(repositories.get(failed.repository)?, failed.failure))).collect()
}

/// Another attempt if one may help and is left, else the answer.
fn after(
    attempt: u32,
    max_attempts: u32,
    job: Option<Arc<Job>>,
    outcomes: Vec<ImageOutcome>,
    at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Stage {
    let passing = outcomes.iter().filter_map(|o| o.failure.as_ref()).filter(|f| f.reason.is_retryable());
    let wait = passing.clone().map(|failure| backoff(attempt, failure)).max();
    let failure = passing.max_by_key(|failure| failure.retry_after_seconds);
    match (wait, failure) {
        (Some(wait), Some(failure)) if attempt < max_attempts => {
            let until = at + wait;
            if now < until {
                Stage::BackOff { attempt, until, failure: failure.clone() }
            } else {
                Stage::Due { attempt: attempt + 1 }
            }
        }
        _ => Stage::Answered { attempt, job, outcomes },
    }
}

fn backoff(attempt: u32, failure: &ScanFailure) -> TimeDelta {
    let factor = 3_i32.saturating_pow(attempt.saturating_sub(1).min(10));
    let own = FIRST_BACKOFF.checked_mul(factor).unwrap_or(LONGEST_BACKOFF).min(LONGEST_BACKOFF);
    let asked = TimeDelta::seconds(i64::from(failure.retry_after_seconds.unwrap_or(0)));
    own.max(asked.min(LONGEST_RETRY_AFTER))
}

fn nothing_selected(repository: &RepositoryQuestion) -> ScanFailure {
    ScanFailure {
        stage: ScanStage::Resolve,
        reason: FailureReason::NothingSelected,
        message: format!("no tag of {} is selected", repository.reference()),
        retry_after_seconds: None,
    }
}

fn died(message: &str) -> ScanFailure {
    ScanFailure {
        stage: ScanStage::Analyse,
        reason: FailureReason::ScannerDied,
        message: message.into(),
        retry_after_seconds: None,
    }
}

fn timed_out() -> ScanFailure {
    ScanFailure {
        stage: ScanStage::Analyse,
        reason: FailureReason::TimedOut,
        message: "the scan took longer than spec.timeout".into(),
        retry_after_seconds: None,
    }
}

#[cfg(test)]
mod tests {
    use breakwater_core::scan::RepositoryFailure;
    use serde_json::json;

    use super::*;
    use crate::{
        controllers::scanjob::fixtures::{self, at},
        intake::record::outcome_patch,
    };

    fn failure(reason: FailureReason, retry_after_seconds: Option<u32>) -> ScanFailure {
        ScanFailure { stage: ScanStage::Resolve, reason, message: "m".into(), retry_after_seconds }
    }

    fn job_with(
        attempt: u32,
        failure: Option<Option<ScanFailure>>,
        condition: Option<(&str, &str)>,
    ) -> Arc<Job> {
        let mut job = serde_json::to_value(fixtures::job(attempt)).unwrap();
        if let Some(failure) = failure {
            let patch = outcome_patch(
                &fixtures::IMAGE.parse().unwrap(),
                &Ended { at: at(100), scanned: None, failure },
            );
            for (key, value) in patch["metadata"]["annotations"].as_object().unwrap() {
                if !value.is_null() {
                    job["metadata"]["annotations"][key] = value.clone();
                }
            }
        }
        if let Some((kind, reason)) = condition {
            let condition = json!({"type": kind, "status": "True", "reason": reason, "lastTransitionTime": "1970-01-01T00:01:40Z"});
            job["status"] = json!({"conditions": [condition]});
        }
        Arc::new(serde_json::from_value(job).unwrap())
    }

    fn of(scan_job: &ScanJob, jobs: &[Arc<Job>], now: i64) -> Stage {
        stage(scan_job, jobs, false, 3, at(now))
    }

    #[test]
    fn a_fresh_one_is_due() {
        assert_eq!(of(&fixtures::scan_job(), &[], 0), Stage::Due { attempt: 1 });
        let mut suspended = fixtures::scan_job();
        suspended.spec.suspend = true;
        assert_eq!(of(&suspended, &[], 0), Stage::Suspended);
    }

    #[test]
    fn a_job_counts_before_the_status_says_so() {
        let running = job_with(1, None, None);
        let name = running.name_any();
        assert_eq!(
            of(&fixtures::scan_job(), &[running], 0),
            Stage::Running { attempt: 1, job: name, ended: 0 }
        );
    }

    #[test]
    fn the_answer_counts_before_the_pod_is_gone() {
        let done = job_with(1, Some(None), None);
        match of(&fixtures::scan_job(), &[done], 100) {
            Stage::Answered { attempt: 1, outcomes, .. } => assert_eq!(outcomes[0].failure, None),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_may_not_is_final() {
        let limited = job_with(1, Some(Some(failure(FailureReason::RateLimited, Some(60)))), None);
        let waits = |now| matches!(of(&fixtures::scan_job(), std::slice::from_ref(&limited), now), Stage::BackOff { until, .. } if until == at(160));
        assert!(waits(100) && waits(159));
        assert_eq!(of(&fixtures::scan_job(), std::slice::from_ref(&limited), 160), Stage::Due { attempt: 2 });

        let missing = job_with(1, Some(Some(failure(FailureReason::NotFound, None))), None);
        assert!(matches!(of(&fixtures::scan_job(), &[missing], 100), Stage::Answered { attempt: 1, .. }));

        let third = job_with(3, Some(Some(failure(FailureReason::ConnectionFailed, None))), None);
        assert!(matches!(
            of(&fixtures::scan_job(), &[limited, third], 9_000),
            Stage::Answered { attempt: 3, .. }
        ));
    }

    #[test]
    fn a_silent_end_has_a_reason() {
        for (condition, reason) in [
            (("Failed", "BackoffLimitExceeded"), FailureReason::ScannerDied),
            (("Failed", "DeadlineExceeded"), FailureReason::TimedOut),
            (("FailureTarget", "DeadlineExceeded"), FailureReason::TimedOut),
            (("Complete", ""), FailureReason::ScannerDied),
        ] {
            let silent = job_with(1, None, Some(condition));
            match of(&fixtures::scan_job(), &[silent], 100) {
                Stage::BackOff { failure, until, .. } => {
                    assert_eq!((failure.reason, until), (reason, at(110)))
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_deleted_job_costs_an_attempt_but_a_young_one_is_only_not_seen_yet() {
        let mut scan_job = fixtures::scan_job();
        let job_ref = Some(breakwater_crds::selector::LocalReference { name: "scan-1".into() });
        scan_job.status = Some(ScanJobStatus { attempts: Some(1), job_ref, ..ScanJobStatus::default() });
        assert_eq!(of(&scan_job, &[], 100), Stage::Due { attempt: 2 });
        assert!(
            matches!(stage(&scan_job, &[], false, 1, at(100)), Stage::Answered { outcomes, .. } if outcomes.is_empty())
        );
        assert!(matches!(stage(&scan_job, &[], true, 3, at(100)), Stage::Running { attempt: 1, .. }));
    }

    #[test]
    fn a_suspension_costs_no_attempt() {
        let mut scan_job = fixtures::scan_job();
        scan_job.spec.attempts = Some(1);
        scan_job.status = Some(ScanJobStatus { attempts: Some(1), ..ScanJobStatus::default() });
        assert_eq!(stage(&scan_job, &[], false, 1, at(100)), Stage::Due { attempt: 2 });
        let running = job_with(2, None, None);
        assert!(matches!(stage(&scan_job, &[running], false, 1, at(100)), Stage::Running { attempt: 2, .. }));
    }

    #[test]
    fn what_has_ended_is_history_until_somebody_asks_again() {
        let mut scan_job = fixtures::scan_job();
        scan_job.status = Some(ScanJobStatus {
            attempts: Some(2),
            completion_time: Some(at(1).into()),
            ..ScanJobStatus::default()
        });
        assert_eq!(of(&scan_job, &[], 100), Stage::Finished);
        scan_job.annotations_mut().insert(annotations::REQUESTED_AT.into(), "again".into());
        assert_eq!(of(&scan_job, &[job_with(1, Some(None), None)], 100), Stage::Due { attempt: 1 });
    }

    fn annotated(job: &mut Job, patch: &serde_json::Value) {
        for (key, value) in patch["metadata"]["annotations"].as_object().unwrap() {
            if let Some(text) = value.as_str() {
                job.annotations_mut().insert(key.clone(), text.into());
            }
        }
    }

    fn registry_job(listing: Option<Listing>, ended: &[&str]) -> Arc<Job> {
        let mut job = fixtures::registry_job(1);
        if let Some(listing) = listing {
            annotated(&mut job, &record::listing_patch(&listing));
        }
        for image in ended {
            let ended = Ended { at: at(100), scanned: None, failure: None };
            annotated(&mut job, &outcome_patch(&image.parse().unwrap(), &ended));
        }
        Arc::new(job)
    }

    #[test]
    fn a_registry_is_answered_when_every_listed_image_has_its_outcome() {
        const APP: &str = "registry.test:5000/app:1";
        const OTHER: &str = "registry.test:5000/other:1";
        let failed = RepositoryFailure { repository: 1, failure: failure(FailureReason::NotFound, None) };
        let listing = |images: &[&str], failures: Vec<RepositoryFailure>| {
            let images = images.iter().map(|image| image.parse().unwrap()).collect();
            Some(Listing { images, failures, left_out: 0 })
        };
        let ended = |job: &Arc<Job>| match of(&fixtures::scan_job(), std::slice::from_ref(job), 100) {
            Stage::Running { ended, .. } => ended,
            other => panic!("{other:?}"),
        };
        assert_eq!(ended(&registry_job(None, &[])), 0);
        assert_eq!(ended(&registry_job(listing(&[APP, OTHER], vec![]), &[APP])), 1);
        assert_eq!(ended(&registry_job(listing(&[APP], vec![failed.clone()]), &[])), 1, "the repository");

        let outcomes = |job: Arc<Job>| match of(&fixtures::scan_job(), &[job], 100) {
            Stage::Answered { outcomes, .. } => outcomes
                .into_iter()
                .map(|outcome| (outcome.image.to_string(), outcome.failure.map(|failure| failure.reason)))
                .collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            outcomes(registry_job(listing(&[APP], vec![failed]), &[APP])),
            [("registry.test:5000/other".into(), Some(FailureReason::NotFound)), (APP.into(), None)]
        );
        let nothing = Some(FailureReason::NothingSelected);
        assert_eq!(
            outcomes(registry_job(listing(&[], vec![]), &[])),
            [("registry.test:5000/app".into(), nothing), ("registry.test:5000/other".into(), nothing)]
        );
    }

    #[test]
    fn a_job_that_died_before_it_listed_anything_is_tried_again() {
        let mut job = Arc::unwrap_or_clone(registry_job(None, &[]));
        let condition =
            json!({"type": "Failed", "status": "True", "lastTransitionTime": "1970-01-01T00:01:40Z"});
        job.status = serde_json::from_value(json!({"conditions": [condition]})).unwrap();
        match of(&fixtures::scan_job(), &[Arc::new(job)], 100) {
            Stage::BackOff { failure, .. } => assert_eq!(failure.reason, FailureReason::ScannerDied),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn waits_grow_and_are_bounded() {
        let waits: Vec<i64> =
            (1..=9).map(|n| backoff(n, &failure(FailureReason::TimedOut, None)).num_seconds()).collect();
        assert_eq!(waits, [10, 30, 90, 270, 600, 600, 600, 600, 600]);
        assert_eq!(backoff(1, &failure(FailureReason::RateLimited, Some(86_400))), LONGEST_RETRY_AFTER);
    }
}
