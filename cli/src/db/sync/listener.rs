//! Connections, over TLS when there is a certificate. Handshakes run beside each other; connections are bounded in number, handshakes
//! and silence in time, so that a client that says nothing keeps nobody waiting.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The longest a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The most connections at a time.
const MAX_CONNECTIONS: usize = 512;
/// The longest silence of a client; longer than a request is ever held.
const SILENCE: Duration = Duration::from_secs(90);
/// How often the certificate's files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Accepted connections, for axum.
#[derive(Debug)]
pub(super) struct Listener {
    address: SocketAddr,
    accepted: mpsc::Receiver<(Connection, SocketAddr)>,
}

/// One connection, counted until it is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    silence: Pin<Box<Sleep>>,
    _counted: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Binds; with a certificate, waits until its files are there.
pub(super) async fn bind(
    address: SocketAddr,
    tls: Option<(PathBuf, PathBuf)>,
    stop: &CancellationToken,
) -> anyhow::Result<Listener> {
    let tcp =
        TcpListener::bind(address).await.with_context(|| format!("--listen: cannot listen on {address}"))?;
    let address = tcp.local_addr()?;
    let tls = match tls {
        Some((certificate, key)) => Some(certificates(certificate, key, stop).await?),
        None => None,
    };
    let (send, accepted) = mpsc::channel(1);
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = accept(tcp, tls, send) => {}
        }
    });
    Ok(Listener { address, accepted })
}

impl Listener {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(
    tcp: TcpListener,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    send: mpsc::Sender<(Connection, SocketAddr)>,
) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(counted) = Arc::clone(&connections).acquire_owned().await else { return };
        let (stream, peer) = match tcp.accept().await {
            Ok(accepted) => accepted,
            Err(cause) => {
                // Out of descriptors, mostly: it passes.
                warn!(%cause, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let config = tls.as_ref().map(|tls| Arc::clone(&tls.borrow()));
        let send = send.clone();
        tokio::spawn(async move {
            let stream = match config {
                None => Stream::Plain(stream),
                Some(config) => {
                    let handshake = TlsAcceptor::from(config).accept(stream);
                    match tokio::time::timeout(HANDSHAKE, handshake).await {
                        Ok(Ok(stream)) => Stream::Tls(Box::new(stream)),
                        Ok(Err(_)) | Err(_) => return,
                    }
                }
            };
            let silence = Box::pin(tokio::time::sleep(SILENCE));
            let connection = Connection { stream, silence, _counted: counted };
            // Nobody receives once the server has ended.
            let _ = send.send((connection, peer)).await;
        });
    }
}

/// Reads the certificate, and reads it again whenever a file changes.
async fn certificates(
    certificate: PathBuf,
    key: PathBuf,
    stop: &CancellationToken,
) -> anyhow::Result<watch::Receiver<Arc<ServerConfig>>> {
    let mut seen = changed(&certificate, &key);
    let mut said = false;
    let first = loop {
        match read(&certificate, &key) {
            Ok(config) => break config,
            Err(cause) => {
                if !said {
                    warn!(cause = format!("{cause:#}"), "waiting for a usable certificate");
                    said = true;
                }
                tokio::select! {
                    () = stop.cancelled() => return Err(cause),
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
                seen = changed(&certificate, &key);
            }
        }
    };
    let (send, receive) = watch::channel(first);
    tokio::spawn(async move {
        while !send.is_closed() {
            tokio::time::sleep(LOOK).await;
            let now = changed(&certificate, &key);
            if now == seen {
                continue;
            }
            match read(&certificate, &key) {
                Ok(config) => {
                    info!("the certificate changed");
                    send.send_replace(config);
                    seen = now;
                }
                Err(cause) => warn!(
                    cause = format!("{cause:#}"),
                    "the new certificate cannot be used; the old one stays"
                ),
            }
        }
    });
    Ok(receive)
}

fn changed(certificate: &Path, key: &Path) -> [Option<SystemTime>; 2] {
    [certificate, key].map(|path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok())
}

fn read(certificate: &Path, key: &Path) -> anyhow::Result<Arc<ServerConfig>> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| format!("--tls-cert {}", certificate.display()))?;
    let key_der =
        PrivateKeyDer::from_pem_file(key).with_context(|| format!("--tls-key {}", key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .context("--tls-cert and --tls-key do not belong together")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            // Closed only when the process ends.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        Ok(self.address)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let read = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        this.unless_silent(context, read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        this.unless_silent(context, written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl Connection {
    /// What was done, or an error once the client neither sent nor took anything for too long.
    fn unless_silent<T>(
        &mut self,
        context: &mut TaskContext<'_>,
        done: Poll<std::io::Result<T>>,
    ) -> Poll<std::io::Result<T>> {
        if done.is_ready() {
            // The sleep's own clock: nothing here reads the time.
            self.silence.set(tokio::time::sleep(SILENCE));
            return done;
        }
        match self.silence.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(std::io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}
