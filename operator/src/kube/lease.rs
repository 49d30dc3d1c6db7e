//! The leader lease, with fencing.
//!
//! One replica at a time leads. It knows by a deadline of its own, monotonic clock, counted from when a renewal was *sent*; others count
//! the leader's time from when *they* saw the record change. Clocks of two machines are never compared. Every write carries the
//! resourceVersion that was read, so two replicas cannot both win.
//!
//! The operator renews it on a thread, a runtime and connections of its own: judging a cluster may keep all threads of the other
//! runtime busy for longer than a term, and a renewal needs less than a millisecond of a processor every five seconds.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{Api, api::PostParams};
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

use super::events::micro_time;
use crate::{clock::Clock, context::Context};

/// The lease's name, in the operator's namespace.
pub const NAME: &str = "breakwater-operator";
/// Followers wait so long after the last change they saw.
pub const DURATION: Duration = Duration::from_secs(15);
/// The leader renews so often.
pub const RENEW: Duration = Duration::from_secs(5);
/// The leader stops so long before a follower may start: longer than any one request of ours may take.
pub const MARGIN: Duration = Duration::from_secs(5);
/// Followers look, and failed renewals are tried again, so often. Bounds the gap after a release.
const POLL: Duration = Duration::from_secs(1);
/// One request to the API server, with the client's own retries.
const REQUEST: Duration = Duration::from_secs(3);

/// A right to act, until a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// The lease's `leaseTransitions`: grows with every new term, of whatever replica.
    pub epoch: i64,
    /// By this process' monotonic clock.
    pub until: Instant,
}

/// What the rest of the operator knows of the lease. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Leadership {
    clock: Clock,
    term: watch::Receiver<Option<Term>>,
}

impl Leadership {
    /// A leadership and the sender that moves its term. Only the lease's loop and tests hold the sender.
    #[must_use]
    pub fn new(clock: Clock) -> (watch::Sender<Option<Term>>, Self) {
        let (sender, term) = watch::channel(None);
        (sender, Self { clock, term })
    }

    /// Reports whether this replica leads right now. Check it before each write that two replicas must not both make.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.term.borrow().is_some_and(|term| self.clock.monotonic() < term.until)
    }

    /// The epoch of the term held last; 0 before the first.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.term.borrow().map_or(0, |term| term.epoch)
    }

    /// Returns when this replica leads; never if it is stopped before that.
    pub async fn acquired(&self) {
        let mut term = self.term.clone();
        if term.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Why this replica leads no more, or cannot.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    #[error("another replica took the lease {NAME}: this one stops acting, and follows after its restart")]
    Taken,
    #[error(
        "the lease {NAME} was not renewed within {} s, which another replica waits for: this one stops acting; the API server did not answer, or the process got no processor time",
        DURATION.saturating_sub(MARGIN).as_secs()
    )]
    Expired,
    #[error("the lease's thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
    #[error("the lease's client could not be made: {0:#}")]
    Client(anyhow::Error),
    #[error("the lease's thread panicked")]
    Panicked,
}

/// What this process knows of the record.
#[derive(Debug, Clone)]
struct Seen {
    lease: Lease,
    /// When this process first saw this version of it.
    since: Instant,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Create,
    /// Nobody leads, by what was seen: start a term of this epoch.
    Take(i64),
    Wait,
}

/// What a follower does. Pure.
///
/// A record in this replica's own name is what an earlier process of the same pod left: the kubelet starts a container only after the
/// one before has ended, so nobody is waited for.
fn follow(seen: Option<&Seen>, me: &str, now: Instant) -> Step {
    let Some(Seen { lease, since }) = seen else { return Step::Create };
    let spec = lease.spec.clone().unwrap_or_default();
    let holder = spec.holder_identity.unwrap_or_default();
    let duration = spec
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map_or(DURATION, Duration::from_secs);
    let free = holder.is_empty() || holder == me || now.saturating_duration_since(*since) >= duration;
    if free { Step::Take(spec.lease_transitions.unwrap_or(0).saturating_add(1).into()) } else { Step::Wait }
}

/// The record of a term, on top of the version that was read.
fn record(
    before: Option<&Lease>,
    namespace: &str,
    holder: &str,
    epoch: i64,
    acquired: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Lease {
    let mut lease = before.cloned().unwrap_or_default();
    lease.metadata.name = Some(NAME.into());
    lease.metadata.namespace = Some(namespace.into());
    lease.metadata.managed_fields = None;
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(holder.into()),
        lease_duration_seconds: Some(i32::try_from(DURATION.as_secs()).unwrap_or(i32::MAX)),
        lease_transitions: Some(i32::try_from(epoch).unwrap_or(i32::MAX)),
        acquire_time: Some(micro_time(acquired)),
        renew_time: Some(micro_time(now)),
        ..LeaseSpec::default()
    });
    lease
}

/// Holds the lease for as long as the process lives, and gives it back when it is asked to stop.
///
/// Returns `Ok` after a stop. The caller sees to it that whatever acts for the leader has ended before that: `idle` is awaited between
/// the stop and the release.
///
/// # Errors
/// When leadership was lost. The process must exit at once: rooms that lead cannot be told to follow again.
pub async fn run(
    context: Context,
    term: watch::Sender<Option<Term>>,
    idle: impl Future<Output = ()>,
) -> Result<(), LeaseError> {
    let claim = Claim {
        api: Api::namespaced(context.client.clone(), &context.namespace),
        context: context.clone(),
        term,
    };
    let Some(held) = claim.acquire().await else { return Ok(()) };
    let outcome = claim.keep(held).await;
    match outcome {
        Ok(held) => {
            idle.await;
            claim.release(held).await;
            Ok(())
        }
        Err(error) => {
            claim.lost();
            Err(error)
        }
    }
}

/// As [`run`], on a thread of its own with the connections of the client that `client` makes there.
///
/// Dropping the future leaves the thread to the end of the process: what holds a term then is bounded by its deadline.
///
/// # Errors
/// As [`run`], and when the thread or the client cannot be made.
pub async fn run_apart(
    context: Context,
    term: watch::Sender<Option<Term>>,
    idle: impl Future<Output = ()> + Send + 'static,
    client: impl Future<Output = anyhow::Result<kube::Client>> + Send + 'static,
) -> Result<(), LeaseError> {
    let (sender, outcome) = oneshot::channel();
    std::thread::Builder::new().name("lease".into()).spawn(move || {
        let outcome = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Into::into);
        let outcome = outcome.and_then(|runtime| {
            runtime.block_on(async {
                let client = client.await.map_err(LeaseError::Client)?;
                run(Context { client, ..context }, term, idle).await
            })
        });
        if let Err(error) = &outcome {
            // The other runtime may not get to it for a while.
            tracing::error!(%error, "this replica no longer leads");
        }
        drop(sender.send(outcome));
    })?;
    outcome.await.unwrap_or(Err(LeaseError::Panicked))
}

struct Claim {
    api: Api<Lease>,
    context: Context,
    term: watch::Sender<Option<Term>>,
}

/// The record as this process last wrote it.
struct Held {
    lease: Lease,
    epoch: i64,
    acquired: DateTime<Utc>,
}

impl Claim {
    /// Follows until this replica leads; `None` when asked to stop before that.
    async fn acquire(&self) -> Option<Held> {
        let mut seen: Option<Seen> = None;
        loop {
            match self.look(seen.take()).await {
                Ok(now_seen) => {
                    if let Some(held) = self.try_take(now_seen.as_ref()).await {
                        return Some(held);
                    }
                    seen = now_seen;
                }
                // Not knowing the record only delays: what was seen is forgotten, the wait starts over.
                Err(error) => tracing::warn!(%error, "the lease could not be read"),
            }
            tokio::select! {
                () = self.context.stop.cancelled() => return None,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    async fn look(&self, before: Option<Seen>) -> Result<Option<Seen>, Error> {
        let lease = timeout(REQUEST, self.api.get_opt(NAME)).await??;
        let now = self.context.clock.monotonic();
        Ok(lease.map(|lease| match before {
            Some(seen) if seen.lease.metadata.resource_version == lease.metadata.resource_version => seen,
            _ => Seen { lease, since: now },
        }))
    }

    async fn try_take(&self, seen: Option<&Seen>) -> Option<Held> {
        let epoch = match follow(seen, &self.context.instance, self.context.clock.monotonic()) {
            Step::Wait => return None,
            Step::Create => 1,
            Step::Take(epoch) => epoch,
        };
        let acquired = self.context.clock.now();
        match self.write(seen.map(|seen| &seen.lease), epoch, acquired).await {
            Ok(lease) => {
                tracing::info!(epoch, "this replica leads");
                Some(Held { lease, epoch, acquired })
            }
            Err(error) => {
                tracing::info!(%error, "the lease was not taken");
                None
            }
        }
    }

    /// Renews until asked to stop.
    async fn keep(&self, mut held: Held) -> Result<Held, LeaseError> {
        let mut delay = RENEW;
        loop {
            let expired = self.expired();
            tokio::pin!(expired);
            tokio::select! {
                () = self.context.stop.cancelled() => return Ok(held),
                () = &mut expired => return Err(LeaseError::Expired),
                () = tokio::time::sleep(delay) => {}
            }
            let written = tokio::select! {
                () = &mut expired => return Err(LeaseError::Expired),
                written = self.write(Some(&held.lease), held.epoch, held.acquired) => written,
            };
            delay = match written {
                Ok(lease) => {
                    held.lease = lease;
                    RENEW
                }
                // Either somebody else wrote, or our own write took effect and its answer was lost.
                Err(Error::Api(kube::Error::Api(answer))) if answer.is_conflict() => {
                    match self.look(None).await {
                        Ok(Some(seen)) if self.is_ours(&seen.lease, held.epoch) => {
                            held.lease = seen.lease;
                            Duration::ZERO
                        }
                        Ok(_) => return Err(LeaseError::Taken),
                        Err(_) => POLL,
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the lease was not renewed and is tried again");
                    POLL
                }
            };
        }
    }

    /// Returns when the term ends, as it stands now.
    async fn expired(&self) {
        let until = self.term.borrow().map(|term| term.until);
        if let Some(until) = until {
            tokio::time::sleep_until(until.into()).await;
        }
    }

    fn is_ours(&self, lease: &Lease, epoch: i64) -> bool {
        lease.spec.as_ref().is_some_and(|spec| {
            spec.holder_identity.as_deref() == Some(&*self.context.instance)
                && spec.lease_transitions.map(i64::from) == Some(epoch)
        })
    }

    /// Writes the record and moves the term; the deadline counts from before the request.
    async fn write(
        &self,
        before: Option<&Lease>,
        epoch: i64,
        acquired: DateTime<Utc>,
    ) -> Result<Lease, Error> {
        let sent = self.context.clock.monotonic();
        let lease = record(
            before,
            &self.context.namespace,
            &self.context.instance,
            epoch,
            acquired,
            self.context.clock.now(),
        );
        let params = PostParams::default();
        let written = match before {
            None => timeout(REQUEST, self.api.create(&params, &lease)).await??,
            Some(_) => timeout(REQUEST, self.api.replace(NAME, &params, &lease)).await??,
        };
        let until = sent.checked_add(DURATION.saturating_sub(MARGIN)).unwrap_or(sent);
        self.term.send_replace(Some(Term { epoch, until }));
        self.context.metrics.leading(true, epoch);
        Ok(written)
    }

    /// Gives the lease back, so that the next replica need not wait. Without an answer it simply expires.
    async fn release(&self, held: Held) {
        self.lost();
        let now = self.context.clock.now();
        let lease = record(Some(&held.lease), &self.context.namespace, "", held.epoch, held.acquired, now);
        match timeout(POLL, self.api.replace(NAME, &PostParams::default(), &lease)).await {
            Ok(Ok(_)) => tracing::info!(epoch = held.epoch, "the lease is released"),
            Ok(Err(error)) => tracing::warn!(%error, "the lease was not released and will expire"),
            Err(_) => tracing::warn!("the lease was not released in time and will expire"),
        }
    }

    fn lost(&self) {
        let epoch = self.term.borrow().map_or(0, |term| term.epoch);
        self.term.send_replace(None);
        self.context.metrics.leading(false, epoch);
    }
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error("no answer within {} s", REQUEST.as_secs())]
    Timeout(#[from] tokio::time::error::Elapsed),
}
