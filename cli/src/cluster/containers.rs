//! The images of a workload: those of its template, and those that its pods have besides. Pure.

use std::collections::BTreeMap;

use breakwater_core::{Digest, workload::ContainerKind};
use serde_json::Value;

use super::explanation::Image;

/// Where a pod specification can stand in an object.
const SPECS: [&str; 3] = ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec", "/spec"];

/// Lists of containers in a pod specification, and of their states in its status.
const LISTS: [(&str, &str, ContainerKind); 3] = [
    ("containers", "containerStatuses", ContainerKind::App),
    ("initContainers", "initContainerStatuses", ContainerKind::Init),
    ("ephemeralContainers", "ephemeralContainerStatuses", ContainerKind::Ephemeral),
];

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    is_injected: bool,
    position: usize,
    name: String,
    image: String,
}

/// Every image once per container and digest: the template's in its order, then what only pods have.
pub(super) fn images(workload: &Value, pods: &[Value]) -> Vec<Image> {
    let template = pod_spec(workload).map(declared).unwrap_or_default();
    let mut found: BTreeMap<(Key, Option<String>), ContainerKind> = BTreeMap::new();
    let mut running: Vec<(&str, &str)> = Vec::new();
    for pod in pods {
        for (position, (kind, name, image)) in
            pod_spec(pod).map(declared).unwrap_or_default().into_iter().enumerate()
        {
            let declared_at = template.iter().position(|known| *known == (kind, name, image));
            let key = Key {
                is_injected: declared_at.is_none(),
                position: declared_at.unwrap_or(position),
                name: name.to_owned(),
                image: image.to_owned(),
            };
            if declared_at.is_some() {
                running.push((name, image));
            }
            found.insert((key, reported(pod, kind, name).or_else(|| pinned(image))), kind);
        }
    }
    // A container whose state no pod tells yet is covered by one that does.
    let told: Vec<Key> =
        found.keys().filter(|(_, digest)| digest.is_some()).map(|(key, _)| key.clone()).collect();
    found.retain(|(key, digest), _| digest.is_some() || !told.contains(key));
    for (position, (kind, name, image)) in template.iter().enumerate() {
        if !running.contains(&(*name, *image)) {
            let key =
                Key { is_injected: false, position, name: (*name).to_owned(), image: (*image).to_owned() };
            found.insert((key, pinned(image)), *kind);
        }
    }
    let image = |((key, digest), kind): ((Key, Option<String>), ContainerKind)| Image {
        container: key.name,
        kind: kind_name(kind),
        image: key.image,
        in_template: !key.is_injected,
        digest,
        scan: None,
    };
    found.into_iter().map(image).collect()
}

fn kind_name(kind: ContainerKind) -> &'static str {
    match kind {
        ContainerKind::App => "App",
        ContainerKind::Init => "Init",
        ContainerKind::Ephemeral => "Ephemeral",
        ContainerKind::Volume => "Volume",
    }
}

fn pod_spec(object: &Value) -> Option<&Value> {
    SPECS.iter().find_map(|path| object.pointer(path).filter(|spec| spec.get("containers").is_some()))
}

/// Kind, name and image of every container and image volume.
fn declared(spec: &Value) -> Vec<(ContainerKind, &str, &str)> {
    let list = |name| spec.get(name).and_then(Value::as_array).into_iter().flatten();
    let text = |value: &'_ Value| value.as_str().is_some_and(|text| !text.is_empty());
    let mut found = Vec::new();
    for (name, _, kind) in LISTS {
        for container in list(name).filter(|container| container.get("image").is_some_and(text)) {
            let of = |field| container.get(field).and_then(Value::as_str).unwrap_or_default();
            found.push((kind, of("name"), of("image")));
        }
    }
    for volume in list("volumes") {
        if let Some(image) = volume.pointer("/image/reference").and_then(Value::as_str) {
            let name = volume.get("name").and_then(Value::as_str).unwrap_or_default();
            found.push((ContainerKind::Volume, name, image));
        }
    }
    found
}

/// The digest that the node reports for a container.
fn reported(pod: &Value, kind: ContainerKind, name: &str) -> Option<String> {
    let (_, statuses, _) = LISTS.iter().find(|(_, _, of)| *of == kind)?;
    let statuses = pod.pointer("/status")?.get(statuses)?.as_array()?;
    let status = statuses.iter().find(|status| status.get("name").and_then(Value::as_str) == Some(name))?;
    let id = status.get("imageID")?.as_str()?;
    let digest: Digest = id.rsplit_once('@').map_or(id, |(_, digest)| digest).parse().ok()?;
    Some(digest.to_string())
}

/// The digest that a reference pins.
fn pinned(image: &str) -> Option<String> {
    let digest: Digest = image.split_once('@')?.1.parse().ok()?;
    Some(digest.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn digest(name: &str) -> String {
        Digest::of(name.as_bytes()).to_string()
    }

    #[test]
    fn init_side_car_debug_and_volume_images_are_all_there() {
        let template = json!({"containers": [{"name": "app", "image": "r.test/app:1"}],
            "initContainers": [{"name": "setup", "image": "r.test/setup:1"}],
            "volumes": [{"name": "model", "image": {"reference": "r.test/model:1"}}]});
        let workload = json!({"spec": {"template": {"spec": template}}});
        let mut spec = template.clone();
        spec["containers"].as_array_mut().unwrap().push(json!({"name": "proxy", "image": "r.test/proxy:1"}));
        spec["ephemeralContainers"] = json!([{"name": "debug", "image": "busybox"}]);
        let status =
            |name: &str, image: &str| json!({"name": name, "imageID": format!("{image}@{}", digest(image))});
        let pod = json!({"spec": spec, "status": {
            "containerStatuses": [status("app", "r.test/app"), status("proxy", "r.test/proxy")],
            "initContainerStatuses": [status("setup", "r.test/setup")],
            "ephemeralContainerStatuses": [status("debug", "busybox")]}});
        let found = images(&workload, &[pod]);
        let shown: Vec<_> =
            found.iter().map(|i| (i.container.as_str(), i.kind, i.in_template, i.digest.is_some())).collect();
        assert_eq!(
            shown,
            [
                ("app", "App", true, true),
                ("setup", "Init", true, true),
                ("model", "Volume", true, false),
                ("proxy", "App", false, true),
                ("debug", "Ephemeral", false, true),
            ]
        );
    }

    #[test]
    fn an_earlier_revision_is_not_taken_for_the_template() {
        let workload = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "r.test/app:2"}]}}}});
        let pod = json!({"spec": {"containers": [{"name": "app", "image": "r.test/app:1"}]},
            "status": {"containerStatuses": [{"name": "app", "imageID": format!("r.test/app@{}", digest("1"))}]}});
        let waiting = json!({"spec": {"containers": [{"name": "app", "image": "r.test/app:1"}]}});
        let found = images(&workload, &[pod, waiting]);
        let shown: Vec<_> =
            found.iter().map(|i| (i.image.as_str(), i.in_template, i.digest.clone())).collect();
        assert_eq!(shown, [("r.test/app:2", true, None), ("r.test/app:1", false, Some(digest("1")))]);
    }

    #[test]
    fn a_cron_job_has_its_template_two_levels_down() {
        let image = format!("r.test/app@{}", digest("x"));
        let job = json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": image}]}}}}}});
        let found = images(&job, &[]);
        assert_eq!((found.len(), found[0].digest.clone()), (1, Some(digest("x"))));
    }
}
