//! pip's requirements: only what is pinned to one version (`==`, `===`; PEP 440, "Version specifiers"); ranges name no version.

use super::python::pypi;
use crate::packages::LanguagePackage;

pub(super) fn parse(text: &str) -> impl Iterator<Item = LanguagePackage> {
    text.lines().filter_map(pinned)
}

/// `NAME[EXTRAS]==VERSION ; MARKER --hash=… # comment`, the version on the line of the name.
fn pinned(line: &str) -> Option<LanguagePackage> {
    let line = line.split(" #").next()?.split(';').next()?.split(" --").next()?;
    let (name, version) = line.trim().trim_end_matches('\\').split_once("==")?;
    let name = name.split('[').next()?.trim();
    let version = version.trim_start_matches('=').trim();
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let is_exact = !version.contains([',', '*', ' ', '<', '>', '=', '!', '~', '$', '{']);
    (is_name && is_exact).then(|| pypi(name, version))?
}
