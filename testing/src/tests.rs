//! The fake against what the real server documents.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::{
    apps::v1::Deployment,
    authorization::v1::SelfSubjectAccessReview,
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, WatchEvent, WatchParams},
};
use serde_json::{Value, json};

use crate::{Effect, FakeApi, Fault, Verb};

fn config(name: &str, data: &Value) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": data})).unwrap()
}

fn maps(api: &FakeApi) -> Api<ConfigMap> {
    Api::namespaced(api.client(), "shop")
}

fn web(replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "registry.test/web:1"}]}}},
    })
}

fn code<T: std::fmt::Debug>(result: kube::Result<T>) -> u16 {
    match result.unwrap_err() {
        kube::Error::Api(status) => status.code,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn versions_conflict_and_equal_writes_change_nothing() {
    let api = FakeApi::new();
    let maps = maps(&api);
    let post = PostParams::default();
    let first = maps.create(&post, &config("a", &json!({"k": "1"}))).await.unwrap();
    assert!(first.metadata.uid.is_some() && first.metadata.creation_timestamp.is_some());
    assert_eq!(code(maps.create(&post, &config("a", &json!({}))).await), 409);
    let mut second = first.clone();
    second.data = Some([("k".into(), "2".into())].into());
    let stored = maps.replace("a", &post, &second).await.unwrap();
    assert_ne!(stored.metadata.resource_version, first.metadata.resource_version);
    assert_eq!(code(maps.replace("a", &post, &second).await), 409, "the version is an old one");
    let same = maps.replace("a", &post, &stored).await.unwrap();
    assert_eq!(same.metadata.resource_version, stored.metadata.resource_version);
    let mut other = stored.clone();
    other.metadata.uid = Some("another".into());
    assert_eq!(code(maps.replace("a", &post, &other).await), 409);
    assert_eq!(code(maps.get("b").await), 404);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    maps.create(&dry, &config("b", &json!({}))).await.unwrap();
    assert_eq!(code(maps.get("b").await), 404);
}

#[tokio::test]
async fn generated_names_differ_and_bounds_are_kept() {
    let api = FakeApi::new();
    let maps = maps(&api);
    let generated: ConfigMap = serde_json::from_value(json!({"metadata": {"generateName": "x-"}})).unwrap();
    let one = maps.create(&PostParams::default(), &generated).await.unwrap();
    let two = maps.create(&PostParams::default(), &generated).await.unwrap();
    assert_ne!(one.metadata.name, two.metadata.name);
    let large = config("large", &json!({"k": "x".repeat((1 << 20) + 1)}));
    assert_eq!(code(maps.create(&PostParams::default(), &large).await), 422);
    assert_eq!(code(maps.create(&PostParams::default(), &config("Upper", &json!({}))).await), 422);
}

#[tokio::test]
async fn an_apply_takes_back_what_it_no_longer_names_and_nothing_else() {
    let api = FakeApi::new();
    let maps = maps(&api);
    let body = |annotations: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "annotations": annotations}});
    let ours = PatchParams::apply("ours");
    maps.patch("a", &ours, &Patch::Apply(body(json!({"x": "1", "y": "1"})))).await.unwrap();
    api.edit::<ConfigMap>("shop", "a", |object| object["metadata"]["annotations"]["z"] = json!("theirs"));
    let left = maps.patch("a", &ours, &Patch::Apply(body(json!({"y": "1"})))).await.unwrap();
    let keys: Vec<_> = left.metadata.annotations.unwrap().into_keys().collect();
    assert_eq!(keys, ["y", "z"]);
    assert_eq!(api.owners::<ConfigMap>("shop", "a", &["metadata", "annotations", "z"]), ["test"]);
    // Another's field is a conflict, unless the value is the same or the apply is forced.
    let theirs = Patch::Apply(body(json!({"y": "1", "z": "ours"})));
    assert_eq!(code(maps.patch("a", &ours, &theirs).await), 409);
    maps.patch("a", &ours.clone().force(), &theirs).await.unwrap();
    assert_eq!(api.owners::<ConfigMap>("shop", "a", &["metadata", "annotations", "z"]), ["ours"]);
    let before = api.revision();
    maps.patch("a", &ours, &theirs).await.unwrap();
    assert_eq!(api.revision(), before, "an apply that changes nothing writes nothing");
    let mut wrong = body(json!({}));
    wrong["metadata"]["uid"] = json!("another");
    assert_eq!(code(maps.patch("a", &ours, &Patch::Apply(&wrong)).await), 409);
    wrong["metadata"]["name"] = json!("b");
    assert_eq!(code(maps.patch("b", &ours, &Patch::Apply(&wrong)).await), 409, "a uid is never created");
}

#[tokio::test]
async fn conditions_are_merged_by_type() {
    let api = FakeApi::new();
    api.put(web(1));
    let deployments: Api<Deployment> = Api::namespaced(api.client(), "shop");
    let status = |kinds: &[&str]| {
        let conditions: Vec<Value> =
            kinds.iter().map(|kind| json!({"type": kind, "status": "True"})).collect();
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "status": {"conditions": conditions}})
    };
    let (a, b) = (PatchParams::apply("a"), PatchParams::apply("b"));
    deployments.patch_status("web", &a, &Patch::Apply(status(&["One", "Two"]))).await.unwrap();
    deployments.patch_status("web", &b, &Patch::Apply(status(&["Three"]))).await.unwrap();
    let left = deployments.patch_status("web", &a, &Patch::Apply(status(&["Two"]))).await.unwrap();
    let kinds: Vec<_> = left.status.unwrap().conditions.unwrap().into_iter().map(|c| c.type_).collect();
    assert_eq!(kinds, ["Two", "Three"]);
    assert_eq!(left.metadata.generation, Some(1), "a status is no new generation");
}

#[tokio::test]
async fn scale_is_the_parents_version() {
    let api = FakeApi::new();
    api.put(web(3));
    api.settle();
    let deployments: Api<Deployment> = Api::namespaced(api.client(), "shop");
    assert_eq!(api.all::<Pod>().len(), 3);
    let mut scale = deployments.get_scale("web").await.unwrap();
    api.edit::<Deployment>("shop", "web", |object| object["metadata"]["labels"]["x"] = json!("y"));
    scale.spec.as_mut().unwrap().replicas = Some(0);
    let post = PostParams::default();
    assert_eq!(code(deployments.replace_scale("web", &post, &scale).await), 409);
    let mut scale = deployments.get_scale("web").await.unwrap();
    scale.spec.as_mut().unwrap().replicas = Some(0);
    let written = deployments.replace_scale("web", &post, &scale).await.unwrap();
    let parent = deployments.get("web").await.unwrap();
    assert_eq!(written.metadata.resource_version, parent.metadata.resource_version);
    assert_eq!((parent.metadata.generation, parent.status.unwrap().observed_generation), (Some(2), Some(1)));
    api.settle();
    let status = deployments.get("web").await.unwrap().status.unwrap();
    assert_eq!((status.observed_generation, api.all::<Pod>().len()), (Some(2), 0));
}

#[tokio::test]
async fn evictions_meet_budgets_and_identities() {
    let api = FakeApi::new();
    api.put(web(2));
    api.settle();
    api.allow_disruptions("shop", 1);
    let pods: Api<Pod> = Api::namespaced(api.client(), "shop");
    let [first, second] = api.all::<Pod>().try_into().unwrap();
    let evict = async |pod: &Pod, uid: &str| {
        let name = pod.metadata.name.clone().unwrap();
        let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name},
            "deleteOptions": {"preconditions": {"uid": uid}}});
        pods.create_subresource::<Value, Value>("eviction", &name, &PostParams::default(), &body).await
    };
    assert_eq!(code(evict(&first, "another").await), 409);
    evict(&first, first.metadata.uid.as_deref().unwrap()).await.unwrap();
    let ending = api.get::<Pod>("shop", first.metadata.name.as_deref().unwrap()).unwrap();
    assert!(ending.metadata.deletion_timestamp.is_some(), "a pod ends by and by");
    assert_eq!(code(evict(&second, second.metadata.uid.as_deref().unwrap()).await), 429);
}

#[tokio::test]
async fn deletions_have_preconditions_and_finalizers() {
    let api = FakeApi::new();
    let maps = maps(&api);
    let mut held = config("a", &json!({}));
    held.metadata.finalizers = Some(vec!["x/y".into()]);
    let held = maps.create(&PostParams::default(), &held).await.unwrap();
    let uid = |uid: &str| DeleteParams {
        preconditions: Some(Preconditions { uid: Some(uid.into()), resource_version: None }),
        ..DeleteParams::default()
    };
    assert_eq!(code(maps.delete("a", &uid("another")).await.map(drop)), 409);
    maps.delete("a", &uid(held.metadata.uid.as_deref().unwrap())).await.unwrap();
    assert!(maps.get("a").await.unwrap().metadata.deletion_timestamp.is_some());
    let patch = json!({"metadata": {"finalizers": null}});
    maps.patch("a", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    assert!(api.get::<ConfigMap>("shop", "a").is_none());
}

#[tokio::test]
async fn lists_come_in_pages_that_grow_old() {
    let api = FakeApi::new();
    let maps = maps(&api);
    for name in ["a", "b", "c"] {
        api.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop", "labels": {"n": name}}}));
    }
    api.put(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d", "namespace": "other"}}),
    );
    let params = ListParams::default().limit(2);
    let page = maps.list(&params).await.unwrap();
    assert_eq!(page.items.len(), 2);
    let token = page.metadata.continue_.unwrap();
    let rest = maps.list(&params.clone().continue_token(&token)).await.unwrap();
    assert_eq!((rest.items.len(), rest.metadata.continue_), (1, None));
    api.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "e", "namespace": "shop"}}));
    api.compact();
    assert_eq!(code(maps.list(&params.continue_token(&token)).await), 410);
    let some = maps.list_metadata(&ListParams::default().labels("n in (a,c)")).await.unwrap();
    assert_eq!(some.items.len(), 2);
    assert_eq!(
        Api::<ConfigMap>::all(api.client()).list(&ListParams::default()).await.unwrap().items.len(),
        5
    );
}

#[tokio::test]
async fn watches_tell_selectors_bookmarks_and_age() {
    let api = FakeApi::new();
    let maps = maps(&api);
    let put = |name: &str, label: &str| {
        api.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop", "labels": {"l": label}}}))
    };
    put("a", "x");
    let start = api.revision().to_string();
    let params = WatchParams::default().labels("l=x");
    let mut events = maps.watch(&params, &start).await.unwrap().boxed();
    put("a", "y");
    put("b", "x");
    api.bookmark();
    let mut seen = vec![];
    for _ in 0..3 {
        seen.push(match events.try_next().await.unwrap().unwrap() {
            WatchEvent::Added(object) => format!("+{}", object.metadata.name.unwrap()),
            WatchEvent::Deleted(object) => format!("-{}", object.metadata.name.unwrap()),
            WatchEvent::Bookmark(_) => "bookmark".into(),
            other => format!("{other:?}"),
        });
    }
    assert_eq!(seen, ["-a", "+b", "bookmark"]);
    api.cut_watches();
    assert!(events.next().await.unwrap().is_err());
    api.compact();
    let mut old = maps.watch(&params, &start).await.unwrap().boxed();
    assert!(matches!(old.next().await, Some(Ok(WatchEvent::Error(status))) if status.code == 410));
    let now = api.revision().to_string();
    let mut expiring = maps.watch(&params, &now).await.unwrap().boxed();
    api.expire_watches();
    assert!(matches!(expiring.next().await, Some(Ok(WatchEvent::Error(status))) if status.code == 410));
}

#[tokio::test]
async fn faults_come_before_after_late_and_twice() {
    let api = FakeApi::new();
    let maps = maps(&api);
    let post = PostParams::default();
    let names = || api.all::<ConfigMap>().into_iter().filter_map(|m| m.metadata.name).collect::<String>();
    api.fault(Fault::on(Verb::Create, "configmaps"), Effect::CutBeforeEffect);
    assert!(matches!(maps.create(&post, &config("a", &json!({}))).await, Err(kube::Error::Service(_))));
    assert_eq!(names(), "");
    api.fault(Fault::on(Verb::Create, "configmaps"), Effect::CutAfterEffect);
    assert!(maps.create(&post, &config("b", &json!({}))).await.is_err());
    assert_eq!(names(), "b");
    api.fault(Fault::on_write("configmaps"), Effect::Late);
    assert!(maps.create(&post, &config("c", &json!({}))).await.is_err());
    assert_eq!((names().as_str(), api.late().len()), ("b", 1));
    assert_eq!(api.deliver_next(), Some(201));
    assert_eq!(names(), "bc");
    api.fault(Fault::on_write("configmaps"), Effect::Duplicated);
    maps.create(&post, &config("d", &json!({}))).await.unwrap();
    assert!(api.remove::<ConfigMap>("shop", "d"));
    api.deliver_late();
    assert_eq!(names(), "bcd", "the second delivery makes it again");
    api.fault(Fault::on_any("configmaps").nth(2), Effect::Answer(503));
    maps.get("b").await.unwrap();
    assert_eq!(code(maps.get("b").await), 503);
    maps.get("b").await.unwrap();
    api.fault(Fault::on(Verb::Get, ""), Effect::UnreadableBody);
    assert!(matches!(maps.get("b").await, Err(kube::Error::SerdeError(_))));
    api.before(Fault::on(Verb::Get, "configmaps/b"), |api| {
        let _ = api.remove::<ConfigMap>("shop", "b");
    });
    assert_eq!(code(maps.get("b").await), 404);
    assert_eq!(api.writes().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_hangs_is_told_and_what_is_late_by_the_clock_arrives() {
    let api = FakeApi::new();
    let maps = maps(&api);
    api.fault(Fault::on_write("configmaps"), Effect::HangAfterEffect);
    let create = {
        let maps = maps.clone();
        tokio::spawn(async move { maps.create(&PostParams::default(), &config("a", &json!({}))).await })
    };
    api.hung().await;
    create.abort();
    assert!(api.get::<ConfigMap>("shop", "a").is_some());
    api.fault(Fault::on_write("configmaps"), Effect::LateBy(Duration::from_secs(30)));
    assert!(maps.create(&PostParams::default(), &config("b", &json!({}))).await.is_err());
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert!(api.get::<ConfigMap>("shop", "b").is_none());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(api.get::<ConfigMap>("shop", "b").is_some());
}

#[tokio::test]
async fn chances_repeat_by_seed() {
    let run = async |seed: u64| {
        let api = FakeApi::new();
        api.seed(seed);
        api.fault(Fault::on(Verb::Get, "").chance(0.5), Effect::Answer(404));
        api.put(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}}),
        );
        let maps = maps(&api);
        let mut hits = vec![];
        for _ in 0..64 {
            hits.push(maps.get("a").await.is_err());
        }
        hits
    };
    let first = run(7).await;
    assert_eq!(first, run(7).await);
    assert_ne!(first, run(8).await);
    assert!((16..48).contains(&first.iter().filter(|hit| **hit).count()));
}

#[tokio::test]
async fn reviews_are_questions_and_unknown_paths_are_not_found() {
    let api = FakeApi::new();
    let reviews: Api<SelfSubjectAccessReview> = Api::all(api.client());
    let allowed = async || {
        let review = SelfSubjectAccessReview::default();
        reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed
    };
    assert!(allowed().await);
    api.grant(false);
    assert!(!allowed().await);
    assert!(api.writes().is_empty());
    let request = axum::http::Request::get("/apis/none.test/v1/things").body(vec![]).unwrap();
    assert_eq!(code(api.client().request::<Value>(request).await), 404);
}
