//! `/healthz`, `/readyz` and `/metrics`, plain HTTP: no secrets, no writes.

use std::net::SocketAddr;

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::{net::TcpListener, sync::watch};

use crate::context::Context;

#[derive(Clone)]
struct Served {
    context: Context,
    ready: watch::Receiver<bool>,
}

/// Serves until the process is asked to stop. `/readyz` answers 200 from when `ready` says so until the stop.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    context: Context,
    address: SocketAddr,
    ready: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let stop = context.stop.clone();
    // Probes keep connections open; they must not keep the process.
    let served = axum::serve(listener, router(Served { context, ready }));
    tokio::select! {
        outcome = async { served.await } => outcome,
        () = stop.cancelled() => Ok(()),
    }
}

fn router(served: Served) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(served)
}

async fn ready(State(served): State<Served>) -> (StatusCode, &'static str) {
    if served.context.stop.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else if *served.ready.borrow() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting")
    }
}

async fn metrics(State(served): State<Served>) -> ([(&'static str, &'static str); 1], String) {
    let text = served.context.metrics.render(served.context.clock.monotonic());
    ([("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}
