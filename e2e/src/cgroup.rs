//! One cgroup holds every process of the cluster, components and containers alike; whoever is in it at the end is
//! ours to end, however it came to be there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::AtPath;
use crate::process::Process;
use crate::{ClusterIndex, Error, Layout, Result, clock, owner};

/// Mount points of all hierarchies, version 2 first.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let mounts = Path::new("/proc/mounts");
    let mut found = parse(&fs::read_to_string(mounts).at(mounts)?);
    // Where a runtime has mounted the same hierarchy elsewhere, the first is enough: both show the same directories.
    found.dedup();
    if found.is_empty() {
        return Err(Error::KernelLacks { feature: "cgroup hierarchy", needed_for: "the kubelet" });
    }
    Ok(found)
}

fn parse(mounts: &str) -> Vec<PathBuf> {
    let of_type = |wanted: &'static str| {
        mounts.lines().filter_map(move |line| {
            let mut fields = line.split(' ').skip(1);
            let (path, kind) = (fields.next()?, fields.next()?);
            (kind == wanted && path.starts_with("/sys/fs/cgroup")).then(|| PathBuf::from(path))
        })
    };
    of_type("cgroup2").chain(of_type("cgroup")).collect()
}

/// The cgroup's place in every hierarchy, whether it is there or not.
pub(crate) fn roots(index: ClusterIndex) -> Result<Vec<PathBuf>> {
    let name = index.control_group();
    Ok(hierarchies()?.into_iter().map(|path| path.join(&name)).collect())
}

/// Makes the cgroup in every hierarchy, its owner's record first.
pub(crate) fn create(layout: &Layout) -> Result<()> {
    for root in roots(layout.index)? {
        for path in [root.join(owner::group(layout)), root.join("system")] {
            fs::create_dir_all(&path).at(&path)?;
        }
    }
    Ok(())
}

/// Fails if this machine has no hierarchy in which processes can be found again.
pub(crate) fn require() -> Result<()> {
    plain().map(drop)
}

/// The hierarchy in which components are members. Other version 1 controllers would first have to be configured, and one membership is
/// all that is needed.
fn plain() -> Result<PathBuf> {
    let is_plain = |hierarchy: &PathBuf| {
        hierarchy.join("cgroup.procs").exists()
            && (hierarchy.join("cgroup.controllers").exists() || hierarchy.ends_with("pids"))
    };
    hierarchies()?.into_iter().find(is_plain).ok_or(Error::KernelLacks {
        feature: "cgroup v2 or pids hierarchy",
        needed_for: "finding all processes again",
    })
}

/// Puts a component into it; its children follow.
pub(crate) fn adopt(index: ClusterIndex, process: &Process) -> Result<()> {
    let path = plain()?.join(index.control_group()).join("system/cgroup.procs");
    fs::write(&path, process.pid.to_string()).at(&path)
}

/// Ends every member and removes the cgroup from every hierarchy.
pub(crate) fn remove(index: ClusterIndex) -> Result<()> {
    let roots = roots(index)?;
    clock::wait("end of all processes of the cluster", Duration::from_secs(20), || {
        let members: Vec<Process> =
            roots.iter().flat_map(|root| directories(root)).flat_map(|path| members(&path)).collect();
        members.iter().for_each(|member| member.signal(rustix::process::Signal::KILL));
        members.is_empty()
    })?;
    clock::wait("removal of the cluster's cgroups", Duration::from_secs(10), || {
        for directory in roots.iter().flat_map(|root| directories(root)) {
            fs::remove_dir(directory).ok();
        }
        roots.iter().all(|root| !root.exists())
    })
}

/// The processes of a pod's containers, without the one that holds its namespaces.
pub(crate) fn of_pod(index: ClusterIndex, uid: &str) -> Result<Vec<Process>> {
    let own = format!("pod{uid}");
    let below = directories(&plain()?.join(index.control_group()));
    let pods = below.iter().filter(|path| path.components().any(|part| part.as_os_str() == own.as_str()));
    let pause = |process: &Process| {
        fs::read_to_string(format!("/proc/{}/comm", process.pid)).is_ok_and(|name| name.trim_end() == "pause")
    };
    Ok(pods.flat_map(|path| members(path)).filter(|process| !pause(process)).collect())
}

/// Reports whether anything of it is there.
pub(crate) fn exists(index: ClusterIndex) -> Result<bool> {
    Ok(roots(index)?.iter().any(|root| root.exists()))
}

/// Reports whether a process is in this cgroup or in one below.
pub(crate) fn is_used(root: &Path) -> bool {
    directories(root).iter().any(|path| !members(path).is_empty())
}

/// A directory and all below, the deepest first.
fn directories(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned()];
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        found.extend(entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()));
        next += 1;
    }
    found.reverse();
    found
}

fn members(directory: &Path) -> Vec<Process> {
    let pids = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    pids.lines().filter_map(|pid| Process::of(pid.parse().ok()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_comes_first() {
        let mounts = "cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n\
                      cgroup2 /elsewhere cgroup2 rw 0 0\n";
        let expected = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids"].map(PathBuf::from);
        assert_eq!(parse(mounts), expected);
    }
}
