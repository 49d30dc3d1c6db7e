//! A server of files that change, which remembers what it was asked for.

#![allow(unreachable_pub, reason = "part of each test that uses it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests stop where they cannot go on")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

#[derive(Default)]
pub struct Files {
    pub files: BTreeMap<String, Vec<u8>>,
    pub asked: Vec<String>,
}

pub type Shared = Arc<Mutex<Files>>;

/// Serves them on loopback; where.
pub async fn serve(files: &Shared) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new().fallback(answer).with_state(Arc::clone(files));
    tokio::spawn(axum::serve(listener, routes).into_future());
    address
}

async fn answer(State(files): State<Shared>, uri: Uri) -> Response {
    let mut files = files.lock().unwrap();
    files.asked.push(uri.path().to_owned());
    match files.files.get(uri.path()) {
        Some(bytes) => bytes.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
