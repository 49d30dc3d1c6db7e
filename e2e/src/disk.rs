//! Room on the disk: without it builds break off in odd places, and the kubelet starts no pods and does not say so plainly.

use std::path::Path;

use crate::{Error, Result};

/// Free bytes below which nothing is begun: images, etcd and the product's programs take about half of it.
const NEEDED: u64 = 4 << 30;
/// Free bytes below which the kubelet evicts pods. Well below [`NEEDED`], and the same on disks of all sizes: a hundredth of a large one
/// is more than many machines have left.
pub(crate) const EVICTION: &str = "1Gi";

/// # Errors
/// [`Error::DiskFull`].
pub(crate) fn require(path: &Path) -> Result<()> {
    let there = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(path);
    // A file system that does not say is not held against anybody.
    let Ok(disk) = rustix::fs::statvfs(there) else { return Ok(()) };
    enough(there, disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn enough(path: &Path, free: u64) -> Result<()> {
    if free >= NEEDED {
        return Ok(());
    }
    Err(Error::DiskFull { path: path.to_owned(), free_mib: free >> 20, needed_mib: NEEDED >> 20 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_with_what_is_needed() {
        enough(Path::new("/state"), NEEDED).unwrap();
        let full = enough(Path::new("/state"), 1_500_000).unwrap_err().to_string();
        assert_eq!(
            full,
            "the disk of /state has 1 MiB free, 4096 MiB are needed: remove what is not used, such as old target folders"
        );
        require(Path::new("/proc/does/not/exist")).unwrap_err();
    }
}
