//! Where the command line keeps the index that it fetches for itself.

use std::ffi::OsString;
use std::path::PathBuf;

/// `advisories.bwdb` in Breakwater's cache directory: `$XDG_CACHE_HOME/breakwater`, or `~/.cache/breakwater` (XDG Base Directory
/// Specification, which has relative paths ignored). Absent where there is no home either.
pub(crate) fn default_index() -> Option<PathBuf> {
    index_below(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"))
}

fn index_below(cache: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let directory = cache.and_then(absolute).or_else(|| Some(home.and_then(absolute)?.join(".cache")))?;
    Some(directory.join("breakwater").join("advisories.bwdb"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::index_below;

    #[test]
    fn the_cache_directory_else_the_home() {
        let index = |cache: Option<&str>, home: Option<&str>| {
            index_below(cache.map(Into::into), home.map(Into::into))
        };
        let at = |path: &str| Some(PathBuf::from(path));
        assert_eq!(index(Some("/c"), Some("/h")), at("/c/breakwater/advisories.bwdb"));
        assert_eq!(index(Some("c"), Some("/h")), at("/h/.cache/breakwater/advisories.bwdb"));
        assert_eq!(index(None, Some("/h")), at("/h/.cache/breakwater/advisories.bwdb"));
        assert_eq!(index(None, None), None);
    }
}
