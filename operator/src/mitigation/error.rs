use std::time::Duration;

/// The longest a single request may take. Shorter than the margin by which a leader stops before another may start, so that no write of
/// an old leader is still on its way when a new one acts.
pub(super) const REQUEST: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub enum MitigationError {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error("the API server did not answer within {} seconds", REQUEST.as_secs())]
    TimedOut,
    #[error("this replica does not lead any more")]
    NotLeading,
    #[error("record {name} cannot be read: {source}")]
    RecordMalformed { name: String, source: serde_json::Error },
    #[error(
        "record {name} has version {version}, which this program does not read: its workload is left alone"
    )]
    RecordVersion { name: String, version: u32 },
    #[error(
        "record {name} does not belong to the object that it names: its name is made from the object's UID"
    )]
    RecordMisplaced { name: String },
    #[error("the breaker cannot be read: {0}; its key state may be Open or Closed")]
    BreakerMalformed(serde_json::Error),
    #[error("record {name} reads back differently than it was written")]
    RecordDiffers { name: String },
    #[error("the object was not read before it was to be written")]
    TargetNotRead,
    #[error("a worker failed: {0}")]
    WorkerFailed(String),
    #[error("the outbox is full")]
    OutboxFull,
    #[error("a {0} cannot be acted on")]
    Unsupported(&'static str),
}

impl MitigationError {
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(kube::Error::Api(answer)) if answer.code == 409)
    }

    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Api(kube::Error::Api(answer)) if answer.code == 404)
    }

    /// The API server refuses an eviction that would break a PodDisruptionBudget with 429.
    pub(super) fn is_too_many(&self) -> bool {
        matches!(self, Self::Api(kube::Error::Api(answer)) if answer.code == 429)
    }
}

/// The answer to one request, in time.
pub(super) async fn within<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, MitigationError> {
    match tokio::time::timeout(REQUEST, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(MitigationError::TimedOut),
    }
}
