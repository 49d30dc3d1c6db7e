//! Whose a cluster is. Its state directory is recorded in the network namespace (the alias of its loopback interface) and in the
//! control group (the name of an empty group in it), and checked before anything is re-used or removed.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::address::ClusterIndex;
use crate::command::{command, output};
use crate::error::AtPath;
use crate::layout::write;
use crate::process::Process;
use crate::{Error, Layout, Result, cgroup};

/// What the kernel's part of a cluster records about its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Record {
    /// There is no such namespace or group, or it is empty: what an interrupted start or end has left.
    Nothing,
    /// Processes are in it, and no owner is recorded.
    Unknown,
    /// It belongs to the cluster with this state directory.
    Owner(PathBuf),
}

/// Longest state directory, in bytes: an alias has at most 255, a file name 255 of which escaping takes some.
const LONGEST: usize = 160;
/// What the name of the group that records the owner begins with.
const GROUP: &str = "owner=";
/// The file of a state directory that records the index of its cluster.
const FILE: &str = "cluster-index";

/// Fails if any part of the cluster, or a non-empty state directory, is not this layout's.
///
/// # Errors
/// [`Error::Foreign`] and [`Error::UnknownOwner`] for namespace and control group, [`Error::ForeignState`] for the directory.
pub(crate) fn check(layout: &Layout) -> Result<()> {
    let index = layout.index;
    for (part, record) in [
        (format!("network namespace {}", index.namespace()), of_network(index)?),
        (format!("control group {}", index.control_group()), of_control_group(index)?),
    ] {
        decide(layout, part, record, || holds_node(layout))?;
    }
    check_state(layout)
}

/// A record and the layout, and whether the node's first process is recorded in the layout's state and alive.
fn decide(layout: &Layout, part: String, record: Record, holds_node: impl Fn() -> bool) -> Result<()> {
    match record {
        Record::Nothing => Ok(()),
        Record::Owner(owner) if owner == layout.state => Ok(()),
        Record::Owner(owner) => Err(Error::Foreign { index: layout.index, part, owner }),
        Record::Unknown if holds_node() => Ok(()),
        Record::Unknown => Err(Error::UnknownOwner { part, state: layout.state.clone() }),
    }
}

/// Records the owner in the state directory: before anything else of a cluster is made.
pub(crate) fn record_state(layout: &Layout) -> Result<()> {
    if layout.state.as_os_str().len() > LONGEST {
        return Err(Error::StateTooLong { path: layout.state.clone(), limit: LONGEST });
    }
    write(&layout.state.join(FILE), layout.index.to_string())
}

/// Records the owner in the network namespace.
pub(crate) fn record_network(layout: &Layout) -> Result<()> {
    let namespace = layout.index.namespace();
    let mut alias = command(["ip", "-n", &namespace, "link", "set", "dev", "lo", "alias"]);
    output(alias.arg(&layout.state)).map(drop)
}

/// The name of the group that records the owner, below [`ClusterIndex::control_group`].
pub(crate) fn group(layout: &Layout) -> String {
    let path = layout.state.to_string_lossy().replace('%', "%25").replace('/', "%2F");
    format!("{GROUP}{path}")
}

fn of_network(index: ClusterIndex) -> Result<Record> {
    let namespace = index.namespace();
    if !Path::new("/run/netns").join(&namespace).exists() {
        return Ok(Record::Nothing);
    }
    let shown = output(&mut command(["ip", "-n", &namespace, "-j", "link", "show", "dev", "lo"]))?;
    let alias = alias(&shown);
    if let Some(alias) = alias {
        return Ok(Record::Owner(alias));
    }
    let members = output(&mut command(["ip", "netns", "pids", &namespace]))?;
    Ok(if members.trim().is_empty() { Record::Nothing } else { Record::Unknown })
}

/// The alias in what `ip -j link show` prints of one interface.
fn alias(shown: &str) -> Option<PathBuf> {
    let shown: serde_json::Value = serde_json::from_str(shown).ok()?;
    shown.get(0)?.get("ifalias")?.as_str().map(PathBuf::from)
}

fn of_control_group(index: ClusterIndex) -> Result<Record> {
    let mut is_used = false;
    for root in cgroup::roots(index)?.into_iter().filter(|root| root.exists()) {
        let groups = fs::read_dir(&root).at(&root)?.flatten();
        if let Some(owner) = groups.filter_map(|entry| recorded(&entry.file_name())).next() {
            return Ok(Record::Owner(owner));
        }
        is_used |= cgroup::is_used(&root);
    }
    Ok(if is_used { Record::Unknown } else { Record::Nothing })
}

fn recorded(group: &OsStr) -> Option<PathBuf> {
    let path = group.to_str()?.strip_prefix(GROUP)?;
    Some(path.replace("%2F", "/").replace("%25", "%").into())
}

fn holds_node(layout: &Layout) -> bool {
    Process::recorded(&layout.process(crate::node::HOLDER))
        .is_ok_and(|process| process.is_some_and(|process| process.alive()))
}

/// A state directory is removed as a whole, so it must be one: empty, or of this index.
fn check_state(layout: &Layout) -> Result<()> {
    let path = &layout.state;
    let is_empty = match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(error).at(path),
    };
    let recorded = match fs::read_to_string(path.join(FILE)) {
        Ok(text) => text,
        // Process records are what no other directory has.
        Err(_) if is_empty || layout.process(crate::node::HOLDER).exists() => return Ok(()),
        Err(_) => return Err(Error::ForeignState { path: path.clone(), holds: "other files".to_owned() }),
    };
    if recorded.trim() == layout.index.to_string() {
        return Ok(());
    }
    let holds = format!("the cluster with index {}", recorded.trim());
    Err(Error::ForeignState { path: path.clone(), holds })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(state: &Path, index: &str) -> Layout {
        Layout {
            index: index.parse().unwrap(),
            state: state.to_owned(),
            cache: "/nowhere/cache".into(),
            repository: "/nowhere".into(),
        }
    }

    #[test]
    fn a_foreign_owner_is_named_with_what_to_do() {
        let ours = layout(Path::new("/state/ours"), "1");
        let decide = |record| decide(&ours, "network namespace bw1".to_owned(), record, || false);
        decide(Record::Nothing).unwrap();
        decide(Record::Owner("/state/ours".into())).unwrap();
        let foreign = decide(Record::Owner("/state/theirs".into())).unwrap_err().to_string();
        assert_eq!(
            foreign,
            "network namespace bw1 belongs to the cluster of /state/theirs: to use or remove that one, set \
             BREAKWATER_CLUSTER_DIR=/state/theirs BREAKWATER_CLUSTER_INDEX=1; for another cluster beside it, choose another index"
        );
    }

    #[test]
    fn without_a_record_only_the_one_that_holds_the_node_may_touch_it() {
        let ours = layout(Path::new("/state/ours"), "0");
        decide(&ours, "control group x".to_owned(), Record::Unknown, || true).unwrap();
        let unknown = decide(&ours, "control group x".to_owned(), Record::Unknown, || false).unwrap_err();
        assert!(matches!(unknown, Error::UnknownOwner { .. }), "{unknown}");
    }

    #[test]
    fn the_name_of_a_group_leads_back_to_the_directory() {
        for path in ["/var/lib/breakwater-e2e", "/odd %2F name/%", "/ä/b c"] {
            let group = group(&layout(Path::new(path), "0"));
            assert!(!group.contains('/'), "{group}");
            assert_eq!(recorded(OsStr::new(&group)), Some(path.into()));
        }
        assert_eq!(recorded(OsStr::new("system")), None);
    }

    #[test]
    fn the_alias_is_read_from_json() {
        assert_eq!(alias(r#"[{"ifname": "lo", "ifalias": "/var/lib/a"}]"#), Some("/var/lib/a".into()));
        assert_eq!(alias(r#"[{"ifname": "lo"}]"#), None);
        assert_eq!(alias(""), None);
    }

    #[test]
    fn only_a_state_directory_of_this_index_is_ours() {
        let directory = tempfile::tempdir().unwrap();
        let ours = layout(directory.path(), "1");
        check_state(&ours).unwrap();
        check_state(&layout(&directory.path().join("absent"), "1")).unwrap();
        fs::write(directory.path().join("letters"), "dear").unwrap();
        let foreign = check_state(&ours).unwrap_err();
        assert!(foreign.to_string().contains("holds other files"), "{foreign}");
        record_state(&ours).unwrap();
        check_state(&ours).unwrap();
        let other = check_state(&layout(directory.path(), "2")).unwrap_err();
        assert!(other.to_string().contains("holds the cluster with index 1"), "{other}");
    }

    #[test]
    fn a_path_that_does_not_fit_is_refused() {
        let long = layout(Path::new(&format!("/{}", "x".repeat(LONGEST))), "0");
        assert!(matches!(record_state(&long), Err(Error::StateTooLong { .. })));
    }
}
