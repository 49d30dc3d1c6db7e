//! The cluster's own programs, built once per machine and kept in the cache under the hash of their sources.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::command::{command, output};
use crate::error::AtPath;
use crate::{Error, Layout, Progress, Result, cache};

/// The version of Kubernetes that `cluster/k8s/go.mod` names; the program does not know its own.
const KUBERNETES: &str = "v1.34.4";

/// A Go module in `e2e/cluster` that builds one program.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Program {
    /// etcd, the control plane, kubelet, kube-proxy and kubectl, chosen by the name it is called by.
    Kubernetes,
    /// CoreDNS.
    Dns,
    /// kwok: thousands of nodes and pods that only the API server knows.
    Kwok,
    /// The Versity S3 gateway: an S3 server over a directory.
    Versitygw,
}

impl Program {
    /// The one that is built from this directory of `e2e/cluster`.
    pub(crate) fn of_module(name: &str) -> Result<Self> {
        let all = [Self::Kubernetes, Self::Dns, Self::Kwok, Self::Versitygw];
        let unknown = || Error::Ingredient { name: name.to_owned() };
        all.into_iter().find(|program| program.module() == name).ok_or_else(unknown)
    }

    fn module(self) -> &'static str {
        match self {
            Self::Kubernetes => "k8s",
            Self::Dns => "dns",
            Self::Kwok => "kwok",
            Self::Versitygw => "versitygw",
        }
    }

    /// What of the module is the program: its own main package, or that of a module it requires as a tool.
    fn package(self) -> &'static str {
        match self {
            Self::Kubernetes | Self::Dns => ".",
            Self::Kwok => "sigs.k8s.io/kwok/cmd/kwok",
            Self::Versitygw => "github.com/versity/versitygw/cmd/versitygw",
        }
    }

    fn link_flags(self) -> String {
        match self {
            Self::Kubernetes => {
                let package = "k8s.io/component-base/version";
                format!(
                    "-s -w -X {package}.gitVersion={KUBERNETES} -X {package}.gitMajor=1 -X {package}.gitMinor=34"
                )
            }
            Self::Dns | Self::Kwok | Self::Versitygw => "-s -w".to_owned(),
        }
    }

    /// The built program; builds it if its sources have changed since.
    pub(crate) fn build(self, layout: &Layout, progress: &Progress) -> Result<PathBuf> {
        let module = layout.e2e().join("cluster").join(self.module());
        let flags = self.link_flags();
        let mut key = Sha256::new();
        key.update(&flags);
        for file in sources(&module)? {
            key.update(fs::read(&file).at(&file)?);
        }
        let key = hex::encode(key.finalize());
        let directory = layout.cache.join("bin");
        let program = directory.join(format!("{}-{:.16}", self.module(), key));
        if program.exists() {
            return Ok(program);
        }
        fs::create_dir_all(&directory).at(&directory)?;
        progress.note(&format!("building {} from source, once per machine", self.module()));
        progress.step(&format!("build {}", self.module()), || {
            // Under another name until it is whole: an interrupted build leaves nothing that looks built.
            let half = directory.join(format!("{}.half", self.module()));
            let mut build =
                command(["go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags"]);
            build
                .arg(&flags)
                .arg("-o")
                .arg(&half)
                .arg(self.package())
                .current_dir(&module)
                .env("CGO_ENABLED", "0");
            output(&mut build)?;
            fs::rename(&half, &program).at(&program)
        })?;
        cache::prune(&directory, self.module())?;
        Ok(program)
    }
}

fn sources(module: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(module).at(module)? {
        let path = entry.at(module)?.path();
        if path.extension().is_some_and(|extension| matches!(extension.to_str(), Some("go" | "mod" | "sum")))
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
