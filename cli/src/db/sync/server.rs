//! What operators ask: is there a newer index, and its bytes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;

use super::listener::Listener;
use super::shelf::Published;

/// The longest a request is held until there is something newer, in seconds.
const MAX_WAIT: u64 = 60;
/// How long connections have to end once the process was told to.
const GRACE: Duration = Duration::from_millis(500);

#[derive(Debug, Clone)]
struct Served {
    newest: watch::Receiver<Option<Arc<Published>>>,
    stop: CancellationToken,
}

#[derive(Debug, Deserialize)]
struct Newer {
    /// The revision the asker has.
    #[serde(default)]
    after: u64,
    /// Seconds to wait for a newer one.
    #[serde(default)]
    wait: u64,
}

/// Serves until `stop`.
pub(super) async fn serve(
    listener: Listener,
    newest: watch::Receiver<Option<Arc<Published>>>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let served = Served { newest, stop: stop.clone() };
    let routes = Router::new()
        .route("/v1/index", get(newer))
        .route("/v1/index/{revision}", get(exactly))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(served);
    let stopping = stop.clone();
    let server =
        axum::serve(listener, routes).with_graceful_shutdown(async move { stopping.cancelled().await });
    tokio::select! {
        ended = server => ended,
        () = async { stop.cancelled().await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

async fn newer(State(mut served): State<Served>, Query(Newer { after, wait }): Query<Newer>) -> Response {
    let is_newer = |newest: &Option<Arc<Published>>| newest.as_ref().is_some_and(|new| new.revision > after);
    let found = tokio::select! {
        found = served.newest.wait_for(is_newer) => found.ok().and_then(|newest| newest.clone()),
        () = tokio::time::sleep(Duration::from_secs(wait.min(MAX_WAIT))) => None,
        () = served.stop.cancelled() => None,
    };
    match found {
        Some(found) => index(&found).await,
        None => StatusCode::NOT_MODIFIED.into_response(),
    }
}

async fn exactly(State(served): State<Served>, Path(revision): Path<u64>) -> Response {
    let newest = served.newest.borrow().clone();
    match newest.filter(|newest| newest.revision == revision) {
        Some(found) => index(&found).await,
        None => (StatusCode::NOT_FOUND, format!("revision {revision} is not the newest\n")).into_response(),
    }
}

async fn ready(State(served): State<Served>) -> Response {
    match served.newest.borrow().as_ref() {
        Some(newest) => format!("serving revision {}\n", newest.revision).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "no index was built yet\n").into_response(),
    }
}

async fn index(published: &Published) -> Response {
    let file = match tokio::fs::File::open(&published.path).await {
        Ok(file) => file,
        Err(cause) => {
            tracing::error!(%cause, path = %published.path.display(), "the index cannot be read");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let mut response = Body::from_stream(ReaderStream::with_capacity(file, 1 << 16)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, published.size.into());
    headers.insert("x-breakwater-revision", published.revision.into());
    if let Ok(sha256) = HeaderValue::from_str(&published.sha256) {
        headers.insert("x-breakwater-sha256", sha256);
    }
    response
}
