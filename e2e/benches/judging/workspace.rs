//! The programs, directories and configuration of a run.

use std::{
    env::var_os,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use breakwater_core::Inventory;
use breakwater_e2e::{Cluster, Kubectl, Progress};
use serde_json::json;

use crate::{advisories::Indexes, images::Images};

/// Where the operator under test lives.
pub(crate) const NAMESPACE: &str = "breakwater-bench";
/// Where an installed one does.
const INSTALLED: (&str, &str) = ("breakwater-system", "deployment/breakwater-operator");

pub(crate) struct Workspace {
    cluster: Cluster,
    programs: PathBuf,
    directory: tempfile::TempDir,
}

impl Workspace {
    /// Installs the custom resources if they are not there, and the operator's namespace.
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let repository = &cluster.layout().repository;
        let built = || {
            let target = var_os("CARGO_TARGET_DIR").map_or_else(|| repository.join("target"), PathBuf::from);
            target.join("x86_64-unknown-linux-gnu/release")
        };
        let programs = var_os("BREAKWATER_PROGRAMS").map_or_else(built, PathBuf::from);
        let directory = tempfile::tempdir().expect("a directory");
        let workspace = Self { cluster: cluster.clone(), programs, directory };
        let definitions = repository.join("config/crd").display().to_string();
        let kubectl = cluster.kubectl();
        let apply = ["apply", "--server-side", "--force-conflicts"];
        kubectl.output(apply.into_iter().chain(["-k", &definitions])).expect("definitions are applied");
        kubectl
            .output(["wait", "--for=condition=Established", "crd", "--all"])
            .expect("they are established");
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        kubectl.output_of(apply.into_iter().chain(["-f", "-"]), &namespace.to_string()).expect("a namespace");
        workspace
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        let path = self.programs.join(name);
        assert!(path.is_file(), "{} is not there: make deploy builds it", path.display());
        path
    }

    /// A new directory of the operator under test.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.join("store")).expect("a directory");
        path
    }

    /// What the scanner reads from a real image.
    pub(crate) fn inventory(&self) -> Inventory {
        let source = self.cluster.layout().e2e().join("images/demo-app");
        let image = self.cluster.images().build(&source, &Progress::new()).expect("the image can be built");
        let out = self.directory.path().join("scan.json");
        let mut scan = Command::new(self.program("breakwater"));
        scan.arg("scan").arg(format!("oci-dir:{}", image.path.display()));
        scan.arg(format!("--output=json={}", out.display())).env_remove("BREAKWATER_DB");
        scan.env("XDG_CACHE_HOME", self.directory.path().join("empty"));
        let status = scan.status().expect("it starts");
        let text = fs::read(&out).unwrap_or_else(|error| panic!("the scan ended with {status}: {error}"));
        serde_json::from_slice(&text).expect("an inventory, and more")
    }

    pub(crate) fn indexes(&self, images: &Images) -> Indexes {
        Indexes::build(&self.program("breakwater"), self.directory.path(), images)
    }

    /// The configuration of the operator under test: store and index are files.
    pub(crate) fn configure(&self, directory: &Path, index: &Path) {
        let config = json!({
            "scan": {"image": "registry.test:5000/breakwater/scanner:dev"},
            "advisories": {"url": format!("file:{}", index.display()), "directory": directory.join("index")},
            "store": {"file": {"directory": directory.join("store")}},
        });
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "breakwater-config", "namespace": NAMESPACE},
            "data": {"config.yaml": config.to_string()},
        });
        let words = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.cluster.kubectl().output_of(words, &map.to_string()).expect("a configuration");
    }

    /// Two operators would write the same statuses: an installed one is scaled to zero until this is dropped.
    pub(crate) fn pause_installed(&self) -> Paused {
        let kubectl = self.cluster.kubectl();
        let (namespace, name) = INSTALLED;
        let replicas = kubectl.output(["-n", namespace, "get", name, "-o", "jsonpath={.spec.replicas}"]).ok();
        let paused = Paused { kubectl, replicas };
        if paused.replicas.is_some() {
            paused.scale("0");
            let gone = [
                "-n",
                namespace,
                "wait",
                "--for=delete",
                "pod",
                "-l",
                "app.kubernetes.io/name=breakwater-operator",
            ];
            paused.kubectl.output(gone.into_iter().chain(["--timeout=120s"])).expect("its pods end");
        }
        paused
    }
}

pub(crate) struct Paused {
    kubectl: Kubectl,
    replicas: Option<String>,
}

impl Paused {
    fn scale(&self, replicas: &str) {
        let (namespace, name) = INSTALLED;
        let scale = ["-n", namespace, "scale", name];
        let replicas = format!("--replicas={replicas}");
        if let Err(error) = self.kubectl.output(scale.into_iter().chain([replicas.as_str()])) {
            println!("{name} could not be scaled: {error}");
        }
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        if let Some(replicas) = &self.replicas {
            self.scale(replicas);
        }
    }
}
