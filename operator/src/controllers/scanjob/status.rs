//! What a ScanJob says of itself: one pure function per turn of its life. Everything but `target`, which is intake's.

use breakwater_core::{
    printable,
    scan::{FailureReason, ScanFailure},
};
use breakwater_crds::{
    ScanJob, ScanJobStatus,
    names::{conditions as types, reasons},
    scanjob::{ImageEntry, ScanProgress, ScanResult, Trigger, VerdictEntry, VerdictResult},
    selector::LocalReference,
    severities::saturate,
};
use chrono::{DateTime, Utc};

use super::{
    answer::Totals,
    judgement::worst,
    stage::{ImageOutcome, requested},
};
use crate::kube::conditions;

/// The most images listed.
const MAX_IMAGES: usize = 100;
/// The largest status, in bytes of JSON, `target` (16 platforms) and managed fields apart. The API promises less than 100 KiB in all.
const MAX_BYTES: usize = 80 << 10;

/// A status in the making, and what every turn knows.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    status: ScanJobStatus,
    generation: i64,
    now: DateTime<Utc>,
}

/// How the images ended.
pub(super) struct Ending<'a> {
    pub(super) outcomes: &'a [ImageOutcome],
    pub(super) totals: Totals,
    /// Of each image, by position in `outcomes`: digest and counts, for registry scans.
    pub(super) entries: Vec<ImageEntry>,
    /// Platforms that somebody asked for by name and that the image does not have.
    pub(super) absent: &'a [String],
    pub(super) one_image: bool,
    /// Wanted images of a registry beyond the bound.
    pub(super) left_out: u32,
    pub(super) verdicts: Vec<VerdictEntry>,
}

impl Draft {
    /// What was said so far; of an earlier run nothing but when it was asked for.
    pub(super) fn new(scan_job: &ScanJob, trigger: Trigger, now: DateTime<Utc>) -> Self {
        let generation = scan_job.metadata.generation.unwrap_or_default();
        let requested = requested(scan_job);
        let said = scan_job.status.clone().unwrap_or_default();
        let mut status = if said.last_handled_request_at == requested {
            said
        } else {
            ScanJobStatus { last_handled_request_at: requested, ..ScanJobStatus::default() }
        };
        status.observed_generation = Some(generation);
        status.trigger = Some(trigger);
        status.target = None;
        Self { status, generation, now }
    }

    /// It waits: for a place, or for something named that is not there yet.
    pub(super) fn waiting(mut self, reason: &str, message: &str) -> ScanJobStatus {
        self.status.result = Some(ScanResult::Pending);
        self.resumed();
        conditions::reconciling(&mut self.status.conditions, reason, message, self.generation, self.now);
        self.status
    }

    /// It waits for somebody to mend what is named.
    pub(super) fn stalled(mut self, reason: &str, message: &str) -> ScanJobStatus {
        self.status.result = Some(ScanResult::Pending);
        self.resumed();
        conditions::stalled(&mut self.status.conditions, reason, message, self.generation, self.now);
        self.status
    }

    pub(super) fn suspended(mut self) -> ScanJobStatus {
        let all = &mut self.status.conditions;
        self.status.result = Some(ScanResult::Pending);
        self.status.job_ref = None;
        let message = "suspended by spec.suspend";
        conditions::remove(all, types::RECONCILING);
        conditions::remove(all, types::STALLED);
        conditions::set(all, types::SUSPENDED, true, reasons::SUSPENDED, message, self.generation, self.now);
        conditions::set(all, types::READY, false, reasons::SUSPENDED, message, self.generation, self.now);
        self.status
    }

    /// Its Job is there. `ended` of `images` are done: shown in tenths, for every step is a write.
    pub(super) fn running(
        mut self,
        attempt: u32,
        job: &str,
        ended: u32,
        images: Option<u32>,
    ) -> ScanJobStatus {
        self.status.result = Some(ScanResult::Running);
        self.status.start_time = self.status.start_time.or(Some(self.now.into()));
        self.status.attempts = i32::try_from(attempt).ok();
        self.status.job_ref = Some(LocalReference { name: job.to_owned() });
        if let Some(images) = images {
            let step = images.div_ceil(10).max(1);
            let scanned = saturate(ended.checked_div(step).unwrap_or(0).saturating_mul(step));
            self.status.progress =
                Some(ScanProgress { images: saturate(images), scanned, ..ScanProgress::default() });
        }
        self.resumed();
        let (reason, message) = (reasons::PROGRESSING, "a scan pod is at work");
        conditions::reconciling(&mut self.status.conditions, reason, message, self.generation, self.now);
        self.status
    }

    /// An attempt failed for a reason that may pass. The time is absolute, so that the message does not flap.
    pub(super) fn backing_off(
        mut self,
        attempt: u32,
        until: DateTime<Utc>,
        failure: &ScanFailure,
    ) -> ScanJobStatus {
        self.status.result = Some(ScanResult::Pending);
        self.status.attempts = i32::try_from(attempt).ok();
        self.resumed();
        let message = format!("{}; tried again at {}", failure.message, until.format("%Y-%m-%dT%H:%M:%SZ"));
        let reason = word(failure.reason);
        conditions::reconciling(&mut self.status.conditions, &reason, &message, self.generation, self.now);
        self.status
    }

    /// It ended without an answer, and will not be tried again by itself.
    pub(super) fn failed(mut self, reason: &str, message: &str) -> ScanJobStatus {
        let (generation, now) = (self.generation, self.now);
        self.status.result = Some(ScanResult::Failed);
        self.ended();
        let all = &mut self.status.conditions;
        conditions::remove(all, types::COMPLETE);
        conditions::set(all, types::FAILED, true, reason, message, generation, now);
        let unknown = "nothing was scanned, nothing is concluded";
        conditions::set(
            all,
            types::POLICY_PASSED,
            conditions::Status::Unknown,
            reasons::UNKNOWN,
            unknown,
            generation,
            now,
        );
        conditions::stalled(all, reason, message, generation, now);
        bounded(self.status)
    }

    /// There is a last word about every image.
    pub(super) fn answered(mut self, attempt: u32, ending: Ending<'_>) -> ScanJobStatus {
        self.status.attempts = i32::try_from(attempt).ok();
        let Ending { outcomes, totals, mut entries, absent, one_image, left_out, verdicts } = ending;
        let unread: Vec<&ScanFailure> =
            outcomes.iter().filter_map(|outcome| outcome.failure.as_ref()).collect();
        // Charts and signatures lie among a repository's images: nobody asked for them by name.
        let is_beside = |failure: &ScanFailure| !one_image && failure.reason == FailureReason::NotAnImage;
        let (beside, failures): (Vec<&ScanFailure>, Vec<&ScanFailure>) =
            unread.iter().copied().partition(|failure| is_beside(failure));
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        self.status.progress = Some(ScanProgress {
            images: count(outcomes.len()).saturating_add(saturate(left_out)),
            scanned: count(outcomes.len().saturating_sub(unread.len())),
            skipped: count(beside.len()).saturating_add(saturate(left_out)),
            failed: count(failures.len()),
        });
        let cut = entries.len() > MAX_IMAGES || left_out > 0;
        entries.truncate(MAX_IMAGES);
        self.status.images = if one_image { Vec::new() } else { entries };
        if unread.len() == outcomes.len() {
            let gone = "its Job is gone: somebody deleted it";
            let first = failures.first().or(beside.first());
            let reason =
                first.map_or_else(|| word(FailureReason::ScannerDied), |failure| word(failure.reason));
            return self.failed(&reason, first.map_or(gone, |failure| &failure.message));
        }
        let Totals {
            summary,
            top_findings,
            total_findings,
            mut unanalysed,
            truncated,
            scanner,
            matched,
            incomplete,
        } = totals;
        let missing = absent.iter().map(|platform| breakwater_crds::scanjob::UnanalysedEntry {
            path: platform.clone(),
            reason: "the image does not have this platform".into(),
        });
        unanalysed.splice(0..0, missing);
        unanalysed.truncate(20);
        let incomplete = incomplete || !matched || !absent.is_empty() || !failures.is_empty() || left_out > 0;
        self.status.result = Some(match worst(&verdicts) {
            Some(VerdictResult::Fail) => ScanResult::Violating,
            Some(VerdictResult::Error) => ScanResult::Incomplete,
            _ if incomplete => ScanResult::Incomplete,
            _ => ScanResult::Passed,
        });
        self.status.summary = Some(summary);
        self.status.top_findings = top_findings;
        self.status.total_findings = Some(total_findings);
        self.status.unanalysed = unanalysed;
        self.status.truncated = truncated || cut;
        self.status.scanner = scanner;
        self.status.verdicts.clone_from(&verdicts);
        self.ended();
        let (generation, now) = (self.generation, self.now);
        let (reason, message) = match (failures.first(), matched) {
            (Some(failure), _) => {
                let message = format!("some images could not be scanned; the first: {}", failure.message);
                (reasons::COMPLETED_WITH_FAILURES, message)
            }
            (None, true) => (reasons::SUCCEEDED, "scanned and matched against the advisories".to_owned()),
            (None, false) => {
                (reasons::SUCCEEDED, "scanned; there are no advisories yet to match against".to_owned())
            }
        };
        let message = match left_out {
            0 => message,
            more => format!("{message}; {more} more images were left out: progress.skipped"),
        };
        let all = &mut self.status.conditions;
        conditions::remove(all, types::FAILED);
        conditions::set(all, types::COMPLETE, true, reason, &message, generation, now);
        let (passed, why, judged) = judgement(&verdicts);
        conditions::set(all, types::POLICY_PASSED, passed, why, &judged, generation, now);
        conditions::ready(all, reason, &message, generation, now);
        bounded(self.status)
    }

    fn ended(&mut self) {
        self.status.completion_time = self.status.completion_time.or(Some(self.now.into()));
        self.resumed();
    }

    fn resumed(&mut self) {
        conditions::remove(&mut self.status.conditions, types::SUSPENDED);
    }
}

/// What all policies together say.
fn judgement(verdicts: &[VerdictEntry]) -> (conditions::Status, &'static str, String) {
    let of = |result: VerdictResult| {
        let names = verdicts
            .iter()
            .filter(move |verdict| verdict.result == result)
            .map(|verdict| verdict.policy.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    match worst(verdicts) {
        None => (conditions::Status::Unknown, reasons::UNKNOWN, "no policy speaks about this image".into()),
        Some(VerdictResult::Fail) => {
            (conditions::Status::False, reasons::VIOLATIONS, format!("violates {}", of(VerdictResult::Fail)))
        }
        Some(VerdictResult::Error) => (
            conditions::Status::Unknown,
            reasons::UNKNOWN,
            format!("cannot be judged by {}", of(VerdictResult::Error)),
        ),
        Some(VerdictResult::Pass | VerdictResult::Warn) => (
            conditions::Status::True,
            reasons::PASSED,
            "every policy that speaks about this image passes it".into(),
        ),
    }
}

/// The name of a reason, as conditions and metrics show it.
pub(super) fn word(reason: FailureReason) -> String {
    format!("{reason:?}")
}

/// One entry of a registry scan.
pub(super) fn image_entry(
    outcome: &ImageOutcome,
    digest: Option<String>,
    totals: Option<&Totals>,
) -> ImageEntry {
    let failure = outcome.failure.as_ref();
    let result = match (failure, totals) {
        (Some(_), _) => ScanResult::Failed,
        (None, Some(totals)) if totals.matched && !totals.incomplete => ScanResult::Passed,
        (None, _) => ScanResult::Incomplete,
    };
    ImageEntry {
        image: printable::line(&outcome.image.to_string(), 384),
        digest,
        result,
        critical: totals.map(|totals| totals.summary.critical),
        high: totals.map(|totals| totals.summary.high),
        reason: failure.map(|failure| word(failure.reason)),
    }
}

/// Characters may have four bytes: what is still too large loses the end of its longest lists, and says so.
fn bounded(mut status: ScanJobStatus) -> ScanJobStatus {
    let size = |status: &ScanJobStatus| serde_json::to_vec(status).map_or(usize::MAX, |json| json.len());
    while size(&status) > MAX_BYTES {
        let lists = [status.top_findings.len(), status.images.len(), status.unanalysed.len()];
        if lists == [0; 3] {
            break;
        }
        let [findings, images, unanalysed] = lists.map(|len| len - len.div_ceil(8));
        status.top_findings.truncate(findings);
        status.images.truncate(images);
        status.unanalysed.truncate(unanalysed);
        status.truncated = true;
    }
    status
}

#[cfg(test)]
mod tests {
    use breakwater_core::{Severity, inventory::Unanalysed, scan::ScanStage};

    use super::*;
    use crate::controllers::scanjob::{
        answer::{Manifest, totals},
        fixtures::{self, IMAGE, at, finding, manifest},
    };

    fn draft() -> Draft {
        Draft::new(&fixtures::scan_job(), Trigger::Manual, at(100))
    }

    fn outcome(failure: Option<FailureReason>) -> ImageOutcome {
        let failure = failure.map(|reason| ScanFailure {
            stage: ScanStage::Resolve,
            reason,
            message: "registry.test:5000 has no tag 1".into(),
            retry_after_seconds: None,
        });
        ImageOutcome { image: IMAGE.parse().unwrap(), scanned: None, failure }
    }

    fn answered(manifests: &[Manifest], outcomes: &[ImageOutcome]) -> ScanJobStatus {
        let ending = Ending {
            outcomes,
            totals: totals(manifests),
            entries: vec![],
            absent: &[],
            one_image: true,
            left_out: 0,
            verdicts: vec![],
        };
        draft().answered(1, ending)
    }

    fn kstatus(status: &ScanJobStatus) -> &'static str {
        let is = |kind| conditions::is_true(&status.conditions, kind);
        match (is("Stalled"), is("Reconciling"), is("Ready")) {
            (true, false, false) => "Failed",
            (false, true, false) => "InProgress",
            (false, false, true) => "Current",
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_turn_reads_as_one_state() {
        let failure = outcome(Some(FailureReason::RateLimited)).failure.unwrap();
        assert_eq!(kstatus(&draft().waiting("Queued", "waits for a place")), "InProgress");
        assert_eq!(kstatus(&draft().running(1, "scan-1", 0, Some(1))), "InProgress");
        assert_eq!(kstatus(&draft().backing_off(1, at(160), &failure)), "InProgress");
        let failed = draft().failed("NotFound", "no such tag");
        assert_eq!((kstatus(&failed), failed.result), ("Failed", Some(ScanResult::Failed)));
        let passed = answered(&[manifest("a", vec![])], &[outcome(None)]);
        assert_eq!((kstatus(&passed), passed.result), ("Current", Some(ScanResult::Passed)));
        assert_eq!(passed.completion_time, Some(at(100).into()));
        let policy = conditions::get(&passed.conditions, types::POLICY_PASSED).unwrap();
        assert_eq!(policy.status, "Unknown");
    }

    #[test]
    fn a_failure_is_named_by_its_variant() {
        let failed = answered(&[], &[outcome(Some(FailureReason::NotFound))]);
        let condition = conditions::get(&failed.conditions, types::FAILED).unwrap();
        assert_eq!(
            (condition.reason.as_str(), condition.message.as_str()),
            ("NotFound", "registry.test:5000 has no tag 1")
        );
        let gone = answered(&[], &[]);
        assert_eq!(conditions::get(&gone.conditions, types::FAILED).unwrap().reason, "ScannerDied");
    }

    #[test]
    fn one_bad_image_is_no_failed_scan() {
        let outcomes = [outcome(None), outcome(Some(FailureReason::LayerCorrupt))];
        let status = answered(&[manifest("a", vec![])], &outcomes);
        assert_eq!(status.result, Some(ScanResult::Incomplete));
        let complete = conditions::get(&status.conditions, types::COMPLETE).unwrap();
        assert_eq!(complete.reason, "CompletedWithFailures");
        assert_eq!(status.progress.unwrap(), ScanProgress { images: 2, scanned: 1, skipped: 0, failed: 1 });
    }

    #[test]
    fn a_registry_lists_its_images_and_says_what_was_left_out() {
        let outcomes = [outcome(None), outcome(None), outcome(Some(FailureReason::NotAnImage))];
        let entries = outcomes.iter().map(|outcome| image_entry(outcome, None, None)).collect();
        let totals = totals(&[manifest("a", vec![])]);
        let ending = Ending {
            outcomes: &outcomes,
            totals,
            entries,
            absent: &[],
            one_image: false,
            left_out: 3,
            verdicts: vec![],
        };
        let status = draft().answered(1, ending);
        assert_eq!((status.images.len(), status.truncated), (3, true));
        assert_eq!(status.progress.unwrap(), ScanProgress { images: 6, scanned: 2, skipped: 4, failed: 0 });
        assert_eq!(status.result, Some(ScanResult::Incomplete), "not everything was read");
        let complete = conditions::get(&status.conditions, types::COMPLETE).unwrap();
        assert_eq!(complete.reason, "Succeeded", "a chart among the images is no failure");
        assert!(complete.message.contains("3 more images"), "{}", complete.message);
    }

    #[test]
    fn without_advisories_nothing_passes() {
        let mut unmatched = manifest("a", vec![]);
        std::sync::Arc::make_mut(&mut unmatched.image).matched = None;
        assert_eq!(answered(&[unmatched], &[outcome(None)]).result, Some(ScanResult::Incomplete));
    }

    #[test]
    fn a_new_request_starts_from_nothing() {
        let mut scan_job = fixtures::scan_job();
        scan_job.status = Some(answered(&[manifest("a", vec![])], &[outcome(None)]));
        let annotations = scan_job.metadata.annotations.get_or_insert_default();
        annotations.insert("breakwater.dev/requested-at".into(), "again".into());
        let status = Draft::new(&scan_job, Trigger::Manual, at(200)).running(1, "scan-2", 0, Some(1));
        assert_eq!(status.last_handled_request_at.as_deref(), Some("again"));
        assert!(status.summary.is_none() && status.completion_time.is_none());
        assert!(conditions::get(&status.conditions, types::COMPLETE).is_none());
    }

    #[test]
    fn twenty_thousand_findings_fit_and_the_scan_is_not_failed() {
        let long = |what: &str| format!("{what}{}", "𝔵".repeat(2_000));
        let mut worst = manifest("a", vec![]);
        let findings = (0..20_000).map(|n| {
            let mut finding = finding(&long(&format!("CVE-2026-{n}")), Severity::Critical);
            finding.package.name = long("p");
            finding.package.version = long("1");
            finding.fixed = Some(long("2"));
            finding.path = long("/usr/lib/");
            finding
        });
        std::sync::Arc::make_mut(&mut worst.image).findings = findings.collect();
        std::sync::Arc::make_mut(&mut worst.inventory).unanalysed =
            (0..2_000).map(|n| Unanalysed { path: long(&n.to_string()), reason: long("r") }).collect();
        let status = answered(&[worst], &[outcome(None)]);
        let size = serde_json::to_vec(&status).unwrap().len();
        assert!(size < 100 << 10, "{size}");
        assert!(status.truncated && !status.top_findings.is_empty());
        assert_eq!(status.total_findings, Some(20_000));
        assert_eq!(status.summary.unwrap().critical, 20_000);
        assert!(conditions::is_true(&status.conditions, types::COMPLETE));
    }

    #[test]
    fn the_worst_verdict_is_the_result() {
        let of = |results: &[VerdictResult]| {
            let entry = |(n, result): (usize, &VerdictResult)| VerdictEntry {
                policy: format!("shop/p{n}"),
                result: *result,
                rules: vec![],
            };
            let verdicts = results.iter().enumerate().map(entry).collect();
            let (manifests, outcomes) = ([manifest("a", vec![])], [outcome(None)]);
            let totals = totals(&manifests);
            let ending = Ending {
                outcomes: &outcomes,
                totals,
                entries: vec![],
                absent: &[],
                one_image: true,
                left_out: 0,
                verdicts,
            };
            let status = draft().answered(1, ending);
            let passed = conditions::get(&status.conditions, types::POLICY_PASSED).unwrap();
            (status.result.unwrap(), passed.status.clone(), passed.message.clone())
        };
        use VerdictResult::{Error, Fail, Pass, Warn};
        let (result, passed, message) = of(&[Pass, Fail, Error]);
        assert_eq!(
            (result, passed.as_str(), message.as_str()),
            (ScanResult::Violating, "False", "violates shop/p1")
        );
        assert_eq!(of(&[Pass, Error]).1, "Unknown");
        assert_eq!((of(&[Pass, Warn]).0, of(&[Pass, Warn]).1.as_str()), (ScanResult::Passed, "True"));
    }

    #[test]
    fn progress_moves_in_tenths() {
        let scanned = |ended| draft().running(1, "j", ended, Some(95)).progress.unwrap().scanned;
        assert_eq!([0, 9, 10, 19, 95].map(scanned), [0, 0, 10, 10, 90]);
    }
}
