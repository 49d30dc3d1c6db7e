use proptest::prelude::*;

use super::{copyright, is_spdx, spdx};

#[test]
fn spellings_become_expressions() {
    for (text, expected) in [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("MIT License", "MIT"),
        ("The MIT License (MIT)", "MIT"),
        ("Apache 2.0", "Apache-2.0"),
        ("Apache-2", "Apache-2.0"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("Apache Software License", "Apache-2.0"),
        ("ASL 2.0", "Apache-2.0"),
        ("BSD", "BSD-3-Clause"),
        ("BSD License", "BSD-3-Clause"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("3-Clause BSD License", "BSD-3-Clause"),
        ("New BSD License", "BSD-3-Clause"),
        ("ISC License (ISCL)", "ISC"),
        ("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
        ("MPLv2.0", "MPL-2.0"),
        ("The Unlicense (Unlicense)", "Unlicense"),
        ("GPL-2+", "GPL-2.0-or-later"),
        ("GPL-2", "GPL-2.0-only"),
        ("GPL-2.0", "GPL-2.0-only"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("GPLv3", "GPL-3.0-only"),
        ("GPL2", "GPL-2.0-only"),
        ("GPL (>= 2)", "GPL-2.0-or-later"),
        ("LGPLv2+", "LGPL-2.0-or-later"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("GPL", "GPL-1.0-or-later"),
        ("GNU General Public License v2 or later (GPLv2+)", "GPL-2.0-or-later"),
        ("GNU Lesser General Public License v3 (LGPLv3)", "LGPL-3.0-only"),
        ("GNU Affero General Public License v3", "AGPL-3.0-only"),
        ("GFDL-1.3", "GFDL-1.3-only"),
        ("MIT/Apache-2.0", "MIT OR Apache-2.0"),
        ("(MIT OR Apache-2.0)", "(MIT OR Apache-2.0)"),
        ("(MIT or GPLv2+) and BSD", "(MIT OR GPL-2.0-or-later) AND BSD-3-Clause"),
        ("GPL-2.0-only AND mit", "GPL-2.0-only AND MIT"),
        ("MIT and BSD", "MIT AND BSD-3-Clause"),
        ("GPL+ or Artistic", "GPL-1.0-or-later OR Artistic-1.0-Perl"),
        ("GPLv2+ with Classpath-exception-2.0", "GPL-2.0-or-later WITH Classpath-exception-2.0"),
        ("BSD with advertising", "BSD-4-Clause"),
        ("Expat", "MIT"),
        ("MIT/X11", "MIT"),
        ("Python-2.0", "Python-2.0"),
        ("zlib", "Zlib"),
        ("LicenseRef-scancode-x", "LicenseRef-scancode-x"),
    ] {
        assert_eq!(spdx(text), [expected], "{text}");
        assert!(is_spdx(expected), "{expected}");
    }
}

#[test]
fn lists_are_several_and_the_unknown_stays_as_it_is() {
    assert_eq!(spdx("MIT, BSD-2-Clause"), ["MIT", "BSD-2-Clause"]);
    assert_eq!(spdx("GPL2 LGPL2.1+ MIT MIT"), ["GPL-2.0-only", "LGPL-2.1-or-later", "MIT"]);
    for unknown in [
        "SEE LICENSE IN LICENSE.txt",
        "public-domain",
        "GPL compatible",
        "MIT AND Acme",
        "Commercial",
        "GPL-9",
    ] {
        assert_eq!(spdx(unknown), [unknown]);
        assert!(!is_spdx(unknown), "{unknown}");
    }
    assert!(spdx(" UNKNOWN ").is_empty() && spdx("").is_empty());
    assert_eq!(spdx("a\x1b[2Jb"), ["a\u{fffd}[2Jb"]);
    assert!(!is_spdx("MIT and ISC") && !is_spdx("GPL-2.0") && !is_spdx("mit"));
}

#[test]
fn machine_readable_copyright_names_licences_by_field() {
    let text = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nCopyright: x\nLicense: GPL-2+ and Expat\n text\n License: not this\n\n\
                Files: a\nLicense: BSD-3-clause\n\nLicense: LGPL-2.1+\n On Debian, see /usr/share/common-licenses/GPL-3\n\nFiles: b\nLicense: Acme-1\n";
    assert_eq!(copyright(text), ["Acme-1", "BSD-3-Clause", "GPL-2.0-or-later AND MIT", "LGPL-2.1-or-later"]);
}

#[test]
fn other_copyright_files_are_known_by_reference_and_wording() {
    let text = "This package was debianized by x.\n  either version 2, or (at your option) any later version.\n\
                see `/usr/share/common-licenses/GPL-2'. Also /usr/share/common-licenses/Apache-2.0.\n";
    assert_eq!(copyright(text), ["Apache-2.0", "GPL-2.0-or-later"]);
    let bsd = "Redistribution and use in source and\nbinary forms, with or without … to endorse or promote products";
    assert_eq!(copyright(bsd), ["BSD-3-Clause"]);
    assert!(copyright("All rights reserved.").is_empty());
}

proptest! {
    #[test]
    fn whatever_is_stated_the_answer_is_bounded_and_stays(text in "(GPL|MIT|BSD|v?[0-9.]{0,4}|[+()/&|, ]|and|or|with|\\PC){0,12}") {
        for license in spdx(&text) {
            prop_assert!(license.chars().count() <= crate::limits::MAX_LICENSE);
            if is_spdx(&license) {
                prop_assert_eq!(spdx(&license), [license]);
            }
        }
        prop_assert!(copyright(&text).len() <= crate::limits::MAX_LICENSES);
    }
}
