use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Connections at the same time; further ones wait in the listen queue.
const CONNECTIONS: usize = 128;
/// A handshake, and the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// The longest life of a connection: a scan Job's longest, and a little.
const CONNECTION: Duration = Duration::from_secs(3_700);
/// After a failed accept (file descriptors ran out).
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
#[error("intake cannot listen on {address}: {source}")]
pub struct ServeError {
    address: SocketAddr,
    source: std::io::Error,
}

/// Serves `router` over TLS on `address` until `stop`; connections that are open then may end their request.
///
/// # Errors
/// [`ServeError`] if the address cannot be bound.
pub async fn serve(
    address: SocketAddr,
    tls: Arc<ServerConfig>,
    router: Router,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let listener = TcpListener::bind(address).await.map_err(|source| ServeError { address, source })?;
    let acceptor = TlsAcceptor::from(tls);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
                tokio::spawn(async move {
                    let served = timeout(CONNECTION, connection(stream, acceptor, router, stop, place)).await;
                    if let Ok(Err(error)) = served {
                        tracing::debug!(error, "a connection to intake ended early");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "intake cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    // All places free again: every connection has ended.
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let _ = timeout(HEAD, places.acquire_many(all)).await;
    Ok(())
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    stop: CancellationToken,
    place: OwnedSemaphorePermit,
) -> Result<(), tower::BoxError> {
    let _place = place;
    let stream = timeout(HEAD, acceptor.accept(stream)).await??;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(16);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}
