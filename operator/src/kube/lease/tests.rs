//! The lease on the fake API server, in paused time: several replicas, outages, lost, late and repeated answers.

use breakwater_testing::{Effect, FakeApi, Fault, Verb};
use serde_json::json;
use tokio::{task::JoinHandle, time::sleep};

use super::*;
use crate::config::Config;

const NAMESPACE: &str = "breakwater-system";

/// A write by another replica.
fn put(api: &FakeApi, holder: &str, transitions: i64) {
    api.put(json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"holderIdentity": holder, "leaseTransitions": transitions, "leaseDurationSeconds": 15}}));
}

fn spec(api: &FakeApi) -> LeaseSpec {
    api.get::<Lease>(NAMESPACE, NAME).and_then(|lease| lease.spec).unwrap()
}

struct Replica {
    context: Context,
    leadership: Leadership,
    task: JoinHandle<Result<(), LeaseError>>,
}

fn replica(api: &FakeApi, name: &str) -> Replica {
    let context = Context::new(api.client_as(name), NAMESPACE, name, Config::default());
    let (term, leadership) = Leadership::new(context.clock);
    let task = tokio::spawn(run(context.clone(), term, std::future::ready(())));
    Replica { context, leadership, task }
}

impl Replica {
    /// Seconds until it leads.
    async fn leads_after(&self) -> u64 {
        let before = self.context.clock.monotonic();
        self.leadership.acquired().await;
        assert!(self.leadership.is_current());
        (self.context.clock.monotonic() - before).as_secs()
    }
}

fn lease(holder: &str, transitions: i32) -> Lease {
    let spec = LeaseSpec {
        holder_identity: Some(holder.into()),
        lease_duration_seconds: Some(15),
        lease_transitions: Some(transitions),
        ..LeaseSpec::default()
    };
    Lease { spec: Some(spec), ..Lease::default() }
}

#[test]
fn a_follower_waits_for_others_only_and_only_so_long() {
    let since = Clock.monotonic();
    let seen = |holder| Seen { lease: lease(holder, 7), since };
    let after = |seconds| since + Duration::from_secs(seconds);
    assert_eq!(follow(None, "me", since), Step::Create);
    assert_eq!(follow(Some(&seen("other")), "me", after(14)), Step::Wait);
    assert_eq!(follow(Some(&seen("other")), "me", after(15)), Step::Take(8));
    assert_eq!(follow(Some(&seen("")), "me", since), Step::Take(8));
    assert_eq!(follow(Some(&seen("me")), "me", since), Step::Take(8));
    let without_spec = Seen { lease: Lease::default(), since };
    assert_eq!(follow(Some(&without_spec), "me", since), Step::Take(1));
}

#[tokio::test(start_paused = true)]
async fn a_leader_renews_and_writes_nothing_else() {
    let api = FakeApi::new();
    let replica = replica(&api, "a");
    assert_eq!(replica.leads_after().await, 0);
    sleep(Duration::from_secs(61)).await;
    assert!(replica.leadership.is_current());
    assert_eq!(replica.leadership.epoch(), 1);
    assert_eq!(api.writes().len(), 1 + 12, "one write to take it, then one each five seconds");
}

#[tokio::test(start_paused = true)]
async fn a_silent_leader_is_followed_after_its_term_and_within_twenty_seconds() {
    let api = FakeApi::new();
    put(&api, "dead", 4);
    let replica = replica(&api, "b");
    let after = replica.leads_after().await;
    assert!((15..20).contains(&after), "{after}");
    assert_eq!(replica.leadership.epoch(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_stops_before_another_starts() {
    let api = FakeApi::new();
    let first = replica(&api, "a");
    first.leadership.acquired().await;
    let second = replica(&api, "b");
    sleep(Duration::from_secs(12)).await;
    api.fault(Fault::on_any("").from("a").always(), Effect::HangBeforeEffect);
    let mut both = false;
    while !second.leadership.is_current() {
        sleep(Duration::from_millis(100)).await;
        both |= first.leadership.is_current() && second.leadership.is_current();
    }
    assert!(!both);
    assert!(matches!(first.task.await.unwrap(), Err(LeaseError::Expired)));
    assert!(!first.leadership.is_current());
    assert_eq!(second.leadership.epoch(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stop_hands_over_within_two_seconds() {
    let api = FakeApi::new();
    let first = replica(&api, "a");
    first.leadership.acquired().await;
    let second = replica(&api, "b");
    sleep(Duration::from_secs(7)).await;
    assert!(!second.leadership.is_current());
    first.context.stop.cancel();
    assert!(second.leads_after().await < 2);
    assert!(first.task.await.unwrap().is_ok() && !first.leadership.is_current());
    let spec = spec(&api);
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("b"), Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_another_wrote_is_lost_at_once() {
    let api = FakeApi::new();
    let replica = replica(&api, "a");
    replica.leadership.acquired().await;
    put(&api, "thief", 9);
    assert!(matches!(replica.task.await.unwrap(), Err(LeaseError::Taken)));
    assert!(!replica.leadership.is_current());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_was_lost_is_recognised() {
    let api = FakeApi::new();
    let replica = replica(&api, "a");
    replica.leadership.acquired().await;
    api.fault(Fault::on(Verb::Update, "leases"), Effect::AnswerAfterEffect(500));
    sleep(Duration::from_secs(60)).await;
    assert!(replica.leadership.is_current());
    assert_eq!(replica.leadership.epoch(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_container_takes_its_own_lease_with_a_new_epoch() {
    let api = FakeApi::new();
    put(&api, "a", 3);
    let replica = replica(&api, "a");
    assert_eq!(replica.leads_after().await, 0);
    assert_eq!(replica.leadership.epoch(), 4);
}

#[tokio::test(start_paused = true)]
async fn of_two_that_start_together_one_leads() {
    let api = FakeApi::new();
    let replicas = [replica(&api, "a"), replica(&api, "b")];
    sleep(Duration::from_secs(30)).await;
    let leading = replicas.iter().filter(|replica| replica.leadership.is_current()).count();
    assert_eq!(leading, 1);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_arrives_after_the_term_takes_nothing_back() {
    let api = FakeApi::new();
    let first = replica(&api, "a");
    first.leadership.acquired().await;
    let second = replica(&api, "b");
    // The first renewal is held up on its way, and the replica is cut off after that.
    api.fault(Fault::on(Verb::Update, "leases").from("a"), Effect::HangLate);
    api.fault(Fault::on_any("").from("a").nth(2).always(), Effect::HangBeforeEffect);
    assert!(matches!(first.task.await.unwrap(), Err(LeaseError::Expired)));
    second.leadership.acquired().await;
    assert_eq!(api.deliver_next(), Some(409));
    sleep(Duration::from_secs(60)).await;
    assert!(second.leadership.is_current());
    assert_eq!(spec(&api).holder_identity.as_deref(), Some("b"));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_arrives_twice_changes_nothing() {
    let api = FakeApi::new();
    let replica = replica(&api, "a");
    replica.leadership.acquired().await;
    api.fault(Fault::on(Verb::Update, "leases"), Effect::Duplicated);
    sleep(Duration::from_secs(7)).await;
    assert_eq!(api.deliver_next(), Some(409));
    sleep(Duration::from_secs(60)).await;
    assert!(replica.leadership.is_current());
}

#[tokio::test(start_paused = true)]
async fn an_overloaded_server_is_asked_again_within_the_term() {
    let api = FakeApi::new();
    let replica = replica(&api, "a");
    replica.leadership.acquired().await;
    api.fault(Fault::on(Verb::Update, "leases").times(3), Effect::Answer(429));
    sleep(Duration::from_secs(60)).await;
    assert!(replica.leadership.is_current());
}

/// The runtime of this test has one thread, which never yields: no task of it runs.
#[test]
fn a_runtime_that_is_kept_busy_does_not_keep_the_lease_from_being_taken_and_given_back() {
    let api = FakeApi::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let context = Context::new(api.client(), NAMESPACE, "a", Config::default());
        let (term, leadership) = Leadership::new(context.clock);
        let server = api.clone();
        let client = async move { Ok(server.client()) };
        let lease = run_apart(context.clone(), term, std::future::ready(()), client);
        let lease = tokio::spawn(lease);
        tokio::task::yield_now().await;
        let wait_for = |is_met: &dyn Fn() -> bool| {
            for _ in 0..1_000 {
                if is_met() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            panic!("waited for ten seconds");
        };
        wait_for(&|| leadership.is_current());
        context.stop.cancel();
        wait_for(&|| spec(&api).holder_identity.as_deref() == Some(""));
        assert!(!leadership.is_current());
        assert!(lease.await.unwrap().is_ok());
    });
}
