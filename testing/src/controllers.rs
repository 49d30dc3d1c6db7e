//! The controllers of a cluster, as far as tests need them: nothing runs by itself, a test lets them work with
//! [`crate::FakeApi::settle`].

use std::collections::{BTreeMap, BTreeSet};

use breakwater_core::Digest;
use serde_json::{Value, json};

use crate::{
    kinds::{KINDS, Kind},
    state::{Key, State, Stored},
};

/// Rounds until nothing changes any more: owner chains are three deep.
const MAX_ROUNDS: usize = 16;

impl State {
    pub(crate) fn settle(&mut self) {
        for _ in 0..MAX_ROUNDS {
            let before = self.revision;
            self.end_pods();
            self.collect_garbage();
            self.run_workloads();
            if self.revision == before {
                return;
            }
        }
        panic!("the controllers do not come to rest");
    }

    /// The kubelet: pods that are to end have ended.
    fn end_pods(&mut self) {
        let ended: Vec<Key> = self
            .of("", "pods")
            .filter(|(_, stored)| !stored.object["metadata"]["deletionTimestamp"].is_null())
            .map(|(key, _)| key.clone())
            .collect();
        for key in ended {
            let Some(mut stored) = self.objects.get(&key).cloned() else { continue };
            stored.object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
            self.commit(stored);
        }
    }

    /// The garbage collector: what has owners, none of which is there any more, goes.
    fn collect_garbage(&mut self) {
        let uids: BTreeSet<&str> =
            self.objects.values().filter_map(|stored| stored.object["metadata"]["uid"].as_str()).collect();
        let orphans: Vec<Key> = self
            .objects
            .iter()
            .filter(|(_, stored)| {
                let owners = stored.object["metadata"]["ownerReferences"].as_array();
                owners.is_some_and(|owners| {
                    !owners.is_empty()
                        && owners
                            .iter()
                            .all(|owner| !uids.contains(owner["uid"].as_str().unwrap_or_default()))
                })
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in orphans {
            let _ = self.let_go(&key, Some(0));
        }
    }

    /// The controllers of Deployments and StatefulSets: as many pods of the template as replicas, and a status that says so.
    fn run_workloads(&mut self) {
        for plural in ["deployments", "statefulsets"] {
            let keys: Vec<Key> = self.of("apps", plural).map(|(key, _)| key.clone()).collect();
            for key in keys {
                self.run_workload(&key);
            }
        }
    }

    fn run_workload(&mut self, key: &Key) {
        let Some(workload) = self.objects.get(key).cloned() else { return };
        let object = &workload.object;
        let replicas = object["spec"]["replicas"].as_u64().unwrap_or(1);
        let name = &key.2;
        let template = &object["spec"]["template"];
        if template["spec"].is_object() {
            let owner = if workload.kind.plural == "deployments" {
                self.run_replica_set(&workload, replicas)
            } else {
                object.clone()
            };
            let wanted: Vec<String> = (0..replicas)
                .map(|n| format!("{}-{n}", owner["metadata"]["name"].as_str().unwrap_or(name)))
                .collect();
            self.run_pods(&key.1, &owner, template, &wanted);
        }
        let mut workload = workload;
        let generation = workload.object["metadata"]["generation"].clone();
        let status = &mut workload.object["status"];
        for count in ["replicas", "readyReplicas", "availableReplicas", "updatedReplicas"] {
            status[count] = json!(replicas);
        }
        status["observedGeneration"] = generation;
        self.commit(workload);
    }

    /// The ReplicaSet of the template as it is now; those of earlier templates go.
    fn run_replica_set(&mut self, deployment: &Stored, replicas: u64) -> Value {
        let object = &deployment.object;
        let metadata = &object["metadata"];
        let text = |name: &str| metadata[name].as_str().unwrap_or_default();
        let hash = Digest::of(object["spec"]["template"].to_string().as_bytes()).hex()[..10].to_owned();
        let name = format!("{}-{hash}", text("name"));
        let earlier: Vec<Key> = self
            .of("apps", "replicasets")
            .filter(|((_, namespace, at), stored)| {
                namespace == text("namespace") && *at != name && is_owned_by(&stored.object, text("uid"))
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in earlier {
            self.remove(&key);
        }
        let mut labels = object["spec"]["template"]["metadata"]["labels"].clone();
        if !labels.is_object() {
            labels = json!({});
        }
        labels["pod-template-hash"] = json!(hash);
        let replica_set = json!({
            "metadata": {"name": name, "namespace": text("namespace"), "labels": labels, "ownerReferences": [owner_of(object)]},
            "spec": {"replicas": replicas, "selector": object["spec"]["selector"], "template": object["spec"]["template"]},
            "status": {"replicas": replicas},
        });
        self.put(builtin("apps", "replicasets"), replica_set)
    }

    fn run_pods(&mut self, namespace: &str, owner: &Value, template: &Value, wanted: &[String]) {
        let uid = owner["metadata"]["uid"].as_str().unwrap_or_default();
        let mut pods: BTreeMap<String, Key> = self
            .of("", "pods")
            .filter(|((_, at, _), stored)| at == namespace && is_owned_by(&stored.object, uid))
            .map(|(key, _)| (key.2.clone(), key.clone()))
            .collect();
        let missing: Vec<&String> = wanted.iter().filter(|name| pods.remove(*name).is_none()).collect();
        for key in pods.into_values() {
            let _ = self.let_go(&key, Some(0));
        }
        for name in missing {
            let metadata = json!({"name": name, "namespace": namespace, "ownerReferences": [owner_of(owner)],
                "labels": template["metadata"]["labels"], "annotations": template["metadata"]["annotations"]});
            let statuses = |field: &str| -> Value {
                let containers = template["spec"][field].as_array().into_iter().flatten();
                containers.map(|container| self.container_status(container)).collect()
            };
            let status = json!({
                "phase": "Running",
                "containerStatuses": statuses("containers"), "initContainerStatuses": statuses("initContainers"),
            });
            self.put(
                builtin("", "pods"),
                json!({"metadata": metadata, "spec": template["spec"], "status": status}),
            );
        }
    }

    fn container_status(&self, container: &Value) -> Value {
        let image = container["image"].as_str().unwrap_or_default();
        let repository = match image.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => repository,
            _ => image,
        };
        let image_id = match self.image_ids.get(image) {
            Some(id) => id.clone(),
            None if image.contains('@') => image.to_owned(),
            None => format!("{repository}@{}", Digest::of(image.as_bytes())),
        };
        json!({"name": container["name"], "image": image, "imageID": image_id, "ready": true, "restartCount": 0,
            "state": {"running": {}}})
    }

    fn of<'a>(&'a self, group: &'a str, plural: &'a str) -> impl Iterator<Item = (&'a Key, &'a Stored)> {
        self.objects.iter().filter(move |(((g, p), _, _), _)| *g == group && *p == plural)
    }
}

fn builtin(group: &str, plural: &str) -> Kind {
    *KINDS.iter().find(|kind| kind.group == group && kind.plural == plural).unwrap()
}

fn is_owned_by(object: &Value, uid: &str) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten().any(|owner| owner["uid"] == uid)
}

fn owner_of(object: &Value) -> Value {
    json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"],
        "uid": object["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true})
}
