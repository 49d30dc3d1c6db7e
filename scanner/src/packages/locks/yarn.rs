//! `yarn.lock`, version 1 (a format of its own) and later ones (YAML of the same layout): a block for each package, indented fields.

use breakwater_core::inventory::MAX_PACKAGES;

use super::{is_released, package};
use crate::packages::LanguagePackage;

/// ```text
/// "@babel/code-frame@^7.0.0", "@babel/code-frame@^7.1.0":      "lodash@npm:^4.17.21":
///   version "7.22.5"                                             version: 4.17.21
///   resolved "https://…"                                         resolution: "lodash@npm:4.17.21"
/// ```
pub(super) fn parse(text: &str) -> Vec<LanguagePackage> {
    let mut packages = Vec::new();
    let mut block = Block::default();
    for line in text.lines() {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        if packages.len() > MAX_PACKAGES {
            break;
        }
        if !line.starts_with(' ') {
            packages.extend(block.package());
            block = Block { patterns: line, ..Block::default() };
        } else if let Some((field, value)) = field(line) {
            match field {
                "version" => block.version = value,
                "resolution" => block.resolution = value,
                _ => {}
            }
        }
    }
    packages.extend(block.package());
    packages
}

/// A field of a block, not of a map within one, without quotes.
fn field(line: &str) -> Option<(&str, &str)> {
    let field = line.strip_prefix("  ").filter(|field| !field.starts_with(' '))?;
    let (key, value) = field.split_once(' ')?;
    Some((key.trim_end_matches(':'), value.trim().trim_matches('"')))
}

#[derive(Default)]
struct Block<'a> {
    patterns: &'a str,
    version: &'a str,
    resolution: &'a str,
}

impl Block<'_> {
    fn package(&self) -> Option<LanguagePackage> {
        let source = if self.resolution.is_empty() {
            self.patterns.trim_start_matches("? ").split(", ").next()?.trim_end_matches(':').trim_matches('"')
        } else {
            self.resolution
        };
        let (name, range) = split(source)?;
        let is_own = ["workspace:", "link:", "portal:"].iter().any(|protocol| range.starts_with(protocol));
        // An alias: `NAME@npm:REAL@RANGE`; later versions write `NAME@npm:RANGE` for every package.
        let real = range.strip_prefix("npm:").and_then(split).map_or(name, |(real, _)| real);
        (!is_own && is_released(self.version)).then(|| package("npm", real, self.version))?
    }
}

/// `NAME@RANGE`, where the name may begin with `@`.
fn split(pattern: &str) -> Option<(&str, &str)> {
    let at = pattern.bytes().skip(1).position(|byte| byte == b'@')? + 1;
    Some((pattern.get(..at)?, pattern.get(at + 1..)?))
}
