//! Names of single licences.

use std::{collections::HashMap, sync::LazyLock};

use super::gnu;

/// Names by `key` that neither SPDX's ids nor its titles give: classifiers of PyPI, Fedora's and Debian's short names, habits.
///
/// Where a name leaves the variant open (`BSD`), the id is the one with more conditions: whoever meets them meets the other's.
const HABITS: &[(&str, &str)] = &[
    ("2 clause bsd", "BSD-2-Clause"),
    ("3 clause bsd", "BSD-3-Clause"),
    ("academic free", "AFL-3.0"),
    ("al 2", "Apache-2.0"),
    ("apache", "Apache-2.0"),
    ("apache 2", "Apache-2.0"),
    ("apache software", "Apache-2.0"),
    ("apache software 2", "Apache-2.0"),
    ("apache software 2.0", "Apache-2.0"),
    ("apache2", "Apache-2.0"),
    ("apache2.0", "Apache-2.0"),
    ("artistic", "Artistic-1.0-Perl"),
    ("artistic 2", "Artistic-2.0"),
    ("asl 1.1", "Apache-1.1"),
    ("asl 2", "Apache-2.0"),
    ("asl 2.0", "Apache-2.0"),
    ("boost", "BSL-1.0"),
    ("boost software", "BSL-1.0"),
    ("bsd", "BSD-3-Clause"),
    ("bsd 2", "BSD-2-Clause"),
    ("bsd 2 clause", "BSD-2-Clause"),
    ("bsd 3", "BSD-3-Clause"),
    ("bsd 3 clause", "BSD-3-Clause"),
    ("bsd 4", "BSD-4-Clause"),
    ("bsd derived", "BSD-3-Clause"),
    ("bsd like", "BSD-3-Clause"),
    ("bsd style", "BSD-3-Clause"),
    ("bsd with advertising", "BSD-4-Clause"),
    ("bsd2", "BSD-2-Clause"),
    ("bsd3", "BSD-3-Clause"),
    ("cc0", "CC0-1.0"),
    ("cc0 1.0 universal cc0 1.0 public domain dedication", "CC0-1.0"),
    ("cddl", "CDDL-1.0"),
    ("eclipse public 1.0", "EPL-1.0"),
    ("eclipse public 2.0", "EPL-2.0"),
    ("eupl 1.2", "EUPL-1.2"),
    ("european union public 1.2", "EUPL-1.2"),
    ("expat", "MIT"),
    ("free bsd", "BSD-2-Clause"),
    ("freebsd", "BSD-2-Clause"),
    ("historical permission notice and disclaimer", "HPND"),
    ("isc iscl", "ISC"),
    ("iscl", "ISC"),
    ("mit expat", "MIT"),
    ("mit mit", "MIT"),
    ("mit style", "MIT"),
    ("mit x11", "MIT"),
    ("mit/expat", "MIT"),
    ("mit/x11", "MIT"),
    ("modified bsd", "BSD-3-Clause"),
    ("mozilla public 1.1", "MPL-1.1"),
    ("mozilla public 2.0", "MPL-2.0"),
    ("mpl 2", "MPL-2.0"),
    ("mpl2", "MPL-2.0"),
    ("new bsd", "BSD-3-Clause"),
    ("openldap", "OLDAP-2.8"),
    ("perl 5", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
    ("psf", "PSF-2.0"),
    ("psf 2", "PSF-2.0"),
    ("public domain dedication cc0", "CC0-1.0"),
    ("python", "PSF-2.0"),
    ("python software foundation", "PSF-2.0"),
    ("revised bsd", "BSD-3-Clause"),
    ("ruby", "Ruby"),
    ("simplified bsd", "BSD-2-Clause"),
    ("tcl", "TCL"),
    ("unicode", "Unicode-3.0"),
    ("unlicense", "Unlicense"),
    ("universal permissive", "UPL-1.0"),
    ("vim", "Vim"),
    ("w3c", "W3C"),
    ("zlib/libpng", "Zlib"),
    ("zope public", "ZPL-2.1"),
    ("zpl 2.1", "ZPL-2.1"),
];

/// Ids by the keys of ids and titles (those that are not deprecated), and of [`HABITS`].
static KNOWN: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let current = || {
        spdx::identifiers::LICENSES.iter().filter(|license| license.flags & spdx::flags::IS_DEPRECATED == 0)
    };
    let titles = current().map(|license| (key(license.full_name), license.name));
    let ids = current().map(|license| (key(license.name), license.name));
    titles.chain(ids).chain(HABITS.iter().map(|(name, id)| ((*name).to_owned(), *id))).collect()
});

/// The SPDX id of one licence's name.
pub(super) fn id(name: &str) -> Option<String> {
    let known = |name: &str| KNOWN.get(&key(name)).map(|id| (*id).to_owned());
    let without_remark = || known(name.split_once(" (")?.0);
    known(name).or_else(|| gnu::id(name)).or_else(without_remark)
}

/// Lower case, words without those that say nothing, `v2` as `2`, `mplv2` as `mpl 2`.
fn key(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric() && !"./+".contains(c)).flat_map(|word| {
        let word = word.trim_end_matches('.');
        match word.rsplit_once('v') {
            Some((name, number)) if number.starts_with(|c: char| c.is_ascii_digit()) => [name, number],
            _ => [word, ""],
        }
    });
    let is_idle = |word: &&str| {
        matches!(*word, "" | "the" | "license" | "licence" | "licensed" | "under" | "version" | "a" | "of")
    };
    words.filter(|word| !is_idle(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{HABITS, KNOWN, key};
    use crate::packages::license::is_spdx;

    #[test]
    fn every_habit_is_a_key_and_leads_to_an_expression() {
        for (name, id) in HABITS {
            assert_eq!(key(name), *name);
            assert!(is_spdx(id), "{id}");
        }
        assert!(KNOWN.len() > 1_000);
    }
}
