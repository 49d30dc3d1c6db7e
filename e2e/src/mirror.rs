//! A mirror of advisories: a directory over HTTP, with `Last-Modified` and conditional requests, nothing more.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use tower_http::services::ServeDir;

use crate::address::MIRROR_PORT;
use crate::error::AtPath;
use crate::node::Node;
use crate::{ClusterIndex, Layout, Result, clock};

pub(crate) const MIRROR: &str = "mirror";

/// Serves `directory` on `address` until the process ends.
///
/// # Errors
/// If the address cannot be had.
pub async fn serve(directory: PathBuf, address: SocketAddr) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, Router::new().fallback_service(ServeDir::new(directory))).await
}

/// Starts the mirror inside the node; `cluster` is this crate's program.
pub(crate) fn start(layout: &Layout, node: &Node<'_>, cluster: &Path) -> Result<()> {
    let directory = layout.mirror();
    std::fs::create_dir_all(&directory).at(&directory)?;
    let address = format!("{}:{MIRROR_PORT}", layout.index.node());
    let words = [cluster.as_os_str(), "serve-mirror".as_ref(), directory.as_os_str(), address.as_ref()];
    node.start(MIRROR, words)?;
    Ok(())
}

/// Waits until it accepts connections.
pub(crate) fn wait(index: ClusterIndex, node: &Node<'_>) -> Result<()> {
    let address = index.node();
    clock::wait("mirror answers", Duration::from_secs(10), || {
        std::net::TcpStream::connect((address.as_str(), MIRROR_PORT)).is_ok() || node.running(MIRROR).is_err()
    })?;
    node.running(MIRROR)
}
