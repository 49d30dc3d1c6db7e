//! The node: one network namespace and one mount namespace.
//!
//! Network: a veth pair to the host, pods and Services routed through it, a default route into an empty bridge so
//! that no packet leaves the machine. Mounts: `/run`, `/var/log` and the kubelet's, containerd's and CNI's directories
//! are directories of the cluster's state, so that every program keeps its usual paths and the host sees none of it.

use std::env::var_os;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::address::LINK_PREFIX;
use crate::command::{command, output, succeeds, tail, unstartable};
use crate::error::AtPath;
use crate::process::Process;
use crate::{ClusterIndex, Error, Layout, Result, cgroup, clock, owner};

/// State directory → where the node sees it.
const MOUNTS: [(&str, &str); 5] = [
    ("node/run", "/run"),
    ("node/log", "/var/log"),
    ("node/kubelet", "/var/lib/kubelet"),
    ("node/containerd", "/var/lib/containerd"),
    ("node/cni", "/var/lib/cni"),
];

/// The process that keeps the mount namespace open.
pub(crate) const HOLDER: &str = "node";

/// The two namespaces, and the components that run in them.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    layout: &'a Layout,
}

impl<'a> Node<'a> {
    pub(crate) fn new(layout: &'a Layout) -> Self {
        Self { layout }
    }

    /// Makes the namespaces.
    pub(crate) fn create(&self) -> Result<()> {
        create_network(self.layout)?;
        cgroup::create(self.layout)?;
        let namespace = format!("--net=/run/netns/{}", self.layout.index.namespace());
        let mut holder =
            command(["nsenter", &namespace, "--", "unshare", "--mount", "--propagation", "private"]);
        holder.args(["--", "sleep", "infinity"]);
        let process = self.spawn(HOLDER, holder)?;
        let mount_namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
        let (host, pid) = (mount_namespace("self"), process.pid.to_string());
        clock::wait("mount namespace of the node", Duration::from_secs(5), || mount_namespace(&pid) != host)?;
        self.mount()?;
        output(&mut self.enter(["sysctl", "-qw", "net.ipv4.ip_forward=1"])?)?;
        Ok(())
    }

    fn mount(&self) -> Result<()> {
        for (from, to) in MOUNTS {
            let from = self.layout.state.join(from);
            fs::create_dir_all(&from).at(&from)?;
            fs::create_dir_all(to).at(Path::new(to))?;
            output(self.enter(["mount", "--bind"])?.arg(from).arg(to))?;
        }
        // Below ourselves as on any node: what the kubelet mounts must reach containers that ask for it.
        output(&mut self.enter(["mount", "--make-rshared", "/"])?)?;
        Ok(())
    }

    /// Ends every process and removes the namespaces; mounts go with the last process that sees them.
    pub(crate) fn remove(&self) -> Result<()> {
        let index = self.layout.index;
        cgroup::remove(index)?;
        let namespace = index.namespace();
        if Path::new("/run/netns").join(&namespace).exists() {
            output(&mut command(["ip", "netns", "delete", &namespace]))?;
        }
        // `ip netns` mounts its directory onto itself and never undoes it; while others use it, it is not empty.
        let handles = Path::new("/run/netns");
        if fs::read_dir(handles).is_ok_and(|mut entries| entries.next().is_none()) {
            succeeds(command(["umount", "--lazy"]).arg(handles));
            fs::remove_dir(handles).ok();
        }
        let link = index.host_link();
        if Path::new("/sys/class/net").join(&link).exists() {
            output(&mut command(["ip", "link", "delete", &link]))?;
        }
        // Removing a directory undoes what is mounted on it in every mount namespace: another cluster's too.
        let mut others = ClusterIndex::all().filter(|other| *other != index);
        if others.any(|other| Self::traces(other).unwrap_or(true)) {
            return Ok(());
        }
        for (_, to) in MOUNTS {
            // Only an empty directory can be removed: what the host itself uses stays.
            fs::remove_dir(to).ok();
        }
        Ok(())
    }

    /// Reports whether anything of a node is there, whole or not.
    pub(crate) fn traces(index: ClusterIndex) -> Result<bool> {
        let namespace = Path::new("/run/netns").join(index.namespace());
        let link = Path::new("/sys/class/net").join(index.host_link());
        Ok(namespace.exists() || link.exists() || cgroup::exists(index)?)
    }

    /// A command inside the node.
    pub(crate) fn enter<S: AsRef<std::ffi::OsStr>>(
        &self,
        words: impl IntoIterator<Item = S>,
    ) -> Result<Command> {
        let holder = self.process(HOLDER)?.filter(Process::alive);
        let holder =
            holder.ok_or_else(|| Error::NotUp { reason: "the node's namespaces are gone".to_owned() })?;
        let mut entered =
            command(["nsenter", &format!("--net=/run/netns/{}", self.layout.index.namespace())]);
        entered.arg(format!("--mount=/proc/{}/ns/mnt", holder.pid)).arg("--");
        entered.args(words);
        Ok(entered)
    }

    /// Starts a component inside the node; its output goes to its log.
    pub(crate) fn start<S: AsRef<std::ffi::OsStr>>(
        &self,
        component: &str,
        words: impl IntoIterator<Item = S>,
    ) -> Result<Process> {
        let command = self.enter(words)?;
        self.spawn(component, command)
    }

    /// A component's process as it was recorded, dead or alive.
    pub(crate) fn process(&self, component: &str) -> Result<Option<Process>> {
        Process::recorded(&self.layout.process(component))
    }

    /// Asks a component to end, and ends it if it does not within `grace`.
    pub(crate) fn stop(&self, component: &str, grace: Duration) -> Result<()> {
        match self.process(component) {
            Ok(Some(process)) => process.stop(grace),
            // A damaged record names nobody; the cgroup still holds the process.
            Ok(None) | Err(Error::Unreadable { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Fails with a component's last words if it has ended.
    pub(crate) fn running(&self, component: &str) -> Result<()> {
        if self.process(component)?.is_some_and(|process| process.alive()) {
            return Ok(());
        }
        let log = self.layout.log(component);
        let tail = tail(&fs::read(&log).unwrap_or_default());
        Err(Error::Ended { component: component.to_owned(), log, tail })
    }

    fn spawn(&self, component: &str, entered: Command) -> Result<Process> {
        let log = self.layout.log(component);
        let output = File::create(&log).at(&log)?;
        let errors = output.try_clone().at(&log)?;
        // setsid and nsenter replace themselves by the component: the pid stays. No terminal's end reaches it.
        let mut session = command(["setsid"]);
        session.arg(entered.get_program()).args(entered.get_args());
        // Nor does the caller's environment: docker-registry takes every `REGISTRY_…` for its configuration.
        session.env_clear().envs(["PATH", "HOME"].into_iter().filter_map(|name| Some((name, var_os(name)?))));
        session.stdin(Stdio::null()).stdout(output).stderr(errors).current_dir(&self.layout.state);
        let child = session.spawn().map_err(|source| unstartable(&session, source))?;
        let started = i32::try_from(child.id()).ok().and_then(Process::of);
        let Some(process) = started else {
            self.running(component)?;
            return Err(Error::NotUp { reason: format!("{component} ended") });
        };
        process.record(&self.layout.process(component))?;
        cgroup::adopt(self.layout.index, &process)?;
        Ok(process)
    }
}

fn create_network(layout: &Layout) -> Result<()> {
    let index = layout.index;
    let (namespace, link, node) = (index.namespace(), index.host_link(), index.node());
    let inside = |words: &[&str]| output(command(["ip", "-n", &namespace]).args(words)).map(drop);
    let outside = |words: &[&str]| output(command(["ip"]).args(words)).map(drop);
    let prefixed = |address: &str| format!("{address}/{LINK_PREFIX}");
    // Fails if it is there: of two that make the same cluster at once, one goes no further.
    outside(&["netns", "add", &namespace])?;
    owner::record_network(layout)?;
    outside(&["link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
    outside(&["address", "add", &prefixed(&index.host()), "dev", &link])?;
    outside(&["link", "set", &link, "up"])?;
    inside(&["address", "add", &prefixed(&node), "dev", "eth0"])?;
    inside(&["link", "set", "eth0", "up"])?;
    inside(&["link", "set", "lo", "up"])?;
    inside(&["link", "add", "out0", "type", "bridge"])?;
    inside(&["link", "set", "out0", "up"])?;
    inside(&["route", "add", "default", "dev", "out0"])?;
    // The host reaches pods and Services; the routes vanish with the link.
    outside(&["route", "add", &index.pods(), "via", &node])?;
    outside(&["route", "add", &index.services(), "via", &node])
}
