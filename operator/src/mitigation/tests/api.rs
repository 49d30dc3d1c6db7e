//! As much of an API server as the executor speaks to: versions, conflicts, one Deployment, its pods.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{body, http};
use breakwater_core::{Digest, workload::Workload};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::Notify;

type Meddler = Box<dyn FnOnce(&mut State) + Send>;

pub(super) struct State {
    pub(super) enabled: bool,
    pub(super) paused: bool,
    pub(super) granted: bool,
    pub(super) refuses_events: bool,
    pub(super) policies: Vec<&'static str>,
    /// So many evictions a disruption budget allows.
    pub(super) budget: usize,
    replicas: i64,
    annotations: BTreeMap<String, String>,
    pods: Vec<usize>,
    version: u64,
    configmaps: BTreeMap<String, Value>,
    writes: Vec<String>,
    requests: Vec<String>,
    before_scale: Option<Meddler>,
    kill: Option<(usize, bool)>,
}

impl State {
    pub(super) fn scale_by_a_person(&mut self, replicas: i64) {
        self.replicas = replicas;
        self.version += 1;
    }
}

#[derive(Clone)]
pub(super) struct FakeApi {
    state: Arc<Mutex<State>>,
    killed: Arc<Notify>,
}

enum Answer {
    Json(u16, Value),
    /// The process dies before the answer.
    Silence,
}

impl FakeApi {
    pub(super) fn new() -> Self {
        let state = State {
            enabled: true,
            paused: false,
            granted: true,
            refuses_events: false,
            policies: vec!["uid-policy"],
            budget: 9,
            replicas: 3,
            annotations: BTreeMap::new(),
            pods: vec![0, 1, 2],
            version: 1,
            configmaps: BTreeMap::new(),
            writes: vec![],
            requests: vec![],
            before_scale: None,
            kill: None,
        };
        Self { state: Arc::new(Mutex::new(state)), killed: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn client(&self) -> kube::Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let api = api.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body::to_bytes(body::Body::new(body), 1 << 20).await.unwrap();
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                match api.answer(parts.method.as_str(), parts.uri.path(), &body) {
                    Answer::Json(status, value) => {
                        let body = body::Body::from(value.to_string());
                        let response = http::Response::builder().status(status).body(body).unwrap();
                        Ok::<_, Infallible>(response)
                    }
                    Answer::Silence => {
                        api.killed.notify_one();
                        std::future::pending().await
                    }
                }
            }
        });
        kube::Client::new(service, "default")
    }

    /// The record as a person leaves it.
    pub(super) fn edit_record(&self, change: impl FnOnce(&mut BTreeMap<String, Value>)) {
        change(&mut self.lock().configmaps);
    }

    pub(super) fn writes(&self) -> Vec<String> {
        self.lock().writes.clone()
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.lock().requests.clone()
    }

    pub(super) fn replicas(&self) -> i64 {
        self.lock().replicas
    }

    pub(super) fn record(&self) -> String {
        let state = self.lock();
        let record =
            state.configmaps.iter().find(|(name, _)| name.starts_with("breakwater-mitigation-")).unwrap().1;
        record["data"]["record"].as_str().unwrap().to_owned()
    }

    pub(super) fn annotation(&self, key: &str) -> Option<String> {
        self.lock().annotations.get(key).cloned()
    }

    pub(super) fn annotate(&self, key: &str, value: &str) {
        let mut state = self.lock();
        state.version += 1;
        state.annotations.insert(key.into(), value.into());
    }

    /// As a person does it: with the nonce of the containment.
    pub(super) fn undo(&self) {
        let record: Value = serde_json::from_str(&self.record()).unwrap();
        self.annotate("breakwater.dev/undo", record["containment"]["nonce"].as_str().unwrap());
    }

    pub(super) fn undo_with(&self, nonce: &str) {
        self.annotate("breakwater.dev/undo", nonce);
    }

    pub(super) fn cached(&self, workload: Workload) -> Workload {
        let state = self.lock();
        let enabled = [("breakwater.dev/remediation".into(), "enabled".into())];
        Workload {
            annotations: state.annotations.clone(),
            replicas: Some(i32::try_from(state.replicas).unwrap()),
            namespace_labels: if state.enabled { enabled.into() } else { BTreeMap::new() },
            ..workload
        }
    }

    pub(super) fn meddle_now(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
    }

    /// Right before the first `/scale` is answered.
    pub(super) fn meddle(&self, change: impl FnOnce(&mut State) + Send + 'static) {
        self.lock().before_scale = Some(Box::new(change));
    }

    pub(super) fn kill_at(&self, nth: usize, is_taken: bool) {
        self.lock().kill = Some((nth, is_taken));
    }

    pub(super) fn live_on(&self) {
        self.lock().kill = None;
    }

    pub(super) async fn killed(&self) {
        self.killed.notified().await;
    }

    fn answer(&self, method: &str, path: &str, body: &Value) -> Answer {
        let mut state = self.lock();
        let path = path.rsplit_once("/namespaces/shop/").map_or(path, |(_, rest)| rest);
        let path =
            path.rsplit_once("/namespaces/breakwater-system/").map_or(path, |(_, rest)| rest).to_owned();
        state.requests.push(format!("{method} {path}"));
        if method == "GET" || path.ends_with("selfsubjectaccessreviews") {
            let (status, value) = state.read(&path);
            return Answer::Json(status, value);
        }
        if let Some((left, is_taken)) = state.kill {
            if left == 0 {
                state.kill = None;
                if is_taken {
                    state.write(method, &path, body);
                }
                return Answer::Silence;
            }
            state.kill = Some((left - 1, is_taken));
        }
        let (status, value) = state.write(method, &path, body);
        Answer::Json(status, value)
    }
}

fn refused(code: u16, reason: &str) -> (u16, Value) {
    (code, json!({"kind": "Status", "status": "Failure", "reason": reason, "message": reason, "code": code}))
}

impl State {
    fn deployment(&self) -> Value {
        json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "uid-web", "generation": 1,
                "resourceVersion": self.version.to_string(), "annotations": self.annotations},
            "spec": {"replicas": self.replicas, "selector": {"matchLabels": {"app": "web"}},
                "template": {"spec": {"containers": [{"name": "web", "image": "registry.test/web:1"}]}}},
            "status": {"replicas": self.pods.len(), "observedGeneration": 1},
        })
    }

    fn read(&self, path: &str) -> (u16, Value) {
        if path.ends_with("selfsubjectaccessreviews") {
            return (201, json!({"spec": {}, "status": {"allowed": self.granted}}));
        }
        if path.ends_with("/namespaces/shop") {
            let label = if self.enabled { "enabled" } else { "disabled" };
            let pause = if self.paused { "true" } else { "false" };
            let meta = json!({"name": "shop", "labels": {"breakwater.dev/remediation": label},
                "annotations": {breakwater_crds::names::annotations::PAUSE: pause}});
            return (200, json!({"metadata": meta}));
        }
        if let Some(name) = path.strip_prefix("configmaps/") {
            return self
                .configmaps
                .get(name)
                .map_or_else(|| refused(404, "NotFound"), |object| (200, object.clone()));
        }
        let list = |items: Vec<Value>| (200, json!({"metadata": {}, "items": items}));
        let owned = |name: String, owner: &str| {
            json!({"name": name, "uid": format!("uid-{name}"),
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "X", "name": "x", "uid": owner, "controller": true}]})
        };
        match path {
            "configmaps" => list(
                self.configmaps.values().filter(|o| !o["metadata"]["labels"].is_null()).cloned().collect(),
            ),
            "deployments/web" => (200, self.deployment()),
            "replicasets" => list(vec![json!({"metadata": owned("web-rs".into(), "uid-web")})]),
            "pods" => {
                let foreign = json!({"metadata": owned("stranger".into(), "uid-of-another")});
                let pods = self.pods.iter().map(|n| {
                    let image_id = format!("registry.test/web@{}", Digest::of(b"1"));
                    json!({"metadata": owned(format!("web-{n}"), "uid-web-rs"), "status": {"phase": "Running",
                        "containerStatuses": [{"name": "web", "image": "i", "imageID": image_id, "ready": true, "restartCount": 0}]}})
                });
                list(pods.chain([foreign]).collect())
            }
            "horizontalpodautoscalers" => list(vec![]),
            _ if path.ends_with("/imagepolicies") => list(
                self.policies.iter().map(|uid| json!({"metadata": {"name": "strict", "uid": uid}})).collect(),
            ),
            other => panic!("GET {other} is not expected"),
        }
    }

    fn write(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (said, answer) = match (method, path) {
            ("POST", "configmaps") => self.store(method, body["metadata"]["name"].as_str().unwrap(), body),
            ("PUT", _) if path.starts_with("configmaps/") => {
                self.store(method, path.strip_prefix("configmaps/").unwrap(), body)
            }
            ("DELETE", _) if path.starts_with("configmaps/") => {
                self.configmaps.remove(path.strip_prefix("configmaps/").unwrap());
                (format!("{method} {path}"), (200, json!({"kind": "Status", "status": "Success"})))
            }
            ("POST", "events") => {
                let said = format!("POST events {}", body["reason"].as_str().unwrap());
                let answer =
                    if self.refuses_events { refused(500, "InternalError") } else { (201, body.clone()) };
                (said, answer)
            }
            ("PATCH", _) if path.starts_with("events/") => {
                ("PATCH events".into(), (200, json!({"metadata": {}})))
            }
            ("PUT", "deployments/web/scale") => self.scale(body),
            ("PATCH", "deployments/web")
                if body["metadata"]["resourceVersion"].as_str() != Some(&self.version.to_string()) =>
            {
                ("PATCH deployments/web CONFLICT".to_owned(), refused(409, "Conflict"))
            }
            ("PATCH", "deployments/web") => {
                let notes = body["metadata"]["annotations"].as_object().unwrap();
                let keys = notes.keys().cloned().collect::<Vec<_>>().join(",");
                self.annotations.remove("breakwater.dev/mitigation");
                for (key, value) in notes {
                    self.annotations.insert(key.clone(), value.as_str().unwrap().into());
                }
                self.version += 1;
                (format!("PATCH deployments/web {keys}"), (200, self.deployment()))
            }
            ("POST", _) if path.ends_with("/eviction") => self.evict(path, body),
            other => panic!("{other:?} is not expected"),
        };
        self.writes.push(said);
        answer
    }

    fn store(&mut self, method: &str, name: &str, body: &Value) -> (String, (u16, Value)) {
        let short = if name.starts_with("breakwater-mitigation-") { "breakwater-mitigation" } else { name };
        let record: Value = body["data"]["record"]
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let phase = match &record["containment"]["phase"] {
            Value::String(phase) => format!(" {phase}"),
            Value::Object(phase) => phase.keys().map(|phase| format!(" {phase}")).collect(),
            _ => String::new(),
        };
        let said = format!("{method} configmaps/{short}{phase}");
        let known = self.configmaps.get(name).map(|object| object["metadata"]["resourceVersion"].clone());
        let wrong = match (method, known) {
            ("POST", Some(_)) => true,
            ("PUT", Some(version)) => version != body["metadata"]["resourceVersion"],
            ("PUT", None) => return (said, refused(404, "NotFound")),
            _ => false,
        };
        if wrong {
            return (format!("{said} CONFLICT"), refused(409, "Conflict"));
        }
        self.version += 1;
        let mut object = body.clone();
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.configmaps.insert(name.into(), object.clone());
        (said, (200, object))
    }

    fn scale(&mut self, body: &Value) -> (String, (u16, Value)) {
        if let Some(meddle) = self.before_scale.take() {
            meddle(self);
        }
        let said = format!("PUT deployments/web/scale {}", body["spec"]["replicas"]);
        if body["metadata"]["resourceVersion"].as_str() != Some(&self.version.to_string())
            || body["metadata"]["uid"] != "uid-web"
        {
            return (format!("{said} CONFLICT"), refused(409, "Conflict"));
        }
        self.replicas = body["spec"]["replicas"].as_i64().unwrap();
        self.pods = (0..usize::try_from(self.replicas).unwrap()).collect();
        self.version += 1;
        (said, (200, body.clone()))
    }

    fn evict(&mut self, path: &str, body: &Value) -> (String, (u16, Value)) {
        let uid = body["deleteOptions"]["preconditions"]["uid"].as_str().unwrap_or("without identity");
        let said = format!("POST {path} {uid}");
        if self.budget == 0 {
            return (format!("{said} REFUSED"), refused(429, "TooManyRequests"));
        }
        self.budget -= 1;
        self.pods.retain(|n| path != format!("pods/web-{n}/eviction"));
        (said, (201, json!({"kind": "Status", "status": "Success"})))
    }
}
