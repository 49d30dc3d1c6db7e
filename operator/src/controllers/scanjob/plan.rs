//! What is to be done about one ScanJob: a value that can be printed, compared and refused. No I/O, no clock.

use std::{sync::Arc, time::Duration};

use breakwater_core::scan::pod;
use breakwater_crds::{
    ScanJob, ScanJobStatus,
    names::{conditions as types, reasons},
    scanjob::{ScanResult, Trigger},
};
use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;

use super::{
    asking::{Hindrance, Until},
    job::{self, Files, Order, Template},
    observe::{Facts, Turn},
    status::{Draft, Ending},
};
use crate::kube::conditions;

/// How long the Jobs of a finished ScanJob stay, for people who want to read the pod's log.
const KEEP_JOB: TimeDelta = TimeDelta::minutes(10);
/// Waiting for a place, or for something named: looked at again after so long at the latest, should no event come.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What is to be done, in this order.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) create: Option<NewJob>,
    /// For a Job that is there and lacks it.
    pub(super) secret: Option<(Arc<Job>, Files)>,
    /// By name and UID.
    pub(super) delete_jobs: Vec<(String, String)>,
    /// `None`: what is said stays.
    pub(super) status: Option<ScanJobStatus>,
    /// The ScanJob's time is over.
    pub(super) delete: bool,
    pub(super) look_again: Option<Duration>,
    /// What this turn is worth an Event.
    pub(super) news: Option<News>,
}

#[derive(Debug, PartialEq)]
pub(super) struct NewJob {
    pub(super) job: Job,
    pub(super) files: Files,
}

/// Something happened that people want to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct News {
    pub(super) good: bool,
    pub(super) reason: String,
    pub(super) note: String,
}

/// What the operator's configuration says about Jobs and their keeping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) template: Template,
    /// For ScanJobs that the operator made.
    pub(super) keep_finished: TimeDelta,
}

pub(super) fn plan(facts: Facts, terms: &Terms) -> Plan {
    let Facts { scan_job, trigger, now, turn, jobs } = facts;
    let draft = Draft::new(&scan_job, trigger, now);
    let look_again = Some(LOOK_AGAIN);
    match turn {
        Turn::Finished => finished(&scan_job, trigger, &jobs, terms, now),
        Turn::Invalid(problems) => over(draft.failed(reasons::INVALID_SPEC, &problems.to_string())),
        Turn::Suspended => Plan {
            delete_jobs: jobs.iter().filter(|job| !job::finished(job)).filter_map(named).collect(),
            status: Some(draft.suspended()),
            ..Plan::default()
        },
        Turn::Hindered(Hindrance { reason, message, until }) => match until {
            Until::ItPasses => {
                Plan { status: Some(draft.waiting(reason, &message)), look_again, ..Plan::default() }
            }
            Until::Mended => {
                Plan { status: Some(draft.stalled(reason, &message)), look_again, ..Plan::default() }
            }
        },
        Turn::Queued => {
            let status = draft.waiting("Queued", "waits for its turn: as many scan Jobs run as are allowed");
            Plan { status: Some(status), look_again, ..Plan::default() }
        }
        Turn::Start { attempt, name, asking } => {
            // How many images repositories hold is not known before they are listed.
            let images = asking.question.repositories.is_empty().then_some(asking.question.images.len());
            let images = images.and_then(|images| u32::try_from(images).ok());
            let requester = format!("{}/{}", scan_job.namespace().unwrap_or_default(), scan_job.name_any());
            let has =
                |path: &str| path.rsplit('/').next().is_some_and(|name| asking.files.contains_key(name));
            let (with_credentials, with_authority) = (has(pod::CREDENTIALS_FILE), has(pod::REGISTRY_CA_FILE));
            let status = draft.running(attempt, &name, 0, images);
            let order = Order {
                name,
                question: asking.question,
                attempt,
                trigger,
                requester,
                with_credentials,
                with_authority,
            };
            Plan {
                create: Some(NewJob { job: job::build(&terms.template, &order), files: asking.files }),
                status: Some(status),
                ..Plan::default()
            }
        }
        Turn::Running { attempt, job, ended, images, lacks } => Plan {
            secret: lacks.map(|(job, asking)| (job, asking.files)),
            status: Some(draft.running(attempt, &job, ended, images)),
            ..Plan::default()
        },
        Turn::BackOff { attempt, until, failure } => Plan {
            status: Some(draft.backing_off(attempt, until, &failure)),
            look_again: Some(wait(until, now)),
            ..Plan::default()
        },
        Turn::Answered { attempt, outcomes, found } => over(draft.answered(
            attempt,
            Ending {
                outcomes: &outcomes,
                totals: found.totals,
                entries: found.entries,
                absent: &found.absent,
                one_image: found.one_image,
                left_out: found.left_out,
                verdicts: found.verdicts,
            },
        )),
    }
}

/// The last word, and that it is said aloud.
fn over(status: ScanJobStatus) -> Plan {
    let failed =
        conditions::get(&status.conditions, types::FAILED).filter(|condition| condition.status == "True");
    let news = match failed {
        Some(condition) => {
            News { good: false, reason: condition.reason.clone(), note: condition.message.clone() }
        }
        None => {
            let summary = status.summary.unwrap_or_default();
            let note = format!(
                "scanned: {} critical, {} high, {} of all fixable, {} packages",
                summary.critical, summary.high, summary.fixable_total, summary.packages
            );
            News { good: status.result == Some(ScanResult::Passed), reason: "ScanCompleted".into(), note }
        }
    };
    // Its own status write wakes it by nothing: the keeping is looked at once more.
    Plan { status: Some(status), look_again: Some(wait_for(KEEP_JOB)), news: Some(news), ..Plan::default() }
}

/// History: nothing is said any more. Its Jobs go first, then, if its time is bounded, it goes itself.
fn finished(
    scan_job: &ScanJob,
    trigger: Trigger,
    jobs: &[Arc<Job>],
    terms: &Terms,
    now: DateTime<Utc>,
) -> Plan {
    let completed = scan_job.status.as_ref().and_then(|status| status.completion_time);
    let ended: DateTime<Utc> = completed.map_or(now, Into::into);
    let asked =
        scan_job.spec.ttl_after_finished.as_deref().and_then(|ttl| humantime::parse_duration(ttl).ok());
    let asked = asked.and_then(|ttl| TimeDelta::from_std(ttl).ok());
    let ttl = asked.or((trigger != Trigger::Manual).then_some(terms.keep_finished));
    let gone_at = ttl.map(|ttl| ended + ttl);
    let jobs_gone_at = (!jobs.is_empty()).then_some(ended + KEEP_JOB);
    let delete = gone_at.is_some_and(|at| at <= now);
    let due = delete || jobs_gone_at.is_some_and(|at| at <= now);
    let next = [gone_at, jobs_gone_at].into_iter().flatten().filter(|at| *at > now).min();
    Plan {
        delete_jobs: if due { jobs.iter().filter_map(named).collect() } else { Vec::new() },
        delete,
        look_again: next.map(|at| wait(at, now)),
        ..Plan::default()
    }
}

/// Name and UID; `None` if it is being deleted already.
fn named(job: &Arc<Job>) -> Option<(String, String)> {
    job.metadata.deletion_timestamp.is_none().then(|| (job.name_any(), job.uid().unwrap_or_default()))
}

fn wait(until: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    wait_for(until - now)
}

fn wait_for(delta: TimeDelta) -> Duration {
    // Statuses are in whole seconds: a little late is on time.
    delta.to_std().unwrap_or_default() + Duration::from_millis(50)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use breakwater_core::scan::{FailureReason, ScanFailure, ScanStage};

    use super::*;
    use crate::{
        controllers::scanjob::{
            answer::totals,
            asking::Asking,
            fixtures::{self, IMAGE, at, manifest},
            observe::Found,
            stage::ImageOutcome,
        },
        intake::fixtures::question,
    };

    fn terms() -> Terms {
        let template = Template {
            namespace: "breakwater-system".into(),
            image: "scanner".into(),
            cpu_limit: "1".into(),
            memory_limit: "256Mi".into(),
        };
        Terms { template, keep_finished: TimeDelta::hours(24) }
    }

    fn planned(scan_job: ScanJob, turn: Turn, jobs: Vec<Arc<Job>>, now: i64) -> Plan {
        let facts =
            Facts { scan_job: Arc::new(scan_job), trigger: Trigger::Manual, now: at(now), turn, jobs };
        plan(facts, &terms())
    }

    fn job() -> Arc<Job> {
        Arc::new(fixtures::job(1))
    }

    #[test]
    fn a_start_is_a_job_and_a_status_that_names_it() {
        let files = BTreeMap::from([("config.json".to_owned(), vec![1])]);
        let asking = Asking { question: question(), files: files.clone() };
        let plan = planned(
            fixtures::scan_job(),
            Turn::Start { attempt: 1, name: "scan-1".into(), asking },
            vec![],
            100,
        );
        let create = plan.create.unwrap();
        assert_eq!((create.job.name_any().as_str(), create.files), ("scan-1", files));
        assert!(job::has_secret(&create.job));
        let status = plan.status.unwrap();
        assert_eq!(status.job_ref.unwrap().name, "scan-1");
        assert_eq!((status.result, status.attempts), (Some(ScanResult::Running), Some(1)));
    }

    #[test]
    fn suspending_removes_the_running_job() {
        let plan = planned(fixtures::scan_job(), Turn::Suspended, vec![job()], 100);
        assert_eq!(plan.delete_jobs, [(job().name_any(), "job-uid".into())]);
        assert!(conditions::is_true(&plan.status.unwrap().conditions, "Suspended"));
    }

    #[test]
    fn what_may_pass_waits_and_what_somebody_must_mend_stalls() {
        let hindered = |until| {
            let hindrance = Hindrance { reason: "CredentialsMissing", message: "m".into(), until };
            planned(fixtures::scan_job(), Turn::Hindered(hindrance), vec![], 100)
        };
        let waits = hindered(Until::ItPasses);
        assert_eq!(
            (waits.status.unwrap().result, waits.look_again),
            (Some(ScanResult::Pending), Some(LOOK_AGAIN))
        );
        let stalled = hindered(Until::Mended);
        assert_eq!(stalled.look_again, Some(LOOK_AGAIN));
        let status = stalled.status.unwrap();
        assert_eq!((status.result, status.completion_time), (Some(ScanResult::Pending), None));
        assert!(conditions::is_true(&status.conditions, "Stalled"));
    }

    #[test]
    fn a_back_off_ends_when_it_says() {
        let failure = ScanFailure {
            stage: ScanStage::Resolve,
            reason: FailureReason::RateLimited,
            message: "too many requests".into(),
            retry_after_seconds: None,
        };
        let turn = Turn::BackOff { attempt: 1, until: at(160), failure };
        let plan = planned(fixtures::scan_job(), turn, vec![], 100);
        assert_eq!(plan.look_again.unwrap().as_secs(), 60);
        let reconciling = plan.status.unwrap().conditions;
        let condition = conditions::get(&reconciling, "Reconciling").unwrap();
        assert_eq!(condition.reason, "RateLimited");
        assert_eq!(condition.message, "too many requests; tried again at 1970-01-01T00:02:40Z");
    }

    #[test]
    fn an_answer_is_told_once_and_then_is_history() {
        let outcomes = vec![ImageOutcome { image: IMAGE.parse().unwrap(), scanned: None, failure: None }];
        let found = Found { totals: totals(&[manifest("a", vec![])]), one_image: true, ..Found::default() };
        let answered =
            planned(fixtures::scan_job(), Turn::Answered { attempt: 1, outcomes, found }, vec![job()], 100);
        assert_eq!(answered.news.unwrap().reason, "ScanCompleted");
        let mut done = fixtures::scan_job();
        done.status = answered.status;
        let early = planned(done.clone(), Turn::Finished, vec![job()], 200);
        assert_eq!(early.look_again.unwrap().as_secs(), 500);
        assert_eq!(Plan { look_again: None, ..early }, Plan::default());
        let late = planned(done.clone(), Turn::Finished, vec![job()], 700);
        assert_eq!((late.delete_jobs.len(), late.delete, late.look_again), (1, false, None));

        done.spec.ttl_after_finished = Some("1h".into());
        assert!(!planned(done.clone(), Turn::Finished, vec![], 3_699).delete);
        assert!(planned(done, Turn::Finished, vec![], 3_700).delete);
    }
}
