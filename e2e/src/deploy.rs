//! The product itself: built, put into images, pushed, applied, and waited for.

use std::env::var_os;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::command::{command, shown};
use crate::{Cluster, Error, Progress, PushedImage, Registry, Result, disk};

/// Where static programs come from: glibc, linked in whole.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Images of the product: folder below `images/` and name, the crate, and the program that both cargo and the
/// Containerfile know.
const PRODUCT: [(&str, &str, &str); 3] = [
    ("operator", "breakwater-operator", "breakwater-operator"),
    ("scanner", "breakwater-scanner", "breakwater-scanner"),
    ("cli", "breakwater", "breakwater"),
];

/// Certificate authorities for programs in images without a distribution.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Builds what has changed, pushes it as `registry.test:5000/breakwater/{operator,scanner,cli}:dev`, applies the
/// overlay with these images by digest, so that exactly the pods whose image has changed are rolled, and waits.
///
/// # Errors
/// If something does not build, is refused, or does not become ready within two minutes.
pub fn deploy(cluster: &Cluster, overlay: &Path, progress: &Progress) -> Result<()> {
    cluster.require()?;
    disk::require(&cluster.layout().state)?;
    progress.step("build the product", || build(cluster))?;
    let images = push(cluster, progress)?;
    let kubectl = cluster.kubectl();
    let overlay = overlay.to_string_lossy();
    let mut manifests = kubectl.output(["kustomize", overlay.as_ref()])?;
    for image in &images {
        if !manifests.contains(&image.reference()) {
            progress.note(&format!("{overlay} does not use {}", image.reference()));
        }
        manifests = manifests.replace(&image.reference(), &image.pinned());
    }
    let applied = progress.step(&format!("apply {overlay}"), || {
        let words = ["apply", "--server-side", "--force-conflicts", "--field-manager=breakwater-deploy"];
        kubectl.output_of(words.into_iter().chain(["-f", "-", "-o", "json"]), &manifests)
    })?;
    for object in objects(&applied)? {
        let name = format!("{}/{}", object.kind, object.metadata.name).to_lowercase();
        match object.kind.as_str() {
            "CustomResourceDefinition" => {
                kubectl.output(["wait", "--for=condition=Established", "--timeout=30s", &name])?;
            }
            "Deployment" | "DaemonSet" | "StatefulSet" => progress
                .step(&format!("{name} ready"), || {
                    let namespace = object.metadata.namespace.as_str();
                    let rollout =
                        kubectl.output(["-n", namespace, "rollout", "status", &name, "--timeout=120s"]);
                    if rollout.is_err() {
                        kubectl.shown(["-n", namespace, "get", "pods,events"]).ok();
                    }
                    rollout
                })
                .map(drop)?,
            _ => {}
        }
    }
    progress.done("deployed");
    Ok(())
}

/// cargo knows what has changed.
fn build(cluster: &Cluster) -> Result<()> {
    let mut cargo = command(["cargo", "build", "--release", "--target", TARGET]);
    for (_, package, program) in PRODUCT {
        cargo.args(["--package", package, "--bin", program]);
    }
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static").current_dir(&cluster.layout().repository);
    shown(&mut cargo)
}

fn push(cluster: &Cluster, progress: &Progress) -> Result<Vec<PushedImage>> {
    let repository = &cluster.layout().repository;
    let target = var_os("CARGO_TARGET_DIR").map_or_else(|| repository.join("target"), PathBuf::from);
    let programs = target.join(TARGET).join("release");
    let images = cluster.images();
    PRODUCT
        .iter()
        .map(|(name, _, program)| {
            let (built, directory) = (programs.join(program), repository.join("images").join(name));
            let files: [(&str, &Path); 2] =
                [(program, &built), ("ca-certificates.crt", Path::new(AUTHORITIES))];
            let image = images.build_with(&directory, &files, progress)?;
            let name = format!("breakwater/{name}:dev");
            progress.step(&format!("push {name}"), || images.push(&image, Registry::Open, &name))
        })
        .collect()
}

#[derive(Deserialize)]
struct Object {
    kind: String,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
}

/// What `kubectl apply -o json` says: a list, or the one object.
fn objects(applied: &str) -> Result<Vec<Object>> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Applied {
        List { items: Vec<Object> },
        One(Object),
    }
    match serde_json::from_str(applied) {
        Ok(Applied::List { items }) => Ok(items),
        Ok(Applied::One(object)) => Ok(vec![object]),
        Err(source) => Err(Error::Unreadable { path: "kubectl apply -o json".into(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_prints_a_list_or_one_object() {
        let one = r#"{"kind": "Deployment", "metadata": {"name": "a", "namespace": "b"}}"#;
        let list = format!(r#"{{"kind": "List", "metadata": {{}}, "items": [{one}, {one}]}}"#);
        assert_eq!(objects(one).unwrap().len(), 1);
        assert_eq!(objects(&list).unwrap().len(), 2);
        assert!(objects("<html>").is_err());
    }
}
