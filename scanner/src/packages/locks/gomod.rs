//! Go's `go.mod` (Go Modules Reference, "go.mod files").

use breakwater_core::inventory::MAX_PACKAGES;

use super::package;
use crate::packages::LanguagePackage;

/// Path and version.
type Module<'a> = (&'a str, &'a str);

/// The required modules, replaced as stated. The standard library's own file names none: what it holds is `stdlib`.
pub(super) fn parse(text: &str) -> Vec<LanguagePackage> {
    let mut required: Vec<Module<'_>> = Vec::new();
    // What is replaced, in which version or in all; by nothing is by a directory.
    let mut replaced: Vec<(&str, Option<&str>, Option<Module<'_>>)> = Vec::new();
    for (directive, words) in directives(text) {
        match (directive, words.as_slice()) {
            ("module", ["std" | "cmd"]) => return Vec::new(),
            ("require", [path, version]) => required.push((path, version)),
            ("replace", [old, "=>", new @ ..]) => replaced.push((old, None, module(new))),
            ("replace", [old, version, "=>", new @ ..]) => replaced.push((old, Some(version), module(new))),
            _ => {}
        }
    }
    replaced.sort_unstable();
    let built = required.into_iter().filter_map(|(path, version)| {
        let exact = replaced.binary_search_by(|(old, of, _)| (*old, *of).cmp(&(path, Some(version))));
        let any = || replaced.binary_search_by(|(old, of, _)| (*old, *of).cmp(&(path, None)));
        match exact.or_else(|_| any()).ok().and_then(|at| replaced.get(at)) {
            // A directory in place of a module: whose code it is cannot be told.
            Some((.., None)) => None,
            Some((.., Some((path, version)))) => package("Go", path, version),
            None => package("Go", path, version),
        }
    });
    built.take(MAX_PACKAGES + 1).collect()
}

fn module<'a>(words: &[&'a str]) -> Option<Module<'a>> {
    match words {
        [path, version] => Some((path, version)),
        _ => None,
    }
}

/// `DIRECTIVE WORDS`, or a block `DIRECTIVE (`, a line for each.
fn directives(text: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    let mut block = None;
    text.lines().filter_map(move |line| {
        let mut words: Vec<&str> = line
            .split("//")
            .next()?
            .split_whitespace()
            .map(|word| word.trim_matches(['"', '`']))
            .take(8)
            .collect();
        match (block, words.as_slice()) {
            (_, []) => None,
            (Some(_), [")", ..]) => {
                block = None;
                None
            }
            (Some(directive), _) => Some((directive, words)),
            (None, [directive, "("]) => {
                block = Some(*directive);
                None
            }
            (None, _) => Some((words.remove(0), words)),
        }
    })
}
