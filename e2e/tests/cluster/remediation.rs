//! Remediation on a real cluster: what is done, what is never done, and that it is undone.
//!
//! Policies here trust another registry than the one the image comes from: a violation that needs no scan.

use std::{collections::BTreeMap, time::Duration};

use breakwater_crds::{imagepolicy::ImagePolicy, names::annotations};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, Pod},
    events::v1::Event,
    rbac::v1::ClusterRoleBinding,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::support::{
    audit::{Mark, OPERATOR},
    client,
    namespace::with_namespace,
    objects::{condition, deployment, image_policy, now},
    product::{NAMESPACE, image},
    wait::eventually,
};

const ENABLED: [(&str, &str); 1] = [("breakwater.dev/remediation", "enabled")];
/// Statuses are written at most once a minute.
const SOON: Duration = Duration::from_secs(90);

/// Everything violates but images of `trusted`.
fn policy(mode: &str, trusted: &str, grace: &str) -> Value {
    json!({
        "rules": {"image": {"trustedRegistries": [trusted], "unscanned": "Allow", "incomplete": "Allow"}},
        "remediation": {"mode": mode, "triggers": [{"when": {}, "action": "ScaleToZero", "gracePeriod": grace}]},
    })
}

async fn get(client: &Client, namespace: &str, name: &str) -> Deployment {
    now(client, namespace, name).await
}

async fn replicas(client: &Client, namespace: &str, name: &str) -> i32 {
    get(client, namespace, name).await.spec.and_then(|spec| spec.replicas).unwrap_or(1)
}

async fn has_replicas(client: &Client, namespace: &str, name: &str, wanted: i32) {
    eventually(&format!("{name} has {wanted} replicas"), SOON, || async {
        let found = replicas(client, namespace, name).await;
        if found == wanted { Ok(()) } else { Err((found, mitigations(client, namespace, "p").await)) }
    })
    .await;
}

async fn runs(client: &Client, namespace: &str, name: &str, wanted: i32) {
    eventually(&format!("{wanted} pods of {name} run"), SOON, || async {
        let ready = get(client, namespace, name).await.status.and_then(|status| status.ready_replicas);
        if ready.unwrap_or(0) == wanted { Ok(()) } else { Err(ready) }
    })
    .await;
}

/// `status.mitigations` of a policy; empty if there is none.
async fn mitigations(client: &Client, namespace: &str, name: &str) -> Vec<Value> {
    let found = Api::<ImagePolicy>::namespaced(client.clone(), namespace).get_opt(name).await;
    let status = found.expect("the API server answers").and_then(|policy| policy.status);
    let status = serde_json::to_value(status).expect("JSON");
    status["mitigations"].as_array().cloned().unwrap_or_default()
}

async fn is_in_state(client: &Client, namespace: &str, state: &str) -> Value {
    eventually(&format!("a mitigation is {state}"), SOON, || async {
        let all = mitigations(client, namespace, "p").await;
        all.iter().find(|one| one["state"] == state).cloned().ok_or(all)
    })
    .await
}

/// Events of a namespace as (kind, reason, note).
async fn events(client: &Client, namespace: &str) -> Vec<(String, String, String)> {
    let list = Api::<Event>::namespaced(client.clone(), namespace).list(&ListParams::default()).await;
    let told = list.expect("listed").items.into_iter().map(|event| {
        let kind = event.regarding.and_then(|about| about.kind).unwrap_or_default();
        (kind, event.reason.unwrap_or_default(), event.note.unwrap_or_default())
    });
    told.collect()
}

async fn is_told(client: &Client, namespace: &str, kind: &str, reason: &str) -> String {
    eventually(&format!("{kind} is told {reason}"), SOON, || async {
        let all = events(client, namespace).await;
        let found = all.iter().find(|(about, why, _)| about == kind && why == reason);
        found.map(|(.., note)| note.clone()).ok_or(all)
    })
    .await
}

/// The mitigation record of a workload.
async fn record(client: &Client, namespace: &str, name: &str) -> Value {
    let api = Api::<ConfigMap>::namespaced(client.clone(), NAMESPACE);
    let list = api.list(&ListParams::default().labels("breakwater.dev/mitigation")).await.expect("listed");
    let records = list.items.into_iter().filter_map(|map| map.data?.remove("record"));
    records
        .filter_map(|record| serde_json::from_str::<Value>(&record).ok())
        .find(|record| {
            record["target"]["workload"]["namespace"] == namespace
                && record["target"]["workload"]["name"] == name
        })
        .expect("there is a record")
}

async fn annotate(client: &Client, namespace: &str, name: &str, key: &str, value: &str) {
    let body = json!({"metadata": {"annotations": {key: value}}});
    let api = Api::<Deployment>::namespaced(client.clone(), namespace);
    api.patch(name, &PatchParams::default(), &Patch::Merge(body)).await.expect("annotated");
}

async fn label(client: &Client, namespace: &str, value: Option<&str>) {
    let body = json!({"metadata": {"labels": {"breakwater.dev/remediation": value}}});
    let api = Api::<Namespace>::all(client.clone());
    api.patch(namespace, &PatchParams::default(), &Patch::Merge(body)).await.expect("labelled");
}

/// What the operator wrote in other people's namespaces that is not a status or an Event.
fn writes_outside(mark: Mark, namespaces: &[&str]) -> Vec<String> {
    let requests = mark.requests_of(OPERATOR).into_iter().filter(|request| {
        request.is_write()
            && namespaces.contains(&request.object_ref.namespace.as_str())
            && request.object_ref.subresource != "status"
            && request.object_ref.resource != "events"
    });
    requests.map(|request| format!("{} {}", request.verb, request.request_uri)).collect()
}

/// T-1, A5: notice, grace, record, 0 replicas, copies; undo restores the exact count.
#[tokio::test]
async fn a_violating_deployment_is_scaled_to_zero_and_an_undo_brings_all_three_back() {
    let client = client().await;
    let app = image("tiny-app").await;
    with_namespace(&client, &ENABLED, |namespace| async move {
        let client = super::support::client().await;
        deployment(&client, &namespace, "app", &app, 3).await;
        runs(&client, &namespace, "app", 3).await;
        image_policy(&client, &namespace, "p", policy("Enforce", "trusted.test/**", "4s")).await;
        let note = is_told(&client, &namespace, "Deployment", "MitigationNotice").await;
        assert!(note.contains("will be scaled to zero at ") && note.contains("BW-"), "{note}");
        is_told(&client, &namespace, "ImagePolicy", "MitigationNotice").await;
        assert_eq!(replicas(&client, &namespace, "app").await, 3, "grace comes first");

        has_replicas(&client, &namespace, "app", 0).await;
        let state = is_in_state(&client, &namespace, "Verified").await;
        assert_eq!((&state["mode"], &state["previousReplicas"]), (&json!("Enforce"), &json!(3)), "{state}");
        let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
        assert!(
            pods.list(&ListParams::default()).await.expect("listed").items.is_empty(),
            "verified means gone"
        );
        let containment = record(&client, &namespace, "app").await["containment"].clone();
        assert_eq!(
            (&containment["previousReplicas"], &containment["phase"]),
            (&json!(3), &json!("Verified")),
            "{containment}"
        );
        let noted = get(&client, &namespace, "app").await.metadata.annotations.unwrap_or_default();
        let copy: Value = serde_json::from_str(&noted[annotations::MITIGATION]).expect("JSON");
        assert_eq!((&copy["nonce"], &copy["previousReplicas"]), (&containment["nonce"], &json!(3)), "{copy}");
        assert!(copy["restore"].as_str().expect("a command").contains("scale deployment app --replicas=3"));
        for kind in ["Deployment", "ImagePolicy"] {
            is_told(&client, &namespace, kind, "ScaledToZero").await;
        }

        annotate(&client, &namespace, "app", annotations::UNDO, "an-old-nonce").await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(replicas(&client, &namespace, "app").await, 0, "a stale nonce undoes nothing");
        annotate(&client, &namespace, "app", annotations::UNDO, containment["nonce"].as_str().expect("text"))
            .await;
        has_replicas(&client, &namespace, "app", 3).await;
        runs(&client, &namespace, "app", 3).await;
        is_told(&client, &namespace, "Deployment", "Restored").await;
        let noted = get(&client, &namespace, "app").await.metadata.annotations.unwrap_or_default();
        assert!(!noted.contains_key(annotations::MITIGATION), "the copy is gone: {noted:?}");
    })
    .await;
}

/// T-12, A5: a missing opt-in means dry-run, names it, and writes nothing but status and Events.
#[tokio::test]
async fn a_missing_opt_in_is_named_and_nothing_is_touched() {
    let client = client().await;
    let app = image("tiny-app").await;
    for (labels, mode, missing) in [
        (&[][..], "Enforce", "namespace label breakwater.dev/remediation=enabled"),
        (&ENABLED[..], "DryRun", "policy mode Enforce"),
    ] {
        let app = app.clone();
        with_namespace(&client, labels, |namespace| async move {
            let client = super::support::client().await;
            let mark = Mark::now();
            deployment(&client, &namespace, "app", &app, 2).await;
            runs(&client, &namespace, "app", 2).await;
            image_policy(&client, &namespace, "p", policy(mode, "trusted.test/**", "0s")).await;
            let note = is_told(&client, &namespace, "Deployment", "WouldScaleToZero").await;
            assert!(note.contains(missing), "{note}");
            let state = is_in_state(&client, &namespace, "Planned").await;
            let reason = state["reason"].as_str().expect("text");
            assert!(reason.starts_with("missing opt-in: ") && reason.contains(missing), "{reason}");
            assert_eq!(state["mode"], "DryRun");
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert_eq!(replicas(&client, &namespace, "app").await, 2);
            let writes = writes_outside(mark, &[&namespace]);
            assert!(writes.is_empty(), "{writes:#?}");
        })
        .await;
    }
}

/// A5: the first opt-in. In its name: for a while no workload can be acted on.
#[tokio::test]
async fn disruptive_without_the_right_to_act_nothing_is_touched_and_the_opt_in_is_named() {
    let client = client().await;
    let app = image("tiny-app").await;
    let bindings = Api::<ClusterRoleBinding>::all(client.clone());
    let binding = bindings.get("breakwater-remediation").await.expect("it is installed");
    bindings.delete("breakwater-remediation", &DeleteParams::default()).await.expect("deleted");
    let outcome = tokio::spawn(async move {
        let client = super::support::client().await;
        with_namespace(&client, &ENABLED, |namespace| async move {
            let client = super::support::client().await;
            let mark = Mark::now();
            deployment(&client, &namespace, "app", &app, 2).await;
            runs(&client, &namespace, "app", 2).await;
            image_policy(&client, &namespace, "p", policy("Enforce", "trusted.test/**", "0s")).await;
            let state = is_in_state(&client, &namespace, "Planned").await;
            let reason = state["reason"].as_str().expect("text");
            assert!(reason.starts_with("missing opt-in: the right to update workloads/scale"), "{reason}");
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert_eq!(replicas(&client, &namespace, "app").await, 2);
            assert!(writes_outside(mark, &[&namespace]).is_empty());
        })
        .await;
    })
    .await;
    let metadata =
        ObjectMeta { name: binding.metadata.name, labels: binding.metadata.labels, ..ObjectMeta::default() };
    let again = ClusterRoleBinding { metadata, ..binding };
    bindings.create(&PostParams::default(), &again).await.expect("put back");
    outcome.expect("the test passes");
}

/// Two policies want different things of one workload: the stronger action is taken, once, and both policies say so.
#[tokio::test]
async fn of_two_policies_that_disagree_the_stronger_acts_once() {
    let client = client().await;
    let app = image("tiny-app").await;
    with_namespace(&client, &ENABLED, |namespace| async move {
        let client = super::support::client().await;
        deployment(&client, &namespace, "app", &app, 2).await;
        runs(&client, &namespace, "app", 2).await;
        let mark = Mark::now();
        // The stronger one is due first: each acts at its own deadline.
        let mut milder = policy("Enforce", "trusted.test/**", "30s");
        milder["remediation"]["triggers"][0]["action"] = json!("DeletePod");
        let content = policy("Enforce", "registry.test:5000/**", "0s");
        image_policy(&client, &namespace, "content", content).await;
        image_policy(&client, &namespace, "milder", milder).await;
        image_policy(&client, &namespace, "p", policy("Enforce", "trusted.test/**", "8s")).await;
        has_replicas(&client, &namespace, "app", 0).await;
        for name in ["p", "milder"] {
            eventually(&format!("{name} tells of the stronger action"), SOON, || async {
                let all = mitigations(&client, &namespace, name).await;
                let is_told =
                    all.iter().any(|one| one["action"] == "ScaleToZero" && one["state"] == "Verified");
                if is_told { Ok(()) } else { Err(all) }
            })
            .await;
        }
        let content: ImagePolicy = now(&client, &namespace, "content").await;
        assert_eq!(condition(&content, "Compliant").expect("judged").0, "True");
        let scales: Vec<_> = mark
            .requests_of(OPERATOR)
            .into_iter()
            .filter(|request| request.is_write() && request.request_uri.contains(&namespace))
            .filter(|request| request.object_ref.resource == "pods" || request.request_uri.contains("/scale"))
            // A conflict is a write that was not made: the controller wrote its own status in between.
            .filter(|request| request.response_status.code != 409)
            .collect();
        assert_eq!(scales.len(), 1, "one action by one policy: {scales:#?}");
        assert_eq!(record(&client, &namespace, "app").await["containment"]["previousReplicas"], 2);
    })
    .await;
}

/// T-6: `Enforce` on system namespaces, by a policy that may select them.
#[tokio::test]
async fn system_namespaces_and_our_own_are_never_touched() {
    let client = client().await;
    let mark = Mark::now();
    let names = ["kube-system", NAMESPACE];
    let before = label_of(&client, &names).await;
    for name in names {
        label(&client, name, Some("enabled")).await;
    }
    let mut spec = policy("Enforce", "trusted.test/**", "0s");
    let values = json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": names});
    spec["selector"] = json!({"namespaceSelector": {"matchExpressions": [values]}});
    image_policy(&client, NAMESPACE, "e2e-everywhere", spec).await;
    let seen = eventually("system workloads are blocked", SOON, || async {
        let all = mitigations(&client, NAMESPACE, "e2e-everywhere").await;
        let blocked =
            |one: &&Value| one["reason"].as_str().is_some_and(|text| text.starts_with("ExemptNamespace"));
        if !all.is_empty() && all.iter().filter(blocked).count() == all.len() { Ok(all) } else { Err(all) }
    })
    .await;
    assert!(seen.iter().all(|one| one["state"] == "Blocked"), "{seen:#?}");
    let api = Api::<ImagePolicy>::namespaced(client.clone(), NAMESPACE);
    api.delete("e2e-everywhere", &DeleteParams::default()).await.expect("deleted");
    for (name, value) in before {
        label(&client, &name, value.as_deref()).await;
    }
    let touched: Vec<_> = writes_outside(mark, &["kube-system"]);
    assert!(touched.is_empty(), "{touched:#?}");
    let own = mark.requests_of(OPERATOR).into_iter().filter(|request| {
        request.is_write()
            && request.object_ref.namespace == NAMESPACE
            && ["deployments", "statefulsets", "daemonsets"].contains(&request.object_ref.resource.as_str())
    });
    assert_eq!(own.count(), 0);
}

async fn label_of(client: &Client, names: &[&str]) -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    for name in names {
        let namespace = Api::<Namespace>::all(client.clone()).get(name).await.expect("it exists");
        let value =
            namespace.metadata.labels.and_then(|mut labels| labels.remove("breakwater.dev/remediation"));
        found.insert((*name).to_owned(), value);
    }
    found
}

/// T-7: no selector is the own namespace; one over namespaces is refused outside ours.
#[tokio::test]
async fn empty_and_odd_selectors_reach_no_further() {
    let client = client().await;
    let app = image("tiny-app").await;
    with_namespace(&client, &ENABLED, |bystander| async move {
        let client = super::support::client().await;
        deployment(&client, &bystander, "app", &app, 1).await;
        runs(&client, &bystander, "app", 1).await;
        let other = bystander.clone();
        with_namespace(&client, &ENABLED, |namespace| async move {
            let client = super::support::client().await;
            deployment(&client, &namespace, "app", &app, 1).await;
            runs(&client, &namespace, "app", 1).await;
            let mut odd = policy("Enforce", "trusted.test/**", "0s");
            odd["selector"] = json!({"namespaceSelector": {}});
            image_policy(&client, &namespace, "odd", odd).await;
            eventually("a tenant's selector over namespaces is refused", SOON, || async {
                let policy: ImagePolicy = now(&client, &namespace, "odd").await;
                condition(&policy, "Stalled").filter(|(status, _)| status == "True").ok_or(policy.status)
            })
            .await;
            let mut empty = policy("Enforce", "trusted.test/**", "0s");
            empty["selector"] = json!({});
            image_policy(&client, &namespace, "p", empty).await;
            has_replicas(&client, &namespace, "app", 0).await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert_eq!(replicas(&client, &other, "app").await, 1, "another namespace is not meant");
        })
        .await;
    })
    .await;
}

/// T-9: an exception during grace cancels.
#[tokio::test]
async fn an_exception_during_grace_cancels() {
    let client = client().await;
    let app = image("tiny-app").await;
    with_namespace(&client, &ENABLED, |namespace| async move {
        let client = super::support::client().await;
        deployment(&client, &namespace, "app", &app, 2).await;
        runs(&client, &namespace, "app", 2).await;
        image_policy(&client, &namespace, "p", policy("Enforce", "trusted.test/**", "8s")).await;
        is_told(&client, &namespace, "Deployment", "MitigationNotice").await;
        let exception =
            json!({"name": "agreed", "rules": ["image.trustedRegistries"], "reason": "being moved"});
        let body = json!({"spec": {"exceptions": [exception]}});
        let api = Api::<ImagePolicy>::namespaced(client.clone(), &namespace);
        api.patch("p", &PatchParams::default(), &Patch::Merge(body)).await.expect("patched");
        is_told(&client, &namespace, "Deployment", "MitigationCancelled").await;
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert_eq!(replicas(&client, &namespace, "app").await, 2);
    })
    .await;
}

/// T-10, first half: the workload runs another digest when grace ends.
#[tokio::test]
async fn what_replaced_the_violating_digest_is_left_alone() {
    let client = client().await;
    let (bad, good) = (image("demo-app").await, image("tiny-app").await);
    with_namespace(&client, &ENABLED, |namespace| async move {
        let client = super::support::client().await;
        deployment(&client, &namespace, "app", &bad, 2).await;
        runs(&client, &namespace, "app", 2).await;
        let (trusted, _) = good.rsplit_once(':').expect("a tag");
        image_policy(&client, &namespace, "p", policy("Enforce", trusted, "15s")).await;
        is_told(&client, &namespace, "Deployment", "MitigationNotice").await;
        let container = json!({"name": "app", "image": good});
        let body = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
        let api = Api::<Deployment>::namespaced(client.clone(), &namespace);
        api.patch("app", &PatchParams::default(), &Patch::Strategic(body)).await.expect("patched");
        is_told(&client, &namespace, "Deployment", "MitigationCancelled").await;
        tokio::time::sleep(Duration::from_secs(16)).await;
        assert_eq!(replicas(&client, &namespace, "app").await, 2);
    })
    .await;
}

/// T-20: many containments, a forged copy, the policy deleted while the operator is down. In its name: it stops the operator for a while.
#[tokio::test]
async fn disruptive_exact_counts_come_back_when_the_policy_is_deleted_while_the_operator_is_down() {
    let client = client().await;
    let app = image("tiny-app").await;
    with_namespace(&client, &ENABLED, |namespace| async move {
        let client = super::support::client().await;
        let count = |n: i32| 1 + n % 3;
        for n in 0..25 {
            deployment(&client, &namespace, &format!("app-{n}"), &app, count(n)).await;
        }
        for n in 0..25 {
            runs(&client, &namespace, &format!("app-{n}"), count(n)).await;
        }
        image_policy(&client, &namespace, "p", policy("Enforce", "trusted.test/**", "0s")).await;
        for n in 0..25 {
            has_replicas(&client, &namespace, &format!("app-{n}"), 0).await;
        }
        let operator = Api::<Deployment>::namespaced(client.clone(), NAMESPACE);
        let was = replicas(&client, NAMESPACE, "breakwater-operator").await;
        let scale = |count: i32| Patch::Merge(json!({"spec": {"replicas": count}}));
        operator.patch("breakwater-operator", &PatchParams::default(), &scale(0)).await.expect("stopped");
        eventually("no operator runs", SOON, || async {
            let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
            let scope = ListParams::default().labels("app.kubernetes.io/name=breakwater-operator");
            let left = pods.list(&scope).await.expect("listed").items.len();
            if left == 0 { Ok(()) } else { Err(left) }
        })
        .await;
        let forged = r#"{"nonce":"forged","action":"ScaleToZero","previousReplicas":50,"restore":"true"}"#;
        annotate(&client, &namespace, "app-0", annotations::MITIGATION, forged).await;
        let policies = Api::<ImagePolicy>::namespaced(client.clone(), &namespace);
        policies.delete("p", &DeleteParams::default()).await.expect("deleted");
        operator.patch("breakwater-operator", &PatchParams::default(), &scale(was)).await.expect("started");
        for n in 0..25 {
            has_replicas(&client, &namespace, &format!("app-{n}"), count(n)).await;
        }
    })
    .await;
}
