//! Paths inside an image.

/// `path` relative to the image's root, resolved by its words alone: no leading slash, no `.`, no `..`, no doubled slashes.
/// A path that climbs above the root stays at the root, as in a chroot.
pub(crate) fn normalise(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// Where a symbolic link at `from` leads, if links on the way are left aside.
pub(crate) fn follow(from: &str, target: &str) -> String {
    if target.starts_with('/') {
        return normalise(target);
    }
    let directory = from.rsplit_once('/').map_or("", |(directory, _)| directory);
    normalise(&format!("{directory}/{target}"))
}

/// `path` with every directory above it, nearest first, the root left out.
pub(crate) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(path.rsplit_once('/').map(|(parent, _)| parent), |path| {
        path.rsplit_once('/').map(|(parent, _)| parent)
    })
}

pub(crate) fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Distributions merged `/bin`, `/sbin` and `/lib` into `/usr`; package databases still speak of either place. One spelling for both.
pub(crate) fn unmerged(path: &str) -> &str {
    match path.strip_prefix("usr/") {
        Some(rest) if ["bin/", "sbin/", "lib/", "lib64/"].iter().any(|d| rest.starts_with(d)) => rest,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_spelling_and_stay_inside() {
        for (path, expected) in [
            ("./usr/bin/", "usr/bin"),
            ("/etc//passwd", "etc/passwd"),
            ("../../etc/shadow", "etc/shadow"),
            ("a/./b/../c", "a/c"),
            ("", ""),
            ("./", ""),
        ] {
            assert_eq!(normalise(path), expected, "{path}");
        }
    }

    #[test]
    fn links_are_followed_from_where_they_are() {
        assert_eq!(follow("etc/os-release", "../usr/lib/os-release"), "usr/lib/os-release");
        assert_eq!(follow("bin/sh", "/bin/busybox"), "bin/busybox");
        assert_eq!(follow("bin/sh", "busybox"), "bin/busybox");
        assert_eq!(follow("sh", "busybox"), "busybox");
    }

    #[test]
    fn ancestors_leave_the_root_out() {
        assert_eq!(ancestors("a/b/c").collect::<Vec<_>>(), ["a/b", "a"]);
        assert_eq!(ancestors("a").count(), 0);
        assert_eq!(unmerged("usr/bin/go"), "bin/go");
        assert_eq!(unmerged("usr/share/x"), "usr/share/x");
    }
}
