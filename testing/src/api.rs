//! The fake API server: what tests hold in their hands.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::Body,
    http::{Request as HttpRequest, Response},
};
use chrono::{DateTime, Utc};
use kube::Resource;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use crate::{
    call::{Call, Request, Verb},
    faults::{Effect, Fault},
    kinds::{KINDS, Kind},
    state::{Interruption, Key, State},
    watch::open,
};

/// An API server in this process. Cheap to clone; all clones are one server.
///
/// It is deterministic and never sleeps. No controller runs by itself, see [`FakeApi::settle`].
#[derive(Debug, Clone)]
pub struct FakeApi {
    state: Arc<Mutex<State>>,
    changed: Arc<watch::Sender<u64>>,
    hung: Arc<Notify>,
}

impl Default for FakeApi {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the clients' default namespace is: the operator's.
const NAMESPACE: &str = "breakwater-system";

impl FakeApi {
    /// An empty server that serves the kinds of a cluster and Breakwater's own.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Arc::default(), changed: Arc::new(watch::channel(0).0), hung: Arc::default() }
    }

    /// A client of this server. Its default namespace is `breakwater-system`.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        self.client_as("")
    }

    /// A client with a name, by which faults and [`Request::client`] tell it apart.
    #[must_use]
    pub fn client_as(&self, name: &str) -> kube::Client {
        let (api, name): (_, Arc<str>) = (self.clone(), name.into());
        let service = tower::service_fn(move |request: HttpRequest<kube::client::Body>| {
            let (api, name) = (api.clone(), name.clone());
            async move { api.serve(name, request).await }
        });
        kube::Client::new(service, NAMESPACE)
    }

    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let (result, is_changed, revision) = {
            let mut state = self.state.lock().unwrap();
            let before = (state.revision, state.interruptions.len());
            let result = act(&mut state);
            (result, before != (state.revision, state.interruptions.len()), state.revision)
        };
        if is_changed {
            self.changed.send_replace(revision);
        }
        result
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    async fn serve(
        &self,
        client: Arc<str>,
        request: HttpRequest<kube::client::Body>,
    ) -> io::Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.map_err(io::Error::other)?;
        let (call, hooks, effect) = self.with(|state| {
            let call = Call::read(client, &parts.method, &parts.uri, &parts.headers, &body, &state.defined);
            let hooks = state.plan.hooks(&call.request);
            let effect = state.plan.effect(&call.request);
            (call, hooks, effect)
        });
        for hook in hooks {
            hook(self);
        }
        let at = self.with(|state| {
            state.requests.push(call.request.clone());
            state.requests.len() - 1
        });
        let cut = || Err(io::Error::new(io::ErrorKind::ConnectionReset, "the connection was cut"));
        match effect {
            None => Ok(self.answer(at, call)),
            Some(Effect::CutBeforeEffect) => cut(),
            Some(Effect::CutAfterEffect) => {
                self.carry_out(at, &call);
                cut()
            }
            Some(Effect::HangBeforeEffect) => self.hang().await,
            Some(Effect::HangAfterEffect) => {
                self.carry_out(at, &call);
                self.hang().await
            }
            Some(Effect::Late) => {
                self.delay(at, call);
                cut()
            }
            Some(Effect::HangLate) => {
                self.delay(at, call);
                self.hang().await
            }
            Some(Effect::LateBy(duration)) => {
                let api = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(duration).await;
                    api.carry_out(at, &call);
                });
                cut()
            }
            Some(Effect::Duplicated) => {
                self.delay(at, call.clone());
                Ok(self.answer(at, call))
            }
            Some(Effect::Answer(code)) => Ok(self.refuse(at, code)),
            Some(Effect::AnswerAfterEffect(code)) => {
                self.carry_out(at, &call);
                Ok(self.refuse(at, code))
            }
            Some(Effect::Expired) => match (&call.target, call.request.verb) {
                (Some(target), Verb::Watch) => {
                    let target = target.clone();
                    Ok(respond(200, open(self.clone(), call, target, true)))
                }
                _ => Ok(self.refuse(at, 410)),
            },
            Some(Effect::UnreadableBody) => {
                self.carry_out(at, &call);
                Ok(respond(200, Body::from(&b"{\"kind\": <html>"[..])))
            }
        }
    }

    fn answer(&self, at: usize, call: Call) -> Response<Body> {
        if call.request.verb == Verb::Watch
            && let Some(target) = call.target.clone()
        {
            self.with(|state| state.requests[at].status = Some(200));
            return respond(200, open(self.clone(), call, target, false));
        }
        let (code, body) = self.carry_out(at, &call);
        respond(code, Body::from(serde_json::to_vec(&body).unwrap()))
    }

    fn carry_out(&self, at: usize, call: &Call) -> (u16, Value) {
        self.with(|state| {
            let (code, body) = state.handle(call);
            if let Some(request) = state.requests.get_mut(at) {
                request.status.get_or_insert(code);
            }
            (code, body)
        })
    }

    fn refuse(&self, at: usize, code: u16) -> Response<Body> {
        self.with(|state| state.requests[at].status = Some(code));
        let refusal = match code {
            410 => crate::refusal::Refusal::expired(),
            code => crate::refusal::Refusal::new(code, "the fake was told to answer so"),
        };
        respond(code, Body::from(serde_json::to_vec(&refusal.status()).unwrap()))
    }

    async fn hang(&self) -> io::Result<Response<Body>> {
        self.hung.notify_one();
        std::future::pending().await
    }

    fn delay(&self, at: usize, call: Call) {
        self.with(|state| state.late.push_back((at, call)));
    }
}

/// Objects, by hand: as another person or controller would write them.
impl FakeApi {
    /// Serves one more kind.
    pub fn define(&self, kind: Kind) {
        self.with(|state| state.defined.push(kind));
    }

    /// Stores an object whatever was there before, and returns it as stored. It names its `apiVersion` and `kind`; without a namespace
    /// it is in `default`. A uid that it names is kept: another one makes it another object of the same name.
    ///
    /// # Panics
    /// When the server does not know its kind.
    pub fn put(&self, object: impl Serialize) -> Value {
        let object = serde_json::to_value(object).unwrap();
        self.with(|state| {
            let kind = *KINDS
                .iter()
                .chain(&state.defined)
                .find(|kind| object["kind"] == kind.kind && object["apiVersion"] == kind.api_version())
                .unwrap_or_else(|| panic!("unknown kind {} {}", object["apiVersion"], object["kind"]));
            state.put(kind, object)
        })
    }

    /// The object, if it is there. The namespace of objects of the cluster is empty.
    ///
    /// # Panics
    /// When the object is not what `K` can be read from.
    #[must_use]
    pub fn get<K>(&self, namespace: &str, name: &str) -> Option<K>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let object = self.json::<K>(namespace, name)?;
        Some(serde_json::from_value(object).unwrap())
    }

    /// The object as it is stored.
    #[must_use]
    pub fn json<K: Resource<DynamicType = ()>>(&self, namespace: &str, name: &str) -> Option<Value> {
        self.with(|state| find::<K>(state, namespace, name).map(|key| state.objects[&key].object.clone()))
    }

    /// All objects of a kind, in the order of namespace and name.
    ///
    /// # Panics
    /// When one of them is not what `K` can be read from.
    #[must_use]
    pub fn all<K>(&self) -> Vec<K>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let (group, plural) = (K::group(&()), K::plural(&()));
        self.with(|state| {
            let objects = state.objects.iter().filter(|(((g, p), _, _), _)| *g == group && *p == plural);
            objects.map(|(_, stored)| serde_json::from_value(stored.object.clone()).unwrap()).collect()
        })
    }

    /// Changes an object as another writer would.
    ///
    /// # Panics
    /// When it is not there.
    pub fn edit<K: Resource<DynamicType = ()>>(
        &self,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) {
        self.with(|state| {
            let key = find::<K>(state, namespace, name).unwrap_or_else(|| panic!("no {namespace}/{name}"));
            let stored = state.objects[&key].clone();
            let mut object = stored.object;
            change(&mut object);
            state.put(stored.kind, object);
        });
    }

    /// Removes an object at once, whatever finalizers it has. Returns whether it was there.
    pub fn remove<K: Resource<DynamicType = ()>>(&self, namespace: &str, name: &str) -> bool {
        self.with(|state| find::<K>(state, namespace, name).and_then(|key| state.remove(&key)).is_some())
    }

    /// The field managers that own a field, for example of `["metadata", "annotations", "breakwater.dev/latch"]`.
    #[must_use]
    pub fn owners<K: Resource<DynamicType = ()>>(
        &self,
        namespace: &str,
        name: &str,
        field: &[&str],
    ) -> Vec<String> {
        let field = field.iter().map(|&segment| segment.to_owned()).collect();
        self.with(|state| {
            let key = find::<K>(state, namespace, name);
            key.map(|key| state.objects[&key].owners.of(&field).into_iter().collect()).unwrap_or_default()
        })
    }
}

fn find<K: Resource<DynamicType = ()>>(state: &State, namespace: &str, name: &str) -> Option<Key> {
    let (group, plural) = (K::group(&()), K::plural(&()));
    let kind =
        KINDS.iter().chain(&state.defined).find(|kind| kind.group == group && kind.plural == plural)?;
    let key = crate::state::key(kind, namespace, name);
    state.objects.contains_key(&key).then_some(key)
}

/// What was asked.
impl FakeApi {
    /// All requests, in the order in which they came.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.with(|state| state.requests.clone())
    }

    /// The requests that may have changed something, whatever became of them.
    #[must_use]
    pub fn writes(&self) -> Vec<Request> {
        self.with(|state| state.requests.iter().filter(|request| request.is_write()).cloned().collect())
    }

    /// The writes since the last call of this, and forgets all requests.
    #[must_use]
    pub fn take_writes(&self) -> Vec<Request> {
        let all = self.with(|state| {
            assert!(state.late.is_empty(), "requests are late: deliver or drop them first");
            std::mem::take(&mut state.requests)
        });
        all.into_iter().filter(Request::is_write).collect()
    }

    /// The revision: it grows with every change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.with(|state| state.revision)
    }
}

/// What goes wrong.
impl FakeApi {
    /// Starts the random numbers behind [`Fault::chance`].
    pub fn seed(&self, seed: u64) {
        self.with(|state| state.plan.seed(seed));
    }

    /// Plans a fault. Of several that hit a request, the first planned decides.
    pub fn fault(&self, fault: Fault, effect: Effect) {
        self.with(|state| state.plan.add(fault, effect));
    }

    /// Does something right before a request is handled: a race, made certain. It runs once.
    pub fn before(&self, request: Fault, act: impl FnOnce(&Self) + Send + 'static) {
        self.with(|state| state.plan.add_hook(request, Box::new(act)));
    }

    /// Forgets what was planned. Late requests stay late.
    pub fn clear_faults(&self) {
        self.with(|state| state.plan.clear());
    }

    /// Returns when a request hangs. A hang that was not awaited is remembered.
    pub async fn hung(&self) {
        self.hung.notified().await;
    }

    /// The requests that are late, in their order.
    #[must_use]
    pub fn late(&self) -> Vec<Request> {
        self.with(|state| state.late.iter().map(|(_, call)| call.request.clone()).collect())
    }

    /// Carries out the first late request and returns the code of the answer that no client hears.
    pub fn deliver_next(&self) -> Option<u16> {
        let (at, call) = self.with(|state| state.late.pop_front())?;
        Some(self.carry_out(at, &call).0)
    }

    /// Carries out all late requests, in their order.
    pub fn deliver_late(&self) {
        while self.deliver_next().is_some() {}
    }

    /// Forgets the late requests: they never arrive.
    pub fn drop_late(&self) {
        self.with(|state| state.late.clear());
    }

    /// Cuts all open watches.
    pub fn cut_watches(&self) {
        self.with(|state| state.interruptions.push(Interruption::Cut));
    }

    /// Ends all open watches with the error 410.
    pub fn expire_watches(&self) {
        self.with(|state| state.interruptions.push(Interruption::Expire));
    }

    /// Sends a bookmark to all open watches that take them.
    pub fn bookmark(&self) {
        self.with(|state| state.interruptions.push(Interruption::Bookmark));
    }

    /// Forgets the history: watches and pages from before now are too old.
    pub fn compact(&self) {
        self.with(|state| {
            state.compacted = state.revision;
            state.history.clear();
        });
    }
}

/// The rest of a cluster.
impl FakeApi {
    /// Lets the kubelet, the garbage collector and the controllers of Deployments and StatefulSets work until nothing changes:
    /// pods end, orphans go, each workload has as many pods of its template as replicas, and `observedGeneration` catches up.
    pub fn settle(&self) {
        self.with(State::settle);
    }

    /// Lets a disruption budget allow so many more evictions in a namespace. Before this, nothing limits them.
    pub fn allow_disruptions(&self, namespace: &str, pods: usize) {
        self.with(|state| state.disruptions.insert(namespace.into(), pods));
    }

    /// What nodes call an image (`imageID`). Without this, a digest made from its name.
    pub fn resolve_image(&self, image: &str, image_id: &str) {
        self.with(|state| state.image_ids.insert(image.into(), image_id.into()));
    }

    /// Answers access reviews: may, or may not.
    pub fn grant(&self, is_allowed: bool) {
        self.review(move |_, _| json!({"allowed": is_allowed}));
    }

    /// Answers reviews: `status` from the plural of the kind and the review as sent. Before this, all access is allowed and no token
    /// is known.
    pub fn review(&self, reviewer: impl Fn(&str, &Value) -> Value + Send + Sync + 'static) {
        self.with(|state| state.reviewer = Arc::new(reviewer));
    }

    /// The time in timestamps that the server writes. It stands still.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.with(|state| state.now)
    }

    pub fn set_now(&self, now: DateTime<Utc>) {
        self.with(|state| state.now = now);
    }

    pub fn advance(&self, by: Duration) {
        self.with(|state| state.now += by);
    }
}

fn respond(code: u16, body: Body) -> Response<Body> {
    Response::builder().status(code).header("content-type", "application/json").body(body).unwrap()
}
