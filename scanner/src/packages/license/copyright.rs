//! Debian's `usr/share/doc/PACKAGE/copyright`.

use std::collections::BTreeSet;

use super::spdx;
use crate::limits::MAX_LICENSES;

/// The licences a copyright file names, sorted, at most [`MAX_LICENSES`]: the `License` fields of a machine-readable one (DEP-5,
/// "Copyright format 1.0"), otherwise the references to `/usr/share/common-licenses` (Debian Policy 12.5) and what is plain from the
/// wording of the short permissive ones.
#[must_use]
pub fn parse(text: &str) -> Vec<String> {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let found: BTreeSet<String> = if first.starts_with("Format") { fields(text) } else { wording(text) };
    found.into_iter().take(MAX_LICENSES).collect()
}

/// Path and target of the copyright file that a link stands for: packages of one source often link the whole directory.
pub(crate) fn linked(path: &str, target: String) -> (String, String) {
    if path.ends_with("/copyright") {
        (path.to_owned(), target)
    } else {
        (format!("{path}/copyright"), format!("{target}/copyright"))
    }
}

fn fields(text: &str) -> BTreeSet<String> {
    let stated = text.lines().filter_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case("License").then(|| value.trim())
    });
    let distinct: BTreeSet<&str> = stated.collect();
    distinct.into_iter().flat_map(spdx).collect()
}

fn wording(text: &str) -> BTreeSet<String> {
    let or_later = if text.contains("later version") { " or later" } else { "" };
    let referred = text.split("common-licenses/").skip(1).filter_map(|rest| {
        let end =
            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.').unwrap_or(rest.len());
        let name = rest.get(..end)?.trim_end_matches('.');
        let is_gnu = ["GPL", "LGPL", "GFDL"].iter().any(|family| name.starts_with(family));
        (!name.is_empty()).then(|| if is_gnu { format!("{name}{or_later}") } else { name.to_owned() })
    });
    let referred: BTreeSet<String> = referred.collect();
    let mut found: BTreeSet<String> = referred.iter().flat_map(|name| spdx(name)).collect();
    let words = text.split_whitespace().take(20_000).collect::<Vec<_>>().join(" ");
    if words.contains("Permission is hereby granted, free of charge, to any person obtaining a copy") {
        found.insert("MIT".into());
    }
    if words.contains("Redistribution and use in source and binary forms") {
        let id = if words.contains("endorse or promote") { "BSD-3-Clause" } else { "BSD-2-Clause" };
        found.insert(id.into());
    }
    found
}
