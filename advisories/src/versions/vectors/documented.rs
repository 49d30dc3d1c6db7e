//! Orders whose publishers have no vector file: the ascending lists and equalities of their own documentation and specifications.

use std::cmp::Ordering::{Equal, Less};

use super::Figures;
use crate::VersionOrder;

/// Each list ascends; the spellings in one entry, divided by spaces, are equal. Every pair is compared.
fn ascending(name: &str, order: VersionOrder, lists: &[&[&str]]) {
    let (mut figures, mut total) = (Figures::default(), 0);
    for list in lists {
        let spelled: Vec<(usize, &str)> = list
            .iter()
            .enumerate()
            .flat_map(|(rank, entry)| entry.split(' ').map(move |version| (rank, version)))
            .collect();
        for (place, (rank, left)) in spelled.iter().enumerate() {
            for (other, right) in &spelled[place + 1..] {
                let expected = if rank == other { Equal } else { Less };
                figures.compare(order, left, &[expected], right);
                total += 1;
            }
        }
    }
    figures.report(name, total, 0);
}

/// Semantic Versioning 2.0.0 §10 and §11, and the pre-release names of §9.
#[test]
fn semver() {
    ascending(
        "semver",
        VersionOrder::Semver,
        &[
            &["1.9.0", "1.10.0", "1.11.0"],
            &["1.0.0", "2.0.0", "2.1.0", "2.1.1"],
            &[
                "1.0.0-alpha 1.0.0-alpha+001",
                "1.0.0-alpha.1",
                "1.0.0-alpha.beta",
                "1.0.0-beta 1.0.0-beta+exp.sha.5114f85",
                "1.0.0-beta.2",
                "1.0.0-beta.11",
                "1.0.0-rc.1",
                "1.0.0 1.0.0+20130313144700 1.0.0+21AF26D3----117B344092BD",
            ],
            &["1.0.0-0.3.7", "1.0.0-x.7.z.92", "1.0.0-x-y-z.--", "1.0.0"],
        ],
    );
}

/// Go modules reference, "Versions" and "Pseudo-versions"; the standard library's names as `go version` prints them.
#[test]
fn go() {
    ascending(
        "go",
        VersionOrder::Go,
        &[
            &["v0.0.0-20170915032832-14c0d48ead0c", "v0.0.0-20191109021931-daa7c04131f5", "v0.0.0", "v1.2.3"],
            &[
                "v1.2.3-pre",
                "v1.2.3-pre.0.20191109021931-daa7c04131f5",
                "v1.2.3",
                "v1.2.4-0.20191109021931-daa7c04131f5",
                "v1.2.4",
            ],
            &["v1.9.0", "v2.0.0+incompatible v2.0.0 2.0.0", "v4.1.2+incompatible"],
            &["go1.20.14 1.20.14", "go1.21rc2 1.21.0-rc.2", "go1.21.0 1.21.0", "go1.21.3"],
        ],
    );
}

/// PEP 440, "Summary of permitted suffixes and relative ordering", "Local version identifiers", "Normalization", "Version epochs";
/// the first entries are legacy strings, which `packaging` before 22 put below every version.
#[test]
fn pep440() {
    ascending(
        "pep440",
        VersionOrder::Pep440,
        &[
            &[
                "1.dev0",
                "1.0.dev456",
                "1.0a1",
                "1.0a2.dev456",
                "1.0a12.dev456",
                "1.0a12",
                "1.0b1.dev456",
                "1.0b2",
                "1.0b2.post345.dev456",
                "1.0b2.post345",
                "1.0rc1.dev456",
                "1.0rc1",
                "1.0",
                "1.0+abc.5",
                "1.0+abc.7",
                "1.0+5",
                "1.0.post456.dev34",
                "1.0.post456",
                "1.0.15",
                "1.1.dev1",
            ],
            &["2013.10", "2014.04", "1!1.0", "1!1.1", "1!2.0"],
            &[
                "1.1a1 1.1A1 1.1.a1 1.1-a1 1.1_a1 1.1alpha1 1.1.alpha.1",
                "1.1b1 1.1beta1",
                "1.1rc1 1.1c1 1.1pre1 1.1preview1",
                "1.1 v1.1 1.1.0",
            ],
            &["1.2", "1.2.post0 1.2.post", "1.2.post2 1.2-post2 1.2post2 1.2.post-2 1.2-2 1.2r2 1.2rev2"],
            &["1.0+ubuntu.1 1.0+ubuntu-1 1.0+ubuntu_1"],
        ],
    );
    let order = VersionOrder::Pep440;
    for legacy in ["2004d-final-x", "french toast", "1.0dev-r1234-x", "foobar"] {
        assert!(!order.knows(legacy), "{legacy}");
        assert_eq!(order.compare(legacy, "0.dev0"), Less, "{legacy}");
    }
}

/// PHP manual, `version_compare`; Composer's documentation, "Versions and constraints".
#[test]
fn packagist() {
    ascending(
        "packagist",
        VersionOrder::Packagist,
        &[
            &["5.2", "5.10"],
            &[
                "1.0.0-dev",
                "1.0.0-alpha 1.0.0-a",
                "1.0.0-beta 1.0.0-b",
                "1.0.0-RC 1.0.0-rc",
                "1.0.0 v1.0.0 1.0 1.0.0.0 1.0.0-stable",
                "1.0.0-pl1 1.0.0-p1 1.0.0-patch1",
            ],
            &[
                "1.0.0-alpha2",
                "1.0.0-alpha10",
                "1.0.0-beta1 1.0.0-b1 1.0.0beta1",
                "1.0.0-RC5",
                "1.0.0",
                "1.0.1",
            ],
            &["2010.01.02", "2010.12.01"],
        ],
    );
}

/// RubyGems guides, "Patterns" (pre-releases), and the examples in the documentation of `Gem::Version`.
#[test]
fn rubygems() {
    ascending(
        "rubygems",
        VersionOrder::RubyGems,
        &[
            &["1.0.a1", "1.0.a.2 1.0.a2", "1.0.b1", "1.0 1 1.0.0", "1.0.0.1"],
            &["0.9", "1.0.a.2", "1.0.b1", "1.0"],
            &["3.0.0.alpha", "3.0.0.beta.2", "3.0.0.rc1", "3.0.0"],
            &["2.0.0-rc1 2.0.0.pre.rc1", "2.0.0"],
            &["1.9", "1.10"],
        ],
    );
}

/// Elixir's module `Version`: strict Semantic Versioning.
#[test]
fn hex() {
    ascending(
        "hex",
        VersionOrder::Semver,
        &[
            &["2.0.0", "2.0.1-alpha1", "2.0.1"],
            &["1.0.0-2", "1.0.0-10"],
            &["2.0.1-alpha1", "2.0.1 2.0.1+build0"],
            &["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta", "1.0.0-rc.0", "1.0.0"],
        ],
    );
}

/// Package `pub_semver`: the order of pre-releases and of builds, which count.
#[test]
fn dart_pub() {
    ascending(
        "pub",
        VersionOrder::Pub,
        &[&[
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0-rc.1+build.1",
            "1.0.0",
            "1.0.0+0.3.7",
            "1.3.7+build",
            "1.3.7+build.2.b8f12d7",
            "1.3.7+build.11.e0f985a",
            "2.0.0",
            "2.1.0",
            "2.2.0",
            "2.11.0",
            "2.11.1",
        ]],
    );
}

/// Writing R Extensions §1.1.1 ("it is not a decimal number": 0.9 < 0.75, 0.01.0 is 0.1-0), `compareVersion` of R's utils.
#[test]
fn cran() {
    ascending(
        "cran",
        VersionOrder::Cran,
        &[
            &["0.9", "0.75"],
            &["0.01 0.1 0-1", "0.01.0 0.1-0 0.1.0"],
            &["1.2.3", "1.2.4", "1.3.0"],
            &["3.4", "3.4.0", "3.4.1 3.4-1"],
            &["2.9-9", "2.10-1"],
        ],
    );
    for text in ["", "1.", "1..2", "1.0a", "v1"] {
        assert!(!VersionOrder::Cran.knows(text), "{text}");
    }
}

/// Debian policy §5.6.12 and deb-version(7).
#[test]
fn dpkg() {
    ascending(
        "dpkg",
        VersionOrder::Dpkg,
        &[
            &["1.0~~", "1.0~~a", "1.0~", "1.0 1.0-0 0:1.0", "1.0a"],
            &["1.0~beta1~svn1245", "1.0~beta1", "1.0"],
            &["1.2-1~bpo12+1", "1.2-1", "1.2-1+b1", "1.2-1+deb12u1", "1.2-1.1", "1.2-2", "1.2-10"],
            &["9.9", "1:0.1", "2:0"],
            &["1.0", "1.a", "1.+"],
            &["1.2-1ubuntu0.1~esm1", "1.2-1ubuntu0.1", "1.2-1ubuntu1"],
        ],
    );
}
