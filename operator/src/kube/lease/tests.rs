//! The lease at the HTTP seam, in paused time: one server, several replicas, outages and lost answers.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::sleep};

use super::*;
use crate::config::Config;

/// An API server that knows one Lease, with optimistic locking.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lease: Option<Value>,
    version: u64,
    writes: usize,
    /// Nothing is answered to these replicas, forever.
    cut_off: Vec<&'static str>,
    /// The next write takes effect, but its answer is lost.
    loses_answer: bool,
}

impl Server {
    fn held_by(holder: &str, transitions: i64) -> Self {
        let server = Self::default();
        server.put(holder, transitions);
        server
    }

    /// A write by somebody else.
    fn put(&self, holder: &str, transitions: i64) {
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": NAME},
            "spec": {"holderIdentity": holder, "leaseTransitions": transitions, "leaseDurationSeconds": 15}});
        self.0.lock().unwrap().store(lease);
    }

    fn spec(&self) -> Value {
        self.0.lock().unwrap().lease.as_ref().unwrap()["spec"].clone()
    }

    async fn answer(self, replica: &'static str, method: Method, body: Value) -> Response<Body> {
        if self.0.lock().unwrap().cut_off.contains(&replica) {
            std::future::pending::<()>().await;
        }
        let mut state = self.0.lock().unwrap();
        let version = state.lease.as_ref().map(|lease| lease["metadata"]["resourceVersion"].clone());
        let answer = match (method.as_str(), version) {
            ("GET", Some(_)) => (StatusCode::OK, state.lease.clone().unwrap()),
            ("POST", None) => (StatusCode::CREATED, state.store(body)),
            ("PUT", Some(version)) if version == body["metadata"]["resourceVersion"] => {
                (StatusCode::OK, state.store(body))
            }
            ("POST" | "PUT", Some(_)) => failure(StatusCode::CONFLICT, "Conflict"),
            _ => failure(StatusCode::NOT_FOUND, "NotFound"),
        };
        let lost = answer.0.is_success() && method == Method::PUT && std::mem::take(&mut state.loses_answer);
        let (status, body) =
            if lost { failure(StatusCode::INTERNAL_SERVER_ERROR, "InternalError") } else { answer };
        Response::builder().status(status).body(Body::from(serde_json::to_vec(&body).unwrap())).unwrap()
    }

    fn replica(&self, name: &'static str) -> Replica {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap_or_default();
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                Ok::<_, Infallible>(server.answer(name, parts.method, body).await)
            }
        });
        let context = Context::new(
            kube::Client::new(service, "breakwater-system"),
            "breakwater-system",
            name,
            Config::default(),
        );
        let (term, leadership) = Leadership::new(context.clock);
        let task = tokio::spawn(run(context.clone(), term, std::future::ready(())));
        Replica { context, leadership, task }
    }
}

impl State {
    fn store(&mut self, mut lease: Value) -> Value {
        self.version += 1;
        self.writes += 1;
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.lease = Some(lease.clone());
        lease
    }
}

fn failure(status: StatusCode, reason: &str) -> (StatusCode, Value) {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": status.as_u16()});
    (status, body)
}

struct Replica {
    context: Context,
    leadership: Leadership,
    task: JoinHandle<Result<(), LeaseError>>,
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
    let server = Server::default();
    let replica = server.replica("a");
    assert_eq!(replica.leads_after().await, 0);
    sleep(Duration::from_secs(61)).await;
    assert!(replica.leadership.is_current());
    assert_eq!(replica.leadership.epoch(), 1);
    assert_eq!(server.0.lock().unwrap().writes, 1 + 12, "one write to take it, then one each five seconds");
}

#[tokio::test(start_paused = true)]
async fn a_silent_leader_is_followed_after_its_term_and_within_twenty_seconds() {
    let server = Server::held_by("dead", 4);
    let replica = server.replica("b");
    let after = replica.leads_after().await;
    assert!((15..20).contains(&after), "{after}");
    assert_eq!(replica.leadership.epoch(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_stops_before_another_starts() {
    let server = Server::default();
    let first = server.replica("a");
    first.leadership.acquired().await;
    let second = server.replica("b");
    sleep(Duration::from_secs(12)).await;
    server.0.lock().unwrap().cut_off.push("a");
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
    let server = Server::default();
    let first = server.replica("a");
    first.leadership.acquired().await;
    let second = server.replica("b");
    sleep(Duration::from_secs(7)).await;
    assert!(!second.leadership.is_current());
    first.context.stop.cancel();
    assert!(second.leads_after().await < 2);
    assert!(first.task.await.unwrap().is_ok() && !first.leadership.is_current());
    assert_eq!(
        (server.spec()["holderIdentity"].clone(), server.spec()["leaseTransitions"].clone()),
        (json!("b"), json!(2))
    );
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_else_wrote_is_lost_at_once() {
    let server = Server::default();
    let replica = server.replica("a");
    replica.leadership.acquired().await;
    server.put("thief", 9);
    assert!(matches!(replica.task.await.unwrap(), Err(LeaseError::Taken)));
    assert!(!replica.leadership.is_current());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_was_lost_is_recognised() {
    let server = Server::default();
    let replica = server.replica("a");
    replica.leadership.acquired().await;
    server.0.lock().unwrap().loses_answer = true;
    sleep(Duration::from_secs(60)).await;
    assert!(replica.leadership.is_current());
    assert_eq!(replica.leadership.epoch(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_container_takes_its_own_lease_with_a_new_epoch() {
    let server = Server::held_by("a", 3);
    let replica = server.replica("a");
    assert_eq!(replica.leads_after().await, 0);
    assert_eq!(replica.leadership.epoch(), 4);
}

#[tokio::test(start_paused = true)]
async fn of_two_that_start_together_one_leads() {
    let server = Server::default();
    let replicas = [server.replica("a"), server.replica("b")];
    sleep(Duration::from_secs(30)).await;
    let leading = replicas.iter().filter(|replica| replica.leadership.is_current()).count();
    assert_eq!(leading, 1);
}
