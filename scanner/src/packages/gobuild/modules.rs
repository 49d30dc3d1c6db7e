//! The list of modules (`debug/buildinfo`), and which of the linked packages are of which module.

use std::collections::HashMap;

use super::ldflags;
use crate::packages::{LanguagePackage, name, purl::purl, version};

/// The standard library, as advisories call it.
const STANDARD_LIBRARY: &str = "stdlib";
/// Go's own programs (`cmd/go`, `cmd/link`), likewise.
const TOOLCHAIN: &str = "toolchain";

struct Module {
    /// What packages are imported by; another than `name` where the module was replaced.
    path: String,
    name: String,
    version: String,
}

impl Module {
    fn named(name: impl Into<String>, version: String) -> Self {
        let name = name.into();
        Self { path: name.clone(), name, version }
    }
}

/// Lines `path PACKAGE` of the main package and `mod|dep MODULE VERSION SUM`, a line `=> MODULE VERSION SUM` replacing the module above it.
/// `linked` are the packages in the program; empty if that is not known.
pub(super) fn packages(go: Option<&str>, modules: &str, linked: &[String]) -> Vec<LanguagePackage> {
    let mut found: Vec<Module> = Vec::new();
    let (mut main, mut has_main_module) = (String::new(), false);
    for line in modules.lines() {
        let mut fields = line.split('\t');
        let (kind, path, stated) = (fields.next(), fields.next(), fields.next().unwrap_or_default());
        let Some(path) = path.map(name).filter(|path| !path.is_empty()) else { continue };
        let is_unreleased = stated == "(devel)";
        let stated = if is_unreleased { String::new() } else { version(stated) };
        has_main_module |= kind == Some("mod");
        match kind {
            Some("path") => main = path,
            // A main module that was built outside a release: what its build was told, or nothing.
            Some("mod") if is_unreleased => {
                let told = ldflags::version_of(&path, modules).map(version);
                found.push(Module::named(path, told.unwrap_or_default()));
            }
            Some("mod" | "dep") => found.push(Module::named(path, stated)),
            Some("=>") => {
                // A directory in place of a module: its name stays, whose code it is cannot be told.
                let is_directory = path.starts_with(['.', '/']);
                if let Some(last) = found.last_mut() {
                    last.version = if is_directory { String::new() } else { stated };
                    last.name = if is_directory { last.path.clone() } else { path };
                }
            }
            _ => {}
        }
    }
    if let Some(go) = go {
        let release = go.split_whitespace().find_map(|word| word.strip_prefix("go")).unwrap_or_default();
        found.push(Module::named(STANDARD_LIBRARY, version(release)));
        if main.starts_with("cmd/") && !has_main_module {
            found.push(Module::named(TOOLCHAIN, version(release)));
        }
    }
    let mut imports = imports(&found, &main, linked);
    found
        .into_iter()
        .map(|Module { path, name, version }| LanguagePackage {
            imports: imports.remove(&path).unwrap_or_default(),
            ..LanguagePackage::new("Go", name.clone(), version.clone(), purl("golang", &name, &version, &[]))
        })
        .collect()
}

/// The linked packages by their module's path, each as it is called in the module that is in the program.
fn imports(modules: &[Module], main: &str, linked: &[String]) -> HashMap<String, Vec<String>> {
    let by_path: HashMap<&str, &Module> =
        modules.iter().map(|module| (module.path.as_str(), module)).collect();
    let mut imports: HashMap<String, Vec<String>> = HashMap::new();
    for package in linked {
        // Functions of the main package are those of `main`, wherever it lies.
        let package = if package == "main" { main } else { package.as_str() };
        let Some(module) = owner(&by_path, package).filter(|_| !package.is_empty()) else { continue };
        let within = package.strip_prefix(module.path.as_str());
        let package = match within {
            Some(within) => format!("{}{within}", module.name),
            None => package.to_owned(),
        };
        imports.entry(module.path.clone()).or_default().push(package);
    }
    imports.values_mut().for_each(|packages| packages.sort_unstable());
    imports
}

/// The module with the longest path that leads to the package; else what belongs to Go, which has no dot in its first element.
fn owner<'m>(modules: &HashMap<&str, &'m Module>, package: &str) -> Option<&'m Module> {
    let parents = std::iter::successors(Some(package), |path| Some(path.rsplit_once('/')?.0));
    let module = parents.filter_map(|path| modules.get(path)).next();
    let first = package.split('/').next().unwrap_or_default();
    let of_go = || match first {
        "cmd" => modules.get(TOOLCHAIN),
        _ if !first.contains('.') => modules.get(STANDARD_LIBRARY),
        _ => None,
    };
    module.or_else(of_go).copied()
}
