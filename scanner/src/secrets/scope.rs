//! Which rules look at which file, by its path.

/// How a file is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    pub(super) depth: Depth,
    pub(super) syntax: Syntax,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Not at all.
    Nothing,
    /// For tokens of a known form and private keys.
    Forms,
    /// Also for secrets that only their name or place tells.
    Everything,
}

/// What an assignment looks like in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// `name = value`, `name: value`, quoted or not; XML elements.
    Settings,
    /// What is not quoted is an expression.
    Code,
    /// `name value` (netrc(5)).
    Netrc,
    /// Speaks about assignments more often than it makes them.
    Prose,
}

/// The same in every image of a distribution, written by its packagers: package databases, manuals, translations, time zones. Documentation
/// shows samples of every token there is.
const DISTRIBUTION: [&str; 16] = [
    "lib/apk/db/",
    "proc/",
    "sys/",
    "usr/lib/apk/db/",
    "usr/share/doc/",
    "usr/share/i18n/",
    "usr/share/icons/",
    "usr/share/info/",
    "usr/share/licenses/",
    "usr/share/locale/",
    "usr/share/man/",
    "usr/share/mime/",
    "usr/share/zoneinfo/",
    "var/cache/debconf/",
    "var/lib/dpkg/",
    "var/lib/rpm/",
];

/// Where package managers put what others wrote: no password of the image's maker is there. Tokens of a known form are looked for all
/// the same: they are pasted into libraries, too.
const INSTALLED: [&str; 7] =
    ["usr/lib/", "usr/lib64/", "usr/share/", "usr/include/", "usr/local/include/", "lib/", "lib64/"];

/// The same for the package managers of languages, wherever they put it.
const LIBRARIES: [&str; 9] = [
    "node_modules",
    "site-packages",
    "dist-packages",
    "gems",
    "bower_components",
    "pkg/mod",
    ".cargo/registry",
    ".m2/repository",
    "lib/python",
];

/// Directories of a library that hold keys and tokens made for its tests and manuals.
const SAMPLES: [&str; 14] = [
    "test",
    "tests",
    "testdata",
    "test-data",
    "testing",
    "__tests__",
    "fixtures",
    "spec",
    "specs",
    "example",
    "examples",
    "doc",
    "docs",
    "certdata",
];

/// Never text, or the same text again in other words.
const OTHER: [&str; 36] = [
    "a", "apk", "avi", "bmp", "bz2", "class", "deb", "eot", "gif", "gz", "ico", "jar", "jpeg", "jpg", "map",
    "mo", "mp3", "mp4", "o", "otf", "pdf", "png", "po", "pyc", "rpm", "so", "svg", "tgz", "ttf", "wasm",
    "webp", "whl", "woff", "woff2", "xz", "zip",
];

const CODE: [&str; 48] = [
    "asp", "bas", "c", "cc", "cjs", "clj", "coffee", "cpp", "cs", "css", "cts", "cxx", "dart", "el", "erl",
    "ex", "exs", "fs", "go", "groovy", "gradle", "h", "hpp", "hs", "java", "jl", "js", "jsp", "jsx", "kt",
    "lua", "m", "mjs", "ml", "mts", "php", "pl", "pm", "ps1", "py", "rb", "rs", "scala", "svelte", "swift",
    "ts", "tsx", "vue",
];

const PROSE: [&str; 9] = ["adoc", "htm", "html", "md", "pod", "rdoc", "rst", "tex", "vim"];

impl Scope {
    /// How the file at `path` (relative to the image's root) is looked at.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
        let is = |list: &[&str]| list.contains(&extension.as_str());
        let syntax = if matches!(name, ".netrc" | "_netrc" | ".authinfo") {
            Syntax::Netrc
        } else if is(&CODE) {
            Syntax::Code
        } else if is(&PROSE) {
            Syntax::Prose
        } else {
            Syntax::Settings
        };
        let depth = if DISTRIBUTION.iter().any(|start| path.starts_with(start)) || is(&OTHER) {
            Depth::Nothing
        } else {
            let installed = || INSTALLED.iter().find_map(|start| directory.strip_prefix(start));
            match within_library(directory).or_else(installed) {
                Some(inside) if inside.split('/').any(|part| SAMPLES.contains(&part)) => Depth::Nothing,
                Some(_) => Depth::Forms,
                None => Depth::Everything,
            }
        };
        Self { depth, syntax }
    }

    /// Of the image configuration.
    #[must_use]
    pub(crate) fn configuration() -> Self {
        Self { depth: Depth::Everything, syntax: Syntax::Settings }
    }
}

/// What of `directory` is inside a library.
fn within_library(directory: &str) -> Option<&str> {
    LIBRARIES.iter().find_map(|library| {
        let at = directory.find(library)?;
        let begins = at == 0 || directory.get(..at).is_some_and(|before| before.ends_with('/'));
        directory.get(at + library.len()..).filter(|_| begins)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_looked_at_for_known_forms_alone() {
        for (path, depth, syntax) in [
            ("app/.env", Depth::Everything, Syntax::Settings),
            ("app/config.py", Depth::Everything, Syntax::Code),
            ("root/.netrc", Depth::Everything, Syntax::Netrc),
            ("app/README.md", Depth::Everything, Syntax::Prose),
            ("etc/ssl/private/server.key", Depth::Everything, Syntax::Settings),
            ("usr/lib/node_modules/npm/index.js", Depth::Forms, Syntax::Code),
            ("app/node_modules/x/lib/index.js", Depth::Forms, Syntax::Code),
            ("app/node_modules/x/test/key.pem", Depth::Nothing, Syntax::Settings),
            ("usr/lib/cloud-sdk/tests/key.pem", Depth::Nothing, Syntax::Settings),
            ("app/test/key.pem", Depth::Everything, Syntax::Settings),
            ("usr/local/lib/python3.12/test/keycert.pem", Depth::Nothing, Syntax::Settings),
            ("usr/share/doc/x/README", Depth::Nothing, Syntax::Settings),
            ("app/logo.PNG", Depth::Nothing, Syntax::Settings),
        ] {
            assert_eq!(Scope::of(path), Scope { depth, syntax }, "{path}");
        }
    }
}
