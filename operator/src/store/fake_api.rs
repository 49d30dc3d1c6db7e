//! An API server in memory, as far as this crate's tests speak to one: objects by path, server-side apply as a merge, metadata lists
//! in pages, and a record of every write.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::http::{Method, Request, Response, StatusCode, Uri};
use kube::client::Body;
use serde_json::{Value, json};

/// Cheap to clone; all clones are one server.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeApi(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// By path, for example `/api/v1/namespaces/x/configmaps/y`.
    objects: BTreeMap<String, Value>,
    writes: Vec<String>,
    revision: u64,
    /// Keys of `status` that a field manager said last, by path and manager.
    said: BTreeMap<(String, String), BTreeSet<String>>,
    /// Answers to `POST` of reviews, by path.
    reviews: BTreeMap<String, Value>,
}

impl FakeApi {
    pub(crate) fn client(&self) -> kube::Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap_or_default();
                Ok::<_, Infallible>(api.answer(&parts.method, &parts.uri, &parts.headers, &body))
            }
        });
        kube::Client::new(service, "breakwater-system")
    }

    /// Puts an object where the API server would have it.
    pub(crate) fn hold(&self, path: &str, object: impl serde::Serialize) {
        let mut state = self.0.lock().unwrap();
        state.revision += 1;
        let mut object = serde_json::to_value(object).unwrap();
        object["metadata"]["resourceVersion"] = json!(state.revision.to_string());
        state.objects.insert(path.to_owned(), object);
    }

    pub(crate) fn review(&self, path: &str, answer: Value) {
        self.0.lock().unwrap().reviews.insert(path.to_owned(), answer);
    }

    pub(crate) fn forget(&self, path: &str) {
        self.0.lock().unwrap().objects.remove(path);
    }

    pub(crate) fn object(&self, path: &str) -> Option<Value> {
        self.0.lock().unwrap().objects.get(path).cloned()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.0.lock().unwrap().objects.keys().cloned().collect()
    }

    /// The writes since the last call, as `METHOD path`.
    pub(crate) fn take_writes(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().writes)
    }

    fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &axum::http::HeaderMap,
        body: &[u8],
    ) -> Response<Body> {
        let mut state = self.0.lock().unwrap();
        let path = uri.path().to_owned();
        if let Some(answer) = state.reviews.get(&path).filter(|_| *method == Method::POST) {
            return respond(StatusCode::CREATED, answer);
        }
        if *method != Method::GET {
            state.writes.push(format!("{method} {path}"));
        }
        let sent: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        match method.as_str() {
            "GET" => match state.objects.get(&path) {
                Some(object) => respond(StatusCode::OK, object),
                None if is_collection(&path) => respond(StatusCode::OK, &list(&state, &path, uri.query())),
                None => failure(StatusCode::NOT_FOUND, "NotFound"),
            },
            "POST" => {
                let name = sent["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                let path = format!("{path}/{name}");
                if state.objects.contains_key(&path) {
                    return failure(StatusCode::CONFLICT, "AlreadyExists");
                }
                let object = state.write(&path, sent);
                respond(StatusCode::CREATED, &object)
            }
            "PATCH" => {
                let path = path.strip_suffix("/status").unwrap_or(&path).to_owned();
                let is_apply = headers
                    .get("content-type")
                    .is_some_and(|kind| kind.to_str().unwrap_or_default().contains("apply-patch"));
                match state.objects.get(&path).cloned() {
                    // A patch that says which version it means holds for no other.
                    Some(object)
                        if !sent["metadata"]["resourceVersion"].is_null()
                            && sent["metadata"]["resourceVersion"]
                                != object["metadata"]["resourceVersion"] =>
                    {
                        failure(StatusCode::CONFLICT, "Conflict")
                    }
                    Some(mut object) => {
                        if is_apply {
                            state.take_back(&path, uri.query().unwrap_or_default(), &sent, &mut object);
                        }
                        merge(&mut object, &sent);
                        let object = state.write(&path, object);
                        respond(StatusCode::OK, &object)
                    }
                    None if is_apply => {
                        let object = state.write(&path, sent);
                        respond(StatusCode::CREATED, &object)
                    }
                    None => failure(StatusCode::NOT_FOUND, "NotFound"),
                }
            }
            "DELETE" => match state.objects.remove(&path) {
                Some(object) => respond(StatusCode::OK, &object),
                None => failure(StatusCode::NOT_FOUND, "NotFound"),
            },
            _ => failure(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
        }
    }
}

impl State {
    /// What a manager said before and leaves out now is removed.
    fn take_back(&mut self, path: &str, manager: &str, sent: &Value, object: &mut Value) {
        let now: BTreeSet<String> =
            sent["status"].as_object().map(|s| s.keys().cloned().collect()).unwrap_or_default();
        let before = self.said.insert((path.to_owned(), manager.to_owned()), now.clone()).unwrap_or_default();
        if let Some(status) = object["status"].as_object_mut() {
            status.retain(|key, _| now.contains(key) || !before.contains(key));
        }
    }

    fn write(&mut self, path: &str, mut object: Value) -> Value {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{}", self.revision));
        }
        self.objects.insert(path.to_owned(), object.clone());
        object
    }
}

/// RFC 7386, which is what apply comes to for objects with one writer.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                if value.is_null() {
                    into.remove(key);
                } else {
                    merge(into.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// A path of pairs (`namespaces/x`, `jobs/y`) after the version has a name at its end; one that is left over is a collection.
fn is_collection(path: &str) -> bool {
    let parts = path.trim_matches('/').split('/').count();
    let prefix = if path.starts_with("/api/") { 2 } else { 3 };
    (parts - prefix) % 2 == 1
}

fn list(state: &State, path: &str, query: Option<&str>) -> Value {
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
    let selector = query.get("labelSelector").cloned().unwrap_or_default();
    let limit = query.get("limit").and_then(|l| l.parse().ok()).unwrap_or(usize::MAX);
    let after = query.get("continue").cloned().unwrap_or_default();
    let prefix = format!("{path}/");
    let everywhere = path.rsplit('/').next().unwrap_or_default();
    let mut found = state
        .objects
        .iter()
        .filter(|(at, _)| {
            at.starts_with(&prefix)
                || at.contains(&format!("/{everywhere}/")) && !path.contains("/namespaces/")
        })
        .filter(|(at, object)| **at > after && selects(&selector, &object["metadata"]["labels"]));
    let page: Vec<_> = found.by_ref().take(limit).collect();
    let token = found.next().and_then(|_| page.last()).map(|(at, _)| (*at).clone());
    let items: Vec<_> = page.into_iter().map(|(_, object)| object.clone()).collect();
    json!({
        "kind": "List", "apiVersion": "v1", "items": items,
        "metadata": {"resourceVersion": state.revision.to_string(), "continue": token.unwrap_or_default()},
    })
}

fn selects(selector: &str, labels: &Value) -> bool {
    selector.split(',').filter(|term| !term.is_empty()).all(|term| {
        match (term.strip_prefix('!'), term.split_once('=')) {
            (Some(absent), _) => labels[absent].is_null(),
            (None, Some((key, value))) => labels[key] == value,
            (None, None) => !labels[term].is_null(),
        }
    })
}

fn respond(status: StatusCode, body: &Value) -> Response<Body> {
    let body = Body::from(serde_json::to_vec(body).unwrap());
    Response::builder().status(status).header("content-type", "application/json").body(body).unwrap()
}

fn failure(status: StatusCode, reason: &str) -> Response<Body> {
    respond(
        status,
        &json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": status.as_u16()}),
    )
}
