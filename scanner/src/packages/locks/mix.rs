//! Elixir's `mix.lock`: a map of tuples, one a line.

use super::package;
use crate::packages::LanguagePackage;

pub(super) fn parse(text: &str) -> impl Iterator<Item = LanguagePackage> {
    text.lines().filter_map(locked)
}

/// `"APPLICATION": {:hex, :PACKAGE, "VERSION", …}`; what comes from a repository has no version.
fn locked(line: &str) -> Option<LanguagePackage> {
    let (_, tuple) = line.split_once("{:hex,")?;
    let mut fields = tuple.split(',').map(|field| field.trim().trim_start_matches(':').trim_matches('"'));
    package("Hex", fields.next()?, fields.next()?)
}
