//! Gradle's `gradle.lockfile`: `GROUP:ARTIFACT:VERSION=CONFIGURATIONS`, one a line.

use super::package;
use crate::packages::LanguagePackage;

pub(super) fn parse(text: &str) -> impl Iterator<Item = LanguagePackage> {
    text.lines().filter_map(locked)
}

fn locked(line: &str) -> Option<LanguagePackage> {
    let (coordinates, _) = line.trim().split_once('=')?;
    let (name, version) = coordinates.rsplit_once(':')?;
    let is_coordinate =
        name.matches(':').count() == 1 && !name.starts_with(['#', ':']) && !name.ends_with(':');
    is_coordinate.then(|| package("Maven", name, version))?
}
