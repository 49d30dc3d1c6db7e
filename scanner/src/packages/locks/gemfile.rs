//! Bundler's `Gemfile.lock`.

use super::qualified;
use crate::packages::LanguagePackage;

/// Sections in capitals; under `specs:`, four spaces in, the gems as `NAME (VERSION)`; deeper in what each of them needs.
pub(super) fn parse(text: &str) -> impl Iterator<Item = LanguagePackage> {
    let mut section = "";
    text.lines().filter_map(move |line| {
        if !line.starts_with(' ') {
            section = line.trim();
            return None;
        }
        let spec = line.strip_prefix("    ").filter(|spec| !spec.starts_with(' '))?;
        // PATH holds the project's own gems.
        matches!(section, "GEM" | "GIT" | "PLUGIN SOURCE").then(|| gem(spec))?
    })
}

/// Versions of gems hold no dash; what follows one is the platform.
fn gem(spec: &str) -> Option<LanguagePackage> {
    let (name, version) = spec.split_once(" (")?;
    let version = version.split(')').next()?;
    let (version, platform) = version.split_once('-').unwrap_or((version, ""));
    qualified("RubyGems", name, version, &[("platform", platform)])
}
