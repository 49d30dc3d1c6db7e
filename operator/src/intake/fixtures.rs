//! One scan Job of one ScanJob, and what its pod would say.

use breakwater_core::{
    Digest, Inventory, Platform,
    glob::Glob,
    inventory::{ImageConfig, ImageIdentity, Layer, Package, SCHEMA_VERSION, ScannerIdentity},
    scan::{
        Offer, OfferedManifest as OfferedBytes, PostedInventory, Question, RegistryAccess, RepositoryQuestion,
    },
};
use breakwater_crds::{ScanJob, scanjob::Trigger};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use serde_json::{Value, json};

use super::{
    access::Asked,
    record::{Offered, OfferedManifest},
};
use crate::controllers::scanjob::{Order, Template, build};

pub(crate) const IMAGE: &str = "registry.test:5000/app:1";

pub(crate) fn question() -> Question {
    Question {
        scan_job: "scanjob-uid".into(),
        images: vec![IMAGE.parse().unwrap()],
        repositories: vec![],
        max_images: 0,
        shards: 1,
        platforms: vec![Platform::linux("amd64"), Platform::linux("arm64")],
        registry: RegistryAccess::default(),
        mirrors: Vec::new(),
        intake: "https://breakwater-intake.breakwater-system.svc:8443".into(),
        timeout_seconds: 900,
    }
}

pub(super) fn asked() -> Asked {
    let question = question();
    Asked {
        job: "scan-1".into(),
        namespace: "shop".into(),
        scan_job: "web".into(),
        images: question.images.clone(),
        question,
    }
}

/// The two newest of one repository, all of another, three in all.
pub(crate) fn registry_question() -> Question {
    let repository = |name: &str, newest| RepositoryQuestion {
        registry: "registry.test:5000".into(),
        name: name.into(),
        include: vec![],
        exclude: vec![Glob::new("*.sig").unwrap()],
        versions: None,
        newest,
    };
    Question {
        images: vec![],
        repositories: vec![repository("app", Some(2)), repository("other", None)],
        max_images: 3,
        shards: 1,
        ..question()
    }
}

pub(crate) fn job() -> Job {
    job_about(question())
}

pub(crate) fn job_about(question: Question) -> Job {
    let template = Template {
        namespace: "breakwater-system".into(),
        image: "scanner".into(),
        cpu_limit: "1".into(),
        memory_limit: "256Mi".into(),
    };
    let order = Order {
        name: "scan-1".into(),
        question,
        attempt: 1,
        trigger: Trigger::Manual,
        requester: "shop/web".into(),
        with_credentials: false,
        with_authority: false,
    };
    let mut job = build(&template, &order);
    job.metadata.uid = Some("job-uid".into());
    job
}

pub(crate) fn pod() -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "scan-1-abcde", "namespace": "breakwater-system", "uid": "pod-uid", "ownerReferences": [
            {"apiVersion": "batch/v1", "kind": "Job", "name": "scan-1", "uid": "job-uid", "controller": true},
        ]},
        "status": {"phase": "Running"},
    }))
    .unwrap()
}

pub(crate) fn scan_job() -> ScanJob {
    serde_json::from_value(json!({
        "apiVersion": "breakwater.dev/v1alpha1", "kind": "ScanJob",
        "metadata": {"name": "web", "namespace": "shop", "uid": "scanjob-uid", "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"image": IMAGE},
        "status": {"observedGeneration": 1, "jobRef": {"name": "scan-1"}},
    }))
    .unwrap()
}

pub(crate) fn review() -> Value {
    json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {}, "spec": {}, "status": {
        "authenticated": true,
        "audiences": ["breakwater-intake"],
        "user": {
            "username": "system:serviceaccount:breakwater-system:breakwater-scan",
            "extra": {
                "authentication.kubernetes.io/pod-name": ["scan-1-abcde"],
                "authentication.kubernetes.io/pod-uid": ["pod-uid"],
            },
        },
    }})
}

pub(crate) fn config_of(what: &str) -> Digest {
    Digest::of(format!("config of {what}").as_bytes())
}

/// Bytes of an image manifest; another `what` is another image.
pub(crate) fn manifest(what: &str) -> Vec<u8> {
    let layer = json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": Digest::of(what.as_bytes()), "size": 7});
    json!({"schemaVersion": 2, "config": {"digest": config_of(what), "size": 2}, "layers": [layer]})
        .to_string()
        .into_bytes()
}

pub(crate) fn index_of(entries: &[(&Platform, &Digest)]) -> Vec<u8> {
    let entry = |(platform, digest): &(&Platform, &Digest)| json!({"digest": digest, "size": 1, "platform": {"os": platform.os, "architecture": platform.architecture}});
    let manifests: Vec<Value> = entries.iter().map(entry).collect();
    json!({"schemaVersion": 2, "manifests": manifests}).to_string().into_bytes()
}

pub(crate) fn offer(manifest: &[u8]) -> Offer {
    Offer {
        image: IMAGE.parse().unwrap(),
        index: None,
        nested: vec![],
        manifests: vec![OfferedBytes { platform: Platform::linux("amd64"), bytes: manifest.to_vec() }],
        absent: vec![Platform::linux("arm64")],
    }
}

pub(crate) fn offered(what: &str) -> Offered {
    let manifest = OfferedManifest {
        platform: Platform::linux("amd64"),
        digest: Digest::of(&manifest(what)),
        config: config_of(what),
    };
    Offered { index: None, manifests: vec![manifest], absent: vec![Platform::linux("arm64")] }
}

pub(crate) fn posted(what: &str) -> PostedInventory {
    PostedInventory { image: IMAGE.parse().unwrap(), inventory: inventory(what) }
}

pub(crate) fn inventory(what: &str) -> Inventory {
    Inventory {
        schema_version: SCHEMA_VERSION,
        image: ImageIdentity {
            reference: IMAGE.into(),
            digest: Digest::of(&manifest(what)),
            config_digest: config_of(what),
            platform: Platform::linux("amd64"),
            created: None,
        },
        scanner: ScannerIdentity { name: "breakwater".into(), version: env!("CARGO_PKG_VERSION").into() },
        os: None,
        base: None,
        layers: vec![Layer {
            digest: Digest::of(what.as_bytes()),
            diff_id: Digest::of(what.as_bytes()),
            size: 7,
            created_by: String::new(),
        }],
        packages: vec![package("openssl")],
        software: vec![],
        files: vec![],
        secrets: vec![],
        config: ImageConfig::default(),
        unanalysed: vec![],
    }
}

pub(crate) fn package(name: &str) -> Package {
    Package {
        name: name.into(),
        version: "1.0".into(),
        ecosystem: "Debian:12".into(),
        purl: format!("pkg:deb/debian/{name}@1.0"),
        source: None,
        licenses: vec![],
        imports: vec![],
        layer: None,
        path: "var/lib/dpkg/status".into(),
    }
}
