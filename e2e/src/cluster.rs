//! The whole cluster: up, down, and how it is.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use crate::certificate::Authority;
use crate::error::AtPath;
use crate::node::Node;
use crate::process::Process;
use crate::program::Program;
use crate::{
    Environment, Error, Images, Kubectl, Layout, Progress, Registry, Result, cgroup, container_runtime,
    control_plane, dns, kubeconfig, kubelet, kwok, mirror, owner, package, prerequisites,
};

/// One cluster of this machine.
#[derive(Debug, Clone)]
pub struct Cluster {
    layout: Layout,
}

/// What a look at the cluster found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Every component runs, the node and the cluster's DNS are ready.
    Up,
    /// Something of it is there, but not all.
    Broken(String),
    /// Nothing of it is there.
    Down,
}

/// Everything that must run.
fn components() -> impl Iterator<Item = &'static str> {
    [kubeconfig::PROXY, kubeconfig::KUBELET]
        .into_iter()
        .chain(control_plane::COMPONENTS)
        .chain([container_runtime::CONTAINERD, mirror::MIRROR])
        .chain([Registry::Open, Registry::Authenticated].map(Registry::component))
}

impl Cluster {
    /// At the places this layout names.
    pub fn new(layout: Layout) -> Self {
        Self { layout }
    }

    /// Its directories.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Its administrator.
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(&self.layout)
    }

    /// Its images.
    pub fn images(&self) -> Images {
        Images::new(self.layout.clone())
    }

    /// What a shell must know to use it.
    pub fn environment(&self) -> Environment {
        Environment::new(&self.layout)
    }

    /// Looks at every component.
    ///
    /// # Errors
    /// If the machine cannot be looked at, or if any part of the cluster belongs to another state directory. A broken cluster is not an
    /// error.
    pub fn status(&self) -> Result<Status> {
        owner::check(&self.layout)?;
        let node = Node::new(&self.layout);
        if !Node::traces(self.layout.index)? && !self.layout.state.exists() {
            return Ok(Status::Down);
        }
        if let Some(dead) = components().find(|component| node.running(component).is_err()) {
            return Ok(Status::Broken(format!("{dead} does not run")));
        }
        let kubectl = self.kubectl();
        Ok(if !kubectl.succeeds(["get", "--raw=/readyz"]) {
            Status::Broken("the API server is not ready".to_owned())
        } else if !kubelet::ready(&kubectl) {
            Status::Broken("the node is not Ready".to_owned())
        } else if !dns::ready(&kubectl) {
            Status::Broken("the cluster's DNS is not available".to_owned())
        } else {
            Status::Up
        })
    }

    /// Fails unless the cluster is up.
    ///
    /// # Errors
    /// [`Error::NotUp`] with the first thing found wrong.
    pub fn require(&self) -> Result<()> {
        match self.status()? {
            Status::Up => Ok(()),
            Status::Broken(reason) => Err(Error::NotUp { reason }),
            Status::Down => Err(Error::NotUp { reason: "nothing of it is there".to_owned() }),
        }
    }

    /// Brings it up: nothing to do if it is; a broken one is taken down once everything that a new one needs is there. `program` is this
    /// crate's `cluster`, which also serves the mirror.
    ///
    /// # Errors
    /// What is missing, whose cluster it is if it is not this layout's, or the end of the log of the component that failed. What was
    /// started stays for a look at the logs until the next `up` or `down`.
    pub fn up(&self, program: &Path, progress: &Progress) -> Result<()> {
        let _lock = self.lock()?;
        let found = self.status()?;
        if found == Status::Up {
            progress.done("cluster was up already");
            return Ok(());
        }
        prerequisites::require(&self.layout.state, progress)?;
        let kubernetes = Program::Kubernetes.build(&self.layout, progress)?;
        let coredns = Program::Dns.build(&self.layout, progress)?;
        let sources = self.layout.e2e().join("images");
        let images = self.images();
        let pause = images.build(&sources.join("pause"), progress)?;
        let dns = images.build_with(&sources.join("coredns"), &[("coredns", &coredns)], progress)?;

        if let Status::Broken(reason) = found {
            progress.note(&format!("found a broken cluster ({reason}): starting afresh"));
            progress.step("remove it", || self.remove())?;
        }
        let node = Node::new(&self.layout);
        let kubectl = self.kubectl();
        let index = self.layout.index;
        progress.step("node: network and mount namespaces", || {
            owner::record_state(&self.layout)?;
            self.place_programs(&kubernetes)?;
            node.create()
        })?;
        progress.step("etcd, API server, containerd, registries, mirror", || {
            let authority = Authority::create(&self.layout)?;
            kubeconfig::create(&self.layout, &authority)?;
            control_plane::start_api(&self.layout, &node, &authority)?;
            container_runtime::start(&self.layout, &node)?;
            for registry in [Registry::Open, Registry::Authenticated] {
                registry.start(&self.layout, &node, &authority)?;
            }
            mirror::start(&self.layout, &node, program)?;
            for registry in [Registry::Open, Registry::Authenticated] {
                registry.wait(index, &node)?;
            }
            mirror::wait(index, &node)?;
            container_runtime::wait(&node)
        })?;
        images.push(&pause, Registry::Open, container_runtime::PAUSE)?;
        let dns = images.push(&dns, Registry::Open, dns::IMAGE)?;
        progress.step("controller manager, scheduler", || {
            control_plane::start_controllers(&self.layout, &node, &kubectl)
        })?;
        progress.step("kubelet, kube-proxy: node Ready", || {
            kubelet::start(&self.layout, &node)?;
            dns::apply(&self.layout, &kubectl, &dns)?;
            kubelet::wait(&node, &kubectl)
        })?;
        progress.step("DNS", || dns::wait(&kubectl))?;
        progress.done("cluster up");
        Ok(())
    }

    /// Takes it down and leaves nothing; the cache stays.
    ///
    /// # Errors
    /// If the cluster is not this layout's, or a process or a file cannot be removed.
    pub fn down(&self, progress: &Progress) -> Result<()> {
        let _lock = self.lock()?;
        if self.status()? == Status::Down {
            progress.done("there is no cluster");
            return Ok(());
        }
        self.remove()?;
        progress.done("cluster down, nothing left but the cache");
        Ok(())
    }

    /// Sets the number of nodes that only the API server knows; kwok keeps them and their pods alive. 0 removes them.
    ///
    /// # Errors
    /// If kwok cannot be built or the nodes do not become Ready.
    pub fn kwok(&self, nodes: u16, progress: &Progress) -> Result<()> {
        let _lock = self.lock()?;
        self.require()?;
        kwok::scale(&self.layout, &Node::new(&self.layout), &self.kubectl(), nodes, progress)
    }

    /// The pids, as the host sees them, of the processes in a pod's containers.
    ///
    /// # Errors
    /// If the cgroups cannot be read.
    pub fn pod_pids(&self, uid: &str) -> Result<Vec<i32>> {
        Ok(cgroup::of_pod(self.layout.index, uid)?.iter().map(|process| process.pid).collect())
    }

    /// Ends the processes of a pod's containers at once, as a crash or a lack of memory would, and sees to it that the
    /// kubelet restarts them about two seconds later. Returns how many there were.
    ///
    /// The kubelet's own second look at a crashed pod comes after 10 to 15 s whatever its back-off; only a change of the
    /// pod makes it look at once. The change is an annotation, made when the back-off of one second is over.
    ///
    /// # Errors
    /// If there is no such pod or a process does not end.
    pub fn crash_pod(&self, namespace: &str, name: &str) -> Result<usize> {
        let kubectl = self.kubectl();
        let uid = kubectl.output(["-n", namespace, "get", "pod", name, "-o", "jsonpath={.metadata.uid}"])?;
        let processes = cgroup::of_pod(self.layout.index, &uid)?;
        processes.iter().try_for_each(Process::kill)?;
        std::thread::sleep(Duration::from_millis(1500));
        let last = processes.first().map_or(0, |process| process.pid);
        let mark = format!("breakwater-e2e/crashed-process={last}");
        kubectl.output(["-n", namespace, "annotate", "--overwrite", "pod", name, &mark])?;
        Ok(processes.len())
    }

    /// Only after [`owner::check`], under [`Cluster::lock`].
    fn remove(&self) -> Result<()> {
        let records = self.layout.state.join("process");
        for entry in fs::read_dir(&records).into_iter().flatten().flatten() {
            // A damaged record names nobody; the cgroup still holds the process.
            if let Ok(Some(process)) = Process::recorded(&entry.path()) {
                process.kill()?;
            }
        }
        Node::new(&self.layout).remove()?;
        match fs::remove_dir_all(&self.layout.state) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at(&self.layout.state),
            _ => Ok(()),
        }
    }

    /// kubectl and the components by name; the program becomes what it is called by.
    fn place_programs(&self, kubernetes: &Path) -> Result<()> {
        for directory in [self.layout.bin(), self.layout.state.join("log")] {
            fs::create_dir_all(&directory).at(&directory)?;
        }
        let called =
            control_plane::COMPONENTS.into_iter().chain([kubeconfig::KUBELET, kubeconfig::PROXY, "kubectl"]);
        for name in called {
            let link = self.layout.bin().join(name);
            symlink(kubernetes, &link).at(&link)?;
        }
        Ok(())
    }

    /// Commands that change any cluster of this machine take turns, whatever their state and cache directories: between the check of an
    /// owner and what follows from it nothing changes.
    fn lock(&self) -> Result<File> {
        package::require_root()?;
        // A directory that is always there: nothing is left of the lock.
        let path = Path::new("/run");
        let directory = File::open(path).at(path)?;
        directory.lock().at(path)?;
        Ok(directory)
    }
}
